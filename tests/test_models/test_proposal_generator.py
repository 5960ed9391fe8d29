import numpy as np
import pytest
import torch

from fsptal_mm.models import ProposalGenerator
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

GRID = SnippetGrid(0.5)


def generate(scores, background=None, video_scores=(1.0,), duration_sec=None, grid=GRID, **kwargs):
    scores = torch.tensor(scores, dtype=torch.float32)
    background = torch.ones(len(scores)) if background is None else torch.tensor(background)
    duration_sec = len(scores) * grid.snippet_sec if duration_sec is None else duration_sec
    found = ProposalGenerator(**kwargs)(scores, background, torch.tensor(video_scores), grid, duration_sec)
    return {key: value.numpy() for key, value in found.items()}


def test_one_run_by_hand_without_upsampling():
    # Snippets 2-5 stand at 1, the others at 0: one run of 4, outer ranges of 1 snippet on each side.
    scores = [[0.0]] * 2 + [[1.0]] * 4 + [[0.0]] * 2
    found = generate(scores, upsampling=1)
    assert found['segments_sec'].tolist() == [[1.0, 3.0]]
    assert found['scores'] == pytest.approx([1 + 0.2])  # inner 1, outer 0, plus 0.2 of the video-level score
    assert found['labels'].tolist() == [0]


def test_score_is_inner_minus_the_mean_of_both_outer_ranges():
    # The run of snippets 1-4 at 0.9; on its left stands 0.3, on its right 0.1: 0.9 - (0.3 + 0.1) / 2.
    found = generate([[0.3]] + [[0.9]] * 4 + [[0.1]], upsampling=1, score_levels=(0.5,), background_levels=())
    assert found['scores'] == pytest.approx([0.7 + 0.2])


def test_the_shortest_run_has_an_outer_range_too():
    # One snippet at 0.9 beside 0.5 on both sides: a quarter of a snippet is rounded up to one.
    found = generate([[0.5], [0.9], [0.5]], upsampling=1, score_levels=(0.6,), background_levels=())
    assert found['scores'] == pytest.approx([0.4 + 0.2])


def test_outer_range_is_that_of_eq_8_in_spite_of_rounding():
    # A run of 100 at 0.9 between 7 snippets at 0.5 and others at 0 on each side: 7% of it are the 7 snippets.
    side = [[0.0]] * 3 + [[0.5]] * 7
    scores = side + [[0.9]] * 100 + side[::-1]
    found = generate(scores, upsampling=1, score_levels=(0.6,), background_levels=(), outer_ratio=0.07)
    assert found['scores'] == pytest.approx([0.4 + 0.2])


def test_outer_range_stops_at_the_end_of_the_video():
    # The run reaches the end; only the left outer range of one snippet (0.3) counts.
    found = generate([[0.3]] + [[0.9]] * 4, upsampling=1, score_levels=(0.5,), background_levels=())
    assert found['scores'] == pytest.approx([0.6 + 0.2])


def test_upsampled_scores_stand_at_the_centres_of_snippets():
    # Scores 0 and 1 at the centres 0.25 s and 0.75 s cross 0.5 at 0.5 s; beyond the last centre they stay at 1.
    found = generate([[0.0], [1.0]], score_levels=(0.5,), background_levels=())
    np.testing.assert_allclose(found['segments_sec'], [[0.5, 1.0]], atol=1e-6)


def test_low_background_makes_proposals_too():
    # q-hat is flat; 1 - b crosses 0.5 around snippets 2 and 3.
    background = [0.9, 0.9, 0.1, 0.1, 0.9, 0.9]
    found = generate([[0.2]] * 6, background, upsampling=1, score_levels=())
    assert found['segments_sec'].tolist() == [[1.0, 2.0]]


def test_every_level_makes_the_runs_above_it_each_once():
    # Both lower levels lie under one run of four snippets; the highest is crossed by a step over all three, twice.
    scores = [[0.0], [0.6], [0.3], [0.3], [0.6], [0.0]]
    levels = dict(score_levels=(0.5, 0, 0.25), background_levels=())
    found = generate(scores, upsampling=1, nms=dict(type='nms', iou_threshold=1.0), **levels)
    assert sorted(found['segments_sec'].tolist()) == [[0.5, 1.0], [0.5, 2.5], [2.0, 2.5]]


def test_a_level_is_reached_by_a_score_that_equals_it_but_zero_is_not():
    found = generate([[0.0], [0.25], [0.0]], upsampling=1, score_levels=(0, 0.25), background_levels=())
    assert found['segments_sec'].tolist() == [[0.5, 1.0]]


