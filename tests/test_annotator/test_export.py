import numpy as np
import pytest
from numbered_videos import write_numbered
from tool_modules import load_tool

from fsptal_mm.annotator import ClassKey, PageApi, find_videos
from fsptal_mm.annotator.export import export_project
from fsptal_mm.apis import list_inputs
from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations.point_readers import read_lacp_csv
from fsptal_mm.datasets.annotations.readers import read_classes
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.errors import InputError


@pytest.fixture
def annotate(open_project, tmp_path):
    """Label videos; returns a function that exports."""

    def annotate(points, done=('a', 'b'), videos=None):
        project = open_project(videos=videos)
        keys = [ClassKey(name, None) for name in project.classes]
        api = PageApi(project, keys, tmp_path / 'export')

        def send(video, **edit):
            edit['edit_id'] = f'{video}-edit-{edit}'[:64]
            api.edit({'project': project.project_id, 'video': video, 'edit': edit})

        for video, time_sec, label in points:
            send(video, action='add', time_sec=time_sec, label=label)
        for video in done:
            send(video, action='done', done=True)
        return lambda **options: api.export({'project': project.project_id, **options})

    return annotate


def read_lacp(folder):
    files = dict(split_file=folder / 'split_train.txt', fps_file=folder / 'fps_dict.json')
    return load_annotations(None, point_file=folder / 'point_labels.csv', classes=folder / 'classes.txt', **files)


POINTS = [
    ('a', 1.51, 'run'),  # frame 45 of a .webm is shown from 1.5 s
    ('a', 0.7, 'throw, far'),
    ('a', 0.7, 'jump'),
    ('a', 0.2, None),
    ('a', 1.8, 'run'),
    ('b', 1.99, 'jump'),  # the last frame is shown from 59/30 s
]


def test_both_forms_read_back_to_the_same_points(annotate, tmp_path):
    told = annotate(POINTS)()
    counts = {'videos': 2, 'points': 5, 'background_points': 1, 'left_out': 0, 'unreachable': 0, 'kept': None}
    assert told == {'folder': str(tmp_path / 'export'), **counts}
    plain = load_annotations(tmp_path / 'export/annotations.json', subset='train')
    lacp = read_lacp(tmp_path / 'export')
    for annotations in (plain, lacp):
        assert annotations.classes == ('jump', 'throw, far', 'run')
        a, b = annotations.videos['a'], annotations.videos['b']
        np.testing.assert_allclose(a.point_sec, [0.7, 0.7, 1.5, 1.8], atol=1e-6)
        assert (a.point_labels.tolist(), a.point_instances.tolist()) == ([0, 1, 2, 2], [0, 1, 2, 3])
        np.testing.assert_allclose(b.point_sec, [59 / 30], atol=1e-6)
        assert b.point_labels.tolist() == [0]
    assert plain.videos['a'].background_sec.tolist() == [0.2]
    assert (plain.videos['a'].duration_sec, plain.videos['a'].fps) == (2.0, 30.0)
    files = dict(ann_file=str(tmp_path / 'export/annotations.json'), subset='train')
    dataset = PointTALDataset(**files, data_prefix=dict(feature=str(tmp_path)), grid=dict(snippet_sec=0.5))
    assert [dataset.get_data_info(index)['point_sec'].tolist() for index in range(2)] == [
        [0.7, 0.7, 1.5, 1.8],
        [1.966667],
    ]
    csv = read_lacp_csv(tmp_path / 'export/point_labels.csv')
    rows = [(row.video_id, row.label, row.time, row.class_index) for row in csv]
    assert rows[:4] == [('a', 'jump', 21, 0), ('a', 'throw, far', 21, 1), ('a', 'run', 45, 2), ('a', 'run', 54, 2)]
    assert rows[4:] == [('b', 'jump', 59, 0)]


