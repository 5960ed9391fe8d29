import math

import pytest
import torch
from mmengine.logging import MessageHub
from model_builders import CLASSES, assert_trainable, build_model, embed, make_video, run
from torch.nn import functional as F

from fsptal_mm.models import DELUHead
from fsptal_mm.models.heads.cross_modal_filter import CrossModalFilter, video_means
from fsptal_mm.models.heads.delu_head import suppress, training_progress
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError

TERMS = ('video', 'suppressed', 'evidence', 'uncertain', 'guide', 'sparsity', 'mutual', 'co_activity')


def build(**head):
    """A model of two streams of 3 columns each, embedded into 4 each."""
    trunk = dict(type='SnippetEmbedding', in_channels=6, out_channels=8, num_streams=2)
    return build_model(
        **(dict(head='DELUHead', streams=(4, 4), filter_dropout=0.0, model=dict(embedding=trunk)) | head)
    )


@pytest.fixture(autouse=True)
def _no_runner():
    """Make a message hub without iterations, since DELU reads its progress from the newest hub."""
    MessageHub.get_instance('test of DELU').runtime_info.clear()


@pytest.fixture
def videos():
    return [make_video(length, [(0, 1, 0), (length // 2, seed % 3, 1)]) for seed, length in enumerate((9, 1, 23, 4))]


def test_suppressed_logits_by_hand():
    # The least logit is -1. With a = 1/2, the distance of each logit from it is halved; with a = 0, it is 0.
    logits = torch.tensor([[[3.0, 1.0, -1.0], [3.0, 1.0, -1.0]]])
    assert suppress(logits, torch.tensor([[0.5, 0.0]])).tolist() == [[[1.0, 0.0, -1.0], [-1.0, -1.0, -1.0]]]


def test_losses_of_attention_by_hand():
    # b, the share of background in the softmax, is 0.5 in both snippets. a^v is 0.5 and 1, a^f is 0.5 and 0, so their
    # mean a is 0.5 in both. For a, a^v and a^f, |1 - a - b| is 0, 0, 0 at the first snippet, and 0, 0.5, 0.5 at the
    # second one, 1/3 on average.
    logits = torch.tensor([[[1.0, 1.0, 2.0]]]).log().expand(1, 2, 3)
    attentions = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]])
    mask, labels = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[1.0, 0.0]])
    head = DELUHead(2, 8, (4, 4), guide_weight=2.0, sparsity_weight=3.0, mutual_weight=5.0)
    losses = head.loss_by_feat(logits, attentions, mask, labels, 0.5)
    assert losses['loss_guide'].item() == pytest.approx(2 * (0 + 1 / 3) / 2)
    assert losses['loss_sparsity'].item() == pytest.approx(3 * 0.5)
    assert losses['loss_mutual'].item() == pytest.approx(5 * (0 + 1) / 2)
    # In the middle of the training, all weights are 1.
    assert losses['loss_uncertain'].item() == pytest.approx(0.4 * (0 + 1 / 3) / 2)
    # Background counts as a class, so the loss is the mean of log 4 and log 2.
    assert losses['loss_video'].item() == pytest.approx((math.log(4) + math.log(2)) / 2)
    # z^s: a = 1/2 halves the distance of the background logit to the least, so the softmax is as [1, 1, sqrt 2].
    # Background does not count as a class.
    assert losses['loss_suppressed'].item() == pytest.approx(math.log(2 + math.sqrt(2)))


def test_attentions_are_drawn_to_each_other_by_half():
    attentions = torch.tensor([[[0.75, 0.25]]], requires_grad=True)
    head = DELUHead(2, 8, (4, 4))
    mask, labels = torch.ones(1, 1, dtype=torch.bool), torch.tensor([[1.0, 0.0]])
    head.loss_by_feat(torch.zeros(1, 1, 3), attentions, mask, labels, 0.0)['loss_mutual'].backward()
    assert attentions.grad.tolist() == [[[0.5, -0.5]]]  # half the gradient of the square, 1 and -1


