import math

import numpy as np
import pytest
import torch
from model_builders import build_model, make_clicked, make_video, run

from fsptal_mm.models import MeanLevelProposals, SFNetGrowth, SFNetHead
from fsptal_mm.models.heads.sfnet_head import actionness_loss, frame_loss, largest_of_batch
from fsptal_mm.structures import PointTargets, SnippetGrid, VideoLabels


def build(**head):
    return build_model(**(dict(head='SFNetHead', dropout=0.0) | head))


def make_targets(labels, mask=None):
    """Targets of ``(B, T, C)`` 0/1 labels, each snippet an instance of its own."""
    labels = torch.as_tensor(labels).bool()
    instances = torch.arange(labels.shape[1], dtype=torch.int32)[:, None].expand(labels.shape)
    mask = torch.ones(labels.shape[:2], dtype=torch.bool) if mask is None else torch.as_tensor(mask)
    instances = torch.where(labels, instances, -1)
    return PointTargets(instances, torch.zeros_like(mask), labels.any(1).float(), mask)


def one_hot(classes, num_classes=2):
    """Labels of one video, from the class of each snippet, -1 for none."""
    return [[[int(label == own) for own in range(num_classes)] for label in classes]]


def test_frame_loss_by_hand():
    # The softmax is [1/2, 1/4, 1/4] everywhere. A label costs log 2 or log 4; two labels of a snippet cost half of
    # each. Background costs log 4, divided by C + 1 = 3. The fourth snippet has no label, and does not count.
    logits = torch.tensor([[2.0, 1.0, 1.0]]).log().expand(1, 4, 3)
    labels = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 0.0], [0.0, 0.0]]])
    background = torch.tensor([[False, False, True, False]])
    expected = (math.log(2) + (math.log(2) + math.log(4)) / 2) / 2 + math.log(4) / 3
    assert frame_loss(logits, labels, background).item() == pytest.approx(expected)
    assert frame_loss(logits, labels * 0, background & False).item() == 0


def test_actionness_loss_by_hand():
    # The scores are 3/4 at a labelled snippet, and 1/2 and 1/4 at negatives. As in the public code, 0.001 is added to
    # 1 - score before the logarithm.
    actionness = torch.tensor([[3.0, 1.0, 1 / 3]]).log()
    is_action = torch.tensor([[True, False, False]])
    expected = math.log(4 / 3) - (math.log(0.501) + math.log(0.751)) / 2
    assert actionness_loss(actionness, is_action, ~is_action).item() == pytest.approx(expected)


def test_background_is_chosen_from_the_whole_batch():
    scores = torch.tensor([[5.0, 9.0, 1.0], [4.0, 6.0, 8.0]])
    free = torch.tensor([[True, False, True], [True, True, False]])
    chosen = largest_of_batch(scores, free, torch.tensor(2))
    assert chosen.tolist() == [[True, False, False], [False, True, False]]
    assert not largest_of_batch(scores, free, torch.tensor(0)).any()
    assert (largest_of_batch(scores, free, torch.tensor(99)) == free).all()


@pytest.mark.parametrize(
    'ratio, share, expected, reason',
    [(2.0, None, 5, '2 x 2 of 8 and all 1 of 1'), (1.5, 0.5, 3, 'floor(1.5 x 2) and floor(1 / 2)')],
)
def test_number_of_background_snippets(ratio, share, expected, reason):
    labels = torch.zeros(2, 10, 2)
    labels[0, [2, 5], 0], labels[1, 0, 1] = 1, 1
    targets = make_targets(labels, torch.arange(10) < torch.tensor([[10], [2]]))
    head = SFNetHead(2, 4, background_ratio=ratio, max_background_share=share)
    assert int(head._num_background(targets, targets.mask & ~targets.is_action)) == expected, reason


@pytest.mark.parametrize('kind, chosen', [('background', 1), ('last', 3), ('hard', 2)])
def test_negatives_of_actionness(kind, chosen):
    # The point is at snippet 0. The only negative is 1 by the background logit, 2 by actionness, or 3, the last
    # snippet.
    targets = make_targets(one_hot([0, -1, -1, -1]))
    z = torch.zeros(1, 4, 3)
    z[0, :, -1] = torch.tensor([9.0, 5.0, 1.0, 2.0])
    actionness = torch.tensor([[0.0, -1.0, 3.0, 2.0]])
    head = SFNetHead(2, 4, background_ratio=1, actionness_negatives=kind)
    found = head.loss_by_feat([(z, actionness)], targets)['loss_actionness'].item()
    assert found == pytest.approx(math.log(2) - math.log(1.001 - torch.sigmoid(actionness[0, chosen]).item()))


