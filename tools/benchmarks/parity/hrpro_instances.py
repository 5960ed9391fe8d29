"""Compare ``HRProInstanceHead`` with stage 2 of HR-Pro's public code.

It compares completeness, refined segments, loss terms and gradients. The public code averages interpolated features at
a few places of a range, and ours averages the snippets of a range exactly. Both are the same where the edges of all
ranges lie between snippets, so such segments are compared. For other segments, it prints how far the two are apart.

The public code calls torchvision's RoIAlign. A stand-in replaces it, so that torchvision is not needed.

Usage: git clone https://github.com/pipixin321/HR-Pro && python tools/benchmarks/parity/hrpro_instances.py HR-Pro
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from public_code import Report, difference, load_module

from fsptal_mm.models import HRProInstanceHead
from fsptal_mm.structures import SegmentBatch, SnippetBatch

DIM = 32
LENGTHS = (256, 200)
PSEUDO_SEGMENTS = [[16.0, 40.0], [96.0, 112.0], [170.0, 194.0]]  # far enough apart that no proposal overlaps two
NUM_DRAWS = 2000  # the public code draws candidates at random, so its loss is averaged over this number of draws


def roi_align(features, boxes, size):
    """Do what ``torchvision.ops.roi_align`` does with the arguments of the public code.

    Args:
        features (Tensor): ``(1, D, T, 1)``.
        boxes (list[Tensor]): One tensor ``(M, 4)`` of x1, y1, x2, y2; only y1 and y2 matter, where y = t is the middle
            of row t.
        size (list[int]): Number of bins K, and 1.

    Returns:
        Tensor: ``(M, D, K, 1)``. Each bin is the mean over interpolated features at evenly spaced places, of which
        there are as many as its length in rows, rounded up.
    """
    rows, (num_bins, _) = features[0, :, :, 0].t(), size  # (T, D)
    found = []
    for _, start, _, end in boxes[0].tolist():
        length = max(end - start, 1.0)
        count = math.ceil(length / num_bins)
        place = start + (torch.arange(num_bins * count) + 0.5) * length / (num_bins * count)
        inside = ((place >= -1) & (place <= len(rows))).float()[:, None]
        place = place.clamp(0, len(rows) - 1)
        low = place.floor().long()
        share = (place - low)[:, None]
        values = (1 - share) * rows[low] + share * rows[(low + 1).clamp(max=len(rows) - 1)]
        found.append((values * inside).unflatten(0, (num_bins, count)).mean(1).t())
    return torch.stack(found)[..., None]


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers."""
    names = dict(prop_fusion='fusion', prop_completeness='classifier', start_reg_conv='start', end_reg_conv='end')
    own = {}
    for name, value in theirs.bcr.state_dict().items():
        layer, rest = name.split('.', 1)
        own[f'network.{names[layer]}.{rest}'] = value[..., 0] if value.dim() == 3 else value
    return own


def draw_segments(length, count, aligned):
    """Segments ``(count, 2)`` in snippets.

    Features are averaged over twelve ranges of a segment: two before it, eight inside and two behind it. If aligned,
    all edges of these ranges lie between snippets.
    """
    if not aligned:
        start, size = torch.rand(2, count)
        return torch.stack([start * (length - 20), start * (length - 20) + 1 + 19 * size], 1)
    width = torch.randint(1, 4, (count,))  # of a range, in snippets
    start = 2 * width + (torch.rand(count) * (length - 12 * width + 1)).floor()
    return torch.stack([start, start + 8 * width], 1).float()


def run_both(head, theirs, videos, proposals, pseudo):
    """Completeness, refined segments and losses by ours and by the public code, for the same candidates."""
    batch = SnippetBatch.from_videos(videos, gap=1)
    candidates, segments = (
        SegmentBatch.join([SegmentBatch.of_video(one) for one in part]) for part in (proposals, pseudo)
    )

    def sample(_, segments, num_snippets, assign):
        targets = assign(candidates.video, candidates.segments)
        return candidates.video, candidates.segments, targets, torch.ones(len(candidates), dtype=torch.bool)

    head.sampler = sample
    ours = head(batch, candidates.video, candidates.segments)
    losses = head.loss(dict(features=batch), candidates, segments)
    outputs = theirs(videos, proposals, pseudo)
    theirs_found = outputs['iou_pred_orig'][..., 0].flatten(), torch.cat(outputs['prop_refined'])
    return ours, losses, theirs_found, outputs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('clone', type=Path, help="clone of HR-Pro's public code")
    clone = parser.parse_args().clone
    torch.manual_seed(0)
    sys.modules['torchvision'] = SimpleNamespace(ops=SimpleNamespace(roi_align=roi_align))
    module = load_module(clone / 'model_I.py', [], 'hrpro_public_instances')
    theirs = module.I_Model(SimpleNamespace(dropout=0.0, feature_dim=DIM, max_proposal=1000))
    head = HRProInstanceHead(DIM, dropout=0.0)
    head.load_state_dict(copy_weights(theirs), strict=False)  # not the buffer `is_trained`
    videos = [torch.randn(length, DIM) for length in LENGTHS]
    pseudo = [torch.tensor(PSEUDO_SEGMENTS) for _ in LENGTHS]
    report = Report()
    for aligned in (True, False):
        proposals = [draw_segments(length, 60, aligned) for length in LENGTHS]
        with torch.no_grad():
            ours, _, found, _ = run_both(head, theirs, videos, proposals, pseudo)
        kind = 'between snippets' if aligned else 'anywhere'
        for name, own, other in zip(('completeness', 'refined segments'), ours, found):
            report.row(f'{name}, edges of ranges {kind}', difference(own, other), 1e-4 if aligned else 1)
    proposals = [draw_segments(length, 60, aligned=True) for length in LENGTHS]
    _, losses, _, outputs = run_both(head, theirs, videos, proposals, pseudo)
    report.row('loss of boundaries', difference(losses['loss_boundaries'], outputs['reg_loss']), 1e-5)
    draws, predicted = [], outputs['iou_pred_orig'][..., 0].detach()
    for video in range(len(videos)):
        tiou = theirs.bcr.segments_iou(proposals[video], pseudo[video]).amax(1)
        draw = partial(theirs.bcr.iou_loss, predicted[video], outputs['prop_mask'][video].bool(), tiou, 0.3)
        draws.append(torch.stack([draw() for _ in range(NUM_DRAWS)]))
    value = (losses['loss_completeness'] / torch.stack(draws).mean() - 1).abs()
    report.row(f'loss of completeness, relative to the mean of {NUM_DRAWS} draws', value, 1e-2)
    losses['loss_boundaries'].backward()
    outputs['reg_loss'].backward()
    for name in ('start', 'end'):
        own = getattr(head.network, name)[0].weight.grad
        other = getattr(theirs.bcr, f'{name}_reg_conv')[0].weight.grad[..., 0]
        report.row(f'gradient of {name}', difference(own, other), 1e-5)
    report.finish()


if __name__ == '__main__':
    main()
