import pytest
import torch
from host_sync import HostSyncs, Launches
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData

from fsptal_mm.models import HRProInstanceHead
from fsptal_mm.structures import SegmentBatch, SnippetBatch, SnippetGrid
from fsptal_mm.utils.errors import InputError

KEEP_ALL = dict(type='nms', iou_threshold=2.0)


def make_head(**options):
    torch.manual_seed(0)
    head = HRProInstanceHead(**dict(in_channels=6, dropout=0.0) | options)
    with torch.no_grad():
        for part in (head.network.start, head.network.end):
            part[2].weight.mul_(0.1)  # segments move by less than their length
    return head


def make_batch(lengths=(40, 16), counts=(6, 5), num_segments=3):
    torch.manual_seed(1)
    batch = SnippetBatch.from_videos([torch.randn(length, 6) for length in lengths], gap=1)

    def segments(count, length):
        start, size = torch.rand(2, count) * length / 2
        return SegmentBatch.of_video(torch.stack([start, start + size + 1], 1), torch.randint(3, (count,)))

    proposals = SegmentBatch.join([segments(count, length) for count, length in zip(counts, lengths)])
    return dict(features=batch), proposals, SegmentBatch.join([segments(num_segments, length) for length in lengths])


def test_completeness_and_boundaries_of_one_segment():
    """A segment of 8 snippets: its ranges are single snippets, two before it, eight inside, two behind it."""
    head, features = make_head(), torch.randn(20, 6)
    network = head.network
    batch = SnippetBatch.from_videos([features], gap=1)
    completeness, refined = head(batch, torch.zeros(1).long(), torch.tensor([[6.0, 14.0]]))
    before, inside, behind = (features[part].amax(0) for part in (slice(4, 6), slice(6, 14), slice(14, 16)))
    fused = network.fusion(torch.cat([inside - before, inside, inside - behind]))
    torch.testing.assert_close(completeness, network.classifier(fused).sigmoid())
    expected = torch.cat([6 + 8 * network.start(before), 14 + 8 * network.end(behind)])
    torch.testing.assert_close(refined[0], expected)


def tiou(first, second):
    intersection = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    return intersection / (first[1] - first[0] + second[1] - second[0] - intersection)


def test_losses_by_loops_over_candidates():
    head, (batches, candidates, segments) = make_head(), make_batch()
    exists = torch.arange(len(candidates)) % 6 != 5
    exists[0] = True

    def sample(proposals, of_any_class, num_snippets, assign):
        targets = assign(candidates.video, candidates.segments)
        return candidates.video, candidates.segments, targets, exists

    head.sampler = sample
    found = head.loss(batches, candidates, segments)
    completeness, refined = head(batches['features'], candidates.video, candidates.segments)
    means = []
    for video in range(2):
        pseudo = segments.segments[segments.video == video].tolist()
        losses = {True: [], False: []}
        boundaries = []
        for n in range(len(candidates)):
            if candidates.video[n] == video and exists[n]:
                values = [tiou(candidates.segments[n].tolist(), one) for one in pseudo]
                target, best = max(values), pseudo[values.index(max(values))]
                losses[target >= 0.3].append((completeness[n].item() - target) ** 2 / 2)
                if target >= 0.3:
                    boundaries.append((1 - tiou(refined[n].tolist(), best)) ** 2 / 2)
        high, low = losses[True], losses[False]
        share = min(len(high) / max(len(low), 1), 1)
        means.append(
            [
                (sum(high) + share * sum(low)) / max(len(high) + share * len(low), 1),
                sum(boundaries) / max(len(high), 1),
            ]
        )
    on_completeness, on_boundaries = torch.tensor(means).mean(0)
    assert found['loss_completeness'].item() == pytest.approx(on_completeness.item(), rel=1e-5)
    assert found['loss_boundaries'].item() == pytest.approx(on_boundaries.item(), rel=1e-5)
    assert on_boundaries > 0


def predict(head, batches, proposals, scores):
    sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(0.5), duration_sec=20.0))
    segments_sec = proposals.segments.double() * 0.5
    sample.pred_segments = InstanceData(segments_sec=segments_sec, scores=scores, labels=proposals.labels)
    head.eval().predict(batches, [sample])
    return sample.pred_segments


def test_proposals_and_refined_segments_are_detections():
    head, (batches, proposals, _) = make_head(nms=KEEP_ALL), make_batch(lengths=(40,), counts=(5,))
    scores = torch.tensor([0.5, 0.4, 0.3, 0.2, -0.1])
    found = predict(head, batches, proposals, scores)
    with torch.no_grad():
        first, refined = head(batches['features'], proposals.video, proposals.segments)
        second, _ = head(batches['features'], proposals.video, refined)
    expected, order = torch.cat([scores + first, scores + second]).sort(descending=True)
    torch.testing.assert_close(found.scores, expected)
    assert found.labels.tolist() == proposals.labels.repeat(2)[order].tolist()
    segments = torch.cat([proposals.segments, refined])[order].double() * 0.5
    torch.testing.assert_close(found.segments_sec, segments.clamp(0, 20), atol=1e-5, rtol=0)


