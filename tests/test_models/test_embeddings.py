import pytest
import torch
from torch import nn

from fsptal_mm.models import PackedConv1d, SnippetEmbedding
from fsptal_mm.structures import SnippetBatch

LENGTHS = (5, 1, 9, 2)


@pytest.mark.parametrize('inner', [False, True], ids=['input needs no gradient', 'input needs a gradient'])
@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_packed_convolution_is_zero_padded_convolution_of_every_video(kernel_size, inner):
    torch.manual_seed(0)
    videos = [torch.randn(length, 6, dtype=torch.float64, requires_grad=inner) for length in LENGTHS]
    packed = PackedConv1d(6, 4, kernel_size).double()
    plain = nn.Conv1d(6, 4, kernel_size, padding=kernel_size // 2).double()
    plain.load_state_dict(packed.state_dict())

    batch = SnippetBatch.from_videos([video.detach() for video in videos], gap=2)
    batch.features.requires_grad_(inner)
    out = packed(batch)
    expected = [plain(video.t()[None])[0].t() for video in videos]
    for found, want in zip(batch.split(out), expected, strict=True):
        torch.testing.assert_close(found, want)
    assert (out[~batch.is_snippet[:, 0]] == 0).all()

    weights = [torch.randn_like(want) for want in expected]
    sum((found * weight).sum() for found, weight in zip(batch.split(out), weights)).backward()
    sum((want * weight).sum() for want, weight in zip(expected, weights)).backward()
    for found, want in zip(packed.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, want.grad)
    if inner:
        for found, video in zip(batch.split(batch.features.grad), videos, strict=True):
            torch.testing.assert_close(found, video.grad)


def test_kernel_wider_than_the_gap_is_refused():
    batch = SnippetBatch.from_videos([torch.ones(3, 2)], gap=1)
    with pytest.raises(ValueError, match='gap_snippets must be at least 2'):
        PackedConv1d(2, 2, 5)(batch)


def test_embedding_is_rectified_and_keeps_gaps_zero():
    embedding = SnippetEmbedding(3, 8)
    nn.init.constant_(embedding.conv.bias, 1.0)
    batch = embedding(SnippetBatch.from_videos([torch.randn(4, 3), torch.randn(2, 3)]))
    assert batch.features.shape == (9, 8)
    assert batch.features.min() == 0
    assert (batch.features[~batch.is_snippet[:, 0]] == 0).all()


def test_input_dropout_acts_in_training_only():
    embedding = SnippetEmbedding(3, 8, input_dropout=0.9)
    batch = SnippetBatch.from_videos([torch.ones(40, 3)])
    first, second = (embedding(batch).features for _ in range(2))
    assert not torch.equal(first, second)
    embedding.eval()
    expected = SnippetEmbedding(3, 8)
    expected.load_state_dict(embedding.state_dict())  # dropout adds nothing to a checkpoint
    assert torch.equal(embedding(batch).features, expected(batch).features)
