import pytest
import torch
from host_sync import HostSyncs
from mmaction.registry import MODELS
from torch.nn import functional as F

from fsptal_mm.models import AffinityEmbedding, MaskedConv1d, PackedConv1d, SnippetEmbedding
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
    # Cosines are float32, and gradients of short embeddings magnify that.
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
    # E = X: cosines 0.6 of the first to the second, 0 of the second to the third, -1 of the third to the fourth.
    trunk = AffinityEmbedding(2, embed_channels=2, hidden_channels=2)
    rows = torch.tensor([[5.0, 0.0], [3.0, 4.0], [-4.0, 3.0], [8.0, -6.0]])
    batch = SnippetBatch.from_videos([rows])
    expected = torch.tensor([[0, 1, 0.6], [0.6, 1, 0], [0, 1, -1], [-1, 1, 0]])  # before, itself, after
    torch.testing.assert_close(trunk.tap_weights(batch.features)[1:-1], expected)
    trunk.clamp_negative = True
    torch.testing.assert_close(trunk.tap_weights(batch.features)[1:-1], expected.clamp(min=0))


def test_with_weights_of_1_it_is_the_convolution_of_the_plain_trunk():
    plain = SnippetEmbedding(6, 4).double()
    trunk = make_trunk(mask=False)
    plain.load_state_dict({key: value for key, value in trunk.state_dict().items() if key.startswith('conv.')})
    batch = SnippetBatch.from_videos(make_videos())
    assert torch.equal(trunk(batch).features, plain(batch).features)
    ones = torch.ones(batch.num_rows, 3)
    torch.testing.assert_close(trunk.conv(batch, ones), PackedConv1d.forward(trunk.conv, batch))


@pytest.mark.parametrize(
    'arguments, learns', [({}, True), (dict(mask_gradient=False), False), (dict(mask=False), False)]
)
def test_what_the_embedding_learns_by(arguments, learns):
    trunk = make_trunk(**arguments)
    batch = trunk(SnippetBatch.from_videos(make_videos()))
    batch.features.sum().backward(retain_graph=True)
    gradients = [parameter.grad for parameter in trunk.affinity.parameters()]
    if learns:
        assert all(gradient.abs().sum() > 0 for gradient in gradients)
    else:
        assert gradients == [None] * 4
    batch.affinity_embedding.square().sum().backward()  # as by the losses of module D
    assert all(parameter.grad.abs().sum() > 0 for parameter in trunk.affinity.parameters())


def test_a_snippet_sees_three_neighbours_to_each_side():
    # One by the convolution, and two by the E of the neighbour.
    trunk = make_trunk()
    (video,) = make_videos([15])
    batch = SnippetBatch.from_videos([video])
    batch.features.requires_grad_()
    trunk(batch).features[8].sum().backward()
    assert (batch.features.grad[1:-1].abs().sum(1) > 0).nonzero()[:, 0].tolist() == list(range(4, 11))


@pytest.mark.parametrize('norm_cfg', [None, dict(type='LN')])
def test_gaps_stay_zero_whatever_the_biases(norm_cfg):
    trunk = make_trunk(norm_cfg=norm_cfg)
    for parameter in trunk.parameters():
        torch.nn.init.normal_(parameter)
    batch = trunk(SnippetBatch.from_videos(make_videos(), gap=2))
    assert (batch.features[batch.gaps] == 0).all()
    assert (batch.affinity_embedding[batch.gaps] == 0).all()


@pytest.mark.parametrize('scale', [0.0, 1e-30, 1.0, 100.0])
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
    assert out.affinity_embedding.shape == (sum(LENGTHS) + len(LENGTHS) + 1, 32)


def test_the_embedding_is_resampled_and_chosen_with_the_features():
    batch = make_trunk()(SnippetBatch.from_videos(make_videos([4, 3])))
    resampled = batch.resample([torch.tensor([0.0, 0.25]), torch.tensor([2.0])])
    first, second = batch.split(batch.affinity_embedding)
    found = resampled.split(resampled.affinity_embedding)
    torch.testing.assert_close(found[0], torch.stack([first[0], 0.75 * first[0] + 0.25 * first[1]]))
    torch.testing.assert_close(found[1], second[2:])
    near, _ = batch.select(torch.tensor([[True, False, False, True], [False, True, False, False]]))
    torch.testing.assert_close(near.split(near.affinity_embedding)[0], first[[0, 3]])


@pytest.mark.parametrize(
    'arguments, field',
    [
        (dict(masked_taps=2), r'masked_taps: found 2'),
        (dict(masked_taps=5), r'masked_taps: found 5'),
        (dict(embed_channels=0), r'embed_channels: found 0'),
        (dict(hidden_channels=1.5), r'hidden_channels: found 1\.5'),
        (dict(clamp_negative='yes'), r"clamp_negative: found 'yes'"),
        (dict(input_dropout=2), r'AffinityEmbedding\.input_dropout: found 2'),
    ],
)
def test_wrong_arguments_are_refused(arguments, field):
    with pytest.raises(InputError, match=field):
        make_trunk(**arguments)


def test_a_masked_convolution_checks_its_batch_as_any_other():
    batch = SnippetBatch.from_videos(make_videos(), gap=1)
    weights = torch.ones(batch.num_rows, 5)
    with pytest.raises(InputError, match='gap_snippets: found 1'):
        MaskedConv1d(6, 4, 5)(batch, weights)


def build(trunk, **head):
    return MODELS.build(
        dict(
            type='PointTAL',
            embedding=dict(type=trunk, in_channels=6, out_channels=8),
            head=dict(type='FSPTALHead', num_classes=3, in_channels=8) | head,
        )
    )


@pytest.mark.parametrize('trunk', ['SnippetEmbedding', 'TransformerEmbedding'])
def test_feature_separation_without_an_embedding_is_refused_when_the_model_is_built(trunk):
    with pytest.raises(InputError, match=r'model\.head\.separation: .* AffinityEmbedding'):
        build(trunk, separation=None)
    assert build(trunk, separation=None, separation_loss=None).head.separation is None
    assert build('AffinityEmbedding', separation=None).head.separation is None


def test_a_neck_hands_the_embedding_on():
    trunk, head = (dict(type=name, in_channels=8) for name in ('AffinityEmbedding', 'FSPTALHead'))
    neck = dict(type='SnippetEmbedding', in_channels=8)
    model = MODELS.build(
        dict(type='PointTAL', embedding=[trunk, neck], head=head | dict(num_classes=3, separation=None))
    )
    batch = model.embedding(SnippetBatch.from_videos([torch.randn(3, 8)]))
    assert model.head.separation_embedding(batch).features.shape == (5, 32)


def test_a_head_alone_refuses_a_batch_without_an_embedding():
    head = build('AffinityEmbedding', separation=None).head
    with pytest.raises(InputError, match=r'model\.head\.separation: .* AffinityEmbedding'):
        head.separation_embedding(SnippetBatch.from_videos([torch.zeros(3, 8)]))
