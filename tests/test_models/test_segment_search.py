import itertools

import numpy as np
import pytest
import torch
from host_sync import HostSyncs, Launches
from peak_memory import PeakMemory
from segment_reference import chains

from fsptal_mm.models.losses.score_contrast import outer_inner_contrast
from fsptal_mm.models.task_modules.segment_searcher import SegmentSearcher
from fsptal_mm.structures import PointTargets, SegmentLabels

VARIANTS = [
    dict(),
    dict(original=True),
    dict(background_segments=True),
    dict(original=True, background_segments=True),
]


def make_targets(videos):
    """Targets of videos given as ``(instances (T, C), background (T,))``, padded."""
    num_snippets, num_classes = max(len(background) for _, background in videos), videos[0][0].shape[1]
    instances = torch.full((len(videos), num_snippets, num_classes), -1, dtype=torch.int32)
    background = torch.zeros(len(videos), num_snippets, dtype=torch.bool)
    mask = torch.zeros_like(background)
    for video, (its_instances, its_background) in enumerate(videos):
        instances[video, : len(its_background)] = torch.as_tensor(its_instances, dtype=torch.int32)
        background[video, : len(its_background)] = torch.as_tensor(its_background)
        mask[video, : len(its_background)] = True
    return PointTargets(instances, background, (instances >= 0).any(1).float(), mask)


def one_class(kinds):
    """Targets of one video and class from a string: a digit is an action seed of that instance, ``b`` background."""
    instances = [[int(kind) if kind.isdigit() else -1] for kind in kinds]
    return make_targets([(np.array(instances), np.array([kind == 'b' for kind in kinds]))])


def intervals(segments, background=False):
    chosen = segments.is_background == background
    return torch.stack([segments.start, segments.stop], 1)[chosen].tolist()


def search(scores, targets, **kwargs):
    """Segments, and the contrast of each chain as ``{(video, label): R}``."""
    segments = SegmentSearcher(**kwargs)(scores, targets)
    keys = zip(segments.video.tolist(), segments.label.tolist())
    return segments, dict(zip(keys, outer_inner_contrast(scores, segments).tolist()))


def test_snippets_away_from_actions_by_hand():
    # The first video has two segments of two classes, and background between them; the second video has none.
    segments = SegmentLabels(
        *(torch.tensor(values) for values in ([0, 0], [0, 1], [0, 0, 1], [3, 5, 11], [5, 7, 12])),
        *(torch.zeros(3, dtype=torch.int64),) * 2,
        torch.tensor([False, True, False]),
    )
    mask = torch.arange(14) < torch.tensor([[14], [2]])
    # With a margin of half its length, rounded up, segment 3-4 reaches one snippet further on each side, and so does
    # 11.
    expected = [t for t in range(14) if t not in (2, 3, 4, 5, 10, 11, 12)]
    found = segments.away_from_actions(mask, 0.5)
    assert found[0].nonzero()[:, 0].tolist() == expected
    assert found[1].tolist() == [True, True] + [False] * 12  # padding is never background
    assert segments.away_from_actions(mask, 20)[0].sum() == 0  # the margin reaches beyond both ends of the video


def random_video(rng, length, seed_share, num_classes=2, run_length=2):
    """A video with random seeds. Some of its instances touch, and some snippets have two classes."""
    instances = np.full((length, num_classes), -1)
    background = np.zeros(length, dtype=bool)
    snippet = 0
    while snippet < length:
        kind, size = rng.random(), rng.integers(1, run_length + 1)
        if kind < seed_share / 2:
            background[snippet : snippet + size] = True
        elif kind < seed_share:
            instances[snippet : snippet + size, rng.random(num_classes) < 0.6] = rng.integers(3)
        snippet += size
    return instances, background


def large_case():
    """Targets and smooth scores of six videos that no brute force can search.

    As mined in the first training steps, background and action seeds alternate, with gaps of up to 24 snippets.
    """
    rng = np.random.default_rng(0)
    videos = []
    for _ in range(6):
        seeds = np.cumsum(rng.integers(1, 26, 12))
        instances, background = np.full((seeds[-1] + 10, 1), -1), np.zeros(seeds[-1] + 10, dtype=bool)
        background[seeds[::2]] = True
        instances[seeds[1::2], 0] = np.arange(6)
        videos.append((instances, background))
    targets = make_targets(videos)
    noise = np.lib.stride_tricks.sliding_window_view(rng.random((6, targets.mask.shape[1] + 4)), 5, 1).mean(-1)
    return targets, torch.from_numpy(noise.astype(np.float32))[..., None]


