"""Compare ``HRProHead`` with stage 1 of HR-Pro's public code.

It compares functions, gradients, 20 training steps, and proposals.

Usage: git clone https://github.com/pipixin321/HR-Pro && python tools/benchmarks/parity/hrpro.py HR-Pro
"""

import io
import json
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from proposals import (
    CENTRES,
    CLASSES,
    Layer,
    compare_all_proposals,
    detect,
    faithful_head,
    parse_args,
    patches_of,
)
from public_code import Report, difference, load_module, parameter_difference

from fsptal_mm.models import HRProHead
from fsptal_mm.structures import PointTargets, SnippetBatch

DIM = 32
LENGTHS = (64, 30, 47)
ARGS = SimpleNamespace(
    dataset='THUMOS14',
    num_class=CLASSES,
    feature_dim=DIM,
    r_act=8,
    dropout=0.0,
    device='cpu',
    lambdas=[0, 0.5, 1, 1],
    RAB_args=dict(drop_out=0.0, num_heads=8, dim_feedforward=128, layer_num=2),
)

# Patches (file, text, replacement) that remove imports for the evaluation and the progress bar, which proposals do not
# need.
NEEDED = [
    ('test.py', 'from log import log_evaluate', 'def log_evaluate(*_): pass'),
    ('test.py', 'from tqdm import tqdm', 'tqdm = iter'),
]
# Patches of the public code, by the name of a repair. Each repair removes one difference between its proposals and
# ours.
REPAIRS = {
    'scores at the centres of snippets': [('utils.py', *CENTRES)],
    'outer ranges rounded up, runs of point 0 alone kept': [
        ('utils.py', '[-1] + args._lambda * len_proposal', '[-1] + np.ceil(args._lambda * len_proposal)'),
        ('utils.py', 'if temp_list.any():', 'if len(temp_list):'),
    ],
    'lengths without + 1': [
        ('utils.py', 'dets[:, 1] - dets[:, 0] + 1', 'dets[:, 1] - dets[:, 0]'),
        ('utils.py', 'xx2 - xx1 + 1', 'xx2 - xx1'),
    ],
}


def public_modules(clone):
    """Load the public ``model_S.py``, without dropout on attention weights, and ``utils.py``.

    The public ``extract_region_feat`` loses a seed in the last snippet of a video. It is replaced by a function that
    takes the features of all seeds.
    """
    utils = load_module(clone / 'utils.py', [], 'utils')
    utils.extract_region_feat = lambda seq, features: [features[seq > 0]] if seq.any() else []
    return load_module(clone / 'model_S.py', [('dropout=0.1)', 'dropout=0.0)')], 'hrpro_model'), utils


