"""Compare ``ASMLocRefinedHead`` and ``DynamicSegmentSampler`` with ASM-Loc's public code.

It compares sampling weights, sampled features, labels, functions, gradients, and 20 training steps.

Usage: git clone https://github.com/boheumd/ASM-Loc && python tools/benchmarks/parity/asmloc_refined.py ASM-Loc
"""

import argparse
import json
import os
import tempfile
from copy import copy
from pathlib import Path

import numpy as np
import torch
from asmloc import ARGS, CLASSES, DIM, NAMES, make_samples
from public_code import Report, difference, gradient, load_module, parameter_difference
from torch import nn

from fsptal_mm.models import ASMLocRefinedHead, DynamicSegmentSampler, SnippetEmbedding
from fsptal_mm.structures import SegmentBatch, SnippetBatch

SNIPPET_SEC = 16 / 25
ARGS = copy(ARGS)
vars(ARGS).update(max_segments_num=12, sample_segments_num=0, beta=0.2, delta=0.5, alpha=0.7, gamma=6)
vars(ARGS).update(class_name_lst=[f'class {label}' for label in range(CLASSES)], pred_segment_path=None)
PARTS = {'within': 'MHSA_Intra', 'among': 'MHSA_Inter'}
WITHOUT_EFFECT = ('key.bias', 'out.bias', 'norm.running_mean')
LAYERS = {'query': 'conv_query', 'key': 'conv_key', 'value': 'conv_value', 'out': 'conv_out'}


def public_modules(clone):
    """Load the public network, losses, dataset and functions on proposals, without imports that are not needed."""
    unused = ('import pandas as pd', 'from joblib import Parallel, delayed')
    unused += ('from sklearn.metrics import average_precision_score',)
    load_module(clone / 'net_evaluation.py', [(line, '') for line in unused], 'net_evaluation')
    modules = {'dataset': [('np.int)', 'int)')], 'loss': [], 'config': [], 'model': []}
    modules['main_THUMOS'] = [('from tqdm import tqdm', '')]
    return {name: load_module(clone / f'{name}.py', patches, name) for name, patches in modules.items()}


def draw_proposals(rng, length):
    """Draw segments ``(N, 2)`` in snippets, many of them short, with labels and scores."""
    number = rng.integers(6, 12)
    start = rng.uniform(4, length - 12, number)
    segments = np.stack([start, start + rng.uniform(0.8, 8, number)], 1)
    return segments, rng.integers(0, 3, number), rng.uniform(0.1, 0.9, number)