def tiny_case(seed):
    """Targets and scores of 32 videos of at most 14 snippets."""
    rng = np.random.default_rng(seed)
    share = [0.2, 0.4, 0.7][seed % 3]
    targets = make_targets([random_video(rng, rng.integers(1, 15), share) for _ in range(32)])
    return targets, torch.from_numpy(rng.random((*targets.mask.shape, 2), dtype=np.float32))


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('seed', range(6))
def test_close_to_the_best_of_all_candidates(variant, seed):
    targets, scores = tiny_case(seed)
    variant = dict(variant, outer_ratio=[0.25, 0.6][seed % 2])
    segments, found = search(scores, targets, **variant)
    want = chains(scores, targets, **variant)
    assert found.keys() == want.keys()
    assert len(found) > 8  # the batch has many chains
    best = {key: chain.best() for key, chain in want.items()}
    for key, chain in want.items():
        assert found[key] <= best[key] + 1e-6, key
        if len(chain.gaps_of_segments()) == 1:
            assert found[key] == pytest.approx(best[key], abs=1e-6), key
    assert sum(found.values()) >= 0.99 * sum(best.values())
    assert_segments_are_a_candidate(segments, want, found)


@pytest.mark.parametrize('variant', VARIANTS)
def test_no_other_place_of_a_single_segment_is_better(variant):
    targets, scores = tiny_case(4)
    segments, found = search(scores, targets, **variant, num_rounds=8)
    want = chains(scores, targets, **variant)
    compared = 0
    for group, (key, chain) in enumerate(want.items()):
        switches = switches_of(segments, group, chain)
        for its_switches, gaps in chain.gaps_of_segments():
            for places in itertools.product(*gaps):
                moved = dict(enumerate(switches)) | dict(zip(its_switches, places))
                assert np.mean(chain.contrasts(list(moved.values()))) <= found[key] + 1e-6, key
                compared += 1
    assert compared > 100


def switches_of(segments, group, chain):
    """Boundaries of the segments of one group, except those between instances that touch."""
    mine = (segments.group == group) & ~segments.is_background
    bounds = torch.stack([segments.start[mine], segments.stop[mine]], 1).flatten().tolist()
    return [position for position in bounds if position not in chain.cuts]


def assert_segments_are_a_candidate(segments, want, found):
    """Check that segments switch only where the seeds allow it, and have the contrast that the searcher states."""
    for group, key in enumerate(zip(segments.video.tolist(), segments.label.tolist())):
        chain = want[key]
        switches = switches_of(segments, group, chain)
        assert len(switches) == len(chain.switches())
        assert all(position in gap for position, gap in zip(switches, chain.switches()))
        assert np.mean(chain.contrasts(switches)) == pytest.approx(found[key], abs=1e-6)


@pytest.mark.parametrize('variant', VARIANTS)
def test_close_to_the_beam_search_of_lacp(variant):
    targets, scores = large_case()  # noisy scores and long gaps: harder than real scores
    want = chains(scores, targets, **variant)
    segments, found = search(scores, targets, **variant)
    assert sum(found.values()) > 0.97 * sum(chain.beam() for chain in want.values())
    assert_segments_are_a_candidate(segments, want, found)


def test_scores_beyond_their_range_count_as_its_ends():
    targets, scores = large_case()
    far = scores * 9 - 4
    wanted = search(far.clamp(0, 1), targets)[0]
    assert torch.equal(search(far, targets)[0].start, wanted.start)
    far[0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])[:, None]
    assert len(search(far, targets)[0].start) == len(wanted.start)


@pytest.mark.parametrize(
    'original, expected, limits, reason',
    [
        # A long action 2-9 is beside a short one at 11. The outer ranges of the long one have ceil(8 / 4) = 2 snippets:
        # [0, 1] on the left, but only [10, 10] on the right, since the next segment begins at 11. So its outer mean is
        # (0 + 0.1 + 0.2) / 3 = 0.1, and R = 0.8. The short one has the outer ranges [10, 10] and [12, 12], the outer
        # mean (0.2 + 0.1) / 2 = 0.15, and R = 0.85.
        (False, (0.8 + 0.85) / 2, [[0, 11], [10, 13]], 'Eq. 8'),
        # Without limits, the right range of the long one is [10, 11]: its outer mean is (0 + 0.1 + 0.2 + 1) / 4 =
        # 0.325, and R = 0.575.
        (True, (0.575 + 0.85) / 2, [[0, 12], [10, 13]], 'the short action lies in the outer range of the long one'),
    ],
)
def test_contrast_by_hand(original, expected, limits, reason):
    scores = torch.tensor([0, 0.1, *[0.9] * 8, 0.2, 1, 0.1])[None, :, None]
    segments, found = search(scores, one_class('bb00000000b1b'), original=original)
    assert intervals(segments) == [[2, 10], [11, 12]]
    assert torch.stack([segments.outer_start, segments.outer_stop], 1).tolist() == limits, reason
    assert found == {(0, 0): pytest.approx(expected)}


