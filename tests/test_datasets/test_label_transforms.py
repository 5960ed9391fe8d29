import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets import ExtendPointLabels, PointsToSnippets, ResizeSnippets
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.structures import SnippetGrid


def video(point_sec=(), labels=(), num_snippets=5, duration_sec=2.5, background_sec=()):
    """A video of 0.5 s per snippet, whose features are the snippets' own numbers, with points of two classes."""
    return dict(
        video_id='v1',
        features=np.arange(num_snippets, dtype=np.float32)[:, None],
        grid=SnippetGrid(0.5),
        duration_sec=duration_sec,
        num_classes=2,
        point_sec=np.array(point_sec, dtype=float),
        point_labels=np.array(labels, dtype=np.int64),
        point_instances=np.arange(len(labels)),
        background_sec=np.array(background_sec, dtype=float),
    )


def extended(instances, **kwargs):
    """Extend the instances of one class on features that are the snippets' own numbers."""
    instances = np.array(instances, dtype=np.int32)[:, None]
    return ExtendPointLabels(**kwargs).transform(
        dict(
            features=np.arange(len(instances), dtype=np.float32)[:, None],
            snippet_instances=instances,
            background_labels=np.zeros(len(instances), dtype=bool),
        )
    )


@pytest.mark.parametrize(
    'results, expected, reason',
    [
        # The dict has {(snippet, class): instance}. 0.0 s is in snippet 0, 0.99 s in snippet 1, and 1.0 s in snippet 2,
        # which has both classes.
        (video([0.0, 0.99, 1.0, 1.0], [0, 1, 1, 0]), {(0, 0): 0, (1, 1): 1, (2, 0): 3, (2, 1): 2}, 'where they fall'),
        (video([1.1, 1.4], [0, 0]), {(2, 0): 0}, 'two points of a class in a snippet are the first instance'),
        (video([2.7], [1], duration_sec=2.8), {(4, 1): 0}, 'beyond features that end early: the last snippet'),
    ],
)
def test_points_go_to_the_snippet_they_fall_into(results, expected, reason):
    instances = PointsToSnippets().transform(results)['snippet_instances']
    assert instances.shape == (5, 2)
    assert {(*place,): instances[(*place,)] for place in np.argwhere(instances != -1).tolist()} == expected, reason


def test_background_clicks_become_background_snippets():
    results = PointsToSnippets().transform(video(background_sec=[2.4, 0.6]))
    assert results['background_labels'].tolist() == [False, True, False, False, True]


def test_a_point_after_the_video_is_refused():
    with refused('video v1: point_sec: found [9.0]'):
        PointsToSnippets().transform(video([1.0, 9.0], [0, 0]))


def test_extension_without_labels_is_the_identity():
    results = extended([-1] * 7)
    assert results['snippet_positions'].tolist() == results['features'][:, 0].tolist() == list(range(7))
    assert (results['snippet_instances'] == -1).all()


