import pytest
import torch
from host_sync import HostSyncs, Launches
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData

from fsptal_mm.models import RefinementHead
from fsptal_mm.structures import SegmentBatch, SnippetBatch, SnippetGrid
from fsptal_mm.utils.errors import InputError

NETWORK = dict(in_channels=6, channels=8, hidden_channels=16)
NO_DROPOUT = dict(input_dropout=0.0, pooled_dropout=0.0, hidden_dropout=0.0)


def make_head(**options):
    torch.manual_seed(0)
    return RefinementHead(**dict(num_classes=3, members=[NETWORK, NETWORK]) | options)


def make_batch(lengths=(20, 9, 1), num_segments=4, num_proposals=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(length, 6, generator=generator) for length in lengths]
    parts = []
    for count in (num_proposals, num_segments):
        videos = []
        for length in lengths:
            start, size = torch.rand(2, count, generator=generator) * length / 2
            labels = torch.randint(3, (count,), generator=generator)
            videos.append(SegmentBatch.of_video(torch.stack([start, start + size + 0.1], 1), labels))
        parts.append(SegmentBatch.join(videos))
    return dict(features=SnippetBatch.from_videos(features, gap=2)), *parts


def test_videos_of_a_batch_do_not_see_each_other():
    head = make_head().eval()
    for member in head.members:
        torch.nn.init.normal_(member.regressor.weight)
    batch, proposals, _ = make_batch()
    logits, refined = head(batch, proposals.video, proposals.segments)
    together = batch['features']
    for video, features in enumerate(together.split(together.features)):
        own = proposals.video == video
        alone = dict(features=SnippetBatch.from_videos([features], gap=2))
        expected = head(alone, torch.zeros(int(own.sum())).long(), proposals.segments[own])
        torch.testing.assert_close(logits[:, own], expected[0])
        torch.testing.assert_close(refined[:, own], expected[1])


def test_members_may_take_different_features():
    batch, proposals, _ = make_batch()
    embedding = batch['features'].with_features(torch.randn(batch['features'].num_rows, 5))
    head = make_head(members=[NETWORK, NETWORK | dict(inputs='embedding', in_channels=5)]).eval()
    logits, _ = head(batch | dict(embedding=embedding), proposals.video, proposals.segments)
    first, _ = head.members[0](batch['features'], proposals.video, proposals.segments)
    second, _ = head.members[1](embedding, proposals.video, proposals.segments)
    assert torch.equal(logits, torch.stack([first, second]))


def test_a_fresh_head_refines_nothing():
    batch, proposals, _ = make_batch()
    _, refined = make_head()(batch, proposals.video, proposals.segments)
    torch.testing.assert_close(refined, proposals.segments.expand(2, -1, -1))


def test_it_learns_to_tell_and_to_refine_segments():
    """Videos with one action of class 0 or 1 on snippets whose features say so; candidates round it."""
    generator = torch.Generator().manual_seed(0)
    features, segments = [], []
    for video in range(8):
        values, (start, size) = torch.zeros(40, 6), torch.randint(5, 15, (2,), generator=generator).tolist()
        values[start : start + size, video % 2] = 3
        features.append(values + 0.1 * torch.randn(40, 6, generator=generator))
        segments.append(SegmentBatch.of_video([[start, start + size]], [video % 2]))
    batch = dict(features=SnippetBatch.from_videos(features, 2))
    proposals = SegmentBatch.join([SegmentBatch.of_video([])] * 8)
    segments = SegmentBatch.join(segments)
    sampler = dict(type='CandidateSampler', num_per_range=20)
    head = make_head(members=[NETWORK | NO_DROPOUT], sampler=sampler)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        sum(head.loss(batch, proposals, segments).values()).backward()
        optimizer.step()
    head.eval()
    length = segments.segments[:, 1:] - segments.segments[:, :1]
    moved = segments.segments + torch.tensor([[-0.2, 0.2]]) * length  # half again as long
    with torch.no_grad():
        exact, _ = head(batch, segments.video, segments.segments)
        far, _ = head(batch, segments.video, torch.tensor([[30.0, 39.0]]).expand(8, 2))  # behind all actions
        _, refined = head(batch, segments.video, moved)
    exact, far, refined = exact.sigmoid().mean(0), far.sigmoid().mean(0), refined.mean(0)
    own = exact.gather(1, segments.labels[:, None])
    assert own.min() > 0.6
    assert exact.sum(1, keepdim=True).sub(own).max() < 0.3  # of the other classes
    assert far.max(1).values.mean() < 0.5 * own.mean()
    before, after = ((places - segments.segments).abs().mean() for places in (moved, refined))
    assert after < 0.6 * before