def test_outer_range_is_rounded_up_from_the_exact_product():
    # 100 * 0.07 is 7.000000000000001 in floating point, but the outer range has 7 snippets.
    kinds = 'b' * 10 + '0' * 100 + 'b' * 10
    segments, _ = search(torch.zeros(1, 120, 1), one_class(kinds), outer_ratio=0.07)
    assert intervals(segments) == [[10, 110]]
    assert torch.stack([segments.outer_start, segments.outer_stop], 1).tolist() == [[3, 117]]
    away = segments.away_from_actions(torch.ones(1, 120, dtype=torch.bool), 0.07)
    assert away[0].nonzero()[:, 0].tolist() == [0, 1, 2, 117, 118, 119]


def test_limits_decide_where_a_segment_ends():
    # The first segment may end at 4 ... 7, and the second one begins at 9. If the first one ends at 7, its outer range
    # has ceil(8 / 4) = 2 snippets. Limited to [8, 8], its contrast is 6.9 / 8 - 0.1 = 0.7625, the best. Without a
    # limit, it is 6.9 / 8 - 0.5 = 0.3625, and the end at 6 is better: 6.1 / 7 - (0.8 + 0.1) / 2 = 0.4214.
    scores = torch.tensor([0.9] * 5 + [0.8, 0.8, 0.8, 0.1, 0.9])[None, :, None]
    assert intervals(search(scores, one_class('00000...b1'))[0]) == [[0, 8], [9, 10]]
    assert intervals(search(scores, one_class('00000...b1'), original=True)[0]) == [[0, 7], [9, 10]]


@pytest.mark.parametrize(
    'kinds, expected, reason',
    [
        ('b.00.b', [[1, 5]], 'the ends of the video count as background outside it'),
        ('.0.', [[0, 3]], 'no background seed at all'),
        ('0', [[0, 1]], 'a video of one snippet'),
        ('b0011b', [[1, 3], [3, 5]], 'touching instances are two segments'),
        ('b0..1b', [[1, 3], [3, 5]], 'cut in the middle if there is no background between instances'),
        ('b0.0.b', [[1, 5]], 'no switch between seeds of one instance'),
        ('b0b0.b', [[1, 2], [3, 5]], 'background parts even one instance'),
    ],
)
def test_seeds(kinds, expected, reason):
    # Scores are high everywhere except on background, so every segment is as long as the seeds allow.
    scores = torch.tensor([0.1 if kind == 'b' else 0.9 for kind in kinds])[None, :, None]
    assert intervals(search(scores, one_class(kinds))[0]) == expected, reason


def test_cut_segments_have_no_outer_range_towards_each_other():
    for original in (False, True):
        segments, _ = search(torch.rand(1, 8, 1), one_class('bb0011bb'), original=original)
        assert torch.stack([segments.outer_start, segments.outer_stop], 1).tolist() == [[1, 4], [4, 7]]


def test_snippets_of_other_classes_are_background():
    instances = np.full((7, 2), -1)
    instances[1, 0], instances[3, 1], instances[5] = 0, 1, 2  # 5 belongs to both classes
    targets = make_targets([(instances, np.zeros(7, dtype=bool))])
    segments, _ = search(torch.full((1, 7, 2), 0.9), targets)
    assert segments.label.tolist() == [0, 1]
    # Snippet 3, of class 1, is background of class 0 and divides it into two segments. Class 1 has the instances 1 and
    # 2 at 3 and 5, and background at 1 only, so its segment is cut between 4 and 5.
    start_of_class_1 = segments.start[segments.group == 1].tolist()
    assert (segments.group == 0).sum() == 2
    assert start_of_class_1[1] == 5
    assert 1 < start_of_class_1[0] <= 3


