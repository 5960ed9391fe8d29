"""Compare ``ASMLocHead`` with the base model of ASM-Loc's public code.

It compares functions, gradients, 20 training steps, and proposals.

Usage: git clone https://github.com/boheumd/ASM-Loc && python tools/benchmarks/parity/asmloc.py ASM-Loc
"""

import io
import json
from collections import defaultdict
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
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
from public_code import Report, difference, gradient, load_module, parameter_difference

from fsptal_mm.structures import SnippetBatch

DIM = 64
LENGTHS = (64, 30, 47)
ARGS = SimpleNamespace(
    dataset='THUMOS',
    feature_dim=DIM,
    action_cls_num=CLASSES,
    dropout=0.0,
    fg_topk_seg=8,
    bg_topk_seg=3,
    lamb_fg=1.0,
    lamb_bg=0.5,
    lamb_abg=0.5,
)
# Layers with the same weights: from our name to the public one.
NAMES = {
    'embedding.conv': 'feature_embedding.0',
    'head.attention': 'att_branch',
    'head.classifier': 'snippet_cls',
}
# Added to the NMS threshold of both sides, which is 9/20. Many pairs of segments have exactly this IoU, so without the
# slack, rounding would decide which segments NMS removes.
SLACK = 1e-6

# Patches (file, text, replacement) that remove imports for datasets, evaluation and the progress bar, which proposals
# do not need.
NEEDED = [
    ('main_THUMOS.py', 'from tqdm import tqdm', 'tqdm = iter'),
    ('main_THUMOS.py', 'from config import build_args', ''),
    ('main_THUMOS.py', 'from dataset import build_dataset, my_collate_fn', ''),
    ('main_THUMOS.py', 'from model import ASMLoc_Base, ASMLoc', ''),
    ('main_THUMOS.py', 'from loss import ASMLoc_Base_Loss, ASMLoc_Loss', ''),
    ('main_THUMOS.py', 'from net_evaluation import ANETDetection', 'from net_evaluation import nms'),
    ('net_evaluation.py', 'import pandas as pd', ''),
    ('net_evaluation.py', 'from joblib import Parallel, delayed', ''),
    ('net_evaluation.py', 'from sklearn.metrics import average_precision_score', ''),
]
# Patches of the public code, by the name of a repair. Each repair removes one difference between its proposals and
# ours.
REPAIRS = {
    'scores at the centres of snippets': [('net_evaluation.py', *CENTRES)],
    'outer ranges rounded up': [
        ('net_evaluation.py', '[0] - lamb * len_proposal', '[0] + -len_proposal // round(1 / lamb)'),
        ('net_evaluation.py', '[-1] + lamb * len_proposal', '[-1] - -len_proposal // round(1 / lamb)'),
    ],
    'lengths without + 1': [
        ('net_evaluation.py', 'areas = x2 - x1 + 1', 'areas = x2 - x1'),
        ('net_evaluation.py', 'xx2 - xx1 + 1', 'xx2 - xx1'),
    ],
}


