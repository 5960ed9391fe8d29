import json

import numpy as np
import pytest

from fsptal_mm.evaluation import read_results, results, to_instances, write_results
from fsptal_mm.utils.errors import InputError


def entry(**changes):
    return {'label': 'Diving', 'score': 0.5, 'segment': [1.0, 2.0], **changes}


@pytest.fixture
def write(tmp_path):
    """Write a text or an object as a JSON file and give its path."""

    def write(content):
        path = tmp_path / 'result.json'
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding='utf-8')
        return path

    return write


@pytest.fixture
def warnings(monkeypatch):
    """The messages that the reader logs."""
    messages = []
    monkeypatch.setattr(results, 'print_log', lambda message, **_: messages.append(message))
    return messages


def test_strings_extra_keys_and_spaces_are_accepted(write):
    rows = [entry(), entry(label=' Shotput ', score='1e-3', segment=['0.25', 3], extra=1)]
    content = {'results': {'a': rows, 'b': []}, 'version': 'mine', 'anything': None}
    found = read_results(write(content))
    assert found['a']['labels'] == ['Diving', 'Shotput']
    np.testing.assert_array_equal(found['a']['scores'], [0.5, 0.001])
    np.testing.assert_array_equal(found['a']['segments_sec'], [[1, 2], [0.25, 3]])
    assert found['b']['segments_sec'].shape == (0, 2)
    assert found['b']['scores'].shape == (0,)


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
    content = json.loads(path.read_text())
    assert {'version', 'results', 'external_data'} <= content.keys()  # the official script refuses files without them
    assert content['evaluation'] == {'metrics': {'mAP@0.5': 1.0}}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'result.json'
    good = {'a': {'labels': ['x'], 'scores': np.ones(1), 'segments_sec': np.ones((1, 2))}}
    write_results(path, good)
    before = path.read_text()
    with pytest.raises(ValueError, match='JSON'):
        write_results(path, {'a': {**good['a'], 'scores': np.full(1, np.nan)}})
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ['result.json']


@pytest.mark.parametrize(
    'bad, field, reason',
    [
        (entry(score=float('nan')), 'score', 'JSON as Python writes it may hold NaN'),
        (entry(score='high'), 'score', 'a word'),
        (entry(score=None), 'score', 'null'),
        (entry(score=[0.5]), 'score', 'a list'),
        (entry(score=10**400), 'score', 'beyond float64'),
        (entry(segment=[1.0]), 'segment', 'one number'),
        (entry(segment=[1.0, 2.0, 3.0]), 'segment', 'three numbers'),
        (entry(segment=[1.0, float('inf')]), 'segment', 'infinite'),
        (entry(segment=[2.0, 1.0]), 'segment', 'ends before it starts'),
        (entry(segment='12'), 'segment', 'a text of two digits is no pair'),
        (entry(segment={'t-start': 1}), 'segment', 'an object'),
        (entry(label=3), 'label', 'a number'),
        ({'label': 'Diving', 'segment': [1, 2]}, 'score', 'missing'),
        ({'score': 0.5, 'segment': [1, 2]}, 'label', 'missing'),
        ([1, 2, 0.5], 'entry 1', 'a list for an object'),
    ],
)
def test_bad_entries_are_named(bad, field, reason, write):
    path = write({'results': {'fine': [entry()], 'video7': [entry(), bad]}})
    with pytest.raises(InputError) as error:
        read_results(path)
    for part in (str(path), 'video video7', 'entry 1', field, 'expected'):
        assert part in str(error.value), reason


def test_entries_that_are_all_of_one_wrong_shape(write):
    # As an array this is (2, 1) scores: right in number, wrong in shape.
    with pytest.raises(InputError, match='entry 0: score'):
        read_results(write({'results': {'a': [entry(score=[0.5]), entry(score=[0.6])]}}))


@pytest.mark.parametrize(
    'content, expected',
    [
        ('', 'JSON'),
        ('{"results": {"a": [', 'JSON'),
        ('[' * 100_000, 'JSON'),
        ('[]', 'results'),
        ('{}', 'results'),
        ('{"results": []}', 'results'),
        ('{"results": {"a": null}}', 'video a'),
        ('{"results": {"a": {"label": "x"}}}', 'video a'),
        ('{"results": {"a": [], "a": []}}', 'a: found .2 times'),
    ],
)
def test_bad_files(content, expected, write):
    path = write(content)
    with pytest.raises(InputError, match=expected) as error:
        read_results(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 1000


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match='no such file'):
        read_results(tmp_path / 'absent.json')
    (tmp_path / 'binary.json').write_bytes(b'\x93NUMPY\xff\xfe')
    with pytest.raises(InputError, match='UTF-8 text'):
        read_results(tmp_path / 'binary.json')


def detections(*labels):
    n = len(labels)
    return {'labels': list(labels), 'scores': np.arange(n) + 0.5, 'segments_sec': np.tile([1.0, 2.0], (n, 1))}


def test_ids_match_with_and_without_prefix(warnings):
    found = {'v_b': detections('x'), 'a': detections('y', 'x'), 'c': detections('x')}
    flat = to_instances(found, ['a', 'b', 'v_c', 'd'], ['x', 'y'], file='r.json')
    assert flat.videos.tolist() == [0, 0, 1, 2]
    assert flat.labels.tolist() == [1, 0, 0, 0]
    assert flat.scores.tolist() == [0.5, 1.5, 0.5, 0.5]
    assert warnings == []


def test_unknown_videos_and_labels_are_left_out_with_one_warning(warnings):
    found = {'a': detections('x', 'walk', 'walk'), 'elsewhere': detections('x')}
    flat = to_instances(found, ['a'], ['x'], file='r.json')
    assert flat.labels.tolist() == [0]
    assert flat.scores.tolist() == [0.5]
    (message,) = warnings
    for part in ('r.json', '1 videos', 'elsewhere', '2 detections', 'walk'):
        assert part in message


def test_a_file_for_other_videos_is_an_error():
    with pytest.raises(InputError, match=r'r\.json.*found .q'):
        to_instances({'q': detections('x')}, ['a'], ['x'], file='r.json')


def test_one_video_under_two_names_is_an_error():
    with pytest.raises(InputError, match='video v_a'):
        to_instances({'a': detections('x'), 'v_a': detections('x')}, ['a'], ['x'])


def test_an_empty_file_is_no_error():
    assert len(to_instances({}, ['a'], ['x'])) == 0
