import math

import pytest
import torch
from model_builders import build_model, embed, make_clicked, make_targets, run
from torch.nn import functional as F

from fsptal_mm.models.heads.backtal_head import (
    BackTALHead,
    BackTALOutputs,
    click_loss,
    score_separation_loss,
)
from fsptal_mm.models.heads.lacp_head import LACPSeedMiner
from fsptal_mm.models.losses import largest_of_video
from fsptal_mm.structures import PointTargets, SnippetBatch
from fsptal_mm.utils.errors import InputError


def build(**head):
    return build_model(**(dict(head='BackTALHead', embed_channels=4, dropout=0.0) | head))


@pytest.fixture
def videos():
    return make_clicked()


def test_click_loss_by_hand():
    # The softmax is [1/2, 1/4] for both classes and 1/4 for background. So a click costs log 4, and a point of class 0
    # costs log 2. The third snippet has no label.
    logits = torch.tensor([2.0, 1.0, 1.0]).log().expand(1, 3, 3)
    none, click = [[-1, -1]] * 3, [[False, True, False]]
    assert click_loss(logits, make_targets([none], click)).item() == pytest.approx(math.log(4))
    targets = make_targets([[[0, -1], [-1, -1], [-1, -1]]], click)
    assert click_loss(logits, targets).item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert click_loss(logits, make_targets([none])).item() == 0


def test_score_separation_by_hand():
    # The largest logit of class 0 is 3, and its mean at the clicks (0 and 2) is 1: log(1 + e^-2). Both are 1 for class
    # 1: log 2. The second video has no click, and is left out. The last snippet of the first video is padding.
    logits = torch.tensor([[[0.0, 1.0, 9.0], [2.0, 1.0, 9.0], [3.0, 1.0, 9.0], [8.0, 8.0, 9.0]]]).repeat(2, 1, 1)
    instances = torch.full((2, 4, 2), -1)
    instances[:, 2] = 0
    clicks = [[True, True, False, False], [False] * 4]
    mask = [[True, True, True, False], [True] * 4]
    loss = score_separation_loss(logits, make_targets(instances, clicks, mask), 8)
    assert loss.item() == pytest.approx((math.log(1 + math.exp(-2)) + math.log(2)) / 2)


def test_likely_actions_are_the_largest_eighth_of_each_class():
    scores = torch.zeros(2, 17, 2)
    scores[0, [3, 5, 7], 0] = torch.tensor([2.0, 3.0, 1.0])  # 17 // 8 = 2 snippets
    scores[1, [2, 6], 1] = torch.tensor([1.0, 9.0])  # 5 snippets, so only the largest one
    mask = torch.arange(17) < torch.tensor([[17], [5]])
    chosen = largest_of_video(scores, mask, 8)
    assert chosen[0, :, 0].nonzero()[:, 0].tolist() == [3, 5]
    assert chosen[1, :, 1].nonzero()[:, 0].tolist() == [2]
    assert not (chosen & ~mask[..., None]).any()


def test_embedding_loss_by_hand():
    # Two videos have eight snippets. The second video has no click, and is left out. In the first video, the likely
    # action of class 0 is snippet 3. In E, it points along x, as does click 0, while click 1 points along y. The clicks
    # have the cosine 0 and cost 0.5 each. The action costs 1 - 0.1 by its most similar click, and the clicks cost (0.9
    # + 0) / 2.
    suppressed = torch.zeros(2, 8, 3)
    suppressed[:, 3, 0], suppressed[:, 4, 1] = 5, 9  # class 1 is not in the video
    embedding = torch.zeros(2, 8, 2)
    embedding[..., 0] = 1
    embedding[0, 1] = torch.tensor([0.0, 1.0])
    instances = torch.full((2, 8, 2), -1)
    instances[:, 7, 0] = 0
    clicks = [[True, True] + [False] * 6, [False] * 8]
    targets = make_targets(instances, clicks)
    batch = SnippetBatch.from_videos(list(torch.zeros(2, 8, 1)))
    rows = [batch.join(list(part)) for part in (suppressed, torch.full((2, 8, 1), 0.25), embedding)]
    outputs = BackTALOutputs(rows[0], rows[0], rows[0], rows[1], rows[2])
    losses = BackTALHead(2, 8).loss_by_feat(outputs, batch, targets)
    assert losses['loss_embedding'].item() == pytest.approx(0.8 * (0.5 + 0.9 + 0.45))
    assert losses['loss_sparsity'].item() == pytest.approx(1e-4 * 8 * 0.25)


