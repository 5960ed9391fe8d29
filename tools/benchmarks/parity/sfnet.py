"""Compare ``SFNetHead`` with SF-Net's public code: functions, gradients, growth, 20 training steps, and proposals.

Usage: git clone https://github.com/Flowerfan/SF-Net && python tools/benchmarks/parity/sfnet.py SF-Net
"""

from functools import partial

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from proposals import CLASSES, compare_all_proposals, detect, faithful_head, parse_args
from public_code import Report, difference, gradient, load_module, parameter_difference

from fsptal_mm.models import SFNetGrowth, SFNetHead, VideoSoftmaxLoss
from fsptal_mm.models.heads.sfnet_head import actionness_loss, frame_loss, largest_of_batch
from fsptal_mm.structures import PointTargets, SnippetBatch

DIM = 32  # columns of a stream
LENGTHS = (64, 30, 47)
ETA = 7  # mined background snippets for each labelled one
CUDA = "torch.set_default_tensor_type('torch.cuda.FloatTensor')"

# Patches that remove CUDA, and imports for the evaluation, which proposals do not need.
NEEDED = [
    (CUDA, ''),
    ('from classificationMAP import getClassificationMAP as cmAP', ''),
    ('from eval_detection import ANETdetection', ''),
    ('from eval_frame import FrameDetection', ''),
]


def public_modules(clone):
    """Load the public ``model.py`` and ``train.py``, changed for the CPU and two streams of DIM columns."""
    load_module(clone / 'utils.py', [], 'utils')
    model = load_module(
        clone / 'model.py', [(CUDA, ''), ('inputs[:, :, 1024:]', f'inputs[:, :, {DIM}:]'),
                             ('inputs[:, :, :1024]', f'inputs[:, :, :{DIM}]')], 'sfnet_model'
    )  # fmt: skip
    return model, load_module(clone / 'train.py', [(CUDA, '')], 'sfnet_train')


