import math
from pathlib import Path

import pytest
import torch
from mmaction.registry import TASK_UTILS
from model_builders import build_model, losses_and_gradients, make_clicked, make_targets, run
from torch import nn

from fsptal_mm.models.heads import PrototypeMemory, ReliabilityEncoder, prototype_contrast
from fsptal_mm.structures import SnippetBatch, SnippetGrid
from fsptal_mm.utils.configs import read_config
from fsptal_mm.utils.errors import InputError

CONFIGS = Path(__file__).parents[2] / 'configs'

ENCODER = dict(num_heads=2, mlp_channels=4, dropout=0.0, attention_dropout=0.0)


def build(**head):
    model = build_model(**(dict(head='HRProHead', encoder=ENCODER) | head))
    model.head.memory.prototypes.normal_()
    return model


@pytest.fixture
def videos():
    return make_clicked()


def test_contrast_by_hand():
    # The prototypes point along x and y, and the temperature is 1. Snippet 0, an action of class 0, points along x:
    # A = [e, 1]. Snippet 2, background, points along y: B_0 = 1. So both parts are 1/2 log((e + 1) / e). Class 1 has no
    # seed, snippet 1 no label. The video shows one class. The second video has neither seeds nor classes, and adds 0.
    video = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    batch = SnippetBatch.from_videos([video, video])
    instances = torch.full((2, 3, 2), -1)
    instances[0, 0, 0] = 0
    seeds = make_targets(instances, [[False, False, True], [False] * 3])
    loss = prototype_contrast(batch, torch.eye(2), seeds, temperature=1.0)
    assert loss.item() == pytest.approx(math.log((math.e + 1) / math.e) / 2)


def test_contrast_without_background_seeds_has_its_first_part_alone():
    batch = SnippetBatch.from_videos([torch.tensor([[1.0, 0.0]])])
    loss = prototype_contrast(batch, torch.eye(2), make_targets([[[0, -1]]]), temperature=1.0)
    assert loss.item() == pytest.approx(0.5 * math.log((math.e + 1) / math.e))


def test_contrast_means_over_seeds_and_classes():
    # Class 0 has two seeds, along x and y: A_00 = A_01 = (e + 1) / 2. Class 1 has one seed, along y: A_11 = e, A_10 =
    # 1.
    video = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    instances = torch.tensor([[[0, -1], [0, -1], [-1, 1]]])
    loss = prototype_contrast(SnippetBatch.from_videos([video]), torch.eye(2), make_targets(instances), 1.0)
    assert loss.item() == pytest.approx((0.5 * math.log(2) + 0.5 * math.log((math.e + 1) / math.e)) / 2)


def test_prototypes_move_video_after_video():
    # The prototype of class 0 moves towards the mean [2, 2] of the first video, then towards [8, 0] of the second one.
    # That of class 1 stays.
    videos = [torch.tensor([[1.0, 4.0], [3.0, 0.0], [9.0, 9.0]]), torch.tensor([[8.0, 0.0]])]
    instances = torch.full((2, 3, 2), -1)
    instances[0, :2, 0], instances[1, 0, 0] = 0, 0
    mask = [[True] * 3, [True, False, False]]
    memory = PrototypeMemory(2, 2, momentum=0.25)
    memory.prototypes.copy_(torch.tensor([[4.0, 0.0], [5.0, 6.0]]))
    memory.update(SnippetBatch.from_videos(videos), make_targets(instances, mask=mask))
    first = [0.75 * 4 + 0.25 * 2, 0.25 * 2]
    second = [0.75 * first[0] + 0.25 * 8, 0.75 * first[1]]
    torch.testing.assert_close(memory.prototypes, torch.tensor([second, [5.0, 6.0]]))


def test_first_prototypes_are_means_over_points():
    memory = PrototypeMemory(2, 2)
    memory.fill(torch.tensor([[4.0, 8.0], [0.0, 0.0]]), torch.tensor([4, 0]))
    assert memory.prototypes.tolist() == [[1.0, 2.0], [0.0, 0.0]]


def test_attention_is_that_of_torch_and_masks_padding():
    torch.manual_seed(0)
    encoder = ReliabilityEncoder(8, num_layers=1, **ENCODER)
    (layer,) = encoder.layers
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    projections = (layer.query[1], layer.key[1], layer.value)
    attention.in_proj_weight.data = torch.cat([part.weight for part in projections])
    attention.in_proj_bias.data = torch.cat([part.bias for part in projections])
    attention.out_proj.load_state_dict(layer.out.state_dict())
    videos, tokens = [torch.randn(length, 8) for length in (5, 2)], torch.randn(3, 8)
    batch = SnippetBatch.from_videos(videos)
    found = encoder(batch, tokens)
    for video, encoded in zip(videos, batch.split(found.features), strict=True):
        rows = torch.cat([video, tokens])
        attended = attention(layer.query[0](rows)[None], layer.key[0](rows)[None], rows[None])[0][0]
        rows = layer.attention_norm(rows + attended)
        rows = layer.mlp_norm(rows + layer.mlp(rows))[: len(video)]
        torch.testing.assert_close(encoded, encoder.conv(SnippetBatch.from_videos([rows]))[1:-1].relu())
    assert not found.features[batch.gaps].any()