def compare_sampling(public, report):
    """Compare sampling weights, sampled features, ranges and labels, on files, since the public code reads files."""
    rng, sampler = np.random.default_rng(0), DynamicSegmentSampler(public_rounding=True)
    videos = {f'video_validation_{number}': draw_proposals(rng, length) for number, length in enumerate((64, 30, 110))}
    worst, equal, home = dict(weights=0.0, features=0.0), dict(ranges=True, labels=True), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        train = Path('data/THUMOS14/train')
        train.mkdir(parents=True)
        results, truth, features = {}, {}, {}
        for name, (segments, labels, scores) in videos.items():
            features[name] = rng.normal(size=(int((64, 30, 110)[int(name[-1])]), DIM)).astype(np.float32)
            np.save(train / f'{name}.npy', features[name])
            results[name] = [
                dict(label=ARGS.class_name_lst[label], segment=(segment * SNIPPET_SEC).tolist(), score=score)
                for segment, label, score in zip(segments, labels.tolist(), scores.tolist())
            ]
            truth[name] = dict(annotations=[dict(segment=[0, 1], label=ARGS.class_name_lst[x]) for x in range(3)])
        (train.parent / 'gt.json').write_text(json.dumps(dict(database=truth)))
        (train.parent / 'split_train.txt').write_text('\n'.join(videos))
        args = copy(ARGS)
        vars(args).update(data_dir=str(train.parent), save_dir=folder, gt_dict=truth)
        public['main_THUMOS'].generate_dynamic_segment_weights(args, dict(results=results), step=1)
        dataset = public['dataset'].ASMLocDataset(args, 'train', 'dynamic_random', step=1)
        dataset.get_proposals(dict(results=results))
        for index, (name, found) in enumerate(videos.items()):
            own = features[name]
            batch = SegmentBatch.of_video(*found)
            weights = np.load(f'{folder}/dynamic_segment_weights_pred_step1/{name}.npy')
            ours = sampler.weights(batch.segments.numpy().astype(np.float64), found[1], found[2], len(own))
            worst['weights'] = max(worst['weights'], float(abs(weights - ours).max()))
            view = sampler(batch, len(own), CLASSES)
            dataset.sample_segments_num = view.warp.num_snippets
            _, sampled, _, _, boxes, count, labels, _ = dataset[index]
            positions = SnippetBatch.from_videos([torch.from_numpy(own)]).resample([view.warp.positions])
            worst['features'] = max(worst['features'], difference(positions.split(positions.features)[0], sampled))
            inclusive = sorted((first, last - 1) for first, last in view.ranges.tolist())
            equal['ranges'] &= inclusive == sorted(map(tuple, boxes[:count].tolist()))
            equal['labels'] &= bool(((labels > 0)[:, :CLASSES].numpy() == view.labels).all())
        os.chdir(home)
    report.row('weights of the dynamic sampling', worst['weights'], 1e-5)
    report.row('sampled features', worst['features'], 1e-4)
    for name, same in equal.items():
        report.row(f'{name} of proposals, unequal elements', float(not same), 0)


class _Ours(nn.Module):
    """Trunk and head of a later stage, as ``StagedPointTAL`` holds them."""

    def __init__(self):
        super().__init__()
        self.embedding = SnippetEmbedding(DIM)
        self.head = ASMLocRefinedHead(CLASSES, DIM, dropout=0.0, attention=dict(norm='bn'))


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers."""
    state = theirs.state_dict()
    own = {f'{name}.{part}': state[f'{other}.{part}'] for name, other in NAMES.items() for part in ('weight', 'bias')}
    own['head.uncertainty.weight'] = state['uncertainty_branch.weight']
    for name, other in PARTS.items():
        for layer, conv in LAYERS.items():
            for part in ('weight', 'bias'):
                own[f'head.segment_attention.{name}.{layer}.{part}'] = state[f'{other}.{conv}.{part}']
        for part in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
            own[f'head.segment_attention.{name}.norm.{part}'] = state[f'{other}.bn.{part}']
    # A convolution with a kernel of 1 in the public code is a linear layer in ours.
    return {
        name: value[..., 0] if value.ndim == 3 and 'embedding' not in name else value for name, value in own.items()
    }


def draw_step(generator, length):
    """Draw the segments of a step.

    Returns:
        tuple: Segments ``(B, K, 2)`` in snippets with inclusive ends, padded with zeros; the number of segments of each
        video; whether a snippet lies in a segment, ``(B, T, K)``; and labels of the snippets ``(B, T, C)``.
    """
    num_videos, most = 4, ARGS.max_segments_num
    counts = [5, 0, 12, 1]  # a video without a segment, too
    start = torch.randint(0, length - 12, (num_videos, most), generator=generator)
    boxes = torch.stack([start, start + torch.randint(1, 12, (num_videos, most), generator=generator)], -1)
    boxes[torch.arange(most) >= torch.tensor(counts)[:, None]] = 0
    time = torch.arange(length)[None, :, None]
    members = (time >= boxes[:, None, :, 0]) & (time <= boxes[:, None, :, 1])
    members &= torch.arange(most) < torch.tensor(counts)[:, None, None]
    labels = torch.rand(num_videos, length, CLASSES, generator=generator) < 0.2
    return boxes.int(), counts, members, labels


def losses_of(ours, theirs, criterion, features, step, samples):
    """Compute the losses of a step; return our terms, the public total and terms, and the public network's outputs."""
    boxes, counts, members, labels = step
    video_labels = torch.stack([sample.gt_video_labels for sample in samples])
    batch = ours.embedding(SnippetBatch.from_videos(list(features)))
    found = ours.head.loss_on_segments(batch, video_labels, members, labels)
    outputs = theirs(features, boxes, counts, None, None)
    # The public loss takes labels with background, which sum up to 1 at each snippet.
    shares = torch.cat([labels, ~labels.any(-1, keepdim=True)], -1).float()
    shares = shares / shares.sum(-1, keepdim=True)
    total, terms = criterion(video_labels, *outputs[:6], pseudo_instance_label=shares, uncertainty=outputs[6])
    return found, total, terms, outputs


