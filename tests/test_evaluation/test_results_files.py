import json

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.evaluation import read_results, to_instances, write_results
from fsptal_mm.evaluation.results import read_class_names
from fsptal_mm.evaluation.samples import best_times
from fsptal_mm.structures import Instances, SnippetGrid


def entry(**changes):
    return {'label': 'Diving', 'score': 0.5, 'segment': [1.0, 2.0], **changes}


@pytest.fixture
def write(tmp_path):
    """Write a text, bytes or an object as a JSON file and give its path."""

    def write(content):
        content = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (tmp_path / 'result.json').write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / 'result.json'

    return write


def test_strings_extra_keys_and_spaces_are_accepted(write):
    rows = [entry(), entry(label=' Shotput ', score='1e-3', segment=['0.25', 3], extra=1)]
    content = {'results': {'a': rows, 'b': []}, 'version': 'mine', 'anything': None}
    found = read_results(write(content))
    assert found['a']['labels'] == ['Diving', 'Shotput']
    np.testing.assert_array_equal(found['a']['scores'], [0.5, 0.001])
    np.testing.assert_array_equal(found['a']['segments_sec'], [[1, 2], [0.25, 3]])
    assert (found['b']['segments_sec'].shape, found['b']['scores'].shape) == ((0, 2), (0,))


def test_times_of_the_best_snippets(write, tmp_path):
    path = write({'results': {'a': [entry(best_sec=1.25), entry()], 'b': [entry()]}})
    found = read_results(path)
    np.testing.assert_array_equal(found['a']['best_sec'], [1.25, 1.5])  # the middle where none is stated
    assert 'best_sec' not in found['b']
    write_results(tmp_path / 'again.json', found)
    np.testing.assert_array_equal(read_results(tmp_path / 'again.json')['a']['best_sec'], [1.25, 1.5])
    for wrong in (2.5, 'x', None, [1]):
        with refused('result.json: video a: entry 0: best_sec'):
            read_results(write({'results': {'a': [entry(best_sec=wrong)]}}))


def test_the_best_of_the_snippets_whose_centres_lie_inside():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.3], [0.6, 0.3], [0.6, 0.9]])
    sample = dict(snippet_scores=scores, grid=SnippetGrid.from_config(dict(snippet_sec=2.0)))
    found = Instances.of_video([[2, 10], [2, 8], [1.5, 2.5], [0, 10]], [0, 1, 1, 1])
    # Centres: 1, 3, 5, 7, 9 s. Three equal snippets: the middle one. No centre inside: the middle of the detection.
    np.testing.assert_array_equal(best_times(sample, found), [7, 5, 2, 9])
    assert best_times({}, found) is None


def test_classes_of_a_results_file(write):
    path = write({'results': {'a': [entry(), entry(label='Billiards')]}})
    assert read_class_names(path, read_results(path)) == ['Billiards', 'Diving']
    path = write({'results': {'a': [entry()]}, 'classes': ['Shotput', 'Diving']})
    assert read_class_names(path, read_results(path)) == ['Shotput', 'Diving']
    with refused('result.json: classes: '):
        read_class_names(write({'results': {}, 'classes': 'Diving'}), {})


def test_what_is_written_is_read_again(tmp_path):
    rng = np.random.default_rng(0)
    found = {
        'a': {'labels': ['x', 'y'], 'scores': rng.normal(size=2), 'segments_sec': np.sort(rng.random((2, 2)))},
        'b': {'labels': [], 'scores': np.zeros(0), 'segments_sec': np.zeros((0, 2))},
    }
    path = tmp_path / 'new' / 'result.json'
    write_results(path, found, evaluation={'metrics': {'mAP@0.5': 1.0}})
    again = read_results(path)
    for video, expected in found.items():
        assert again[video]['labels'] == expected['labels']
        np.testing.assert_array_equal(again[video]['scores'], expected['scores'])
        np.testing.assert_array_equal(again[video]['segments_sec'], expected['segments_sec'])
    content = path.read_text()
    # The official script refuses files without these keys.
    assert {'version', 'results', 'external_data'} <= json.loads(content).keys()
    assert json.loads(content)['evaluation'] == {'metrics': {'mAP@0.5': 1.0}}
    found['a']['scores'][0] = np.nan
    with pytest.raises(ValueError, match='JSON'):
        write_results(path, found)
    assert path.read_text() == content  # a failed write leaves the old file
    assert [file.name for file in path.parent.iterdir()] == ['result.json']


