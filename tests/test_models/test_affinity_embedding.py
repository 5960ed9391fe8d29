import pytest
import torch
from host_sync import HostSyncs
from model_builders import build_model
from torch.nn import functional as F

from fsptal_mm.models import AffinityEmbedding
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError

LENGTHS = (5, 1, 9, 2)


def make_trunk(**arguments):
    torch.manual_seed(0)
    sizes = dict(in_channels=6, out_channels=4, hidden_channels=8, embed_channels=3)
    return AffinityEmbedding(**sizes | arguments).double()


def make_videos(lengths=LENGTHS, **kwargs):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, 6, dtype=torch.float64, generator=generator, **kwargs) for length in lengths]


def by_loops(trunk, video, masked_taps):
    """F and E of a ``(T, D)`` video, snippet by snippet and tap by tap."""
    first, second = (dict(weight=conv.weight, bias=conv.bias, padding=1) for conv in trunk.affinity)
    embedding = F.conv1d(F.leaky_relu(F.conv1d(video.t()[None], **first)), **second)[0].t()
    reach, rows = trunk.conv.kernel_size[0] // 2, []
    for t in range(len(video)):
        row = trunk.conv.bias
        for j in range(-reach, reach + 1):
            if 0 <= t + j < len(video):
                weight = 1.0
                if trunk.mask and 0 < abs(j) <= masked_taps // 2:
                    weight = F.cosine_similarity(embedding[t], embedding[t + j], dim=0)
                    weight = weight.clamp(min=0) if trunk.clamp_negative else weight
                    weight = weight if trunk.mask_gradient else weight.detach()
                row = row + weight * (trunk.conv.weight[:, :, j + reach] @ video[t + j])
        rows.append(row.relu())
    return torch.stack(rows), embedding


FORMS = {
    'default': dict(),
    'wide': dict(kernel_size=7),
    'middle three': dict(kernel_size=7, masked_taps=3),
    'one tap, which is not masked': dict(kernel_size=1),
    'mask off': dict(mask=False),
    'clamped': dict(clamp_negative=True),
    'no gradient through the mask': dict(mask_gradient=False),
}


@pytest.mark.parametrize('arguments', FORMS.values(), ids=FORMS)
def test_a_batch_equals_loops_over_snippets_of_single_videos(arguments):
    trunk = make_trunk(**arguments)
    parameters = dict(trunk.named_parameters())
    videos = make_videos(requires_grad=True)
    batch = SnippetBatch.from_videos([video.detach() for video in videos], gap=4)
    batch.features.requires_grad_()
    out = trunk(batch)
    kernel_size = trunk.conv.kernel_size[0]
    expected = [by_loops(trunk, video, arguments.get('masked_taps', kernel_size)) for video in videos]
    # Cosines are computed in float32, and gradients of short embeddings magnify the rounding errors.
    close = dict(rtol=1e-5, atol=1e-5)
    for values, part in ((out.features, 0), (out.affinity_embedding, 1)):
        for found, wanted in zip(batch.split(values), expected, strict=True):
            torch.testing.assert_close(found, wanted[part], **close)
        assert (values[batch.gaps] == 0).all()

    weights = [[torch.randn_like(values) for values in pair] for pair in expected]

    def total(pairs):
        return sum((one * by).sum() for pair, its in zip(pairs, weights) for one, by in zip(pair, its))

    found = total(zip(batch.split(out.features), batch.split(out.affinity_embedding)))
    of_rows, *found = torch.autograd.grad(found, [batch.features, *parameters.values()])
    wanted = torch.autograd.grad(total(expected), [*videos, *parameters.values()])
    for one, other in zip([*batch.split(of_rows), *found], wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_cosines_by_hand():
    # E = X. The cosines of neighbours are 0.6 (first and second snippet), 0 (second and third), -1 (third and fourth).
    trunk = AffinityEmbedding(2, embed_channels=2, hidden_channels=2)
    rows = torch.tensor([[5.0, 0.0], [3.0, 4.0], [-4.0, 3.0], [8.0, -6.0]])
    batch = SnippetBatch.from_videos([rows])
    # Cosines with the snippet before, itself, and after.
    expected = torch.tensor([[0, 1, 0.6], [0.6, 1, 0], [0, 1, -1], [-1, 1, 0]])
    torch.testing.assert_close(trunk.tap_weights(batch.features)[1:-1], expected)
    trunk.clamp_negative = True
    torch.testing.assert_close(trunk.tap_weights(batch.features)[1:-1], expected.clamp(min=0))


@pytest.mark.parametrize('arguments', [dict(mask_gradient=False), dict(mask=False)])
def test_the_embedding_learns_by_the_mask_or_by_module_d_alone(arguments):
    trunk = make_trunk(**arguments)
    batch = trunk(SnippetBatch.from_videos(make_videos()))
    batch.features.sum().backward(retain_graph=True)
    assert [parameter.grad for parameter in trunk.affinity.parameters()] == [None] * 4
    batch.affinity_embedding.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in trunk.affinity.parameters())


