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


SIDE = [0] * 3 + [0.5] * 7
HALF = dict(score_levels=(0.5,), background_levels=())
UP = dict(upsampling=24)
SEVEN = HALF | dict(score_levels=[0.6], outer_ratio=0.07)
STEPS = HALF | dict(score_levels=(0.5, 0, 0.25), nms=dict(type='nms', iou_threshold=1.0))
CUT = dict(outer_curve='cut')
BEHIND = dict(background=[0.9, 0.9, 0.1, 0.1, 0.9, 0.9], score_levels=())
MOVED = dict(grid=SnippetGrid(0.5, offset_sec=0.2), duration_sec=1.9)


@pytest.mark.parametrize(
    'scores, options, segments, score, reason',
    [
        ([0, 0, 1, 1, 1, 1, 0, 0], dict(), [[1, 3]], 1, 'inner 1, outer 0'),
        ([0.3, *[0.9] * 4, 0.1], HALF, [[0.5, 2.5]], 0.7, 'outer (0.3 + 0.1) / 2'),
        ([0.3, *[0.9] * 4, 0.1], HALF | CUT, [[0.5, 2.5]], 0.9, 'cut at 0.5: outer (0 + 0) / 2'),
        ([0.6, *[0.9] * 4, 0.1], HALF | CUT | dict(score_levels=[0.8]), [[0.5, 2.5]], 0.9, 'cut at 0.8: the same'),
        ([0.1, 0.1, 0.4, 0.4, 0.1, 0.1], BEHIND | CUT, [[1, 2]], 0.3, 'a run of little background: the whole curve'),
        ([0.4, 0.9, 0.4], HALF, [[0.5, 1]], 0.5, 'a quarter of the shortest run is rounded up to one snippet'),
        ([0.3, *[0.9] * 4], HALF, [[0.5, 2.5]], 0.6, 'at the end of the video the left outer range alone'),
        # The outer range is 7 % of 100 snippets, that is, the 7 snippets at 0.5: rounding errors add no eighth one.
        ([*SIDE, *[0.9] * 100, *SIDE[::-1]], SEVEN, [[5, 55]], 0.4, 'Eq. 8'),
        ([0, 0.25, 0], HALF | dict(score_levels=(0, 0.25)), [[0.5, 1]], 0.25, 'a level is reached, but not that of 0'),
        ([0.2] * 6, BEHIND, [[1, 2]], 0, '1 - b crosses 0.5 round snippets 2 and 3'),
        # At both lower levels, the four snippets are one run. At the highest level, the outer two are a run each.
        ([0, 0.6, 0.3, 0.3, 0.6, 0], STEPS, [[0.5, 1], [0.5, 2.5], [2, 2.5]], None, 'each run above a level once'),
        # The scores 0 and 1 at the centres 0.25 s and 0.75 s cross 0.5 at 0.5 s; beyond the last centre they stay at 1.
        ([0, 1], HALF | UP, [[0.5, 1]], None, 'interpolation between centres'),
        ([1] * 4, MOVED, [[0.2, 1.9]], None, '4 snippets reach from 0.2 to 2.2 s, the video to 1.9'),
    ],
)
def test_runs_by_hand(scores, options, segments, score, reason):
    found = generate([[score] for score in scores], **dict(upsampling=1) | options)
    np.testing.assert_allclose(sorted(found['segments_sec'].tolist()), segments, atol=1e-6, err_msg=reason)
    if score is not None:
        assert found['scores'] == pytest.approx([score + 0.2], abs=1e-6)  # 0.2 times the video-level score is added
    assert set(found['labels']) == {0}


def test_each_level_cuts_the_curve_for_itself():
    # Two runs of two snippets. The outer range of each is the two snippets on its inner side: 0.2 and 0.4, or, cut at
    # 0.25, 0 and 0.4.
    scores = [[score] for score in (0.4, 0.4, 0.2, 0.4, 0.4)]
    options = dict(upsampling=1, score_levels=[0.25], background_levels=(), outer_ratio=1.0, video_weight=0)
    assert generate(scores, **options)['scores'] == pytest.approx([0.4 - 0.3] * 2)
    assert generate(scores, **options | CUT)['scores'] == pytest.approx([0.4 - 0.2] * 2)
    # Soft-NMS keeps the copies that two levels find, and lowers the score of the second one to e^-2 of it.
    soft = options | dict(score_levels=[0.1, 0.15], nms=dict(type='soft_nms', sigma=0.5, min_score=0.0))
    assert generate([[0.0], [0.5], [0.0]], **soft)['scores'] == pytest.approx([0.5])
    assert generate([[0.0], [0.5], [0.0]], **soft | CUT)['scores'] == pytest.approx([0.5, 0.5 * np.exp(-2)])
    with pytest.raises(InputError, match='outer_curve'):
        ProposalGenerator(outer_curve='whole')


