"""Batches of kinds that may break arithmetic: extreme scores, no labels or only labels, one snippet, half precision."""

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from mmaction.structures import ActionDataSample

from fsptal_mm.structures import NO_INSTANCE, PointTargets, SnippetGrid

NUM_CLASSES = 3
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Logits around the values at which float32 and float16 saturate, underflow or lose all digits.
_EXTREMES = (0.0, 1e4, -1e4, 88.0, -88.0, 17.0, -17.0, 1e-30, 1e-42, -1e-42)

heavy = settings(max_examples=max(8, settings().max_examples // 8))  # for cases that run a whole model
label_kinds = st.sampled_from(['none', 'few', 'all', 'background'])
lengths = st.lists(st.sampled_from([1, 2, 3, 7, 8, 9, 24]), min_size=1, max_size=3)
seeds = st.integers(0, 2**32 - 1)


def draw_logits(rng, shape, extreme_share):
    """Normal numbers with some extreme ones among them, float64."""
    logits = rng.normal(0, 3, shape)
    chosen = rng.random(shape) < extreme_share
    return torch.from_numpy(np.where(chosen, rng.choice(_EXTREMES, shape), logits))


def draw_sample(rng, length, kind, name='v'):
    """Labels of one video; some classes may have no label, and instances may touch."""
    instances = np.full((length, NUM_CLASSES), NO_INSTANCE, dtype=np.int32)
    background = np.zeros(length, dtype=bool)
    if kind == 'few':
        at = rng.random((length, NUM_CLASSES)) < 0.15
        instances[at] = np.arange(at.sum())
        background = (rng.random(length) < 0.15) & ~at.any(1)
    elif kind == 'all':
        instances[:, 0] = np.arange(length) // 2
    elif kind == 'background':
        background[:] = True
    sample = ActionDataSample(
        metainfo=dict(video_id=name, num_snippets=length, grid=SnippetGrid(0.5), duration_sec=length * 0.5)
    )
    sample.snippet_instances = torch.from_numpy(instances)
    sample.background_labels = torch.from_numpy(background)
    sample.gt_video_labels = (sample.snippet_instances != NO_INSTANCE).any(0).float()
    return sample


def make_targets(samples):
    """The padded targets of some samples."""
    sizes = torch.tensor([sample.num_snippets for sample in samples])
    return PointTargets.from_samples(samples, torch.arange(int(sizes.max())) < sizes[:, None])