def make_samples(rng, lengths):
    """Make data samples of videos with a point in about one of nine snippets."""
    samples = []
    for number, length in enumerate(lengths):
        instances = torch.full((length, CLASSES), -1, dtype=torch.int32)
        for index, snippet in enumerate(rng.choice(length, length // 9, replace=False)):
            instances[snippet, rng.integers(CLASSES)] = index
        sample = ActionDataSample(metainfo=dict(video_id=f'v{number}', num_snippets=length))
        sample.snippet_instances, sample.background_labels = instances, torch.zeros(length, dtype=torch.bool)
        sample.gt_video_labels = (instances >= 0).any(0).float()
        samples.append(sample)
    return samples


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers.

    In the public network, the weights of query, key and value are one tensor.
    """
    state, own = theirs.state_dict(), {}
    for layer in range(2):
        source, target = f'encoder.RAB.{layer}', f'encoder.layers.{layer}'
        for part in ('weight', 'bias'):
            value = state[f'{source}.self_atten.in_proj_{part}'].chunk(3)
            own |= {f'{target}.{name}.{part}': one for name, one in zip(('query.1', 'key.1', 'value'), value)}
            for name, of in (('query.0', 'conv_query'), ('key.0', 'conv_key')):
                weight = state[f'{source}.{of}.{part}']
                own[f'{target}.{name}.{part}'] = weight[..., 0] if part == 'weight' else weight
            for name, of in (('out', 'self_atten.out_proj'), ('mlp.0', 'linear1'), ('mlp.3', 'linear2'),
                             ('attention_norm', 'norm1'), ('mlp_norm', 'norm2')):  # fmt: skip
                own[f'{target}.{name}.{part}'] = state[f'{source}.{of}.{part}']
    for part in ('weight', 'bias'):
        own[f'encoder.conv.{part}'] = state[f'encoder.feature_embedding.0.{part}']
    own['classifier.weight'] = state['classifier.1.weight'][..., 0]
    own['memory.prototypes'] = state['memory.proto_vectors'][:, 0]
    return own


def public_loss(theirs, features, sample):
    """Compute the public code's loss of one video: the total, and the terms.

    The call also updates the memory of prototypes in the public code.
    """
    labels = (sample.snippet_instances >= 0).float()[None]
    video = sample.gt_video_labels[None]
    return theirs.criterion(ARGS, theirs(features[None], video), video, labels)


def compare_functions(model_module, utils, report, rng):
    """Compare seeds; scores, loss terms, gradients and memory of single videos; and the terms of a batch of them."""
    num_different = num_seeds = 0
    head = HRProHead(CLASSES, DIM)
    for seed in range(200):
        (sample,) = make_samples(np.random.default_rng(seed), [60])
        scores = torch.rand(1, 60, generator=torch.Generator().manual_seed(seed)) ** 0.2
        given = PointTargets.from_samples([sample], torch.ones(1, 60, dtype=torch.bool))
        ours = head.miner(scores[..., None].expand(1, 60, CLASSES), scores, given)
        action, background = utils.select_seed(scores, torch.nn.functional.pad(given.labels.float(), (0, 1)))
        num_different += int((ours.labels != (action[..., :-1] > 0)).sum())
        num_different += int((ours.background_labels != (background > 0)).sum())
        num_seeds += int(ours.labels.sum() + ours.background_labels.sum())
    report.row(f'seeds that differ, of {num_seeds} in 200 videos', num_different, 0)
    theirs = model_module.S_Model(ARGS)
    theirs.memory.proto_vectors.data.normal_()
    head = build_head(theirs)
    features = [torch.randn(length, DIM) for length in LENGTHS]
    samples = make_samples(rng, LENGTHS)
    names = dict(loss_point_action=('loss_frame', 0.5), loss_point_background=('loss_frame_bkg', 1),
                 loss_contrast=('loss_contrastive', 1))  # fmt: skip
    worst, singles = dict.fromkeys(('scores', *names, 'gradients', 'memory'), 0.0), []
    for video, sample in zip(features, samples):
        head.load_state_dict(copy_weights(theirs))
        scores = theirs(video[None])
        batch = SnippetBatch.from_videos([video])
        ours = head.clean_scores(batch)
        cas = torch.cat([ours.final, ours.background_scores[..., None]], -1)
        worst['scores'] = max(worst['scores'], difference(cas, scores['cas_fuse']))
        memory = theirs.memory.proto_vectors.data.clone()
        expected, terms = public_loss(theirs, video, sample)
        found = head.loss(batch, [sample])
        singles.append({name: loss.detach() for name, loss in found.items()})
        for name, (of, factor) in names.items():
            worst[name] = max(worst[name], difference(found[name], factor * terms[of]))
        worst['memory'] = max(worst['memory'], difference(head.memory.prototypes, theirs.memory.proto_vectors[:, 0]))
        theirs.memory.proto_vectors.data = memory
        for model, loss in ((head, sum(found.values())), (theirs, expected)):
            model.zero_grad()
            loss.backward()
        for (name, own), value in gradients(head, theirs):
            error = float((own - value).abs().max() / value.abs().max().clamp(min=1e-6))
            worst['gradients'] = max(worst['gradients'], 0.0 if is_key_bias(name) else error)
    for name, value in worst.items():
        report.row(name, value, 1e-4 if name == 'gradients' else 1e-5)
    head.load_state_dict(copy_weights(theirs))
    found = head.loss(SnippetBatch.from_videos(features), samples)
    value = max(difference(found[name], sum(single[name] for single in singles) / 3) for name in found)
    report.row('terms of a batch of three lengths against means of single videos', value, 1e-5)


def is_key_bias(name):
    """Check whether a parameter is a bias of keys; it changes no attention, so its gradient is a rounding error."""
    return '.key.' in name and name.endswith('bias')


def build_head(theirs):
    """Build our head with the weights of the public network, without dropout."""
    encoder = dict(dropout=0.0, attention_dropout=0.0)
    head = HRProHead(CLASSES, DIM, dropout=0.0, encoder=encoder, tokens='scrambled', memory_update='video')
    head.load_state_dict(copy_weights(theirs))
    return head.train()


def gradients(head, theirs):
    """List the gradients of all parameters as pairs ((name, ours), theirs)."""
    shadow = {name: part.grad for name, part in theirs.named_parameters() if part.grad is not None}
    state = {name: shadow.get(name, torch.zeros_like(part)) for name, part in theirs.state_dict().items()}
    expected = copy_weights(SimpleNamespace(state_dict=lambda: state))
    return [((name, part.grad), expected[name]) for name, part in head.named_parameters()]


def compare_steps(model_module, report, rng, batch_size, limit):
    """Compare losses in 20 steps of Adam, and parameters and memory after them."""
    torch.manual_seed(1)
    samples, features = make_samples(rng, [64] * 8), torch.randn(8, 64, DIM)
    theirs = model_module.S_Model(ARGS).train()
    theirs.memory.proto_vectors.data.normal_()
    head = build_head(theirs)
    optimizers = [
        torch.optim.Adam([part for part in model.parameters() if part.requires_grad], lr=1e-4, weight_decay=5e-4)
        for model in (head, theirs)
    ]
    worst = 0.0
    for step in range(20):
        chosen = [(batch_size * step + place) % 8 for place in range(batch_size)]
        batch = SnippetBatch.from_videos([features[video] for video in chosen])
        found = sum(head.loss(batch, [samples[video] for video in chosen]).values())
        expected = sum(public_loss(theirs, features[video], samples[video])[0] for video in chosen) / batch_size
        worst = max(worst, difference(found, expected))
        for loss, optimizer in zip((found, expected), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    # A bias of keys adds the same to all logits of a query: its gradient is a rounding error, which Adam scales up.
    copied = {name: value for name, value in copy_weights(theirs).items() if not is_key_bias(name)}
    memory = copied.pop('memory.prototypes')
    report.row(f'largest difference of the loss in 20 steps of {batch_size}', worst, limit)
    report.row('parameters after them, relative', parameter_difference(head, copied), max(limit, 1e-3))
    report.row('memory after them', difference(head.memory.prototypes, memory), limit)


def draw_outputs(logits, actionness):
    """Make outputs of a network, which are class logits, background last, from the drawn logits of a video.

    ``proposals.drawn_videos`` draws the logits of the classes and of any action.
    """
    return torch.cat([logits, -actionness[:, None]], -1)


def our_proposals(num_classes):
    """Return a function that detects actions in a video with our head and the outputs of the video."""
    head = faithful_head('hrpro', num_classes)
    head.forward = lambda batch: batch.features
    return partial(detect, head)


def public_proposals(clone, num_classes, patches):
    """Return a function that detects actions in a video with the public code's ``S_test``."""
    patches = [*NEEDED, *patches]
    load_module(clone / 'utils.py', patches_of('utils.py', patches), 'utils')
    test = load_module(clone / 'test.py', patches_of('test.py', patches), 'hrpro_test')
    model = load_module(clone / 'model_S.py', [], 'hrpro_model').S_Model(
        SimpleNamespace(**vars(ARGS) | dict(num_class=num_classes))
    )
    # The network gets the outputs of a video as its features, and hands them on.
    model.encoder, model.classifier = Layer(lambda rows, _: rows.transpose(1, 2)), torch.nn.Identity()
    constants = Config.fromfile(clone / 'cfgs/thumos_hyp.yaml').to_dict()
    levels = {name: eval(constants[name], {'np': np}) for name in ('act_thresh_cas', 'act_thresh_agnostic')}
    constants = SimpleNamespace(**constants | levels)

    def detections(video):
        length, sec = len(video.outputs), video.sample.grid.snippet_sec
        item = dict(data=video.outputs[None], vid_label=torch.zeros(1, num_classes), vid_name=['v'],
                    vid_len=torch.tensor([length]), vid_duration=torch.tensor([length * sec]))  # fmt: skip
        with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            args = SimpleNamespace(**vars(constants) | dict(
                device='cpu', mode='infer', dataset='', seed=0, output_path_s1=folder, num_class=num_classes,
                frames_per_sec=16 / sec, class_name_lst=range(num_classes)))  # fmt: skip
            test.S_test(model, args, [item], None, 0, None)
            found = json.loads((Path(folder) / 'snippet_result_test.json').read_text())['results']['v']
        segments = np.array([one['segment'] for one in found]) / sec
        return video.detections(segments, *([one[key] for one in found] for key in ('label', 'score')))

    return detections


def main():
    args = parse_args(__doc__)
    model_module, utils = public_modules(args.clone)
    torch.manual_seed(0)
    report, rng = Report(), np.random.default_rng(0)
    compare_functions(model_module, utils, report, rng)
    compare_steps(model_module, report, rng, 1, 1e-4)
    compare_steps(model_module, report, rng, 4, 1e-4)
    compare_all_proposals(
        args, report, draw_outputs, lambda head, batch: head(batch), our_proposals, public_proposals, REPAIRS
    )
    report.finish()


if __name__ == '__main__':
    main()
