from itertools import pairwise

import pytest
import torch

from fsptal_mm.models import SegmentPooling
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError


def mean_by_hand(video, start, end, steps=10000):
    """Mean over a range of a curve that is constant within each snippet; 0 where the range lies outside."""
    start, end = max(start, 0), min(end, len(video))
    if end <= start:
        return torch.zeros(video.shape[1], dtype=video.dtype)
    places = start + (torch.arange(steps, dtype=torch.float64) + 0.5) * (end - start) / steps
    return video[places.long().clamp(max=len(video) - 1)].mean(0)


@pytest.mark.parametrize('gap', [1, 3])
def test_means_equal_those_by_hand_in_every_video(gap):
    generator = torch.Generator().manual_seed(0)
    videos = [torch.randn(length, 4, generator=generator).double() for length in (1, 7, 30)]
    pooling = SegmentPooling(places=(-1, -0.25, 0, 0.5, 1, 2), min_snippets=0.5)
    video = torch.tensor([0, 1, 1, 2, 2, 2])
    segments = torch.tensor([[0, 1], [0.3, 5.9], [6.2, 7], [0, 30], [12.25, 13.5], [29.5, 29.6]]).double()
    batch = SnippetBatch.from_videos(videos, gap)
    found = pooling(batch, video, segments)
    assert pooling(batch, video[:0], segments[:0]).shape == (0, 5, 4)
    assert found.shape == (6, 5, 4)
    for row, (index, (start, end)) in enumerate(zip(video, segments.tolist())):
        middle, length = (start + end) / 2, max(end - start, 0.5)
        edges = [middle + (place - 0.5) * length for place in (-1, -0.25, 0, 0.5, 1, 2)]
        for column, (low, high) in enumerate(pairwise(edges)):
            expected = mean_by_hand(videos[index], low, high)
            torch.testing.assert_close(found[row, column], expected, atol=2e-3, rtol=1e-3)


def test_long_videos_of_float32_lose_nothing():
    values = torch.rand(20000, 2, generator=torch.Generator().manual_seed(0)) + 100
    segments = torch.tensor([[19990.0, 19991.0]])
    found = SegmentPooling(places=(0, 1))(SnippetBatch.from_videos([values]), torch.tensor([0]), segments)
    torch.testing.assert_close(found[0, 0], values[19990], rtol=1e-6, atol=0)


def test_gradients_of_float32_equal_those_of_float64():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(3000, 2, generator=generator)
    start, length = torch.rand(2, 200, generator=generator)
    segments = torch.stack([3000 * start, 3000 * start + 1 + 60 * length], 1)
    segments[0] = torch.tensor([2990.0, 3000.0])  # its ranges after the end have no width
    factors, found = torch.randn(200, 8, 2, generator=generator), []
    for dtype in (torch.float32, torch.float64):
        rows = values.detach().to(dtype).clone().requires_grad_()
        means = SegmentPooling()(SnippetBatch.from_videos([rows]), torch.zeros(200).long(), segments.to(dtype))
        (means * factors).sum().backward()
        found.append((means, rows.grad))
    for single, double in zip(*found):
        torch.testing.assert_close(single, double.float(), rtol=1e-3, atol=1e-3)
    assert found[0][0][0, 6:].abs().max() == 0


@pytest.mark.parametrize('places', [(0,), (0, 0), (1, 0)])
def test_places_ascend(places):
    with pytest.raises(InputError, match='places'):
        SegmentPooling(places=places)