def test_attention_dropout_drops_weights_of_the_attention():
    # One row attends to itself with weight 1: in each head it is dropped in three of four draws, else four times as
    # large. The values pass as they are.
    torch.manual_seed(0)
    (layer,) = ReliabilityEncoder(8, 1, **ENCODER | dict(attention_dropout=0.75)).layers
    layer.value = layer.out = nn.Identity()
    place, mask = torch.zeros(1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool)

    def attend():
        return layer._attend(torch.ones(1, 8), place[None], place, mask).view(2, 4)  # two heads

    found = torch.stack([attend() for _ in range(400)])
    assert found.unique().tolist() == [0.0, 4.0]
    assert (found == found[..., :1]).all()
    assert (found[:, 0] != found[:, 1]).any()
    assert found.mean().item() == pytest.approx(1, abs=0.3)
    layer.eval()
    assert (attend() == 1).all()


def test_videos_may_see_the_prototypes_that_videos_before_them_have_moved(videos):
    alone, found = build(momentum=0.5), build(momentum=0.5, memory_update='video')
    together = build(momentum=0.5)
    for model in (alone, found, together):
        model.load_state_dict(alone.state_dict())
        model.train()
    before = alone.head.memory.prototypes.clone()
    one_by_one = [run(alone, [video]) for video in videos]  # the first video alone, then the second one ...
    losses, of_batch = run(found, videos), run(together, videos)
    sum(losses.values()).backward()
    for name, loss in losses.items():
        torch.testing.assert_close(loss, sum(step[name] for step in one_by_one) / len(videos))
    torch.testing.assert_close(found.head.memory.prototypes, alone.head.memory.prototypes)
    assert (losses['loss_contrast'] - of_batch['loss_contrast']).abs() > 1e-3
    assert not torch.allclose(together.head.memory.prototypes, found.head.memory.prototypes)
    # In evaluation mode, no video moves them.
    found.head.memory.prototypes.copy_(before)
    run(found.eval(), videos)
    assert torch.equal(found.head.memory.prototypes, before)


def test_a_bad_memory_update_is_refused():
    with pytest.raises(InputError, match='memory_update'):
        build(memory_update='epoch')


def test_prototypes_of_zeros(videos):
    # As before `PrototypeHook` has filled them, or for classes without a point: cosines of 0 and no NaN.
    model = build(momentum=0.0).train()
    model.head.memory.prototypes.zero_()
    losses, gradients = losses_and_gradients(model, videos)
    assert all(torch.isfinite(value).all() for value in (losses | gradients).values() if value is not None)
    # All similarities are 1: log 3 against three classes, log 2 against background if there is some.
    assert losses['loss_contrast'] > 0.5 * math.log(3)
    found = run(model.eval(), videos, 'predict')
    assert all(torch.isfinite(sample.pred_scores).all() for sample in found)


@pytest.mark.parametrize('seeds', ['live', 'clean'])
def test_a_step_moves_the_prototypes(videos, seeds):
    model = build(seeds=seeds, dropout=0.5).train()
    before = model.head.memory.prototypes.clone()
    run(model, videos, 'loss')
    assert model.training
    assert (model.head.memory.prototypes != before).any()
    assert 'head.memory.prototypes' in model.state_dict()
    assert not model.head.memory.prototypes.requires_grad


@pytest.mark.parametrize('seeds, differ', [('live', True), ('clean', False)])
def test_seeds_of_scores_with_or_without_dropout(videos, monkeypatch, seeds, differ):
    model, seen = build(seeds=seeds, dropout=0.5, momentum=0.0).train(), []
    mine = model.head.mine_seeds
    monkeypatch.setattr(model.head, 'mine_seeds', lambda scores, given: seen.append(scores) or mine(scores, given))
    for _ in range(2):
        run(model, videos, 'loss')
    assert torch.equal(seen[0].classes, seen[1].classes) != differ


def test_videos_without_points(videos):
    # Background may still be mined in such videos, but no action, and the prototypes stay the same.
    model = build().train()
    for _, sample in videos:
        sample.snippet_instances.fill_(-1)
        sample.gt_video_labels.fill_(0)
        sample.background_labels.fill_(False)
    before = model.head.memory.prototypes.clone()
    losses = run(model, videos, 'loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses['loss_point_action'] == losses['loss_contrast'] == 0
    assert torch.equal(model.head.memory.prototypes, before)


def test_scrambled_tokens_are_every_third_number(monkeypatch):
    model, seen = build(tokens='scrambled'), []
    prototypes = torch.arange(24.0).view(3, 8)
    model.head.memory.prototypes.copy_(prototypes)
    monkeypatch.setattr(model.head.encoder, 'forward', lambda batch, tokens: seen.append(tokens) or batch)
    batch = model.data_preprocessor(dict(inputs=[torch.rand(4, 6)]))['inputs']
    model.head.encode(model.embed(batch))
    assert seen[0][1].tolist() == [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0]
    model.head.tokens = 'rows'
    model.head.encode(model.embed(batch))
    assert torch.equal(seen[1], prototypes)


def test_faithful_proposals_may_score_below_0():
    # Snippets 4 and 5 have low background scores, but also a lower class score than their neighbours.
    config = read_config(CONFIGS / '_base_/models/hrpro_faithful.py')
    scores, background = torch.full((12, 1), 0.9), torch.full((12,), 0.9)
    scores[4:6], background[4:6] = 0.2, 0.1
    found = TASK_UTILS.build(config.model.head.proposals)(
        scores, background, torch.ones(1), SnippetGrid(1.0), duration_sec=12.0
    )
    assert (found['scores'] < 0).any()
