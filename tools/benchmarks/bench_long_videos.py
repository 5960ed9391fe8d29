"""Time per snippet of each part of a step in videos of 200 to 20,000 snippets, and memory of the feature separation.

The model is FS-PTAL with the paper's config and D = 256. The video has an instance for every 50 snippets, and scores
like those of a trained model. Every part should cost the same per snippet, except for the feature separation (the
paper's module D), which compares all pairs of snippets by definition.
"""

import argparse
import dataclasses
from functools import partial

import torch
from mmaction.structures import ActionDataSample
from reference.from_tests import PeakMemory
from reference.step import build_model
from reference.timing import clock_of, median_sec

import fsptal_mm.compat
from fsptal_mm.models import SnippetScores
from fsptal_mm.structures import NO_INSTANCE, PointTargets, SnippetGrid

DIM, CLASSES = 256, 20


def make_video(num_snippets):
    """Features, targets and scores of a video with actions of about 12 snippets."""
    generator = torch.Generator().manual_seed(num_snippets)
    time_of = torch.arange(num_snippets)
    number, phase = time_of // 50, time_of % 50
    instances = torch.full((num_snippets, CLASSES), NO_INSTANCE, dtype=torch.int32)
    points = (phase - 25).abs() <= 1  # extended labels
    instances[points, 3] = number[points].int()
    sample = ActionDataSample(metainfo=dict(video_id='v', num_snippets=num_snippets))
    sample.snippet_instances, sample.background_labels = instances, torch.zeros(num_snippets, dtype=torch.bool)
    sample.gt_video_labels = (instances >= 0).any(0).float()
    features = torch.rand((num_snippets, DIM), generator=generator)
    is_action = ((phase - 25).abs() <= 6)[:, None]
    noise = torch.rand((num_snippets, CLASSES + 1), generator=generator)
    logits = torch.where(is_action, 2.0, -2.0) + noise
    logits[:, :3] -= 4
    logits[:, 4:-1] -= 4
    logits[:, -1:] = torch.where(is_action, -2.0, 2.0) + noise[:, -1:]
    return features, sample, SnippetScores.from_logits(logits[None])


def parts_of(model, features, sample, scores):
    """Make functions that each run one part of a step; trunk and losses run forward and backward.

    Mining, segment search and proposals have no gradients.
    """
    head = model.head
    batch = model.data_preprocessor(dict(inputs=[features], data_samples=[sample]), True)['inputs']
    given = PointTargets.from_samples([sample], batch.mask)
    targets = head.miner(scores.final, scores.background_scores, given)
    segments = head.searcher(scores.final, targets)
    embedded = model.embedding(batch)
    embedded = embedded.with_affinity(embedded.affinity_embedding.detach().requires_grad_())
    parts = dataclasses.astuple(scores)  # None for scores that the head does not give
    live = SnippetScores(*(part if part is None else part.clone().requires_grad_() for part in parts))

    def losses():
        terms = head.loss_by_feat(live, targets) | head.score_loss(live.final, segments)
        sum(terms.values()).backward()

    def separation():
        embedding = head.separation_embedding(embedded)
        terms = head.separation_loss(embedding, given.with_background(targets.background_labels))
        sum(terms.values()).backward()

    def proposals():
        video_scores = torch.full((CLASSES,), 0.1)
        grid, length = SnippetGrid(0.64), len(features)
        return head.proposals(scores.final[0], scores.background_scores[0], video_scores, grid, length * 0.64)

    return {
        'trunk': lambda: model.embedding(batch).features.sum().backward(),
        'mining': partial(head.miner, scores.final, scores.background_scores, given),
        'search': partial(head.searcher, scores.final, targets),
        'losses A-C': losses,
        'proposals': proposals,
        'module D': separation,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--snippets', type=int, nargs='+', default=[200, 2000, 20_000], help='lengths of the video')
    parser.add_argument('--repeats', type=int, default=5, help='runs of each measurement; the median is printed')
    args = parser.parse_args()
    fsptal_mm.compat.apply()
    model, _ = build_model(DIM, CLASSES)
    clock, told_clock = clock_of(torch.get_num_threads())
    table, memory = {}, []  # seconds per snippet, by part; bytes per snippet
    for length in args.snippets:
        parts = parts_of(model, *make_video(length))
        with PeakMemory() as peak:
            parts['module D']()
        memory.append(peak.peak / length)
        for name, function in parts.items():
            once = name == 'module D' and length > 5000  # it takes a quarter of a minute in the longest video
            (seconds,) = median_sec([function], 1 if once else args.repeats, warm=once, clock=clock)
            table.setdefault(name, []).append(seconds / length)
    print(f'threads: {torch.get_num_threads()}, {told_clock}')
    print(f'{"us a snippet, T =":20}' + ''.join(f'{length:>10}' for length in args.snippets) + '  last / first')
    for name, costs in table.items():
        print(f'{name:20}' + ''.join(f'{cost * 1e6:10.2f}' for cost in costs) + f'{costs[-1] / costs[0]:10.2f} x')
    of_step = [costs for name, costs in table.items() if name != 'proposals']
    shares = [cost / sum(costs) for cost, *costs in zip(table['module D'], *of_step)]
    print(f'{"share of module D":20}' + ''.join(f'{share:10.0%}' for share in shares))
    print(f'{"its KB a snippet":20}' + ''.join(f'{number / 1024:10.2f}' for number in memory))


if __name__ == '__main__':
    main()