@pytest.mark.parametrize('sparsity, expected', [('sum', (8 + 2) / 2), ('mean', 750)])
def test_sparsity_by_hand(sparsity, expected):
    # Attention 0.25 in all of eight snippets, and of two.
    batch = SnippetBatch.from_videos([torch.zeros(8, 1), torch.zeros(2, 1)])
    logits, rows = torch.zeros(batch.num_rows, 3), torch.full((batch.num_rows, 1), 0.25)
    outputs = BackTALOutputs(logits, logits, logits, rows, rows)
    targets = make_targets(torch.full((2, 8, 2), -1), mask=batch.mask)
    losses = BackTALHead(2, 8, sparsity=sparsity).loss_by_feat(outputs, batch, targets)
    assert losses['loss_sparsity'].item() == pytest.approx(1e-4 * 0.25 * expected)


def test_a_bad_sparsity_is_refused():
    with pytest.raises(InputError, match='sparsity'):
        build(sparsity='max')


def test_points_may_take_the_place_of_clicks(videos):
    # L_click takes the points, and background between them that the miner finds by the softmax of z.
    model = build(labels='points')
    for _, sample in videos:
        sample.background_labels[:] = False
    batch, samples = embed(model, videos)
    given = PointTargets.from_samples(samples, batch.mask)
    logits = batch.pad(model.head(batch))
    shares = logits.softmax(-1)
    mined = LACPSeedMiner()(shares[..., :-1], shares[..., -1], given).background_labels
    assert mined.any()
    found = run(model, videos, 'loss')['loss_click'].item()
    assert found == pytest.approx(click_loss(logits, given.with_background(mined)).item())
    assert found != pytest.approx(click_loss(logits, given).item(), rel=1e-4)


def test_a_batch_without_clicks(videos):
    model = build()
    for _, sample in videos:
        sample.background_labels[:] = False
    with pytest.raises(InputError, match='clicks'):
        run(model, videos, 'loss')  # points, though the head wants clicks
    for _, sample in videos:
        sample.snippet_instances[:] = -1
    losses = run(model, videos, 'loss')
    assert losses['loss_click'] == losses['loss_score'] == losses['loss_embedding'] == 0
    assert losses['loss_base'] > 0


def test_affinity_weighs_taps_or_thirds_of_the_kernel():
    # The kernel has 2 channels with 3 taps each, channel by channel. The cosines [left, centre, right] are [0.5, 1,
    # 0.25].
    cosines = torch.tensor([[0.5, 1.0, 0.25]])
    conv = torch.nn.Conv1d(2, 4, 3)
    assert torch.equal(build().head._weights(cosines, conv), cosines)
    found = build(affinity='thirds').head._weights(cosines, conv)
    # Thirds of the kernel: the taps of channel 0 get left, left, centre, and those of channel 1 centre, right, right.
    assert found[0].t().tolist() == [[0.5, 0.5, 1.0], [1.0, 0.25, 0.25]]


def test_scores_by_their_formulas():
    model = build().eval()
    batch = model.embed(model.data_preprocessor(dict(inputs=[torch.rand(20, 6), torch.rand(4, 6)]))['inputs'])
    outputs = model.head.outputs(batch)
    scores = model.head.clean_scores(batch)
    for video, (z, rows) in enumerate(zip(batch.split(outputs.suppressed), batch.split(outputs.features))):
        low, high = F.relu(z.amin(0)), F.relu(z.amax(0))
        span = torch.where(high > low, high - low, 1)
        torch.testing.assert_close(scores.final[video, : len(z)], ((z - low) / span)[:, :-1].clamp(min=0))
        length = rows.norm(dim=1)
        share = (length - length.min()) / (length.max() - length.min())
        torch.testing.assert_close(scores.background_scores[video, : len(z)], 1 - share)
        pooled = z.topk(max(1, len(z) // 8), 0).values.mean(0)
        torch.testing.assert_close(scores.videos[video], pooled.softmax(0)[:-1])
