import math

import pytest
import torch
from peak_memory import LargestTensor
from torch import nn
from torch.nn import functional as F

from fsptal_mm.models.heads.separation_branch import SeparationBranch
from fsptal_mm.structures import SnippetBatch

LENGTHS = (5, 1, 9, 2)


def identity_branch(dim, **kwargs):
    """A branch whose convolutions pass every row on, so that E = h + A h with h = ReLU(F)."""
    branch = SeparationBranch(dim, dim, kernel_size=1, **kwargs)
    for conv in (branch.hidden, branch.embedding):
        nn.init.constant_(conv.bias, 0)
        conv.weight.data.copy_(torch.eye(dim)[:, :, None])
    return branch


def reference(branch, video):
    """E of one video, by plain convolutions and the whole matrix of attention weights."""

    def convolve(conv, rows):
        return F.conv1d(rows.t()[None], conv.weight, conv.bias, padding='same')[0].t()

    hidden = convolve(branch.hidden, video).relu()
    cosine = F.cosine_similarity(hidden[:, None], hidden[None], dim=-1)
    return convolve(branch.embedding, hidden + (cosine / branch.temperature).softmax(1) @ hidden)


def test_attention_by_hand():
    # Two orthogonal snippets, temperature 1 / log 3: exp(1 * log 3) = 3 and exp(0) = 1, so the weights are 3/4 and 1/4.
    # The lengths of the features, 2 and 1, do not change them. The other video has one snippet, which sees only itself:
    # h + h.
    videos = [torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[5.0, 7.0]])]
    branch = identity_branch(2, temperature=1 / math.log(3))
    batch = SnippetBatch.from_videos(videos)
    first, second = batch.split(branch(batch).features)
    # Each snippet is the sum of itself, 3/4 of itself and 1/4 of its neighbour.
    torch.testing.assert_close(first, torch.tensor([[3.5, 0.25], [0.5, 1.75]]))
    torch.testing.assert_close(second, torch.tensor([[10.0, 14.0]]))


@pytest.mark.parametrize('gap', [1, 2])
def test_batch_equals_the_naive_formula_on_single_videos(gap):
    torch.manual_seed(0)
    branch = SeparationBranch(6, 4)
    parameters = list(branch.parameters())
    videos = [torch.randn(length, 6, requires_grad=True) for length in LENGTHS]
    batch = SnippetBatch.from_videos([video.detach() for video in videos], gap)
    batch.features.requires_grad_()

    out = branch(batch)
    expected = [reference(branch, video) for video in videos]
    for found, want in zip(out.split(out.features), expected, strict=True):
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    assert (out.features[out.gaps] == 0).all()

    weights = [torch.randn_like(want) for want in expected]
    loss = sum((found * weight).sum() for found, weight in zip(out.split(out.features), weights))
    features_grad, *found_grads = torch.autograd.grad(loss, [batch.features, *parameters])
    loss = sum((want * weight).sum() for want, weight in zip(expected, weights))
    grads = torch.autograd.grad(loss, [*videos, *parameters])
    for found, want in zip([*batch.split(features_grad), *found_grads], grads, strict=True):
        torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-5)


def test_no_tensor_grows_with_the_square_of_the_length():
    branch = SeparationBranch(8, 8)
    batch = SnippetBatch.from_videos([torch.randn(2000, 8)])
    with LargestTensor() as largest:
        branch(batch).features.sum().backward()
    assert largest.numel < 2000 * 100  # 2000 x 2000 if the attention weights were kept


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_and_zero_features_stay_finite(dtype):
    # The squares of the second snippet underflow in float16, and the third snippet is 0, so it has no direction.
    rows = torch.tensor([[3.0, 0.0], [1e-5, 0.0], [0.0, 0.0]], dtype=dtype)
    batch = SnippetBatch.from_videos([rows])
    batch.features.requires_grad_()
    branch = identity_branch(2).to(dtype)
    embedding = branch(batch).features
    embedding.mean().backward()
    assert embedding.dtype == dtype
    assert torch.isfinite(embedding).all()
    assert torch.isfinite(batch.features.grad).all()
    # The third snippet has the cosine 0 with all snippets, so it gets their mean, (3 + 1e-5 + 0) / 3.
    assert embedding[3, 0].item() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_wanted_snippets_are_embedded_as_all_are(kernel_size):
    torch.manual_seed(0)
    branch = SeparationBranch(4, 8, kernel_size=kernel_size)
    batch = SnippetBatch.from_videos([torch.randn(length, 4) for length in (30, 3, 1, 12)], gap=2)
    wanted = batch.mask & (torch.arange(30) % 7 == torch.tensor([[6], [0], [0], [99]]))  # no snippet of the last video
    gradients = []
    for asked in (None, branch.needed(wanted, batch.mask)):
        features = batch.features.clone().requires_grad_()
        embedding = branch(batch.with_features(features), asked)
        found = embedding.pad(embedding.features)[wanted]
        gradients.append((found.detach(), *torch.autograd.grad(found.square().sum(), [features, *branch.parameters()])))
    assert wanted.sum() == 6
    for part, whole in zip(*gradients):
        torch.testing.assert_close(part, whole, rtol=1e-5, atol=1e-6)