def compare_network(public, report):
    """Compare each term, gradients, and 20 steps of Adam without dropout, with batch normalisation as in training."""
    torch.manual_seed(0)
    theirs, ours, length = public['model'].ASMLoc(ARGS), _Ours(), 64
    for part in PARTS.values():  # these weights begin with 0, with which the attention would have no effect
        nn.init.normal_(getattr(theirs, part).bn.weight, std=0.1)
    nn.init.normal_(theirs.uncertainty_branch.weight, std=0.1)
    ours.load_state_dict(copy_weights(theirs))
    criterion, generator = public['loss'].ASMLoc_Loss(ARGS), torch.Generator().manual_seed(1)
    features, samples = torch.randn(4, length, DIM, generator=generator).requires_grad_(), make_samples([length] * 4, 3)
    step = draw_step(generator, length)
    found, total, terms, outputs = losses_of(ours, theirs, criterion, features, step, samples)
    report.row('L_segment', difference(found['loss_segment'], torch.tensor(terms['pseudo_instance_loss'])), 1e-5)
    report.row('sum of all terms', difference(sum(found.values()), total), 1e-5)
    copied = [
        theirs.feature_embedding[0].weight,
        theirs.MHSA_Intra.conv_key.weight,
        theirs.MHSA_Inter.conv_value.weight,
    ]
    own = [ours.embedding.conv.weight, ours.head.segment_attention.within.key.weight]
    own.append(ours.head.segment_attention.among.value.weight)
    pairs = zip(gradient(sum(found.values()), features, *own), gradient(total, features, *copied))
    apart = max(difference(mine.flatten(), other.flatten()) for mine, other in pairs)
    report.row('gradients, of features and of weights of both attentions', apart, 1e-5)
    batch = ours.eval().embedding(SnippetBatch.from_videos(list(features)))
    scores = ours.head.scores_on_segments(batch, step[2])
    outputs = theirs.eval()(features, step[0], step[1], None, None)
    report.row('softmax of a^f z, in evaluation', difference(scores.final, outputs[4][..., :CLASSES]), 1e-5)
    report.row('attention, in evaluation', difference(1 - scores.background_scores, outputs[2][..., 0]), 1e-5)
    ours.train(), theirs.train()
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-5) for model in (ours, theirs)]
    apart, features = [], torch.randn(8, length, DIM, generator=generator)
    for number in range(20):
        chosen = [(3 * number + place) % 8 for place in range(4)]
        step = draw_step(generator, length)
        found, total, *_ = losses_of(ours, theirs, criterion, features[chosen], step, samples)
        apart.append(difference(sum(found.values()), total))
        for loss, optimizer in zip((sum(found.values()), total), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    report.row('largest difference of the loss in 20 steps of 4', max(apart), 1e-4)
    # A bias of all keys changes no softmax, and a bias before batch normalisation changes nothing: their gradients are
    # rounding errors, which Adam scales up.
    copied = {name: value for name, value in copy_weights(theirs).items() if not name.endswith(WITHOUT_EFFECT)}
    report.row('parameters after them, relative', parameter_difference(ours, copied), 1e-3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('clone', type=Path, help='folder of the public code')
    public = public_modules(parser.parse_args().clone)
    report = Report()
    compare_sampling(public, report)
    compare_network(public, report)
    report.finish()


if __name__ == '__main__':
    main()
