import pytest
import torch
from host_sync import HostSyncs, Launches
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData

from fsptal_mm.models import RefinementHead
from fsptal_mm.structures import SegmentBatch, SnippetBatch, SnippetGrid
from fsptal_mm.utils.errors import InputError

NETWORK = dict(in_channels=6, channels=8, hidden_channels=16)
GRID = SnippetGrid(1.0)
KEEP_ALL = dict(type='nms', iou_threshold=2.0)
NO_DROPOUT = dict(input_dropout=0.0, pooled_dropout=0.0, hidden_dropout=0.0)


def make_head(**options):
    torch.manual_seed(0)
    return RefinementHead(**dict(num_classes=3, members=[NETWORK, NETWORK]) | options)


def make_batch(lengths=(20, 9, 1), num_segments=4, num_proposals=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(length, 6, generator=generator) for length in lengths]

    def segments(count, length):
        start, size = torch.rand(2, count, generator=generator) * length / 2
        labels = torch.randint(3, (count,), generator=generator)
        return SegmentBatch.of_video(torch.stack([start, start + size + 0.1], 1), labels)

    counts = num_proposals, num_segments
    parts = [SegmentBatch.join([segments(count, length) for length in lengths]) for count in counts]
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


def test_losses_by_loops_over_candidates():
    """Losses of candidates have weights. They are averaged over the candidates of a video, then over videos."""
    head = make_head(members=[NETWORK | NO_DROPOUT] * 2, min_refined_tiou=0.4)
    for member in head.members:
        torch.nn.init.normal_(member.regressor.weight, std=0.1)
    batch, candidates, segments = make_batch(num_segments=2)
    segments.scores.copy_(torch.linspace(0.5, 1.5, 6))
    exists = torch.arange(len(candidates)) % 4 != 3
    targets = head.assigner(candidates.video, candidates.segments, segments, 3)
    head.sampler = lambda *_: (candidates.video, candidates.segments, targets, exists)
    found = head.loss(batch, candidates, segments)
    with torch.no_grad():
        logits, refined = head(batch, candidates.video, candidates.segments)
    means, weights = [], targets.weights
    for video in range(3):
        chosen = [n for n in range(len(candidates)) if candidates.video[n] == video and exists[n]]
        near = [n for n in chosen if targets.tiou[n] >= 0.4]
        chosen, near = ([(n, member) for n in rows for member in (0, 1)] for rows in (chosen, near))
        on_class = [weights[n] * head.class_loss(logits[m, n, None], targets.quality[n, None]) for n, m in chosen]
        on_segment = [weights[n] * head.segment_loss(refined[m, n, None], targets.segments[n, None]) for n, m in near]
        means.append([torch.cat(part).mean() if part else torch.zeros(()) for part in (on_class, on_segment)])
    on_class, on_segment = torch.tensor(means).mean(0)
    assert found['loss_refined_class'].item() == pytest.approx(on_class.item(), rel=1e-5)
    assert found['loss_refined_segment'].item() == pytest.approx(on_segment.item(), rel=1e-5)
    assert on_segment > 0


def predict(head, batch, proposals, scores=None, labels=None, grid=GRID):
    """Detections of one video of 20 snippets from proposals in snippets."""
    sample = ActionDataSample(metainfo=dict(grid=grid, duration_sec=20 * grid.snippet_sec))
    scores = torch.linspace(1, 0.1, len(proposals)) if scores is None else scores
    labels = proposals.labels if labels is None else labels
    segments_sec = torch.from_numpy(grid.to_sec(proposals.segments.double().numpy()))
    sample.pred_segments = InstanceData(segments_sec=segments_sec, scores=scores, labels=labels)
    head.eval().predict(batch, [sample])
    return sample.pred_segments


def test_two_scores_make_one_and_classes_stay():
    head = make_head(stage1_power=0.5, refined_share=0.25, nms=KEEP_ALL).eval()
    for member in head.members:
        torch.nn.init.normal_(member.regressor.weight, std=0.1)
    batch, proposals, _ = make_batch(lengths=(20,))
    scores = torch.rand(len(proposals)) + 0.1
    with torch.no_grad():
        logits, refined = head(batch, proposals.video, proposals.segments)
    found = predict(head, batch, proposals, scores, grid=SnippetGrid(0.5, 0.25))
    own = logits.sigmoid().mean(0)[torch.arange(len(proposals)), proposals.labels]
    expected = (scores.sqrt() * own).sort(descending=True)
    torch.testing.assert_close(found.scores, expected.values)
    assert found.labels.tolist() == proposals.labels[expected.indices].tolist()
    moved = (0.75 * proposals.segments + 0.25 * refined.mean(0))[expected.indices].double() * 0.5 + 0.25
    torch.testing.assert_close(found.segments_sec, moved.clamp(0, 10), atol=1e-5, rtol=0)