def test_times_stay_where_frames_are_not_equally_long(annotate, tmp_path):
    times_ms = [*range(0, 990, 33), *range(1000, 4000, 100)]
    videos = {'v': write_numbered(tmp_path / 'v.webm', times_sec=[ms / 1000 for ms in times_ms])}
    points = [('v', 0.67, 'run'), ('v', 2.35, 'jump'), ('v', 3.95, 'run')]
    annotate(points, done='v', videos=videos)()
    plain = load_annotations(tmp_path / 'export/annotations.json')
    assert plain.videos['v'].point_sec.tolist() == [0.66, 2.3, 3.9]
    np.testing.assert_allclose(read_lacp(tmp_path / 'export').videos['v'].point_sec, [0.66, 2.3, 3.9], atol=0.002)


def test_only_videos_that_are_done_unless_wanted(annotate, tmp_path):
    export = annotate(POINTS, done=['b'])
    assert export()['videos'] == export()['left_out'] == 1
    assert list(load_annotations(tmp_path / 'export/annotations.json').videos) == ['b']
    assert export(unfinished=True)['videos'] == 2
    assert list(load_annotations(tmp_path / 'export/annotations.json').videos) == ['a', 'b']


def test_labels_of_a_video_that_is_gone_are_counted(open_project, video_folder, tmp_path):
    project = open_project()
    edit = {'action': 'add', 'time_sec': 1.0, 'label': 'run'}
    for video in 'ab':
        project.edit(video, {**edit, 'edit_id': f'edit-of-{video}'}, lambda time_sec: (30, time_sec))
    project.close()
    api = PageApi(open_project(videos={'a': video_folder / 'a.webm'}), [], tmp_path / 'export')
    told = api.export({'project': api.project.project_id, 'unfinished': True})
    assert (told['videos'], told['left_out'], told['unreachable']) == (1, 0, 1)


def test_nothing_to_export_is_an_error(annotate, tmp_path):
    with pytest.raises(InputError, match='export:'):
        annotate(POINTS, done=[])()
    assert not (tmp_path / 'export').exists()


@pytest.mark.parametrize('is_own', [True, False])
def test_the_class_list_of_the_user_is_not_written_over(open_project, tmp_path, is_own):
    project, folder = open_project(), tmp_path / 'export'
    folder.mkdir()
    text = 'run\tr\njump\n'
    (folder / 'classes.txt').write_text(text)
    class_file = folder / '../export/classes.txt' if is_own else tmp_path / 'other.txt'
    class_file.touch()
    api = PageApi(project, [ClassKey(name, None) for name in project.classes], folder, class_file)
    edit = {'edit_id': 'an-edit-of-8', 'action': 'add', 'time_sec': 1, 'label': 'run'}
    api.edit({'project': project.project_id, 'video': 'a', 'edit': edit})
    told = api.export({'project': project.project_id, 'unfinished': True})
    assert told['kept'] == (str(class_file) if is_own else None)
    assert ((folder / 'classes.txt').read_text() == text) == is_own
    assert (folder / 'annotations.json').is_file()


def test_a_class_list_with_keys_is_read_as_names(tmp_path):
    (tmp_path / 'classes.txt').write_text('long jump\tj\nthrow\n')
    assert read_classes(tmp_path / 'classes.txt') == ['long jump', 'throw']


def test_no_tool_takes_a_project_or_an_export_beside_the_videos_for_an_input(open_project, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    video = write_numbered(folder / 'a.webm')
    project = open_project(videos={'a': video}, path=folder / 'point_project.json')
    edit = {'edit_id': 'an-edit-of-8', 'action': 'add', 'time_sec': 1, 'label': 'run'}
    project.edit('a', edit, lambda time_sec: (30, time_sec))
    export_project(project, folder, unfinished=True)
    assert {path.suffix for path in folder.iterdir()} >= {'.json', '.csv', '.txt'}
    assert [found.source for found in list_inputs(folder)] == [str(video)]  # as demo.py lists its inputs
    assert load_tool('data/extract_features').find_videos([folder]) == find_videos([folder])[0] == {'a': video}