def test_background_segments_by_hand():
    # The runs are background 0-1, action 2-3, background 4-6 with a seed, action 7, and background 8, which has no seed
    # and is not scored. All outer ranges have one snippet: ceil(2 / 4) = ceil(3 / 4) = 1.
    scores = torch.tensor([0.1, 0.1, 0.9, 0.9, 0.2, 0.2, 0.2, 0.8, 0.1])[None, :, None]
    segments, found = search(scores, one_class('bb00bbb0.'), background_segments=True)
    assert intervals(segments) == [[2, 4], [7, 8]]
    assert intervals(segments, background=True) == [[0, 2], [4, 7]]
    # The contrasts of the actions are 0.9 and 0.8 minus a mean of 0.15; those of background, by 1 - q, are 0.9 minus
    # 0.1, and 0.8 minus a mean of 0.15.
    assert found == {(0, 0): pytest.approx((0.75 + 0.65 + 0.8 + 0.65) / 4)}


def test_classes_without_seeds_have_no_segments():
    instances = np.full((4, 3), -1)
    instances[1, 2] = instances[2, 1] = 0
    targets = make_targets([(instances, np.zeros(4, dtype=bool)), (np.full((3, 3), -1), np.ones(3, dtype=bool))])
    targets.video_labels[0, :2] = torch.tensor([1.0, 0.0])  # class 0 has no point, class 1 is not in the video labels
    segments, _ = search(torch.rand(2, 4, 3), targets)
    assert (segments.video.tolist(), segments.label.tolist()) == ([0], [2])


@pytest.mark.parametrize('variant', VARIANTS)
def test_nothing_to_search(variant):
    targets = make_targets([(np.full((3, 2), -1), np.ones(3, dtype=bool))])
    segments = SegmentSearcher(**variant)(torch.rand(1, 3, 2), targets)
    assert len(segments.video) == len(segments.group) == len(segments.start) == 0


@pytest.mark.parametrize('variant', VARIANTS)
def test_padding_and_company_change_nothing(variant):
    rng = np.random.default_rng(3)
    videos = [random_video(rng, length, 0.3) for length in (40, 7, 90)]
    targets = make_targets(videos)
    scores = torch.from_numpy(rng.random((3, 90, 2), dtype=np.float32))
    scores[~targets.mask] = float('nan')
    segments, _ = search(scores, targets, **variant)
    for video, (instances, background) in enumerate(videos):
        alone, _ = search(
            scores[video : video + 1, : len(background)], make_targets([(instances, background)]), **variant
        )
        mine = (segments.video == video)[segments.group]
        for name in ('start', 'stop', 'outer_start', 'outer_stop', 'is_background'):
            assert torch.equal(getattr(segments, name)[mine], getattr(alone, name)), name


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('value', [0.0, 1.0, float('nan')])
def test_saturated_and_missing_scores(variant, dtype, value):
    targets = one_class('.0...b..12.b')
    segments = SegmentSearcher(**variant)(torch.full((1, 12, 1), value, dtype=dtype), targets)
    assert len(intervals(segments)) == 3  # one instance, and two instances that touch


@pytest.mark.parametrize('variant', [dict(), dict(background_segments=True)])
def test_very_long_videos_are_affordable(variant):
    # Once one action in 20,000 snippets, with gaps of thousands of snippets, and once very many actions with small
    # gaps.
    rng = np.random.default_rng(0)
    few, many = (np.full((20_000, 1), -1) for _ in range(2))
    few[8_000], many[2::5] = 0, np.arange(4_000)[:, None]
    background = np.zeros((2, 20_000), dtype=bool)
    background[0, 19_000] = background[1, ::5] = True
    targets = make_targets([(few, background[0]), (many, background[1])])
    scores = torch.from_numpy(rng.random((2, 20_000, 1), dtype=np.float32))
    with PeakMemory() as memory:
        _, found = search(scores, targets, **variant)
    assert len(found) == 2
    assert memory.peak < 256 * 2**20


@pytest.mark.parametrize('variant', VARIANTS)
def test_operations_and_waits_do_not_grow(variant):
    def counts(num_videos, length):
        rng = np.random.default_rng(0)
        targets = make_targets([random_video(rng, length, 0.5) for _ in range(num_videos)])
        scores = torch.from_numpy(rng.random((num_videos, length, 2), dtype=np.float32))
        with Launches() as launches, HostSyncs() as syncs:
            SegmentSearcher(**variant)(scores, targets)
        return launches.count, syncs.count

    assert counts(1, 20) == counts(9, 20) == counts(1, 900)
    assert counts(1, 20)[1] == 2


@pytest.mark.parametrize(
    'wrong', [dict(outer_ratio=-0.1), dict(outer_ratio=float('nan')), dict(num_places=2), dict(num_rounds=0)]
)
def test_rejects_senseless_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SegmentSearcher(**wrong)
