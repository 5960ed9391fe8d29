import pytest
import torch
from mmaction.registry import MODELS
from peak_memory import PeakMemory
from torch import nn

from fsptal_mm.models import (
    IdentityEmbedding,
    MaskedConv1d,
    PackedConv1d,
    SnippetEmbedding,
    TransformerEmbedding,
)
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError

LENGTHS = (5, 1, 9, 2)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_packed_convolution_is_zero_padded_convolution_of_every_video(kernel_size):
    torch.manual_seed(0)
    videos = [torch.randn(length, 6, dtype=torch.float64, requires_grad=True) for length in LENGTHS]
    packed = PackedConv1d(6, 4, kernel_size).double()
    plain = nn.Conv1d(6, 4, kernel_size, padding=kernel_size // 2).double()
    plain.load_state_dict(packed.state_dict())

    batch = SnippetBatch.from_videos([video.detach() for video in videos], gap=2)
    batch.features.requires_grad_()
    out = packed(batch)
    expected = [plain(video.t()[None])[0].t() for video in videos]
    assert (out[batch.gaps] == 0).all()
    weights = [torch.randn_like(want) for want in expected]
    sum((found * weight).sum() for found, weight in zip(batch.split(out), weights)).backward()
    sum((want * weight).sum() for want, weight in zip(expected, weights)).backward()
    pairs = [*zip(batch.split(out), expected), *zip(batch.split(batch.features.grad), [video.grad for video in videos])]
    for found, want in [*pairs, *((packed.get_parameter(name).grad, p.grad) for name, p in plain.named_parameters())]:
        torch.testing.assert_close(found, want)


@pytest.mark.parametrize('gap, dimension, field', [(1, 6, 'gap_snippets: found 1'), (2, 4, 'features: found 4')])
def test_batches_that_do_not_fit_a_convolution_are_refused(gap, dimension, field):
    batch = SnippetBatch.from_videos([torch.ones(3, dimension)], gap)
    with pytest.raises(InputError, match=field):
        PackedConv1d(6, 2, 5)(batch)
    with pytest.raises(InputError, match=field):
        MaskedConv1d(6, 2, 5)(batch, torch.ones(batch.num_rows, 5))


def test_input_dropout_acts_in_training_only():
    embedding = SnippetEmbedding(3, 8, input_dropout=0.9)
    batch = SnippetBatch.from_videos([torch.ones(40, 3)])
    first, second = (embedding(batch).features for _ in range(2))
    assert not torch.equal(first, second)
    expected = SnippetEmbedding(3, 8)
    expected.load_state_dict(embedding.state_dict())  # dropout adds nothing to a checkpoint
    assert torch.equal(embedding.eval()(batch).features, expected(batch).features)


TRUNKS = {
    'convolution': dict(type='SnippetEmbedding'),
    'layer norm': dict(type='SnippetEmbedding', norm_cfg=dict(type='LN')),
    'group norm': dict(type='SnippetEmbedding', norm_cfg=dict(type='GN', num_groups=4)),
    'transformer': dict(type='TransformerEmbedding', num_heads=2, dropout=0.0),
    'local transformer': dict(type='TransformerEmbedding', num_heads=2, window=2, dropout=0.0),
}


@pytest.fixture(params=TRUNKS.values(), ids=TRUNKS)
def trunk(request):
    torch.manual_seed(0)
    trunk = MODELS.build(request.param | dict(in_channels=6, out_channels=8)).double()
    for parameter in trunk.parameters():  # with their initial bias of 0, norms would not change gaps
        nn.init.normal_(parameter)
    return trunk


def test_a_batch_is_embedded_as_its_videos_are(trunk):
    videos = [torch.randn(length, 6, dtype=torch.float64) for length in LENGTHS]

    def embed(videos):
        trunk.zero_grad()
        batch = trunk(SnippetBatch.from_videos(videos, gap=1))
        assert batch.features.shape[1] == 8
        assert (batch.features[batch.gaps] == 0).all()
        (batch.features**2).sum().backward()
        return batch.split(batch.features), [parameter.grad.clone() for parameter in trunk.parameters()]

    found, gradients = embed(videos)
    single = [embed([video]) for video in videos]
    for one, ((expected,), _) in zip(found, single, strict=True):
        torch.testing.assert_close(one, expected)
    for gradient, *parts in zip(gradients, *(part for _, part in single), strict=True):
        torch.testing.assert_close(gradient, sum(parts))


def attention_by_video(attention, batch, rows):
    """Attention of single videos, with a mask of the whole T x T."""
    attended = []
    for video in batch.split(attention.query_key_value(rows).unflatten(1, (3, attention.num_heads, -1))):
        query, key, value = video.permute(1, 2, 0, 3)
        distance = torch.arange(len(video))[:, None] - torch.arange(len(video))
        seen = None if attention.window is None else distance.abs() <= attention.window
        found = nn.functional.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=seen)[0]
        attended.append(attention.out(found.transpose(0, 1).flatten(1)))
    return attended


