"""Time post-processing (from scores to detections) and its NMS against plain loops and the public code of others.

Everything runs in one thread. The videos have the lengths of THUMOS14's 210 test videos (log-normal, median 252
snippets, mean 338), and scores that give about as many proposals as LACP's public code finds in those videos. The loops
in ``reference/`` follow the paper (Appendix C) and resemble LACP's code; their detections are compared with ours, too.
Ratios are medians of one run, in which both sides take turns. Times are processor time, which other programs on the
machine hardly change. 'Across runs' marks figures of the public code of others, measured once on another two-core
machine.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from reference import proposals as reference
from reference.timing import take_turns

from fsptal_mm.models import ProposalGenerator
from fsptal_mm.models.task_modules import nms
from fsptal_mm.structures import SnippetGrid

NUM_VIDEOS, NUM_CLASSES, IOU = 210, 20, 0.7
GRID = SnippetGrid(0.64)
# Public code of others, measured once on the test videos of THUMOS14.
LACP_VIDEO_SEC = (3.4 + 0.18 + 0.26) / NUM_VIDEOS  # seconds of thresholds and proposals, of upsampling, and of NMS
LACP_COUNTS = 73046 / NUM_VIDEOS, 14187 / NUM_VIDEOS  # proposals of a video before and after NMS
OPENTAD_SEC = {200: 0.00005, 2000: 0.0013, 20000: 0.028}  # NMS of one class, by its number of segments


def draw_video(rng):
    """Draw the scores of a video with one class, sometimes two: smooth curves with some noise.

    Returns:
        tuple: Scores of classes, of background, and of the whole video; grid; and duration in seconds: the arguments of
        :class:`ProposalGenerator`.
    """
    length = int(np.clip(rng.lognormal(np.log(252), 0.77), 4, 2614))
    noise = rng.normal(size=(length + 60, NUM_CLASSES + 1))
    window = np.exp(-0.5 * (np.arange(-30, 31) / 5) ** 2)
    window /= np.sqrt((window**2).sum())
    curves = 2.6 * np.stack([np.convolve(column, window, 'valid') for column in noise.T], 1)
    curves += 0.35 * rng.normal(size=curves.shape)
    labels = rng.choice(NUM_CLASSES, size=1 + (rng.random() < 0.1), replace=False)
    offset = np.full(NUM_CLASSES + 1, -7.0)
    offset[labels] = -1.0
    logits = curves + offset
    logits[:, -1] = 1 - curves[:, labels].max(1) + 0.5 * curves[:, -1]
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    video_scores = np.sort(scores[:, :-1], 0)[-max(1, length // 8) :].mean(0)
    final = scores[:, :-1] * (1 - scores[:, -1:])
    return final, scores[:, -1], video_scores, GRID, length * GRID.snippet_sec


def compare_post_processing(repeats):
    """Print the time of post-processing per video, and in how many videos both sides agree."""
    rng = np.random.default_rng(0)
    videos = [draw_video(rng) for _ in range(NUM_VIDEOS)]
    tensors = [(*map(torch.from_numpy, video[:3]), *video[3:]) for video in videos]
    generator = ProposalGenerator()

    def ours():
        return [generator(*video) for video in tensors]

    def theirs():
        return [reference.localize(generator, *video) for video in videos]

    own_sec, loop_sec = take_turns(ours, theirs, repeats=repeats, clock=time.process_time) / NUM_VIDEOS
    before = [counted(generator, video) for video in tensors]
    print(f'post-processing: {np.mean(before):.0f} proposals a video (LACP {LACP_COUNTS[0]:.0f}),', end=' ')
    print(f'{np.mean([len(found["scores"]) for found in ours()]):.0f} after NMS (LACP {LACP_COUNTS[1]:.0f})')
    ratio, across = np.median(loop_sec / own_sec), LACP_VIDEO_SEC / np.median(own_sec)
    print(
        f'  ours {1e3 * np.median(own_sec):.2f} ms a video, loops {1e3 * np.median(loop_sec):.2f} ms: ratio {ratio:.1f}'
    )
    print(f'  across runs: LACP {1e3 * LACP_VIDEO_SEC:.1f} ms a video, ratio {across:.1f} (target 5)')
    same = sum(agree(video) for video in videos)
    print(f'  {same} of {NUM_VIDEOS} videos with the same segments and scores (within 1e-6) on both sides')


def counted(generator, video):
    """Count the proposals before NMS."""
    counting = ProposalGenerator(nms=dict(type='soft_nms', min_score=-np.inf))
    counting.nms = lambda segments, scores, labels, **kwargs: (np.arange(len(scores)), scores)
    return len(counting(*video)['scores'])


def agree(video):
    """Check whether both sides find the same detections.

    Both sides get curves that are interpolated already, since torch interpolates in single precision: a few values in a
    million would lie on the other side of a threshold.
    """
    scores, background, video_scores, grid, duration_sec = video
    generator, factor = ProposalGenerator(upsampling=1), ProposalGenerator().upsampling
    grid = SnippetGrid(grid.snippet_sec / factor)
    scores = np.stack([reference.upsample(column, factor) for column in scores.T], 1)
    background = reference.upsample(background, factor)
    expected = reference.localize(generator, scores, background, video_scores, grid, duration_sec)
    found = generator(*map(torch.from_numpy, (scores, background, video_scores)), grid, duration_sec)
    rows = [np.column_stack(side) for side in ([part.numpy() for part in found.values()], expected)]
    first, second = (side[np.lexsort((side[:, 0], side[:, 1], side[:, 3]))] for side in rows)
    return len(first) == len(second) and np.allclose(first, second, rtol=0, atol=1e-6)


def draw_segments(rng, count):
    """Draw segments in clusters of 25 on average, and their scores."""
    centre = rng.random(max(1, count // 25)) * count / 3
    length = rng.lognormal(1.2, 0.6, centre.shape)
    chosen = rng.integers(len(centre), size=count)
    ends = centre[chosen, None] + length[chosen, None] * (np.array([-0.5, 0.5]) + rng.normal(0, 0.2, (count, 2)))
    return np.sort(ends, axis=1), rng.random(count)


def compare_nms(num_classes, per_class, repeats):
    """Print the time of NMS in one video with ``per_class`` segments of every class."""
    rng = np.random.default_rng(0)
    parts = [draw_segments(rng, per_class) for _ in range(num_classes)]
    segments, scores = (np.concatenate(part) for part in zip(*parts))
    labels = np.repeat(np.arange(num_classes), per_class)

    def ours():
        return nms(segments, scores, IOU, labels)[0]

    def class_by_class(greedy_nms):
        return [greedy_nms(*part, IOU) for part in parts]

    compiled = reference.compiled_nms()
    loops = [partial(class_by_class, loop) for loop in (reference.greedy_nms, compiled) if loop is not None]
    own_sec, *loop_secs = take_turns(ours, *loops, repeats=repeats, clock=time.process_time)
    own_ms = 1e3 * np.median(own_sec)
    peer_ms = 1e3 * OPENTAD_SEC[per_class] * num_classes
    ratios = [f'{np.median(sec / own_sec):7.1f}' for sec in loop_secs] + ['      -'] * (2 - len(loops))
    same = all(np.array_equal(np.sort(ours()), all_kept(loop(), per_class)) for loop in loops)
    print(f'{num_classes:7}{per_class:10}{own_ms:9.3f} ms{ratios[0]}{ratios[1]:>9}{peer_ms / own_ms:16.1f}   {same}')


def all_kept(kept, per_class):
    """Indices of the kept segments of all classes among all segments, ascending."""
    return np.sort(np.concatenate([part + label * per_class for label, part in enumerate(kept)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=5, help='runs of each measurement; the median is printed')
    args = parser.parse_args()
    torch.set_num_threads(1)
    compare_post_processing(args.repeats)
    print(f'NMS of a video at IoU {IOU}, all classes at once: times of other codes, divided by ours (target 1)')
    print(f'{"classes":>7}{"segments":>10}{"ours":>12}{"loop":>7}{"C loop":>9}{"OpenTAD*":>16}   same')
    for num_classes, per_class in ((1, 200), (5, 200), (20, 200), (1, 2000), (20, 2000), (1, 20000)):
        compare_nms(num_classes, per_class, args.repeats)
    print('* across runs: the sum of one compiled call per class')


if __name__ == '__main__':
    main()