def test_a_stream_is_filtered_by_its_mean_and_the_other_one():
    torch.manual_seed(0)
    own = SnippetBatch.from_videos([torch.randn(5, 4), torch.randn(1, 4), torch.randn(3, 4)])
    other = own.with_features(own.zero_gaps(torch.randn(own.num_rows, 6)))
    module = CrossModalFilter(4, 6).eval()
    filtered, attention = module(own, other)
    torch.testing.assert_close(video_means(own), torch.stack([part.mean(0) for part in own.split(own.features)]))
    for part, x, y, weight in zip(*map(own.split, (filtered, own.features, other.features, attention)), strict=True):
        g = F.leaky_relu(module.of_video(x.mean(0)), 0.2)
        m = F.leaky_relu(F.conv1d(y.t()[None], module.of_snippets.weight, padding=1)[0].t(), 0.2)
        torch.testing.assert_close(part, (g * m).sigmoid() * x)
        hidden = part.t()[None]
        for conv in module.attention:
            hidden = F.leaky_relu(F.conv1d(hidden, conv.weight, conv.bias, padding=1), 0.2)
        torch.testing.assert_close(weight, module.attention_logit(hidden[0].t()).sigmoid())
    assert not filtered[own.gaps].any()


def test_logits_by_plain_convolutions(videos):
    model = build()
    head = model.head.eval()
    for layer in (head.fusion, head.conv):
        torch.nn.init.normal_(layer.bias)  # without biases, rows between videos would stay zero in any case
    batch, _ = embed(model, videos)
    outputs = head.outputs(batch)
    for video, part in enumerate(batch.split(batch.features)):
        alone = SnippetBatch.from_videos([part.detach()])
        streams = [alone.with_features(stream) for stream in alone.features.split(head.streams, 1)]
        pairs = zip(head.filters, (streams, streams[::-1]), strict=True)
        filtered = torch.cat([alone.split(filter_(*pair)[0])[0] for filter_, pair in pairs], 1)
        hidden = F.leaky_relu(head.fusion(filtered), 0.2).t()[None]
        hidden = F.leaky_relu(F.conv1d(hidden, head.conv.weight, head.conv.bias, padding=1), 0.2)
        torch.testing.assert_close(batch.split(outputs.logits)[video], head.classifier(hidden[0].t()))


def test_videos_without_a_label(videos):
    model = build()
    for _, sample in videos:
        sample.gt_video_labels[:] = 0
    losses = assert_trainable(model, videos)
    assert losses['loss_evidence'] == losses['loss_suppressed'] == losses['loss_co_activity'] == 0


@pytest.mark.parametrize('step, expected', [(None, 0.0), (0, 0.0), (30, 0.75)])
def test_progress_is_that_of_the_runner(step, expected, videos):
    hub = MessageHub.get_current_instance()
    if step is not None:
        hub.update_info('iter', step)
        hub.update_info('max_iters', 40)
    assert training_progress() == expected
    model = build()
    at_start = build().head.loss_by_feat  # build() is seeded, so both heads have the same weights
    batch, samples = embed(model, videos)
    outputs = model.head.outputs(batch)
    labels = torch.stack([sample.gt_video_labels for sample in samples])
    parts = (batch.pad(outputs.logits), batch.pad(outputs.attentions), batch.mask, labels)
    own, first = run(model, videos)['loss_uncertain'], at_start(*parts, 0.0)['loss_uncertain']
    torch.testing.assert_close(own, at_start(*parts, expected)['loss_uncertain'])
    assert (abs(own - first) > 1e-5) == (expected > 0)


@pytest.mark.parametrize('scores', ['probabilities', 'logits'])
def test_scores_by_their_formulas(scores, videos):
    model = build(scores=scores, topk_divisor=3)
    batch, _ = embed(model, videos)
    outputs = model.head.outputs(batch)
    found = model.head.clean_scores(batch)
    assert model.training
    for video, (z, a) in enumerate(zip(batch.split(outputs.logits), batch.split(outputs.attentions), strict=True)):
        a = a.mean(1, keepdim=True)
        classes = (z if scores == 'logits' else z.softmax(1))[:, :CLASSES]
        torch.testing.assert_close(found.final[video, : len(z)], a * classes)
        torch.testing.assert_close(found.background_scores[video, : len(z)], 1 - a[:, 0])
        pooled = (a * z).topk(max(1, len(z) // 3), 0).values.mean(0)
        torch.testing.assert_close(found.videos[video], pooled.softmax(0)[:CLASSES])


def test_features_of_other_columns_are_refused_with_what_to_do(videos):
    model = build(in_channels=10, streams=(5, 5), model=dict(embedding=dict(type='IdentityEmbedding')))
    with pytest.raises(InputError, match=r'streams.*rgb=.*flow='):
        run(model, videos)