@pytest.mark.parametrize('lengths', [(1,), (7,), (8, 9), (1, 40, 2, 3, 4), (5,) * 3, tuple(range(1, 60, 2))], ids=str)
@pytest.mark.parametrize('window', [None, 1, 3, 50])
def test_attention_of_a_batch_is_that_of_its_videos(lengths, window):
    torch.manual_seed(0)
    attention = TransformerEmbedding(8, num_heads=2, window=window).layers[0].attention
    batch = SnippetBatch.from_videos([torch.randn(length, 8) for length in lengths], gap=2)
    found, expected = [], []
    for results, attend in ((found, attention), (expected, None)):
        rows = batch.features.clone().requires_grad_()
        if attend is None:
            videos = attention_by_video(attention, batch, rows)
        else:
            videos = batch.split(attend(rows, batch))
        weights = torch.Generator().manual_seed(1)
        loss = sum((video * torch.randn(video.shape, generator=weights)).sum() for video in videos)
        results += [*videos, *torch.autograd.grad(loss, [rows, *attention.parameters()])]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('window', [None, 8])
def test_memory_of_a_transformer_grows_linearly_with_the_video(window):
    trunk = TransformerEmbedding(16, num_heads=2, window=window, num_layers=1)

    def peak(length):
        batch = SnippetBatch.from_videos([torch.randn(length, 16)])
        with PeakMemory() as memory:
            trunk(batch).features.sum().backward()
        return memory.peak

    # The attention weights of 2 heads would be 16 times as many, and would take more memory than everything else.
    assert peak(4096) < 4.4 * peak(1024)
    assert peak(4096) < 2 * 4096**2 * 4


@pytest.mark.parametrize(
    'config, field',
    [
        (dict(type='SnippetEmbedding', norm_cfg=dict(type='BN1d')), r'norm_cfg\.type: found .BN1d.'),
        (dict(type='SnippetEmbedding', norm_cfg='LN'), r"norm_cfg: found 'LN'"),
        (dict(type='SnippetEmbedding', norm_cfg=dict(type='GN')), r"num_groups: found 'None'"),
        (dict(type='SnippetEmbedding', norm_cfg=dict(type='GN', num_groups=4)), 'num_groups: found 4'),
        (dict(type='TransformerEmbedding', num_heads=4), 'num_heads: found 4'),
        (dict(type='TransformerEmbedding', num_heads=2, window=0), 'window: found 0'),
    ],
)
def test_wrong_arguments_of_trunks_are_refused(config, field):
    with pytest.raises(InputError, match=field):
        MODELS.build(config | dict(in_channels=6))


def test_two_streams_are_embedded_apart():
    torch.manual_seed(0)
    batch = SnippetBatch.from_videos([torch.randn(length, 6) for length in LENGTHS])
    trunk = SnippetEmbedding(6, 8, num_streams=2)
    whole = trunk(batch).features
    for stream, (own, columns) in enumerate(((slice(0, 4), slice(0, 3)), (slice(4, 8), slice(3, 6)))):
        alone = SnippetEmbedding(3, 4)
        alone.conv.load_state_dict({name: value[own] for name, value in trunk.conv.state_dict().items()})
        found = alone(batch.with_features(batch.features[:, columns])).features
        torch.testing.assert_close(whole[:, own], found, msg=lambda text, n=stream: f'stream {n}: {text}')


def test_the_identity_trunk_hands_the_features_on():
    batch = SnippetBatch.from_videos([torch.ones(3, 2)])
    assert IdentityEmbedding()(batch) is batch
    model = MODELS.build(
        dict(
            type='PointTAL',
            embedding=dict(type='IdentityEmbedding'),
            head=dict(type='MILHead', num_classes=1, in_channels=2),
        )
    )
    model.eval()
    torch.testing.assert_close(model(batch), model.head.classifier(torch.ones(1, 3, 2)), rtol=0, atol=0)
