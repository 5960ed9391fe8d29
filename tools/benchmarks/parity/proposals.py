"""Comparison of the proposals that our head and a public code, repaired step by step, make from the same scores."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.registry import DATASETS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from public_code import Report
from torch import Tensor, nn

from fsptal_mm.apis.model_loading import find_config, load_local_checkpoint
from fsptal_mm.engine.timeline_samples import item_with_ground_truth
from fsptal_mm.evaluation.functional import PRESETS, evaluate_detections
from fsptal_mm.evaluation.samples import collect_detections
from fsptal_mm.structures import Instances, SnippetBatch, SnippetGrid

CONFIGS = Path(__file__).parents[3] / 'configs/_base_/models'
CLASSES = 5  # number of classes of the random videos
SNIPPET_SEC = 0.64
SAME_SCORE = 1e-5  # largest relative difference between the scores that both sides give to the same detection
DRAWN = 'drawn videos'

# Patch (text and replacement) of several public codes. With it, they interpolate scores as ours does: the score of a
# snippet stands at its centre.
CENTRES = (
    'np.arange(0, arr.shape[0], 1 / scale)',
    '((np.arange(arr.shape[0] * scale) + 0.5) / scale - 0.5).clip(0, arr.shape[0] - 1)',
)


@dataclass(frozen=True)
class Video:
    """A video, its ground truth, and the outputs of a network for it.

    Attributes:
        outputs: ``(T, K)``. The columns depend on the method, whose ``draw_outputs`` and ``read_outputs`` make them.
        sample: Id, length, grid and duration of the video. It ends with its last snippet, as in the public codes.
        truth: Ground-truth segments.
    """

    outputs: Tensor
    sample: ActionDataSample
    truth: Instances

    @classmethod
    def of(cls, number: int, outputs: Tensor, grid: SnippetGrid, truth: Instances) -> 'Video':
        """Make a video from its number, which becomes its id."""
        end = float(grid.to_sec(len(outputs)))
        meta = dict(video_id=f'v{number}', num_snippets=len(outputs), grid=grid, duration_sec=end)
        return cls(outputs, ActionDataSample(metainfo=meta), truth)

    def detections(self, snippets: Sequence, labels: Sequence, scores: Sequence) -> Instances:
        """Make detections of this video, in seconds, from ``(N, 2)`` segments in snippets."""
        segments = self.sample.grid.to_sec(np.asarray(snippets, dtype=np.float64).reshape(-1, 2))
        return Instances.of_video(segments, np.asarray(labels, np.int64), np.asarray(scores, np.float64))


class Layer(nn.Module):
    """Layer that calls a function. It replaces layers of a network, so that the network gives the outputs we want."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the function."""
        return self.function(*inputs)


