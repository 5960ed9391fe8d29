import math

import pytest
import torch
from mmaction.registry import MODELS
from test_point_tal import CONFIG, LENGTHS, make_video, run

from fsptal_mm.models import SnippetScores
from fsptal_mm.models.heads.mil_head import MILHead


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
        del sample.point_instances, sample.point_background
    without = run(model, videos, 'loss')
    assert all(torch.equal(losses[name], without[name]) for name in losses)


def test_a_batch_has_the_losses_and_gradients_of_its_videos(model, videos):
    def losses_and_gradients(videos):
        model.zero_grad()
        losses = run(model, videos, 'loss')
        sum(losses.values()).backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        return {name: loss.detach() for name, loss in losses.items()}, gradients

    single = [losses_and_gradients([video]) for video in videos]
    losses, gradients = losses_and_gradients(videos)
    for found, part in ((losses, 0), (gradients, 1)):
        for name, value in found.items():
            mean = sum(pair[part][name] for pair in single) / len(videos)
            torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f'{name}: {text}')


def test_every_parameter_gets_a_gradient(model, videos):
    losses = run(model, videos, 'loss')
    sum(losses.values()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