@pytest.mark.parametrize(
    'bad, field, reason',
    [
        (entry(score=float('nan')), 'score', 'JSON as Python writes it may hold NaN'),
        (entry(score='high'), 'score', 'a word'),
        (entry(score=[0.5]), 'score', 'a list'),
        (entry(score=10**400), 'score', 'beyond float64'),
        (entry(segment=[1.0]), 'segment', 'one number'),
        (entry(segment=[1.0, float('inf')]), 'segment', 'infinite'),
        (entry(segment=[2.0, 1.0]), 'segment', 'ends before it starts'),
        (entry(segment='12'), 'segment', 'a text of two digits is no pair'),
        (entry(label=3), 'label', 'a number'),
        ({'label': 'Diving', 'segment': [1, 2]}, 'score', 'missing'),
        ({'score': 0.5, 'segment': [1, 2]}, 'label', 'missing'),
        ([1, 2, 0.5], 'entry 1', 'a list for an object'),
    ],
)
def test_bad_entries_are_named(bad, field, reason, write):
    path = write({'results': {'fine': [entry()], 'video7': [entry(), bad]}})
    with refused(str(path), 'video video7', 'entry 1', field):
        read_results(path)
    # As an array, these scores have the shape (2, 1): their number is right, but not their shape.
    with refused('entry 0: score'):
        read_results(write({'results': {'a': [entry(score=[0.5]), entry(score=[0.6])]}}))


@pytest.mark.parametrize(
    'content, named',
    [
        ('', 'JSON'),
        ('[' * 100_000, 'JSON'),
        (b'\x93NUMPY\xff\xfe', 'UTF-8'),
        ('[]', 'results'),
        ('{"results": []}', 'results'),
        ('{"results": {"a": null}}', 'video a'),
        ('{"results": {"a": [], "a": []}}', 'a: found'),
    ],
)
def test_bad_files(content, named, write):
    path = write(content)
    with refused(str(path), named) as error:
        read_results(path)
    assert len(str(error.value)) < 1000
    with refused('absent.json'):
        read_results(path.with_name('absent.json'))


def detections(*labels):
    n = len(labels)
    return {'labels': list(labels), 'scores': np.arange(n) + 0.5, 'segments_sec': np.tile([1.0, 2.0], (n, 1))}


def test_ids_match_with_and_without_prefix(messages):
    found = {'v_b': detections('x'), 'a': detections('y', 'x'), 'c': detections('x')}
    flat = to_instances(found, ['a', 'b', 'v_c', 'd'], ['x', 'y'], file='r.json')
    assert (flat.videos.tolist(), flat.labels.tolist()) == ([0, 0, 1, 2], [1, 0, 0, 0])
    assert flat.scores.tolist() == [0.5, 1.5, 0.5, 0.5]
    assert len(to_instances({}, ['a'], ['x'])) == 0
    assert messages == []


def test_unknown_videos_and_labels_are_left_out_with_one_warning(messages):
    found = {'a': detections('x', 'walk', 'walk'), 'elsewhere': detections('x')}
    flat = to_instances(found, ['a'], ['x'], file='r.json')
    assert (flat.labels.tolist(), flat.scores.tolist()) == ([0], [0.5])
    (message,) = messages
    assert all(part in message for part in ('r.json', '1 video not evaluated', 'elsewhere', '2 detections', 'walk'))


def test_files_that_do_not_fit_the_videos():
    with refused('r.json', "found 'q'"):  # the file is for other videos
        to_instances({'q': detections('x')}, ['a'], ['x'], file='r.json')
    with refused('video v_a'):  # one video under two names
        to_instances({'a': detections('x'), 'v_a': detections('x')}, ['a'], ['x'])