@pytest.mark.parametrize('gate, counts', [(0.1, True), (99.0, False)])
def test_actionness_counts_above_its_gate(gate, counts):
    model = build(actionness_gate=gate)
    losses = run(model, make_clicked(), 'loss')
    losses['loss_actionness'].backward()
    assert (losses['loss_actionness'] > 0) == counts
    assert model.head.streams[0].actionness.weight.grad.any() == counts


def grown(logits, given, **options):
    """Labels of the snippets of one video after growth: a digit is a class, a dot none."""
    classes = [-1 if sign == '.' else int(sign) for sign in given]
    targets = SFNetGrowth(**options)(torch.tensor([logits]), make_targets(one_hot(classes)))
    return ''.join(str(row.index(True)) if any(row) else '.' for row in targets.labels[0].tolist())


ALIKE = [[2.0, 0.0]] * 8
SECOND = [[2.0, 0.0], [0.0, 9.0]] + [[2.0, 0.0]] * 4  # class 1 is the best one of snippet 1
LOW = [[2.0, 0.0], [1.8, 0.0]] + [[2.0, 0.0]] * 3
BELOW_0 = [[-2.0, -3.0]] * 2 + [[-1.9, -3.0]] * 2 + [[-2.0, -3.0]]
OTHER = [[2.0, 9.0]] * 5


@pytest.mark.parametrize(
    'logits, given, options, expected, reason',
    [
        (ALIKE, '....0...', {}, '.000000.', 'not the first and last of the video'),
        (ALIKE, '0.......', {}, '0000....', 'three on each side'),
        (ALIKE, '0.......', dict(radius=1), '00......', 'as the radius says'),
        (ALIKE, '1..0....', {}, '1110000.', 'the earlier point takes what both reach'),
        (LOW, '0....', {}, '0.00.', '1.8 is below 0.95 x 2; a refusal stops nothing'),
        (BELOW_0, '0....', {}, '0.00.', 'below 0 the ratio asks for more than at the point'),
        (SECOND[:5], '0....', {}, '0....', 'the best class differs from that beside the point'),
        (SECOND, '0.....', dict(compare_with_first=False), '0..0..', 'the third is like those around it'),
        (OTHER, '0....', {}, '0000.', 'the best class need not be that of the point'),
        (OTHER, '0....', dict(needs_class=True), '0....', 'unless it is asked for'),
    ],
)
def test_growth_by_hand(logits, given, options, expected, reason):
    assert grown(logits, given, **options) == expected, reason


def grow_snippet_by_snippet(logits, labels, radius, ratio):
    """Growth of labels, point by point, on numpy arrays of one video; returns labels ``(T, C)`` bool."""
    grown, best = labels.copy(), logits.argmax(1)
    for point in np.flatnonzero(labels.any(1)):
        own = labels[point]
        for side in (-1, 1):
            for snippet in range(point + side, point + side * (radius + 1), side):
                if not 0 <= snippet + side < len(logits) or grown[snippet].any():
                    break
                same = best[point + side] == best[snippet] == best[snippet + side]
                if same and logits[snippet, own].mean() >= ratio * logits[point, own].mean():
                    grown[snippet] = own
    return grown


@pytest.mark.parametrize('seed', range(20))
def test_growth_is_that_of_the_rule_point_by_point(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, 3)
    # Three snippets each have the same logits.
    logits = rng.normal(size=(3, 30, 2)).repeat(3, 1)[:, :30].astype(np.float32)
    mask = np.arange(30) < lengths[:, None]
    labels = (rng.random((3, 30, 2)) < 0.1) & mask[..., None]
    ratio = rng.choice([0.0, 0.95])
    found = SFNetGrowth(3, ratio)(torch.from_numpy(logits), make_targets(labels, mask)).labels.numpy()
    for video, length in enumerate(lengths):
        expected = grow_snippet_by_snippet(logits[video, :length], labels[video, :length], 3, ratio)
        assert (found[video, :length] == expected).all()
        assert not found[video, length:].any()


