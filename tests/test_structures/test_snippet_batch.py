import pytest
import torch

from fsptal_mm.structures import SnippetBatch


@pytest.mark.parametrize('gap', [1, 2])
def test_videos_come_back_as_they_went_in(gap):
    videos = [torch.randn(length, 3) for length in (4, 1, 7)]
    batch = SnippetBatch.from_videos(videos, gap)
    assert batch.features.shape == (12 + 4 * gap, 3)  # 12 snippets, and gaps before, between and after three videos
    for packed, video in zip(batch.split(batch.features), videos, strict=True):
        assert torch.equal(packed, video)
    padded = batch.pad(batch.features)
    assert padded.shape == (3, 7, 3)
    for row, mask, video in zip(padded, batch.mask, videos, strict=True):
        assert torch.equal(row[mask], video)
    assert (padded[~batch.mask] == 0).all()


def test_zero_gaps_clears_just_the_rows_between_videos():
    batch = SnippetBatch.from_videos([torch.ones(2, 1), torch.ones(1, 1)])
    # The rows are a gap, two snippets, a gap, one snippet, a gap.
    assert batch.zero_gaps(torch.full((6, 1), 5.0))[:, 0].tolist() == [0, 5, 5, 0, 5, 0]


def test_resampling_interpolates_within_each_video():
    videos = [torch.tensor([[0.0], [10.0], [30.0]]), torch.tensor([[7.0]])]
    positions = [torch.tensor([0.0, 0.25, 1.5, 2.0], dtype=torch.float64), torch.tensor([0.0, 0.0])]
    for gap in (1, 3):
        batch = SnippetBatch.from_videos(videos, gap).resample(positions)
        assert batch.lengths == (4, 2)
        first, second = batch.split(batch.features)
        assert first[:, 0].tolist() == [0, 2.5, 20, 30]  # a quarter of the way from 0 to 10, half from 10 to 30
        assert second[:, 0].tolist() == [7, 7]  # interpolation needs no right neighbour at the last snippet
        assert batch.features.sum() == 66.5  # all other rows are zero


def test_chosen_snippets_become_a_batch_of_their_own():
    batch = SnippetBatch.from_videos([torch.tensor([[1.0], [2.0], [3.0]]), torch.ones(2, 1), torch.tensor([[9.0]])])
    chosen = torch.tensor([[True, False, True], [False] * 3, [True, False, False]])
    near, rows = batch.select(chosen)
    assert near.lengths == (2, 0, 1)
    # The rows are a gap, the snippets 1 and 3, a gap, no snippet of the second video, a gap, snippet 9, a gap.
    assert near.features[:, 0].tolist() == [0, 1, 3, 0, 0, 9, 0]
    assert torch.equal(near.features, batch.features[rows])
    assert [video[:, 0].tolist() for video in near.split(near.features)] == [[1, 3], [], [9]]


def test_a_wider_gap_keeps_the_videos():
    videos = [torch.rand(length, 2) for length in (3, 1, 5)]
    narrow = SnippetBatch.from_videos(videos, gap=1)
    wide, expected = narrow.with_gap(3), SnippetBatch.from_videos(videos, gap=3)
    assert narrow.with_gap(1) is narrow
    assert (wide.gap, wide.lengths) == (3, narrow.lengths)
    for name in ('features', 'rows', 'gaps', 'mask'):
        assert torch.equal(getattr(wide, name), getattr(expected, name)), name
