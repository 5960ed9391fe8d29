"""Training videos of THUMOS14's lengths in memory, with its annotations if these files exist, else generated ones."""

import os
from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate

from fsptal_mm.datasets.annotations.records import Annotations, load_annotations
from fsptal_mm.datasets.synthetic.features import SyntheticParams, make_features
from fsptal_mm.datasets.synthetic.generator import draw_annotations
from fsptal_mm.datasets.transforms import ExtendPointLabels, PackPointTALInputs, PointsToSnippets
from fsptal_mm.structures import SnippetGrid

_SNIPPET_SEC = 16 / 25
_EXTENSION = dict(label_weight=2.5, neighbour_weight=1.67)  # tau_1 and tau_2 (Table 3)


def read_annotations(count=200):
    """Read or generate annotations of training videos.

    If ``thumos14/`` below ``FSPTAL_DATA_ROOT`` exists, they are those of THUMOS14's training split. Otherwise the
    generator of the ``synthetic`` dataset makes them; their lengths follow the same log-normal distribution, but no
    video has more than 600 snippets.

    Returns:
        tuple[Annotations, str]: At most ``count`` videos, and a line that names their source.
    """
    folder = Path(os.environ.get('FSPTAL_DATA_ROOT', 'data'), 'thumos14')
    if folder.is_dir():
        annotations = load_annotations(
            folder / 'gt_full.json',
            split_file=folder / 'split_train.txt',
            point_file=folder / 'point_gaussian/point_labels.csv',
            fps_file=folder / 'fps_dict.json',
        )
        told = f'{len(annotations.videos)} training videos of THUMOS14, real annotations'
    else:
        annotations = draw_annotations(SyntheticParams(train_videos=count))
        told = 'drawn videos (log-normal lengths, median 235 snippets, spread 0.85, at most 600): no real ones found'
    train = [video_id for video_id, record in annotations.videos.items() if record.subset != 'test']
    order = np.random.default_rng(0).permutation(train)
    videos = {str(video_id): annotations.videos[video_id] for video_id in order[:count]}
    return Annotations(annotations.classes, videos), told


def pack_videos(annotations, dim, extend=True):
    """Make samples of all videos, with generated features ``(T, D)``; ``extend`` switches the label extension on."""
    params = SyntheticParams(snippet_sec=_SNIPPET_SEC, dim=dim)
    steps = [ExtendPointLabels(**_EXTENSION)] if extend else []
    return [_pack(annotations, video_id, features, steps) for video_id, features in make_features(annotations, params)]


def label_videos(annotations, stage):
    """Make samples of all videos, with features ``(T, 1)`` of zeros; ``stage`` is that of ``ExtendPointLabels``."""
    samples = []
    for video_id, record in annotations.videos.items():
        length = max(1, round(record.duration_sec / _SNIPPET_SEC))
        features = np.zeros((length, 1), dtype=np.float32)
        samples.append(_pack(annotations, video_id, features, [ExtendPointLabels(**_EXTENSION, stage=stage)]))
    return samples


def _pack(annotations, video_id, features, steps):
    record = annotations.videos[video_id]
    results = dict(
        vars(record),
        features=features,
        grid=SnippetGrid(_SNIPPET_SEC),
        num_classes=len(annotations.classes),
        video_labels=record.video_labels,
        gt_segments_sec=record.segments_sec,
        gt_segment_labels=record.segment_labels,
    )
    for step in [PointsToSnippets(), *steps, PackPointTALInputs()]:
        results = step.transform(results)
    return results


def batches_of(samples, size=16):
    """Collate samples into full batches, as a data loader does; samples that fill no batch are left out."""
    return [pseudo_collate(samples[start : start + size]) for start in range(0, len(samples) - size + 1, size)]
