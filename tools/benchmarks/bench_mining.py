"""Time mining and segment search against plain Python.

Mining is timed on a batch of 16 videos x 5000 snippets x 20 classes, against a loop over snippets, which must find the
same labels. The loop is timed on tensors and on lists. The search is timed on THUMOS14's training videos, with scores
of an FS-PTAL model of D = 256 before and during its first epochs. Its time and the outer-inner contrast of its segments
are compared with those of a beam search of budget 25.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from reference.from_tests import chains
from reference.mining import mine_video, points_of
from reference.step import build_model, train_step
from reference.timing import median_sec
from reference.videos import batches_of, pack_videos, read_annotations

import fsptal_mm.compat
from fsptal_mm.models import PseudoLabelMiner
from fsptal_mm.models.losses import outer_inner_contrast
from fsptal_mm.structures import PointTargets

BATCH, LENGTH, CLASSES = 16, 5000, 20
# Seconds of the loops of LACP's public code, and of the same loops rewritten with lists, on another 2-core machine.
PEERS = {'trained': dict(LACP=0.641, lists=0.277), 'worst': dict(LACP=2.43, lists=0.284)}
LACP_SEARCH = 25 / 200  # seconds of LACP's beam search for a video, on one core
TIMED = 3  # batches of which the search is timed


def draw_scores(kind, generator):
    """Draw scores, background scores and labels.

    ``trained``: background scores are low in actions of about 8 snippets and high elsewhere, as those of a trained
    model. ``worst``: every snippet looks like an action, so that mining has the most to do.
    """
    instances = torch.full((BATCH, LENGTH, CLASSES), -1, dtype=torch.int32)
    times = torch.arange(10, LENGTH, 20)
    instances[:, times, torch.randint(CLASSES, (BATCH, 1), generator=generator)] = torch.arange(len(times)).int()
    scores = torch.rand((BATCH, LENGTH, CLASSES), generator=generator)
    noise = torch.rand((BATCH, LENGTH), generator=generator)
    if kind == 'worst':  # all background scores are low, below both thresholds of mining
        return scores, 0.25 * noise, instances
    near = ((torch.arange(LENGTH) + 4) % 20 - 10).abs() <= 4
    return scores, torch.where(near, 0.4 * noise, 0.6 + 0.4 * noise), instances


def loop(scores, background_scores, given, as_lists):
    """Mine a batch with :func:`mine_video`, on lists or on tensors; return instances and background labels."""
    mined = given.snippet_instances.clone(), torch.zeros_like(given.mask)
    parts = (scores, background_scores, *mined)
    if as_lists:
        parts = mined = [part.tolist() for part in parts]
    for video, instances in zip(zip(*parts), given.snippet_instances):
        mine_video(*video[:2], points_of(instances), *video[2:])
    return [torch.as_tensor(part) for part in mined[-2:]]


def bench_mining(repeats):
    """Print the times of mining, one line for each kind of scores."""
    miner, generator = PseudoLabelMiner(), torch.Generator().manual_seed(0)
    mask = torch.ones(BATCH, LENGTH, dtype=torch.bool)
    for kind, peers in PEERS.items():
        scores, background, instances = draw_scores(kind, generator)
        given = PointTargets(instances, torch.zeros_like(mask), (instances >= 0).any(1).float(), mask)
        by_lists, by_tensors = (partial(loop, scores, background, given, as_lists) for as_lists in (True, False))
        found = miner(scores, background, given)
        for want in (by_lists(), by_tensors()):
            assert torch.equal(found.snippet_instances, want[0].int()), kind
            assert torch.equal(found.background_labels, want[1]), kind
        ours, lists = median_sec([partial(miner, scores, background, given), by_lists], repeats)
        (tensors,) = median_sec([by_tensors], max(1, repeats // 3))
        print(
            f'mining, {kind}: ours {ours:.4f} s, loop over tensors {tensors:.2f} s = {tensors / ours:.0f} x, '
            f'over lists {lists:.3f} s = {lists / ours:.0f} x; the same labels. Across runs: '
            + ', '.join(f'{name} {seconds} s' for name, seconds in peers.items())
        )


def search_inputs(model, data):
    """Compute the arguments of the search for a batch: its final scores, and its given and mined labels."""
    model.eval()
    with torch.no_grad():
        batch = model.embed(model.data_preprocessor(data)['inputs'])
        _, targets, _ = model.head.mine(batch, data['data_samples'])
        scores = model.head.clean_scores(batch).final
    model.train()
    return scores, targets


def bench_search(steps, repeats):
    """Print the times of the search, one line for each number of training steps."""
    annotations, told = read_annotations()
    batches = batches_of(pack_videos(annotations, dim=256))
    print(f'search: {told}; {len(batches)} batches of {BATCH}')
    model, optimizer = build_model(256, len(annotations.classes))
    search = model.head.searcher
    done = 0
    for goal in steps:
        for number in range(done, goal):
            train_step(model, optimizer, batches[number % len(batches)])
        done = goal
        found = [search_inputs(model, data) for data in batches[:TIMED]]
        times = [median_sec([partial(search, *inputs)], repeats)[0] for inputs in found]
        scores, targets = found[0]
        segments = search(scores, targets)
        begin = time.perf_counter()
        beam = [chain.beam() for chain in chains(scores, targets).values()]
        slow = time.perf_counter() - begin
        print(
            f'search after {done:3} steps: ours {np.mean(times):.4f} s a batch, {len(segments.start)} segments in '
            f'batch 0; beam search of budget 25 that scores every candidate from its start {slow / times[0]:.0f} x; '
            f'contrast {outer_inner_contrast(scores, segments).mean() / np.mean(beam):.4f} of that of the beam search. '
            f'Across runs: LACP {LACP_SEARCH * BATCH:.1f} s = {LACP_SEARCH * BATCH / np.mean(times):.0f} x'
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=5, help='runs of each measurement; the median is printed')
    parser.add_argument('--steps', type=int, nargs='+', default=[0, 3, 12, 36], help='training steps before a search')
    args = parser.parse_args()
    fsptal_mm.compat.apply()
    bench_mining(args.repeats)
    bench_search(args.steps, args.repeats)


if __name__ == '__main__':
    main()