def build_models(public):
    """Build our model and the public one, with the same weights."""
    torch.manual_seed(0)
    theirs = public.ASMLoc_Base(ARGS)
    head = dict(type='ASMLocHead', num_classes=CLASSES, in_channels=DIM, dropout=0.0)
    ours = MODELS.build(dict(type='PointTAL', embedding=dict(type='SnippetEmbedding', in_channels=DIM), head=head))
    ours.load_state_dict(copy_weights(theirs))
    return ours.train(), theirs.train()


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers."""
    state = theirs.state_dict()
    own = {f'{name}.{part}': state[f'{other}.{part}'] for name, other in NAMES.items() for part in ('weight', 'bias')}
    own['head.attention.weight'] = own['head.attention.weight'][..., 0]  # theirs is a convolution with a kernel of 1
    return own


def make_samples(lengths, seed):
    """Make data samples with video labels of one class and of two, in turn."""
    generator, samples = torch.Generator().manual_seed(seed), []
    for number, length in enumerate(lengths):
        sample = ActionDataSample(metainfo=dict(video_id=f'v{number}', num_snippets=length))
        sample.gt_video_labels = torch.zeros(CLASSES)
        sample.gt_video_labels[torch.randperm(CLASSES, generator=generator)[: 1 + number % 2]] = 1
        samples.append(sample)
    return samples


def public_loss(criterion, outputs, samples):
    """Compute the public code's loss: the total, and the weighted terms."""
    total, terms = criterion(torch.stack([sample.gt_video_labels for sample in samples]), *outputs[:6])
    weights = (('fg', ARGS.lamb_fg), ('bg', ARGS.lamb_bg), ('abg', ARGS.lamb_abg))
    return total, [torch.tensor(weight * terms[f'{name}_loss']) for name, weight in weights]


def compare_functions(models, criterion, report):
    """Compare outputs, loss terms and gradients: ours on a batch of three lengths, the public ones video by video."""
    ours, theirs = models
    generator = torch.Generator().manual_seed(1)
    videos = [torch.randn(length, DIM, generator=generator).requires_grad_() for length in LENGTHS]
    samples = make_samples(LENGTHS, 2)
    batch = ours.embed(SnippetBatch.from_videos(videos))
    z, attention = ours.head.outputs(batch)
    losses, scores = ours.head.loss(batch, samples), ours.head.clean_scores(batch)
    worst, terms, totals = dict.fromkeys(('z', 'attention', 'a^f z', 'p^f'), 0.0), [], []
    for video, (features, sample) in enumerate(zip(videos, samples)):
        outputs = theirs(features[None])
        total, own_terms = public_loss(criterion, outputs, [sample])
        terms.append(own_terms)
        totals.append(total)
        length = len(features)
        pairs = {
            'z': (z[video, :length].softmax(-1), outputs[3][0]),
            'attention': (attention[video, :length], outputs[2][0]),
            'a^f z': (scores.final[video, :length], outputs[4][0, :, :CLASSES]),
            'p^f': (scores.videos[video], outputs[0][0, :CLASSES]),
        }
        worst |= {name: max(worst[name], difference(*pair)) for name, pair in pairs.items()}
    for name, value in worst.items():
        report.row(f'{name}, softmax of it' if 'z' in name else name, value, 1e-5)
    for name, *theirs_of_videos in zip(losses, *terms):
        report.row(name.replace('loss_', 'L_'), difference(losses[name], sum(theirs_of_videos) / len(videos)), 1e-5)
    weights = [dict(model.named_parameters()) for model in models]
    pairs = [(weights[0][f'{name}.{part}'], weights[1][f'{other}.{part}'])
             for name, other in NAMES.items() for part in ('weight', 'bias')]  # fmt: skip
    found = gradient(sum(losses.values()), *videos, *(own for own, _ in pairs))
    expected = gradient(sum(totals) / len(videos), *videos, *(other for _, other in pairs))
    apart = [difference(own.flatten(), other.flatten()) for own, other in zip(found, expected)]
    report.row('gradients of the total, of features', max(apart[: len(videos)]), 1e-5)
    report.row('gradients of the total, of weights', max(apart[len(videos) :]), 1e-5)