def draw_labels(rng, length):
    """Draw labels ``(T, C)`` bool for about one snippet in twelve; some have two classes."""
    labels = np.zeros((length, CLASSES), bool)
    for snippet in rng.choice(length, max(2, length // 12), replace=False):
        labels[snippet, rng.choice(CLASSES, rng.choice([1, 1, 2]), replace=False)] = True
    return labels


def to_targets(videos, num_snippets):
    """Make the targets of a padded batch from the labels of its videos."""
    labels = torch.zeros(len(videos), num_snippets, CLASSES, dtype=torch.bool)
    for video, own in enumerate(videos):
        labels[video, : len(own)] = torch.from_numpy(own)
    instances = torch.where(labels, torch.arange(num_snippets, dtype=torch.int32)[:, None], -1)
    mask = torch.arange(num_snippets) < torch.tensor([[len(own)] for own in videos])
    return PointTargets(instances, torch.zeros_like(mask), labels.any(1).float(), mask)


def to_public(logits):
    """Move the background class from the last place, as in our logits, to the first, as in the public ones."""
    return torch.cat([logits[..., -1:], logits[..., :-1]], -1)


def compare_losses(public, report, rng):
    """Compare each loss term and its gradient on a batch of three lengths, and the growth of labels."""
    videos = [draw_labels(rng, length) for length in LENGTHS]
    targets = to_targets(videos, max(LENGTHS))
    shares = targets.labels / targets.labels.sum(-1, keepdim=True).clamp(min=1)
    z = torch.randn(3, max(LENGTHS), CLASSES + 1, requires_grad=True)
    a = torch.randn(3, max(LENGTHS), requires_grad=True)
    free, lengths = targets.mask & ~targets.is_action, np.array(LENGTHS)
    ids = [np.flatnonzero(own.any(1)).tolist() for own in videos]
    frames = torch.nn.functional.pad(torch.cat([shares[video][own] for video, own in enumerate(ids)]), (1, 0))
    head = SFNetHead(CLASSES, DIM, background_ratio=ETA)
    count = head._num_background(targets, free)
    mined = largest_of_batch(z[..., -1], free, count)
    last = largest_of_batch(torch.arange(free.numel()).view(free.shape), free, count)
    labels = torch.nn.functional.pad(targets.video_labels, (1, 0))
    pairs = {
        'L_video': (
            VideoSoftmaxLoss(round_up=True)(z, targets.mask, targets.video_labels),
            public.video_loss(to_public(z), lengths, labels, 'cpu'),
            z,
        ),
        'L_frame': (
            frame_loss(z, shares, mined),
            public.frame_loss(to_public(z), ids, lengths, frames, 'cpu', background=True, tm=ETA),
            z,
        ),
        'L_actionness': (
            actionness_loss(a, targets.is_action, last),
            public.act_loss(a[..., None], ids, lengths, 'cpu', tm=ETA),
            a,
        ),
    }
    for name, (ours, theirs, source) in pairs.items():
        report.row(name, difference(ours, theirs), 1e-5)
        report.row(f'{name}, gradient', difference(gradient(ours, source)[0], gradient(theirs, source)[0]), 1e-5)
    num_given = num_grown = num_different = 0
    for seed in range(200):
        own = np.random.default_rng(seed)
        labels = draw_labels(own, 60)
        logits = np.repeat(own.normal(size=(20, CLASSES)), 3, 0) + 0.05 * own.normal(size=(60, CLASSES))
        theirs = public.anchor_expand(logits, [np.flatnonzero(row).tolist() for row in labels], None, 3, 0.95)
        theirs = np.array([[label in row for label in range(CLASSES)] for row in theirs])
        ours = SFNetGrowth()(torch.from_numpy(logits)[None], to_targets([labels], 60)).labels[0].numpy()
        num_given, num_grown = num_given + labels.sum(), num_grown + ours.sum()
        num_different += (ours != theirs).sum()
    told = f'growth, snippets with another label, of 200 videos ({num_given} labels grow to {num_grown})'
    report.row(told, num_different, 0)


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers, with the background class last."""
    state, own = theirs.state_dict(), {}
    order = [*range(1, CLASSES + 1), 0]
    for stream, name in enumerate(('rgb', 'flow')):
        for part in ('weight', 'bias'):
            for layer in (0, 1):
                own[f'streams.{stream}.classes.{2 * layer}.{part}'] = state[f'{name}_cls_layer.{layer}.0.{part}']
                own[f'streams.{stream}.actions.{layer}.{part}'] = state[f'{name}_act_layer.layer.{layer}.0.{part}']
            own[f'streams.{stream}.classifier.{part}'] = state[f'{name}_classifier.{part}'][order]
            own[f'streams.{stream}.actionness.{part}'] = state[f'{name}_action.{part}']
    own['class_weights'] = torch.stack([state['mul_r'][order], state['mul_f'][order]])
    own['actionness_weights'] = torch.cat([state['act_r'], state['act_f']])
    return own


def make_samples(labels):
    """Make data samples from the labels of videos."""
    samples = []
    for number, own in enumerate(labels):
        targets = to_targets([own], len(own))
        sample = ActionDataSample(metainfo=dict(video_id=f'v{number}', num_snippets=len(own)))
        sample.snippet_instances, sample.background_labels = targets.snippet_instances[0], torch.zeros(len(own)).bool()
        sample.gt_video_labels = targets.video_labels[0]
        samples.append(sample)
    return samples


def compare_steps(model_module, public, report, rng):
    """Compare logits and losses in 20 steps of Adam on videos of one length, without dropout.

    After 10 steps, the labels grow, and training begins again with new weights.
    """
    torch.manual_seed(1)
    labels = [draw_labels(rng, 64) for _ in range(8)]
    features = torch.randn(8, 64, 2 * DIM)
    samples = make_samples(labels)
    head = SFNetHead(CLASSES, 2 * DIM, 2, dropout=0.0, background_ratio=ETA, actionness_negatives='last')
    ids = [np.flatnonzero(own.any(1)).tolist() for own in labels]
    for stage in ('with points', 'with grown labels and new weights'):
        theirs = model_module.SFNET(2 * DIM, CLASSES + 1)
        theirs.dropout_r.p = theirs.dropout_f.p = 0.0
        head.load_state_dict(copy_weights(theirs))
        batch = SnippetBatch.from_videos(list(features), gap=1)
        _, z_f, _, z_r, z, a_f, a_r, a = theirs(features)
        worst = max(
            max(difference(to_public(batch.pad(own)), pair), difference(batch.pad(score), other))
            for (own, score), pair, other in zip(head.logits(batch), (z_r, z_f, z), (a_r, a_f, a))
        )
        report.row(f'logits, {stage}', worst, 1e-5)
        optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-4) for model in (head, theirs)]
        history = []
        for step in range(10):
            chosen = [(3 * step + place) % 8 for place in range(4)]
            batch = SnippetBatch.from_videos([features[video] for video in chosen], gap=1)
            losses = [
                sum(head.loss(batch, [samples[video] for video in chosen]).values()),
                public_loss(public, theirs(features[chosen]), [labels[video] for video in chosen],
                            [ids[video] for video in chosen]),
            ]  # fmt: skip
            history.append(difference(*losses))
            for loss, optimizer in zip(losses, optimizers):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        report.row(f'largest difference of the loss in 10 steps {stage}', max(history), 1e-4)
        report.row(
            f'parameters after 10 steps {stage}, relative', parameter_difference(head, copy_weights(theirs)), 1e-3
        )
        if stage == 'with points':
            batch = SnippetBatch.from_videos(list(features), gap=1)
            given, targets, _ = head.mine(batch, samples)
            logits = theirs(features, is_training=False)[4].detach().numpy()[..., 1:]
            labels = [
                np.array([[label in row for label in range(CLASSES)] for row in public.anchor_expand(
                    own, [np.flatnonzero(row).tolist() for row in points], None, 3, 0.95)])
                for own, points in zip(logits, labels)
            ]  # fmt: skip
            wrong = sum((targets.labels[video].numpy() != own).sum() for video, own in enumerate(labels))
            report.row(f'grown labels after 10 steps ({given.labels.sum()} to {targets.labels.sum()})', wrong, 0)
            ids = [np.flatnonzero(own.any(1)).tolist() for own in labels]
            samples = make_samples(labels)


def public_loss(public, outputs, labels, ids):
    """Compute the total loss as the public ``train_SF``, which adds the actionness loss only if it is above 0.1."""
    _, z_f, _, z_r, z, a_f, a_r, a = outputs
    lengths = np.array([len(own) for own in labels])
    video = torch.from_numpy(np.pad(np.stack([own.any(0) for own in labels]), ((0, 0), (1, 0)))).float()
    frames = np.concatenate([own[own.any(1)] / own[own.any(1)].sum(1, keepdims=True) for own in labels])
    frames = torch.from_numpy(np.pad(frames, ((0, 0), (1, 0)))).float()
    total = sum(public.video_loss(own, lengths, video, 'cpu') for own in (z_f, z_r, z))
    total = total + sum(public.frame_loss(own, ids, lengths, frames, 'cpu', True, ETA) for own in (z_f, z_r, z))
    on_actionness = sum(public.act_loss(own, ids, lengths, 'cpu', ETA) for own in (a_f, a_r, a))
    return total + on_actionness if on_actionness > 0.1 else total


def draw_outputs(logits, actionness):
    """Make outputs of a network from the drawn logits of a video (see ``proposals.drawn_videos``).

    The columns are class logits z, background last, and the actionness a before its sigmoid.
    """
    return torch.cat([logits, -actionness[:, None], actionness[:, None] / 4], -1)


def read_outputs(head, batch):
    """Read z and a of a trained head, in the columns of :func:`draw_outputs`."""
    return torch.cat(head.logits(batch)[-1], -1)


def our_proposals(num_classes):
    """Return a function that detects actions in a video with our head and the outputs of the video."""
    head = faithful_head('sfnet', num_classes)
    head.logits = lambda batch: [(batch.features[:, :-1], batch.features[:, -1:])]
    return partial(detect, head)


def public_proposals(clone, num_classes, patches):
    """Return a function that detects actions in a video with the public ``generate_segment`` and ``act_weight=2``."""
    load_module(clone / 'utils.py', [], 'utils')
    public = load_module(clone / 'eval.py', [*NEEDED, *patches], 'sfnet_eval')

    def detections(video):
        outputs = video.outputs.numpy()
        segments, _ = public.generate_segment(outputs[:, :num_classes], outputs[:, -1], act_weight=2)
        labels, start, end, score = np.array(segments).reshape(-1, 4).T
        return video.detections(np.stack([start, end], 1), labels, score)

    return detections


def main():
    args = parse_args(__doc__)
    model_module, public = public_modules(args.clone)
    torch.manual_seed(0)
    report, rng = Report(), np.random.default_rng(0)
    compare_losses(public, report, rng)
    compare_steps(model_module, public, report, rng)
    compare_all_proposals(args, report, draw_outputs, read_outputs, our_proposals, public_proposals, {})
    report.finish()


if __name__ == '__main__':
    main()
