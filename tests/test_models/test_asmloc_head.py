import math

import pytest
import torch
from model_builders import EMBEDDED, VIDEOS, assert_trainable, build_model, embed, make_video, run

from fsptal_mm.models import ASMLocHead
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError


def build(**head):
    return build_model(**(dict(head='ASMLocHead') | head))


def test_losses_by_hand():
    # Six real snippets: one is pooled for foreground, two for background. Snippet 0, attention 1/4 and 3/4, gives
    # a^f z = log [2, 1, 1] and a^b z = log [8, 1, 1]; snippet 1, all background, a^b z = log [2, 1, 1].
    # Foreground [2, 1, 1] / 4; background, of the mean of log 8 and log 2, [4, 1, 1] / 6. The last one is padding.
    logits, attention = torch.zeros(1, 7, 3), torch.full((1, 7, 2), 0.5)
    logits[0, :2, 0] = torch.tensor([4 * math.log(2), math.log(2)])
    attention[0, :2] = torch.tensor([[0.25, 0.75], [0.0, 1.0]])
    logits[0, 6] = torch.tensor([9.0, -9.0, 30.0])
    mask = torch.arange(7)[None] < 6
    losses = ASMLocHead(2, 4).loss_by_feat(logits, attention, mask, torch.tensor([[1.0, 0.0]]))
    assert losses['loss_foreground'].item() == pytest.approx(math.log(2))
    assert losses['loss_background'].item() == pytest.approx(0.5 * math.log(6))
    assert losses['loss_context'].item() == pytest.approx(0.5 * math.log(6 / 4))
    losses = ASMLocHead(2, 4, foreground_weight=5, context_weight=0).loss_by_feat(
        logits, attention, mask, torch.tensor([[1.0, 1.0]])
    )
    assert losses['loss_foreground'].item() == pytest.approx(5 * (math.log(2) + math.log(4)) / 2)  # in equal shares
    assert losses['loss_context'].item() == 0


def test_a_video_without_a_class_shows_background_alone():
    logits, attention, mask = torch.zeros(1, 4, 3), torch.full((1, 4, 2), 0.5), torch.ones(1, 4, dtype=torch.bool)
    losses = ASMLocHead(2, 4).loss_by_feat(logits, attention, mask, torch.zeros(1, 2))
    assert losses['loss_foreground'].item() == losses['loss_context'].item() == 0
    assert losses['loss_background'].item() == pytest.approx(0.5 * math.log(3))


def test_one_step_trains_every_weight():
    losses = assert_trainable(build(), VIDEOS)
    assert set(losses) == {'loss_foreground', 'loss_background', 'loss_context'}


def test_only_video_labels_are_read():
    model = build()
    losses = run(model, VIDEOS)
    without = [make_video(sample.num_snippets) for _, sample in VIDEOS]
    for (_, own), (_, given) in zip(without, VIDEOS):
        own.gt_video_labels = given.gt_video_labels
        del own.snippet_instances, own.background_labels
    again = run(model, without)
    assert all(torch.equal(losses[name], again[name]) for name in losses)


def test_losses_of_a_batch_are_means_of_its_videos():
    model = build()
    alone = [run(model, [video]) for video in VIDEOS]
    for name, loss in run(model, VIDEOS).items():
        torch.testing.assert_close(loss, sum(one[name] for one in alone) / len(alone))


def test_dropout_takes_whole_snippets_and_single_numbers():
    head = ASMLocHead(2, 64, dropout=0.5).train()
    torch.manual_seed(0)
    rows = head(SnippetBatch.from_videos([torch.ones(500, 64)]))
    is_bias = (rows == head.classifier.bias).all(1)
    assert 0.4 < is_bias.float().mean() < 0.6  # single numbers alone would leave a row with probability 1 - 2**-64
    assert len(rows[~is_bias].unique(dim=0)) > 200
    clean = head.eval()(SnippetBatch.from_videos([torch.ones(9, 64)]))[1:-1]
    torch.testing.assert_close(clean, clean[:1].expand_as(clean))


def test_scores_by_their_formulas():
    model = build(dropout=0.9).train()
    batch, _ = embed(model, VIDEOS)
    scores = model.head.clean_scores(batch)
    assert model.head.training
    for video, rows in enumerate(batch.split(batch.features)):
        z = model.head.classifier(rows)
        foreground, background = model.head.attention(rows).softmax(1).unbind(1)
        attended = foreground[:, None] * z
        torch.testing.assert_close(scores.final[video, : len(rows)], attended.softmax(1)[:, :-1])
        torch.testing.assert_close(scores.background_scores[video, : len(rows)], background)
        pooled = attended.topk(max(1, len(rows) // 8), 0).values.mean(0)
        torch.testing.assert_close(scores.videos[video], pooled.softmax(0)[:-1])


def test_a_batch_has_the_proposals_of_its_videos():
    model = build().eval()
    for found, video in zip(run(model, VIDEOS, 'predict'), VIDEOS, strict=True):
        segments = found.pred_segments.segments_sec.clone()
        (alone,) = run(model, [video], 'predict')
        torch.testing.assert_close(segments, alone.pred_segments.segments_sec)
        assert len(segments)


@pytest.mark.parametrize(
    'field, options',
    [
        ('background_divisor', dict(background_divisor=0)),
        ('foreground_weight', dict(foreground_weight=-1)),
        ('background_weight', dict(background_weight='a')),
        ('context_weight', dict(context_weight=-0.1)),
        ('in_channels', dict(in_channels=EMBEDDED + 1)),
        ('num_classes', dict(num_classes=2)),
    ],
)
def test_bad_settings_are_refused(field, options):
    with pytest.raises(InputError, match=field):
        run(build(**options), VIDEOS)
