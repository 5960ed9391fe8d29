import numpy as np
import pytest

from fsptal_mm.annotator import PageApi, read_suggestions
from fsptal_mm.evaluation import write_results
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import write_json


def detections(*rows):
    return {
        'segments_sec': np.array([row[:2] for row in rows]),
        'labels': [row[2] for row in rows],
        'scores': np.array([row[3] for row in rows]),
    }


FOUND = {
    'v_b': detections((0.0, 1.0, 'jump', 0.8), (2.0, 3.0, 'throw', 0.3), (4.0, 5.0, 'jump', 0.1)),
    'a': detections((1.0, 2.0, 'jump', 0.4)),
    'elsewhere': detections((1.0, 2.0, 'dance', 0.4)),
}


def test_suggestions_come_in_the_order_of_the_file_the_most_uncertain_first(tmp_path):
    write_results(tmp_path / 'found.json', FOUND, thresholds=dict(jump=0.5, throw=0.3))
    found = read_suggestions(tmp_path / 'found.json', ['a', 'b', 'c'], ['jump', 'throw'])
    assert list(found) == ['b', 'a']
    jump = dict(start_sec=0.0, end_sec=1.0, label='jump', score=0.8, uncertainty=0.5 / 0.8)
    throw = dict(start_sec=2.0, end_sec=3.0, label='throw', score=0.3, uncertainty=1.0)
    assert found['b'] == [throw, jump]  # 0.1 is less than half of the threshold


def test_without_thresholds_the_median_score_stands_for_them(tmp_path):
    write_results(tmp_path / 'found.json', FOUND)
    found = read_suggestions(tmp_path / 'found.json', ['a', 'b'], ['jump', 'throw'])
    assert [one['score'] for one in found['b']] == [0.3, 0.8]  # the median of 0.1, 0.3, 0.4, 0.4, 0.8 is 0.4
    assert found['a'][0]['uncertainty'] == 1


@pytest.mark.parametrize(
    'videos, thresholds, field',
    [
        (['c'], dict(jump=0.5), 'results'),
        (['a', 'b', 'elsewhere'], dict(jump=0.5), 'label'),
        (['a', 'b'], dict(jump=0.0), 'jump'),
        (['a', 'b'], [0.5], 'thresholds'),
    ],
)
def test_files_of_other_projects_and_damaged_ones_are_refused(tmp_path, videos, thresholds, field):
    write_results(tmp_path / 'found.json', FOUND, thresholds=thresholds)
    with pytest.raises(InputError, match=field):
        read_suggestions(tmp_path / 'found.json', videos, ['jump', 'throw'])


def test_a_file_without_detections_has_no_suggestions(tmp_path):
    write_json(tmp_path / 'found.json', dict(results=dict(a=[])))
    assert read_suggestions(tmp_path / 'found.json', ['a'], ['jump']) == {'a': []}


def test_the_time_of_the_best_snippet_stays_with_its_detection(tmp_path):
    best = dict(FOUND['v_b'], best_sec=np.array([0.2, 2.9, 4.5]))
    write_results(tmp_path / 'found.json', dict(b=best), thresholds=dict(jump=0.5, throw=0.3))
    found = read_suggestions(tmp_path / 'found.json', ['b'], ['jump', 'throw'])
    assert [(one['label'], one['best_sec']) for one in found['b']] == [('throw', 2.9), ('jump', 0.2)]


def test_a_suggestion_ends_with_its_video(open_project, tmp_path):
    suggestion = dict(start_sec=0.5, label='jump', score=0.8, uncertainty=1.0)
    suggestions = {'a': [suggestion | dict(end_sec=1.0), suggestion | dict(end_sec=1000.0)]}
    found = PageApi(open_project(), [], tmp_path / 'export', suggestions=suggestions).video('a')
    assert [one['end_sec'] for one in found['suggestions']] == [1.0, found['duration_sec']]