def test_extension_by_hand():
    # One label in the middle of 5 snippets: W = 1, 1.67, 2.5, 1.67, 1, with the sum 7.84. So T = 8, and the quantiles
    # are (i + .5) * .98.
    results = extended([-1, -1, 4, -1, -1])
    expected = [
        0.0,  # the quantile .49 lies in the first cell: .49 - .5, clipped at 0
        1 + 0.47 / 1.67 - 0.5,  # 1.47 lies .47 into the second cell of 1.67
        1 + 1.45 / 1.67 - 0.5,  # 2.45 lies 1.45 into the second cell
        2 + 0.76 / 2.5 - 0.5,  # 3.43 lies .76 into the third cell, which starts at 2.67
        2 + 1.74 / 2.5 - 0.5,  # 4.41 lies 1.74 into the third cell
        3 + 0.22 / 1.67 - 0.5,  # 5.39 lies .22 into the fourth cell, which starts at 5.17
        3 + 1.20 / 1.67 - 0.5,  # 6.37 lies 1.20 into the fourth cell
        4.0,  # 7.35 lies .51 into the last cell, which starts at 6.84: 4.51 - .5, clipped at 4
    ]
    np.testing.assert_allclose(results['snippet_positions'], expected, atol=1e-9)
    np.testing.assert_allclose(results['features'][:, 0], expected, atol=1e-6)
    # Two positions, 1.804 and 2.196, lie in [1.5, 2.5), the part of the labelled snippet.
    assert results['snippet_instances'][:, 0].tolist() == [-1, -1, -1, 4, 4, -1, -1, -1]
    # With stage='embedding', labels are extended in the same way, and the features stay.
    behind = extended([-1, -1, 4, -1, -1], stage='embedding')
    assert behind['features'][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert behind['embedding_positions'].tolist() == results['snippet_positions'].tolist()
    assert behind['snippet_instances'].tolist() == results['snippet_instances'].tolist()
    assert 'embedding_positions' not in results


@pytest.mark.parametrize(
    'reason, labelled, weights',
    [
        ('the index before the first must not wrap round to the last', [1, 0, 0, 0], [2.5, 1.67, 1, 1]),
        ('nothing follows the last', [0, 0, 0, 1], [1, 1, 1.67, 2.5]),
        ('a run is one group', [0, 1, 1, 0], [1.67, 2.5, 2.5, 1.67]),
        ('a neighbour that two groups share gets its weight once', [1, 0, 1, 0], [2.5, 1.67, 2.5, 1.67]),
    ],
)
def test_sampling_weights(reason, labelled, weights):
    positions = ExtendPointLabels().sampling_positions(np.array(labelled, dtype=bool))
    # The expected positions invert the cumulative sum of the weights in the table above.
    cumulative = np.concatenate([[0], np.cumsum(weights)])
    count = int(cumulative[-1] + 0.5)
    expected = np.interp((np.arange(count) + 0.5) / count * cumulative[-1], cumulative, np.arange(5)) - 0.5
    np.testing.assert_allclose(positions, np.clip(expected, 0, 3), err_msg=reason)


def test_touching_instances_of_one_class_stay_two():
    carried = extended([-1, 0, 1, -1])['snippet_instances'][:, 0]
    assert set(carried.tolist()) == {-1, 0, 1}
    assert (np.diff(carried[carried >= 0]) >= 0).all()  # all snippets of instance 0 come before those of instance 1
    assert (carried >= 0).sum() > 2


def test_every_label_of_real_points_survives(data_root):
    root = data_root / 'thumos14'
    files = dict(split_file=root / 'split_train.txt', point_file=root / 'point_gaussian/point_labels.csv')
    grid = SnippetGrid.from_config(dict(fps=25, snippet_frames=16))
    for record in load_annotations(root / 'gt_full.json', **files).videos.values():
        features = np.zeros((int(grid.num_snippets(record.duration_sec)) + 1, 1), dtype=np.float32)
        results = PointsToSnippets().transform(vars(record) | dict(features=features, grid=grid, num_classes=20))
        before = results['snippet_instances']
        after = ExtendPointLabels().transform(dict(results))
        wanted = {(c, i) for c, i in zip(*np.nonzero(before >= 0)[1:], before[before >= 0])}
        found = after['snippet_instances']
        assert {(c, i) for c, i in zip(*np.nonzero(found >= 0)[1:], found[found >= 0])} == wanted
        assert (found >= 0).sum() > (before >= 0).sum()
        assert (np.diff(after['snippet_positions']) >= 0).all()


@pytest.mark.parametrize(
    'name, value',
    [('label_weight', 0.5), ('neighbour_weight', float('inf')), ('label_weight', float('nan')), ('stage', 'scores')],
)
def test_bad_arguments_are_named(name, value):
    with refused(f'ExtendPointLabels.{name}: found {value!r}'):
        ExtendPointLabels(**{name: value})


def test_resizing_keeps_the_video_where_it_is():
    results = ResizeSnippets(10).transform(video())
    assert results['grid'] == SnippetGrid(0.25)
    # Ten centres, half a snippet apart, interpolated between those of five snippets, and constant beyond their ends.
    centres = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]
    np.testing.assert_allclose(results['features'][:, 0], centres, atol=1e-6)
    assert results['grid'].to_sec(10) == results['duration_sec']
    same = ResizeSnippets(5).transform(video())
    np.testing.assert_array_equal(same['features'], video()['features'])
    assert same['grid'] == video()['grid']


def test_points_in_the_incomplete_snippet_at_the_end_of_a_resized_video():
    # Five snippets end at 2.5 s, and the incomplete one behind them, which has no features, before 3 s.
    results = PointsToSnippets().transform(ResizeSnippets(10).transform(video([2.7], [1])))
    assert np.argwhere(results['snippet_instances'] >= 0).tolist() == [[9, 1]]
    with refused('point_sec: found [3.1]'):
        PointsToSnippets().transform(ResizeSnippets(10).transform(video([3.1], [1])))
