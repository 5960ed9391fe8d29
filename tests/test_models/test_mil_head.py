import math

import pytest
import torch
from mmaction.registry import MODELS
from test_point_tal import CONFIG, LENGTHS, checked_losses, make_video, run

from fsptal_mm.models import MILHead, SnippetScores


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(CONFIG | dict(head=dict(type='MILHead', num_classes=3, in_channels=8, dropout=0.0)))


@pytest.fixture
def videos():
    return [make_video(length, seed) for seed, length in enumerate(LENGTHS)]


def test_losses_by_hand():
    # The largest of each: Q 0.8, b 0.5 against [1, 1]; suppressed, q (1 - b) 0.6 and b (1 - b) 0.25 against [1, 0].
    classes, background = torch.tensor([[[0.8], [0.4]]]), torch.tensor([[0.25, 0.5]])
    scores = SnippetScores(classes, background, classes * (1 - background[..., None]))
    losses = MILHead(num_classes=1, in_channels=2).loss_by_feat(
        scores, torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 1)
    )
    assert losses['loss_background'].item() == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)
    assert losses['loss_foreground'].item() == pytest.approx(-(math.log(0.6) + math.log(0.75)) / 2)
    assert len(losses) == 2


def test_points_are_not_read(model, videos):
    losses = run(model, videos, 'loss')
    for _, sample in videos:
        del sample.snippet_instances, sample.background_labels
    without = run(model, videos, 'loss')
    assert all(torch.equal(losses[name], without[name]) for name in losses)


def test_a_batch_has_the_losses_and_gradients_of_its_videos(model, videos):
    checked_losses(model, videos)


def test_every_parameter_gets_a_gradient(model, videos):
    losses = run(model, videos, 'loss')
    sum(losses.values()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