def test_two_scores_make_one_and_classes_stay():
    head = make_head(stage1_power=0.5, refined_share=0.25, nms=dict(type='nms', iou_threshold=2.0)).eval()
    for member in head.members:
        torch.nn.init.normal_(member.regressor.weight, std=0.1)
    batch, proposals, _ = make_batch(lengths=(20,))
    sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(0.5, 0.25), duration_sec=10.0))
    scores = torch.rand(len(proposals)) + 0.1
    segments_sec = proposals.segments.double() * 0.5 + 0.25
    sample.pred_segments = InstanceData(segments_sec=segments_sec, scores=scores, labels=proposals.labels)
    with torch.no_grad():
        logits, refined = head(batch, proposals.video, proposals.segments)
        head.predict(batch, [sample])
    own = logits.sigmoid().mean(0)[torch.arange(len(proposals)), proposals.labels]
    refined = refined.mean(0)
    expected = (scores.sqrt() * own).sort(descending=True)
    found = sample.pred_segments
    torch.testing.assert_close(found.scores, expected.values)
    assert found.labels.tolist() == proposals.labels[expected.indices].tolist()
    quarter = (0.75 * proposals.segments + 0.25 * refined)[expected.indices].double() * 0.5 + 0.25
    torch.testing.assert_close(found.segments_sec, quarter.clamp(0, 10), atol=1e-5, rtol=0)


def test_at_most_so_many_detections():
    head = make_head(nms=dict(type='soft_nms', max_candidates=3)).eval()
    batch, proposals, _ = make_batch(lengths=(20,))
    sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(1.0), duration_sec=20.0))
    sample.pred_segments = InstanceData(
        segments_sec=proposals.segments.double(), scores=torch.rand(len(proposals)), labels=proposals.labels
    )
    head.predict(batch, [sample])
    assert len(sample.pred_segments.scores) == 3


def test_the_best_proposals_of_each_class_are_refined():
    head = make_head(max_proposals_per_class=2, nms=dict(type='nms', iou_threshold=2.0)).eval()
    batch, proposals, _ = make_batch(lengths=(20,), num_proposals=6)
    sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(1.0), duration_sec=20.0))
    labels = torch.tensor([1, 0, 1, 1, 1, 2])  # the best one first
    sample.pred_segments = InstanceData(
        segments_sec=proposals.segments.double(), scores=torch.linspace(1, 0.1, 6), labels=labels
    )
    head.predict(batch, [sample])
    found = sorted(sample.pred_segments.segments_sec.tolist())
    expected = sorted(proposals.segments[[0, 1, 2, 5]].tolist())
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def test_no_proposal_gives_no_detection():
    head = make_head().eval()
    batch, _, _ = make_batch(lengths=(5,))
    sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(1.0), duration_sec=5.0))
    nothing = dict(segments_sec=torch.zeros(0, 2).double(), scores=torch.zeros(0), labels=torch.zeros(0).long())
    sample.pred_segments = InstanceData(**nothing)
    head.predict(batch, [sample])
    assert sample.pred_segments.segments_sec.shape == (0, 2)


@pytest.mark.parametrize('num_segments, num_proposals', [(0, 0), (0, 5), (4, 0), (40, 5)])
@pytest.mark.parametrize('lengths', [(1,), (1, 1), (30, 2)])
def test_losses_and_gradients_are_finite_at_the_edges(num_segments, num_proposals, lengths):
    head = make_head(sampler=dict(type='CandidateSampler', num_per_range=6))
    batch, proposals, segments = make_batch(lengths, num_segments, num_proposals)
    losses = head.loss(batch, proposals, segments)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name  # distributed training waits for all of them
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_stays_close(dtype):
    batch, proposals, segments = make_batch()
    head = make_head(members=[NETWORK | NO_DROPOUT])
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast('cpu', dtype, enabled=enabled):
            losses = head.loss(batch, proposals, segments)
        head.zero_grad()
        sum(losses.values()).backward()
        assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())
        found.append(losses)
    for name, loss in found[0].items():
        assert found[1][name].dtype == torch.float32
        torch.testing.assert_close(found[1][name], loss, rtol=0.05, atol=0.01)


def test_nan_features_are_no_silent_zero():
    batch, proposals, segments = make_batch()
    batch['features'].features[batch['features'].rows[0, 3]] = torch.nan
    assert torch.isnan(make_head().loss(batch, proposals, segments)['loss_refined_class'])


def test_the_host_never_waits_in_training_and_operations_do_not_grow():
    counts = []
    for lengths, num_segments, num_proposals in (((20,), 2, 5), ((400,) * 6, 30, 300)):
        head, parts = make_head(members=[NETWORK]), make_batch(lengths, num_segments, num_proposals)
        with HostSyncs() as syncs, Launches() as launches:
            sum(head.loss(*parts).values()).backward()
        assert syncs.names == []
        counts.append(launches.count)
    assert counts[0] == counts[1] < 400


@pytest.mark.parametrize(
    'options, field',
    [
        (dict(num_classes=0), 'num_classes'),
        (dict(members=[]), 'members'),
        (dict(members=[NETWORK | dict(inputs='scores')]), 'inputs'),
        (dict(refined_share=1.5), 'refined_share'),
        (dict(members=[NETWORK | dict(hidden_dropout=2)]), 'hidden_dropout'),
        (dict(nms=dict(type='soft_nms', max_candidates=0)), 'max_candidates'),
        (dict(nms=dict(type='other')), 'nms'),
    ],
)
def test_wrong_options(options, field):
    with pytest.raises(InputError, match=field):
        make_head(**options)


def test_it_is_registered():
    config = dict(type='RefinementHead', num_classes=2, members=[dict(in_channels=4)])
    assert isinstance(MODELS.build(config), RefinementHead)