def test_training_reads_the_labels_that_it_is_told():
    model, own = build(), make_clicked()[2:3]
    (_, sample), *_ = own
    before = run(model, own, 'loss')
    batch = model.embed(model.data_preprocessor(dict(inputs=[own[0][0]], data_samples=[sample]))['inputs'])
    given, targets, segments = model.head.mine(batch, [sample])
    targets.snippet_instances[0, 5, 2] = 7
    model.head.train_on(VideoLabels.from_batch([sample], given, targets, segments))
    told = run(model, own, 'loss')
    sample.snippet_instances = targets.snippet_instances[0]
    model.head.train_on('points')
    again = run(model, own, 'loss')
    assert all(torch.equal(told[name], again[name]) for name in told)
    assert told['loss_frame'] != before['loss_frame']


def test_the_fusion_starts_as_the_sum_of_the_streams_without_actionness():
    model = build(num_streams=2)
    batch = model.embed(model.data_preprocessor(dict(inputs=[torch.rand(3, 6)]))['inputs'])
    (first, _), (second, _), (fused, actionness) = model.head.logits(batch)
    torch.testing.assert_close(fused, first + second)
    assert not actionness.any()
    torch.testing.assert_close(first, model.head.streams[0](batch.with_features(batch.features[:, :4]))[0])


def test_videos_without_points_add_background_only():
    model, own = build(), make_clicked()
    for _, sample in own:
        sample.snippet_instances.fill_(-1)
        sample.gt_video_labels.fill_(0)
    assert all(loss == 0 for loss in run(model, own, 'loss').values())


@pytest.mark.parametrize('streams', [1, 2])
def test_scores_by_their_formulas(streams):
    model = build(num_streams=streams).eval()
    batch = model.embed(model.data_preprocessor(dict(inputs=[torch.rand(20, 6)]))['inputs'])
    z, a = (batch.pad(part) for part in model.head.logits(batch)[-1])
    scores = model.head.clean_scores(batch)
    torch.testing.assert_close(scores.final, z.softmax(-1)[..., :-1] * (1 + a.sigmoid()) / 2)
    torch.testing.assert_close(scores.background_scores, 1 - a[..., 0].sigmoid())
    torch.testing.assert_close(scores.classes, z.softmax(-1)[..., :-1])
    model.head.scores = 'logits'
    scores = model.head.clean_scores(batch)
    torch.testing.assert_close(scores.final, z[..., :-1] + 2 * a)
    torch.testing.assert_close(scores.videos, z[..., :-1].topk(2, 1).values.mean(1))  # 20 // 8 = 2 snippets


def test_all_classes_of_a_video_are_detected():
    # Each of seven classes is alone in a seventh of the video, with logits that rise from class to class. A softmax of
    # pooled logits would leave only class 6.
    model = build_model(head='SFNetHead', num_classes=7).eval()
    z = torch.eye(7).repeat_interleave(10, 0) * torch.arange(6, 13.0)
    z = torch.cat([z, torch.zeros(70, 1)], 1)[None]
    model.head._clean_logits = lambda batch: (z, torch.full((1, 70), 9.0))
    ((_, sample),) = [make_video(70)]
    (found,) = run(model, [(torch.zeros(70, 6), sample)], 'predict')
    assert set(found.pred_segments.labels.tolist()) == set(range(7))


def test_mean_level_proposals_by_hand():
    # The mean of class 0 is 1. The runs 1-2 and 4-5 lie above it, and so does 7, which is too short. Class 1 is below
    # 3 / 1.5.
    scores = torch.tensor([0.0, 2.0, 3.0, 0.0, 1.5, 1.5, 0.0, 1.0 + 1e-3, 0.0, 1.0 - 1e-3])
    found = MeanLevelProposals()(
        torch.stack([scores + 0.0, scores], 1), torch.zeros(10), torch.tensor([3.0, 2.0]), SnippetGrid(0.5), 5.0
    )
    assert found['segments_sec'].tolist() == [[0.5, 1.5], [2.0, 3.0]]
    assert found['scores'].tolist() == [6.0, 4.5]
    assert found['labels'].tolist() == [0, 0]


def test_mean_level_proposals_of_a_video_without_a_class():
    found = MeanLevelProposals()(torch.rand(5, 2), torch.zeros(5), torch.tensor([-1.0, -2.0]), SnippetGrid(0.5), 2.5)
    assert found['segments_sec'].shape == (0, 2)