def test_several_classes_are_localised_as_each_one_alone():
    rng = np.random.default_rng(0)
    scores, background = rng.random((60, 3)), rng.random(60).tolist()
    together = generate(scores.tolist(), background, video_scores=(0.9, 0.3, 0.6))
    for label, video_score in enumerate((0.9, 0.3, 0.6)):
        alone = generate(scores[:, label : label + 1].tolist(), background, video_scores=(video_score,))
        own = together['labels'] == label
        assert len(alone['scores']) > 20
        assert together['segments_sec'][own].tolist() == alone['segments_sec'].tolist()
        assert together['scores'][own].tolist() == alone['scores'].tolist()


@pytest.mark.parametrize(
    'video_scores, labels, reason',
    [
        ([0.3, 0.1, 0.25], {0, 2}, 'at least the threshold'),
        ([0.1, 0.2, 0.0], {1}, 'the best one if none reaches it'),
    ],
)
def test_classes_to_localise(video_scores, labels, reason):
    found = generate(np.full((6, 3), 0.5).tolist(), video_scores=video_scores)
    assert set(found['labels'].tolist()) == labels, reason


def test_segments_stay_within_the_video_and_on_its_grid():
    found = generate([[1.0]] * 4, grid=SnippetGrid(0.5, offset_sec=0.2), duration_sec=1.9)
    assert found['segments_sec'].tolist() == [[0.2, 1.9]]  # 4 snippets reach from 0.2 to 2.2 s


def test_nothing_above_any_level_is_an_empty_result():
    found = generate([[0.0]] * 5)
    assert found['segments_sec'].shape == (0, 2)
    assert found['scores'].shape == found['labels'].shape == (0,)


def test_scores_that_are_no_numbers_are_above_no_level():
    found = generate([[float('nan')]] * 5, [float('nan')] * 5, video_scores=(float('nan'),))
    assert found['segments_sec'].shape == (0, 2)


def test_best_first_and_at_most_so_many():
    rng = np.random.default_rng(0)
    scores = rng.random((80, 2)).tolist()
    every = generate(scores, video_scores=[1.0, 0.9])
    few = generate(scores, video_scores=[1.0, 0.9], max_proposals=5)
    assert (np.diff(every['scores']) <= 0).all()
    assert few['scores'].tolist() == every['scores'][:5].tolist()


def test_soft_nms_is_a_matter_of_config():
    scores = np.random.default_rng(0).random((80, 1)).tolist()
    hard = generate(scores, nms=dict(type='nms', iou_threshold=0.4))
    soft = generate(scores, nms=dict(type='soft_nms', sigma=0.5, min_score=0.001))
    assert len(soft['scores']) > len(hard['scores'])
    with pytest.raises(ValueError, match=r'nms.type: found .* expected one of'):
        ProposalGenerator(nms=dict(type='hard'))


@pytest.mark.parametrize(
    'nms, expected',
    [
        (dict(iou_threshold=0.5), r"nms\.type: found 'none', expected one of"),
        ('nms', 'nms: found .nms., expected a dict with a type'),
        (dict(type=['nms']), r'nms\.type: found .*, expected one of'),
        (dict(type='nms', threshold=0.5), "nms: found 'threshold', expected arguments of nms, which are iou_threshold"),
        (dict(type='soft_nms', labels=1), "found 'labels', expected arguments of soft_nms, which are sigma, min_score"),
        (dict(type='nms'), r'nms\.iou_threshold: found .None., expected a number'),
        (dict(type='nms', iou_threshold='a'), r"nms\.iou_threshold: found 'a', expected a number"),
        (dict(type='nms', iou_threshold=0), r'nms\.iou_threshold: found 0, expected a number'),
        (dict(type='soft_nms', sigma=0), r'nms\.sigma: found 0, expected a number'),
        (dict(type='soft_nms', min_score='low'), r"nms\.min_score: found 'low', expected a number"),
    ],
)
def test_suppression_that_cannot_be_used_is_refused_when_it_is_built(nms, expected):
    with pytest.raises(InputError, match=expected):
        ProposalGenerator(nms=nms)


def test_half_precision_scores_are_taken():
    found = ProposalGenerator()(
        torch.full((5, 1), 0.5, dtype=torch.bfloat16), torch.zeros(5, dtype=torch.bfloat16), torch.ones(1), GRID, 2.5
    )
    assert found['segments_sec'].tolist() == [[0.0, 2.5]]