def patches_of(file: str, patches: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Select the patches of one file from triples (file, text, replacement)."""
    return [patch for name, *patch in patches if name == file]


def parse_args(doc: str) -> argparse.Namespace:
    """Parse the command line of a comparison; ``doc`` is the docstring of its file."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument('clone', type=Path, help='folder of the public code')
    parser.add_argument(
        '--trained',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='compare proposals also on scores of a trained model of the method, on its test videos; repeatable',
    )
    return parser.parse_args()


def faithful_head(name: str, num_classes: int, **kwargs: Any) -> nn.Module:
    """Build a head with the proposals of ``*-faithful_*``. Its network is small, since the caller replaces it."""
    config = find_config(CONFIGS / f'{name}_faithful.py').model.head
    return MODELS.build(config | dict(num_classes=num_classes, in_channels=8) | kwargs).eval()


def detect(head: nn.Module, video: Video) -> Instances:
    """Detect actions with a head whose network was replaced, so that the head takes the outputs of the video."""
    (sample,) = head.predict(SnippetBatch.from_videos([video.outputs]), [video.sample.clone()])
    return collect_detections(sample)


def drawn_videos(draw_outputs: Callable[[Tensor, Tensor], Tensor], count: int = 20) -> list[Video]:
    """Draw videos of 60 to 239 snippets with actions of one or two classes, and noisy scores, higher in the actions.

    Args:
        draw_outputs: Function from class logits ``(T, CLASSES)`` and the logit of any action ``(T,)`` to outputs.
        count: Number of videos.
    """
    videos, rng = [], np.random.default_rng(0)
    for number in range(count):
        length, classes = rng.integers(60, 240), rng.choice(CLASSES, rng.integers(1, 3), replace=False)
        noise = rng.normal(size=(length + 2, CLASSES + 1))
        logits = noise[:-2] + noise[1:-1] + noise[2:] - 2
        segments, labels, start = [], [], rng.integers(15)
        while start < length:
            stop = min(start + rng.integers(2, 25), length)
            segments.append((start, stop))
            labels.append(rng.choice(classes))
            logits[start:stop, [labels[-1], -1]] += rng.uniform(1, 5)
            start = stop + rng.integers(3, 25)
        grid = SnippetGrid(SNIPPET_SEC)
        truth = Instances.of_video(grid.to_sec(segments), labels)
        logits = torch.from_numpy(logits).float()
        videos.append(Video.of(number, draw_outputs(logits[:, :-1], logits[:, -1]), grid, truth))
    return videos


@torch.no_grad()
def trained_videos(config: str, checkpoint: str, read: Callable[[nn.Module, SnippetBatch], Tensor]) -> list[Video]:
    """Read the test videos of a config, with the outputs of its trained model.

    Args:
        config: Config file of an experiment.
        checkpoint: Checkpoint of this experiment.
        read: Function from the model's head and embedded features to rows ``(R, K)`` of outputs.
    """
    config, videos = find_config(config), []
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
        model = MODELS.build(config.model)
    load_local_checkpoint(model, checkpoint, dataset)
    model.eval()
    for number in range(len(dataset)):
        data = pseudo_collate([item_with_ground_truth(dataset, number)])
        (sample,), batch = data['data_samples'], model.embed(model.data_preprocessor(data)['inputs'])
        truth = Instances.of_video(sample.gt_segments_sec, sample.gt_segment_labels)
        videos.append(Video.of(number, batch.pad(read(model.head, batch))[0], sample.grid, truth))
    return videos


def compare_all_proposals(
    args: argparse.Namespace,
    report: Report,
    draw_outputs: Callable[[Tensor, Tensor], Tensor],
    read: Callable[[nn.Module, SnippetBatch], Tensor],
    ours: Callable[[int], Callable[[Video], Instances]],
    public: Callable[[Path, int, list], Callable[[Video], Instances]],
    repairs: dict[str, list],
) -> None:
    """Compare proposals on random videos, and on the test videos of each ``--trained`` model.

    On random videos, the public code with all repairs must give our detections. On test videos, a few detections may
    differ: if two of them have equal scores, rounding decides which one NMS keeps.

    Args:
        args: Result of :func:`parse_args`.
        report, repairs: See :func:`compare_proposals`.
        draw_outputs: See :func:`drawn_videos`.
        read: See :func:`trained_videos`.
        ours: Takes the number of classes, and returns a function from a video to our detections.
        public: Takes the clone, the number of classes and patches, and returns a function from a video to the
            detections of the public code.
    """
    sets = [(DRAWN, CLASSES, drawn_videos(draw_outputs))]
    for config, checkpoint in args.trained:
        num_classes = find_config(config).model.head.num_classes
        sets.append((Path(config).stem, num_classes, trained_videos(config, checkpoint, read)))
    for name, num_classes, videos in sets:
        theirs = partial(public, args.clone, num_classes)
        compare_proposals(report, name, num_classes, videos, ours(num_classes), theirs, repairs, name == DRAWN)


def compare_proposals(
    report: Report,
    name: str,
    num_classes: int,
    videos: list[Video],
    ours: Callable[[Video], Instances],
    public: Callable[[list], Callable[[Video], Instances]],
    repairs: dict[str, list],
    exact: bool,
) -> None:
    """Print a table of detections and mAP: of ours, of the public code, and of the public code after each repair.

    A repair stays in the rows below it. Each row of the public code also has the number of detections that only one
    side has, and the largest difference between the scores of the detections that both sides have.

    Args:
        report: Its ``failed`` is set if the comparison fails.
        name: Name of this set of videos.
        num_classes: Number of classes.
        videos: The videos.
        ours: Function from a video to our detections.
        public: Takes patches, and returns a function from a video to the detections of the public code.
        repairs: From the name of a repair to its patches.
        exact: Whether the comparison fails if the last row, with all repairs, differs from ours.
    """
    truth = Instances.join(video.truth for video in videos)
    found = Instances.join(map(ours, videos))
    columns = 'detections | not in both | largest score difference | mAP@0.1-0.7'
    print(f'\n| proposals from the same scores, {name} | {columns} |')
    print('|---|---:|---:|---:|---:|')

    def percent(det):
        return 100 * evaluate_detections(truth, det, num_classes, PRESETS['thumos14'], None).measures['mAP@0.1-0.7']

    print(f'| ours | {len(found)} | | | {percent(found):.2f} |')
    patches = []
    for step in ('public code', *repairs):
        patches = patches + repairs.get(step, [])
        theirs = Instances.join(map(public(patches), videos))
        unmatched, apart = _differences(found, theirs)
        cells = len(theirs), unmatched, f'{apart:.0e}', f'{percent(theirs):.2f}'
        print(f'| {"and " * (step in repairs)}{step} | ' + ' | '.join(map(str, cells)) + ' |')
    if exact and (unmatched or not apart <= SAME_SCORE):  # NaN fails, too
        report.failed = True
        print(f'({name}: FAILED: with all repairs, the public code should give our detections)')


def _differences(found, expected):
    """Return the number of detections that only one side has, and the largest difference of the other scores."""
    scores = defaultdict(lambda: ([], []))  # of both sides, by video, class and segment
    for side, det in enumerate((found, expected)):
        for video, label, segment, score in zip(det.videos, det.labels, det.segments.round(6), det.scores):
            scores[(video, label, *segment)][side].append(score)
    unmatched = sum(abs(len(own) - len(others)) for own, others in scores.values())
    pairs = [pair for own, others in scores.values() for pair in zip(sorted(own)[::-1], sorted(others)[::-1])]
    return unmatched, max((abs(own - other) / max(1, abs(other)) for own, other in pairs), default=0.0)