@pytest.mark.parametrize('scale', [0.0, 1e-30, 100.0])
def test_half_precision_stays_finite(scale):
    trunk = AffinityEmbedding(6, 4, hidden_channels=8, embed_channels=3)
    batch = SnippetBatch.from_videos([video.float() * scale for video in make_videos()])
    wanted = trunk(batch).features
    with torch.autocast('cpu', torch.bfloat16):
        out = trunk(batch)
    assert out.features.dtype == out.affinity_embedding.dtype == torch.bfloat16
    (out.features.float().sum() + out.affinity_embedding.float().sum()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in trunk.parameters())
    torch.testing.assert_close(out.features.float(), wanted, rtol=0.1, atol=0.05 * max(scale, 1))


def test_other_devices_and_no_wait_for_them():
    trunk = AffinityEmbedding(6, 4).to('meta')
    with HostSyncs() as syncs:
        out = trunk(SnippetBatch.from_videos([torch.ones(length, 6, device='meta') for length in LENGTHS]))
        (out.features.sum() + out.affinity_embedding.sum()).backward()
    assert syncs.names == []


def test_the_embedding_is_resampled_and_chosen_with_the_features():
    batch = make_trunk()(SnippetBatch.from_videos(make_videos([4, 3])))
    resampled = batch.resample([torch.tensor([0.0, 0.25]), torch.tensor([2.0])])
    first, second = batch.split(batch.affinity_embedding)
    found = resampled.split(resampled.affinity_embedding)
    torch.testing.assert_close(found[0], torch.stack([first[0], 0.75 * first[0] + 0.25 * first[1]]))
    torch.testing.assert_close(found[1], second[2:])
    near, _ = batch.select(torch.tensor([[True, False, False, True], [False, True, False, False]]))
    torch.testing.assert_close(near.split(near.affinity_embedding)[0], first[[0, 3]])


@pytest.mark.parametrize('masked_taps', [2, 5])
def test_an_odd_number_of_the_taps_is_masked(masked_taps):
    with pytest.raises(InputError, match=rf'masked_taps: found {masked_taps}'):
        make_trunk(masked_taps=masked_taps)


def test_a_neck_hands_the_embedding_on_and_a_head_alone_refuses_its_absence():
    trunk, neck = (dict(type=name, in_channels=6) for name in ('AffinityEmbedding', 'SnippetEmbedding'))
    model = build_model(model=dict(embedding=[trunk, neck]), separation=None)
    batch = SnippetBatch.from_videos([torch.randn(3, 6)])
    assert model.head.separation_embedding(model.embedding(batch)).features.shape == (5, 32)
    with pytest.raises(InputError, match=r'model\.head\.separation: .* AffinityEmbedding'):
        model.head.separation_embedding(batch)
