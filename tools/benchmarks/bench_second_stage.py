"""Time the second stage beside stage 1: a training step, inference of a video, and memory of long videos.

Stage 1 is FS-PTAL with the paper's config. The second stage has two networks, one on the features X and one on F, the
output of the trunk. Batches have 16 videos of THUMOS14's real lengths. Both stages are timed in turns in one run. Note
that a training has far fewer steps of the second stage than of stage 1.
"""

import argparse
from functools import partial

import torch
from mmaction.registry import MODELS
from reference.from_tests import HostSyncs, PeakMemory
from reference.second_stage import draw_segments, second_stage_config, start_second_stage
from reference.step import build_model, build_optimizer, train_step
from reference.timing import clock_of, median_sec
from reference.videos import batches_of, pack_videos, read_annotations

import fsptal_mm.compat
from fsptal_mm.structures import SnippetBatch

LONG_SNIPPETS, LONG_CANDIDATES = (2000, 20_000), 5000


def refined_model(dim, annotations, data):
    """Build a model in its second stage and its optimizer, and the same model in stage 1 and its optimizer."""
    num_classes = len(annotations.classes)
    stage1, optimizer = build_model(dim, num_classes)
    model, _ = build_model(dim, num_classes)
    model.refinement = MODELS.build(second_stage_config(dim, num_classes))
    start_second_stage(model, data, num_classes)
    return model, build_optimizer(model.refinement), stage1, optimizer


def compare_steps(dim, annotations, clock, repeats):
    """Print the times of a training step and of inference, in both stages."""
    data = batches_of(pack_videos(annotations, dim, extend=False))[:2]
    model, optimizer, stage1, stage1_optimizer = refined_model(dim, annotations, data)
    steps = partial(train_step, model, optimizer, data[0]), partial(train_step, stage1, stage1_optimizer, data[0])
    for step in steps:
        step()
    ours, theirs = median_sec(steps, repeats, clock=clock)
    with HostSyncs() as syncs:
        sum(model(**model.data_preprocessor(data[0], True), mode='loss').values()).backward()
    print(
        f'D = {dim}: a step of the second stage {ours * 1e3:.0f} ms, of stage 1 {theirs * 1e3:.0f} ms: '
        f'{ours / theirs:.2f} x; the host waits {syncs.count} times'
    )

    def predict(refine):
        model.refine = refine
        with torch.no_grad():
            for batch in data:
                model.test_step(batch)

    model.eval()
    both, alone = median_sec([partial(predict, True), partial(predict, False)], repeats, clock=clock)
    videos = 16 * len(data)
    print(
        f'  inference of a video {both / videos * 1e3:.1f} ms, of stage 1 alone {alone / videos * 1e3:.1f} ms: '
        f'{both / alone:.2f} x'
    )


def count_memory(dim, num_classes):
    """Print the peak memory of a forward pass of the second stage over long videos."""
    head = MODELS.build(second_stage_config(dim, num_classes)).eval()
    generator = torch.Generator().manual_seed(0)
    for num_snippets in LONG_SNIPPETS:
        features = SnippetBatch.from_videos([torch.rand(num_snippets, dim, generator=generator)], gap=1)
        candidates = draw_segments(LONG_CANDIDATES * num_snippets // LONG_SNIPPETS[-1], num_snippets, 1, generator)
        with torch.no_grad(), PeakMemory() as peak:
            head(dict(features=features, embedding=features), candidates.video, candidates.segments)
        print(
            f'D = {dim}, T = {num_snippets}, {len(candidates)} candidates: {peak.peak / 2**20:.0f} MB, '
            f'{peak.peak / num_snippets / 1024:.1f} KB a snippet'
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--dims', type=int, nargs='+', default=[256, 2048], metavar='D', help='dimensions of the features'
    )
    parser.add_argument('--repeats', type=int, default=3, help='runs of each measurement; the median is printed')
    args = parser.parse_args()
    fsptal_mm.compat.apply()
    clock, told_clock = clock_of(torch.get_num_threads())
    annotations, told = read_annotations(32)
    print(f'threads: {torch.get_num_threads()}, {told_clock}; {told}')
    for dim in args.dims:
        compare_steps(dim, annotations, clock, args.repeats)
    for dim in args.dims:
        count_memory(dim, len(annotations.classes))


if __name__ == '__main__':
    main()