def test_the_best_proposals_of_each_class_are_refined():
    batch, proposals, _ = make_batch(lengths=(20,), num_proposals=6)
    labels = torch.tensor([1, 0, 1, 1, 1, 2])  # the best proposal first
    found = predict(make_head(max_proposals_per_class=2, nms=KEEP_ALL), batch, proposals, labels=labels)
    expected = sorted(proposals.segments[[0, 1, 2, 5]].tolist())
    torch.testing.assert_close(torch.tensor(sorted(found.segments_sec.tolist())), torch.tensor(expected))


@pytest.mark.parametrize('num_proposals, expected', [(10, 3), (0, 0)])
def test_at_most_so_many_detections(num_proposals, expected):
    batch, proposals, _ = make_batch(lengths=(20,), num_proposals=num_proposals)
    found = predict(make_head(nms=dict(type='soft_nms', max_candidates=3)), batch, proposals)
    assert found.segments_sec.shape == (expected, 2)


@pytest.mark.parametrize('num_segments, num_proposals', [(0, 0), (0, 5), (4, 0), (40, 5)])
@pytest.mark.parametrize('lengths', [(1,), (1, 1), (30, 2)])
def test_losses_and_gradients_are_finite_at_the_edges(num_segments, num_proposals, lengths):
    head = make_head(sampler=dict(type='CandidateSampler', num_per_range=6))
    batch, proposals, segments = make_batch(lengths, num_segments, num_proposals)
    losses = head.loss(batch, proposals, segments)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name  # distributed training waits for the gradients of all parameters
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
    batch, proposals, _ = make_batch(lengths=(20,))
    batch['features'].features[batch['features'].rows[0, 3]] = torch.nan
    assert torch.isnan(predict(make_head(), batch, proposals).scores).any()  # the metric then refuses it


def test_a_class_without_segments_loses_score_and_may_still_be_proposed():
    head, (batch, proposals, segments) = make_head(), make_batch(lengths=(20,))
    segments.labels.clamp_(max=1)
    sum(head.loss(batch, proposals, segments).values()).backward()
    for member in head.members:
        assert member.classifier.bias.grad[2] > 0  # so a gradient step lowers the score
    found = predict(head, batch, proposals, labels=torch.full((len(proposals),), 2))
    assert len(found.scores) > 0
    assert torch.isfinite(found.scores).all()


def test_segments_longer_than_the_video_end_with_it():
    head, (batch, _, _) = make_head(), make_batch(lengths=(20,))
    long = SegmentBatch.of_video(torch.tensor([[-30.0, 50.0], [-5.0, 21.0], [12.0, 90.0]]), torch.tensor([0, 1, 2]))
    losses = head.loss(batch, long, long)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())
    found = predict(make_head(nms=KEEP_ALL), batch, long)
    assert sorted(found.segments_sec.tolist()) == [[0, 20], [0, 20], [12, 20]]
    assert torch.isfinite(found.scores).all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_predictions_in_half_precision_stay_close(dtype):
    batch, proposals, _ = make_batch(lengths=(20,))
    found = []
    for enabled in (False, True):
        with torch.autocast('cpu', dtype, enabled=enabled):
            found.append(predict(make_head(nms=KEEP_ALL), batch, proposals))
    single, half = (part.scores[part.segments_sec[:, 0].argsort()] for part in found)
    torch.testing.assert_close(half, single, rtol=0.05, atol=0.01)


def test_the_host_never_waits_in_training_and_operations_do_not_grow():
    counts = []
    for lengths, num_segments, num_proposals in (((20,), 2, 5), ((400,) * 6, 30, 300)):
        head, parts = make_head(members=[NETWORK]), make_batch(lengths, num_segments, num_proposals)
        with HostSyncs() as syncs, Launches() as launches:
            sum(head.loss(*parts).values()).backward()
        assert syncs.names == []
        counts.append(launches.count)
    assert counts[0] == counts[1] < 310


@pytest.mark.parametrize(
    'options, field',
    [
        (dict(members=[]), 'members'),
        (dict(members=[NETWORK | dict(inputs='scores')]), 'inputs'),
        (dict(nms=dict(type='other')), 'nms'),
    ],
)
def test_wrong_options(options, field):
    with pytest.raises(InputError, match=field):
        make_head(**options)