def test_detections_of_a_video_do_not_depend_on_its_batch():
    head, (batches, proposals, _) = make_head().eval(), make_batch(counts=(6, 5))
    features = batches['features'].split(batches['features'].features)
    samples, alone = [], []
    for video, own in enumerate(features):
        chosen = proposals.video == video
        segments = SegmentBatch.of_video(proposals.segments[chosen], proposals.labels[chosen])
        scores = torch.linspace(1, 0.1, len(segments))
        single = dict(features=SnippetBatch.from_videos([own], gap=1))
        alone.append(predict(head, single, segments, scores))
        sample = ActionDataSample(metainfo=dict(grid=SnippetGrid(0.5), duration_sec=20.0))
        found = dict(segments_sec=segments.segments.double() * 0.5, scores=scores, labels=segments.labels)
        sample.pred_segments = InstanceData(**found)
        samples.append(sample)
    for sample, expected in zip(head.predict(batches, samples), alone):
        torch.testing.assert_close(sample.pred_segments.segments_sec, expected.segments_sec)
        torch.testing.assert_close(sample.pred_segments.scores, expected.scores)


def test_features_of_another_dimension_are_named():
    batches, proposals, segments = make_batch()
    with pytest.raises(InputError, match=r'dimension of the features.*6.*5'):
        make_head(in_channels=5).loss(batches, proposals, segments)


def test_the_number_of_proposals_at_once_changes_nothing(monkeypatch):
    head, (batches, proposals, _) = make_head(), make_batch(lengths=(40,), counts=(7,))
    scores = torch.linspace(1, 0.1, 7)
    together = predict(head, batches, proposals, scores)
    monkeypatch.setattr('fsptal_mm.models.heads.hrpro_instance_head._MAX_AT_ONCE', 2)
    in_parts = predict(head, batches, proposals, scores)
    torch.testing.assert_close(in_parts.segments_sec, together.segments_sec)
    torch.testing.assert_close(in_parts.scores, together.scores)


def test_classes_of_pseudo_segments_do_not_matter():
    head, (batches, proposals, segments) = make_head(), make_batch()
    found = []
    for label in (0, 2):
        torch.manual_seed(0)
        segments.labels.fill_(label)
        found.append(head.loss(batches, proposals, segments))
    assert found[0] == found[1]


@pytest.mark.parametrize('num_segments, num_proposals', [(0, 0), (0, 5), (4, 0), (40, 5)])
@pytest.mark.parametrize('lengths', [(1,), (1, 1), (30, 2)])
def test_losses_and_gradients_are_finite_at_the_edges(num_segments, num_proposals, lengths):
    head = make_head()
    batches, proposals, segments = make_batch(lengths, [num_proposals] * len(lengths), num_segments)
    losses = head.loss(batches, proposals, segments)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name  # distributed training waits for the gradients of all parameters
        assert torch.isfinite(parameter.grad).all(), name


def test_no_proposals_no_detections():
    head, (batches, proposals, _) = make_head(), make_batch(lengths=(40,), counts=(0,))
    assert predict(head, batches, proposals, torch.zeros(0)).segments_sec.shape == (0, 2)


def test_nan_features_are_no_silent_zero():
    head, (batches, proposals, segments) = make_head(), make_batch()
    batches['features'].features[:] = torch.nan
    assert torch.isnan(head.loss(batches, proposals, segments)['loss_completeness'])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_stays_close(dtype):
    head, (batches, proposals, segments), found = make_head(), make_batch(), []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast('cpu', dtype, enabled=enabled):
            found.append(head.loss(batches, proposals, segments))
    for name, loss in found[0].items():
        assert found[1][name].dtype == torch.float32
        torch.testing.assert_close(found[1][name], loss, rtol=0.05, atol=0.01)


def test_a_training_step_costs_the_same_for_any_batch():
    counts = []
    for lengths, num_proposals in (((40, 16), (6, 5)), ((90, 60, 30, 20), (50, 40, 30, 20))):
        head, (batches, proposals, segments) = make_head(), make_batch(lengths, num_proposals)
        with HostSyncs() as syncs, Launches() as launches:
            sum(head.loss(batches, proposals, segments).values()).backward()
        assert syncs.count == 0
        counts.append(launches.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    'options, field',
    [
        (dict(in_channels=1), 'ContrastSegmentNetwork.in_channels'),
        (dict(in_channels=2.5), 'ContrastSegmentNetwork.in_channels'),
        (dict(dropout=1.5), 'ContrastSegmentNetwork.dropout'),
        (dict(min_tiou=-1), 'HRProInstanceHead.min_tiou'),
        (dict(completeness_weight=-1), 'HRProInstanceHead.completeness_weight'),
        (dict(regression_weight='1'), 'HRProInstanceHead.regression_weight'),
    ],
)
def test_wrong_options_are_named(options, field):
    with pytest.raises(InputError, match=field):
        make_head(**options)