def test_several_classes_are_detected_as_each_one_alone():
    rng = np.random.default_rng(0)
    scores, background = rng.random((60, 3)), rng.random(60).tolist()
    together = generate(scores.tolist(), background, video_scores=(0.9, 0.3, 0.6))
    for label, video_score in enumerate((0.9, 0.3, 0.6)):
        alone = generate(scores[:, label : label + 1].tolist(), background, video_scores=(video_score,))
        own = together['labels'] == label
        assert len(alone['scores']) > 20
        assert together['segments_sec'][own].tolist() == alone['segments_sec'].tolist()
        assert together['scores'][own].tolist() == alone['scores'].tolist()


@pytest.mark.parametrize('score, background', [(0.0, 1.0), (float('nan'), float('nan'))])
def test_nothing_above_any_level_is_an_empty_result(score, background):
    found = generate([[score]] * 5, [background] * 5, video_scores=(score,))
    assert found['segments_sec'].shape == (0, 2)
    assert found['scores'].shape == found['labels'].shape == (0,)


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


@pytest.mark.parametrize(
    'nms, field',
    [
        (dict(iou_threshold=0.5), r"nms\.type: found 'none'"),
        ('nms', 'nms: found .nms.'),
        (dict(type='hard'), r'nms\.type: found .*hard'),
        (dict(type='nms', threshold=0.5), "nms: found 'threshold', .* iou_threshold"),
        (dict(type='soft_nms', labels=1), "nms: found 'labels', .* sigma, min_score"),
        (dict(type='nms'), r'nms\.iou_threshold: found .None.'),
        (dict(type='nms', iou_threshold='a'), r"nms\.iou_threshold: found 'a'"),
        (dict(type='soft_nms', sigma=0), r'nms\.sigma: found 0'),
    ],
)
def test_nms_that_cannot_be_used_is_refused_when_it_is_built(nms, field):
    with pytest.raises(InputError, match=field):
        ProposalGenerator(nms=nms)


def test_half_precision_scores_are_taken():
    scores = torch.full((5, 1), 0.5, dtype=torch.bfloat16)
    found = ProposalGenerator()(scores, torch.zeros(5, dtype=torch.bfloat16), torch.ones(1), GRID, 2.5)
    assert found['segments_sec'].tolist() == [[0.0, 2.5]]


@pytest.mark.parametrize(
    'video_scores, options, labels, reason',
    [
        ([0.3, 0.1, 0.25], dict(), [0, 2], 'at least the threshold'),
        ([0.1, 0.2, 0.0], dict(), [1], 'none reaches 0.25: the best one'),
        ([0.12, 0.10, 0.02], dict(relative_threshold=True), [0, 1], 'a quarter of the best one is 0.03'),
        ([0.12, 0.10, 0.02], dict(fallback=False), [], 'none reaches 0.25'),
        ([0.32, 0.10, 0.02], dict(fallback=False), [0], 'one does'),
    ],
)
def test_classes_that_are_detected(video_scores, options, labels, reason):
    scores = [[0.0] * 3, [0.9] * 3, [0.0] * 3]
    found = generate(scores, video_scores=video_scores, upsampling=1, background_levels=(0.5,), **options)
    assert sorted(set(found['labels'].tolist())) == labels, reason


def test_runs_of_few_points_are_left_out():
    scores, background = [[0.0], [0.9], [0.0], [0.9], [0.9]], [1.0, 0.1, 1.0, 1.0, 1.0]
    found = generate(scores, background, upsampling=1, score_levels=(0.5,), background_levels=(0.5,), min_points=2)
    assert found['segments_sec'].tolist() == [[1.5, 2.5]]