def compare_steps(models, criterion, report):
    """Compare losses in 20 steps of Adam without dropout, and the parameters after them."""
    ours, theirs = models
    length = LENGTHS[0]
    features, samples = torch.randn(8, length, DIM), make_samples([length] * 8, 5)
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-5) for model in models]
    worst = 0.0
    for step in range(20):
        chosen = [(3 * step + place) % 8 for place in range(4)]
        own = [samples[video] for video in chosen]
        found = sum(ours(SnippetBatch.from_videos(list(features[chosen])), own, mode='loss').values())
        expected, _ = public_loss(criterion, theirs(features[chosen]), own)
        worst = max(worst, difference(found, expected))
        for loss, optimizer in zip((found, expected), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    report.row('largest difference of the loss in 20 steps of 4', worst, 1e-4)
    report.row('parameters after them, relative', parameter_difference(ours, copy_weights(theirs)), 1e-3)


def draw_outputs(logits, actionness):
    """Make outputs of a network from the drawn logits of a video (see ``proposals.drawn_videos``).

    The columns are class logits, background last, and the attention logits of foreground and background.
    """
    actionness = actionness[:, None]
    return torch.cat([logits, -actionness, actionness, torch.zeros_like(actionness)], -1)


def read_outputs(head, batch):
    """Read the outputs of a trained head, in the columns of :func:`draw_outputs`."""
    return torch.cat([head(batch), head.attention(batch.features)], -1)


def our_proposals(num_classes):
    """Return a function that detects actions in a video with our head and the outputs of the video."""
    head = faithful_head('asmloc', num_classes)
    head.forward, head.attention = (lambda batch: batch.features[:, :-2]), Layer(lambda rows: rows[:, -2:])
    head.proposals.nms_args['iou_threshold'] += SLACK
    return partial(detect, head)


def public_proposals(clone, num_classes, patches):
    """Return a function that detects actions in a video with the public code's ``test``."""
    patches = [*NEEDED, *patches]
    load_module(clone / 'net_evaluation.py', patches_of('net_evaluation.py', patches), 'net_evaluation')
    main_module = load_module(clone / 'main_THUMOS.py', patches_of('main_THUMOS.py', patches), 'asmloc_main')
    main_module.ANETDetection = lambda **_: SimpleNamespace(evaluate=lambda: 0.0)
    model = load_module(clone / 'model.py', [], 'asmloc_model').ASMLoc_Base(
        SimpleNamespace(**vars(ARGS) | dict(action_cls_num=num_classes))
    )
    # The network gets the outputs of a video as its features, and its layers only select columns of them.
    model.feature_embedding = torch.nn.Identity()
    model.att_branch, model.snippet_cls = Layer(lambda rows: rows[:, -2:]), Layer(lambda rows: rows[..., :-2])
    constants = load_module(clone / 'config.py', [], 'asmloc_config')._DATASET_HYPER_PARAMS['THUMOS']
    none = torch.zeros(1)

    def detections(video):
        length, sec = len(video.outputs), video.sample.grid.snippet_sec
        item = ['v'], video.outputs[None], torch.zeros(1, num_classes), [length], none, none, none, [None]
        with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            args = SimpleNamespace(**constants | dict(
                device='cpu', save_dir=folder, test=False, dataset='', test_gt_file_path='',
                class_name_lst=range(num_classes),
                action_cls_num=num_classes, frames_per_sec=constants['segment_frames_num'] / sec,
                nms_thresh=constants['nms_thresh'] + SLACK))  # fmt: skip
            main_module.test(args, model, [item], lambda *_, **__: (torch.zeros(()), defaultdict(float)))
            (file,) = Path(folder).iterdir()
            found = json.loads(file.read_text())['results']['v']
        segments = torch.tensor([one['segment'] for one in found], dtype=torch.float64) / sec
        return video.detections(segments, *([one[key] for one in found] for key in ('label', 'score')))

    return detections


def main():
    args = parse_args(__doc__)
    public = load_module(args.clone / 'model.py', [], 'asmloc_model')
    criterion = load_module(args.clone / 'loss.py', [], 'asmloc_loss').ASMLoc_Base_Loss(ARGS)
    report = Report()
    models = build_models(public)
    compare_functions(models, criterion, report)
    compare_steps(models, criterion, report)
    compare_all_proposals(args, report, draw_outputs, read_outputs, our_proposals, public_proposals, REPAIRS)
    report.finish()


if __name__ == '__main__':
    main()
