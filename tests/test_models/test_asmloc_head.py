import math

import pytest
import torch
from model_builders import VIDEOS, build_model, embed

from fsptal_mm.models import ASMLocHead
from fsptal_mm.structures import SnippetBatch


def build(**head):
    return build_model(**(dict(head='ASMLocHead') | head))


def test_losses_by_hand():
    # Of six real snippets, one is pooled for the foreground and two for the background; the seventh is padding. Snippet
    # 0 with the attention 1/4 and 3/4 gives a^f z = log [2, 1, 1] and a^b z = log [8, 1, 1]. Snippet 1, all background,
    # gives a^b z = log [2, 1, 1]. The softmax of the foreground is [2, 1, 1] / 4. That of the background, from the mean
    # of log 8 and log 2, is [4, 1, 1] / 6.
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
    assert losses['loss_foreground'].item() == pytest.approx(5 * (math.log(2) + math.log(4)) / 2)  # equal shares
    assert losses['loss_context'].item() == 0


def test_a_video_without_a_class_shows_background_alone():
    logits, attention, mask = torch.zeros(1, 4, 3), torch.full((1, 4, 2), 0.5), torch.ones(1, 4, dtype=torch.bool)
    losses = ASMLocHead(2, 4).loss_by_feat(logits, attention, mask, torch.zeros(1, 2))
    assert losses['loss_foreground'].item() == losses['loss_context'].item() == 0
    assert losses['loss_background'].item() == pytest.approx(0.5 * math.log(3))


def test_dropout_takes_whole_snippets_and_single_numbers():
    head = ASMLocHead(2, 64, dropout=0.5).train()
    torch.manual_seed(0)
    rows = head(SnippetBatch.from_videos([torch.ones(500, 64)]))
    is_bias = (rows == head.classifier.bias).all(1)
    # If only single numbers were dropped, a whole row would be dropped with probability 2**-64.
    assert 0.4 < is_bias.float().mean() < 0.6
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
