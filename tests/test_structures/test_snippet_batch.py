import pytest
import torch

from fsptal_mm.structures import SnippetBatch


@pytest.mark.parametrize('gap', [1, 2])
def test_videos_come_back_as_they_went_in(gap):
    videos = [torch.randn(length, 3) for length in (4, 1, 7)]
    batch = SnippetBatch.from_videos(videos, gap)
    assert batch.features.shape == (12 + 4 * gap, 3)  # 12 snippets, a gap before, between (2) and after
    for packed, video in zip(batch.split(batch.features), videos, strict=True):
        assert torch.equal(packed, video)
    padded = batch.pad(batch.features)
    assert padded.shape == (3, 7, 3)
    for row, mask, video in zip(padded, batch.mask, videos, strict=True):
        assert torch.equal(row[mask], video)
    assert (padded[~batch.mask] == 0).all()


def test_zero_gaps_clears_just_the_rows_between_videos():
    batch = SnippetBatch.from_videos([torch.ones(2, 1), torch.ones(1, 1)])
    # rows: gap, two snippets, gap, one snippet, gap
    assert batch.zero_gaps(torch.full((6, 1), 5.0))[:, 0].tolist() == [0, 5, 5, 0, 5, 0]


def test_half_precision_features_stay_half():
    batch = SnippetBatch.from_videos([torch.ones(2, 3, dtype=torch.float16)])
    assert batch.features.dtype == torch.float16
