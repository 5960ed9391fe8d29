import numpy as np
import pytest
import torch

from fsptal_mm.structures import NO_CLASS, Instances


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_tensors_of_any_precision_become_float64(dtype):
    found = Instances.of_video(torch.tensor([[0.5, 2]], dtype=dtype), torch.tensor([3]), torch.tensor([0.25]))
    assert (found.segments.dtype, found.scores.dtype, found.labels.dtype) == (np.float64, np.float64, np.int64)
    assert (found.segments.tolist(), found.labels.tolist(), found.scores.tolist()) == ([[0.5, 2]], [3], [0.25])
    assert found.videos.tolist() == [0]


def test_background_clicks_follow_the_points():
    points = Instances.of_points(np.array([5.0, 2]), np.array([1, 0]), np.array([3.0]))
    assert points.segments.tolist() == [[5, 5], [2, 2], [3, 3]]
    assert points.labels.tolist() == [1, 0, NO_CLASS]
    assert len(Instances.of_points([], [])) == 0


def test_joined_videos_are_numbered_by_their_places():
    first, empty, last = (Instances.of_video([[n, n + 1]] * n, [n] * n, [0.5] * n) for n in (2, 0, 1))
    joined = Instances.join([first, empty, last])
    assert joined.videos.tolist() == [0, 0, 2]
    assert joined.labels.tolist() == [2, 2, 1]
    assert joined.of_index(2).segments.tolist() == [[1, 2]]
    again = Instances.join([joined, last])  # windows of one video, then the next video
    assert again.videos.tolist() == [0, 0, 0, 1]
    assert len(Instances.join([])) == 0
    assert joined.scores.tolist() == [0.5] * 3
    assert Instances.join([first, Instances.of_video([[0, 1]])]).scores is None  # kept only if all have them


def test_lists_of_arrays_are_videos():
    instances = Instances.from_videos([[[0, 1]], [], [[2, 3], [4, 5]]], scores=[[1], [], [3, 2]])
    assert instances.videos.tolist() == [0, 2, 2]
    assert instances.labels.tolist() == [0, 0, 0]
    chosen = instances[instances.scores > 1]
    assert (chosen.scores.tolist(), chosen.segments.tolist()) == ([3, 2], [[2, 3], [4, 5]])
