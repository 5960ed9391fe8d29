import itertools
import json
import os
import re
from types import SimpleNamespace

import pytest
from numbered_videos import write_numbered
from video_variants import VARIANTS

from fsptal_mm.annotator import find_videos, labels, project
from fsptal_mm.annotator.video_files import OpenVideos
from fsptal_mm.utils import progress
from fsptal_mm.utils.errors import InputError

CLASSES = ('jump', 'throw, far', 'run')  # those of the fixture
NUMBERS = iter(range(10**9))


def snap(time_sec):
    frame = int(time_sec * 30 + 0.01)
    return frame, frame / 30


def edit(project, action, video='a', **fields):
    """Make a change; returns the points as (frame, label)."""
    message = {'edit_id': f'edit-{next(NUMBERS):05d}', 'action': action, **fields}
    return [(point.frame, point.label) for point in project.edit(video, message, snap).points]


def point_id(project, place, video='a'):
    return project.labels(video).points[place].id


def test_points_are_kept_in_order_of_time_with_the_time_of_their_frame(open_project):
    project = open_project()
    edit(project, 'add', time_sec=1.02, label='jump')  # frame 30 is shown from 1.0 to 1.033 s
    assert edit(project, 'add', time_sec=0.5, label=None) == [(15, None), (30, 'jump')]
    assert [point.time_sec for point in project.labels('a').points] == [0.5, 1.0]
    assert project.labels('b').points == ()


def test_every_change_can_be_undone_and_redone(open_project):
    project = open_project()
    states = [[]]
    states.append(edit(project, 'add', time_sec=1, label='jump'))
    states.append(edit(project, 'add', time_sec=0.5, label='run'))
    states.append(edit(project, 'change', point_id=point_id(project, 1), time_sec=0.2))
    states.append(edit(project, 'change', point_id=point_id(project, 0), label='run'))
    states.append(edit(project, 'delete', point_id=point_id(project, 1)))
    assert states[3:] == [[(6, 'jump'), (15, 'run')], [(6, 'run'), (15, 'run')], [(6, 'run')]]
    assert [edit(project, 'undo') for _ in range(5)] == states[-2::-1]
    assert edit(project, 'undo') == []  # nothing is left to undo
    assert [edit(project, 'redo') for _ in range(5)] == states[1:]
    assert edit(project, 'redo') == states[-1]
    edit(project, 'undo')
    edit(project, 'add', time_sec=0, label='run')
    assert edit(project, 'redo') == [(0, 'run'), (6, 'run'), (15, 'run')]  # a new change ends what can be redone


def test_old_changes_are_forgotten(open_project, monkeypatch):
    monkeypatch.setattr(labels, 'MOST_UNDO', 3)
    project = open_project()
    for second in range(5):
        edit(project, 'add', time_sec=second / 10, label='jump')
    assert [edit(project, 'undo') for _ in range(4)][-1] == [(0, 'jump'), (3, 'jump')]


def test_all_of_it_is_there_again_after_a_restart(open_project):
    project = open_project(annotator='ann')
    edit(project, 'add', time_sec=1, label='jump')
    edit(project, 'add', time_sec=0.5, label=None)
    edit(project, 'undo')
    edit(project, 'done', video='b', done=True)
    edit(project, 'spent', seconds=12.5)
    edit(project, 'spent', video='b', seconds=1e9)
    assert project.labels('b').spent_sec == 60  # one message adds a minute at most
    before = [project.labels(video) for video in 'ab']
    project.close()
    again = open_project()
    assert [again.labels(video) for video in 'ab'] == before
    assert (again.annotator, again.labels('b').done, again.labels('a').spent_sec) == ('ann', True, 12.5)
    assert edit(again, 'redo') == [(15, None), (30, 'jump')]


def test_a_change_that_is_sent_again_is_made_once_even_after_a_restart(open_project):
    project = open_project()
    message = {'edit_id': 'the-same-edit', 'action': 'add', 'time_sec': 1, 'label': 'jump'}
    undo = {'edit_id': 'the-same-undo', 'action': 'undo'}
    edit(project, 'add', time_sec=0, label='run')
    project.edit('a', message, snap)
    assert len(project.edit('a', message, snap).points) == 2
    project.edit('a', undo, snap)
    project.close()
    again = open_project()
    for sent in (undo, message):
        assert [point.label for point in again.edit('a', sent, snap).points] == ['run']


def test_what_cannot_be_written_has_not_happened(open_project, tmp_path, monkeypatch):
    project = open_project()
    edit(project, 'add', time_sec=1, label='jump')
    before = (tmp_path / 'project.json').read_bytes()

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        edit(project, 'add', time_sec=0, label='run')
    monkeypatch.undo()
    assert (tmp_path / 'project.json').read_bytes() == before
    assert [point.label for point in project.labels('a').points] == ['jump']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.project.json.lock', 'project.json']


@pytest.mark.parametrize(
    'action, fields, field',
    [
        ('jump', {}, 'action'),
        ('add', {'time_sec': 1, 'label': 'swim'}, 'label'),
        ('add', {'time_sec': 1, 'label': ['jump']}, 'label'),
        ('add', {'time_sec': 1}, 'label'),
        ('add', {'time_sec': float('nan'), 'label': 'jump'}, 'time_sec'),
        ('add', {'time_sec': -1, 'label': 'jump'}, 'time_sec'),
        ('add', {'label': 'jump'}, 'time_sec'),
        ('add', {'time_sec': 0.51, 'label': 'run'}, 'frame'),  # the frame already has a point of this class
        ('delete', {'point_id': 'nobody'}, 'point_id'),
        ('change', {'time_sec': 1}, 'point_id'),
        ('done', {'done': 'yes'}, 'done'),
        ('spent', {'seconds': -5}, 'seconds'),
    ],
)
def test_wrong_changes_are_refused(open_project, action, fields, field):
    project = open_project()
    edit(project, 'add', time_sec=0.5, label='run')
    before = project.labels('a')
    with pytest.raises(InputError, match=field):
        edit(project, action, **fields)
    assert project.labels('a') == before


def test_other_classes_annotators_and_videos_are_refused(open_project, video_folder):
    project = open_project(annotator='ann')
    edit(project, 'add', time_sec=1, label='jump')
    with pytest.raises(InputError, match='no other process'):
        open_project()
    project.close()
    for field, other in (
        ('classes', dict(classes=CLASSES[::-1])),
        ('classes', dict(classes=CLASSES[:-1])),
        ('annotator', dict(annotator='bob')),
        ('labels of 1 other video only: a', dict(videos={'b': video_folder / 'b.mp4'})),
    ):
        with pytest.raises(InputError, match=f'project.json: .*{field}'):
            open_project(**other)
    assert open_project().labels('a').points  # every refused start has released the file


def test_classes_may_be_appended(open_project):
    project = open_project()
    edit(project, 'add', time_sec=1, label='jump')
    assert project.added_classes == ()
    project.close()
    project = open_project(classes=(*CLASSES, 'fly'))
    assert (project.classes, project.added_classes) == ((*CLASSES, 'fly'), ('fly',))
    assert edit(project, 'add', time_sec=1.5, label='fly') == [(30, 'jump'), (45, 'fly')]
    project.close()
    with pytest.raises(InputError, match=r'project.json: .*classes'):
        open_project()  # the new class was not stored
    assert open_project(classes=(*CLASSES, 'fly')).added_classes == ()


def test_videos_without_labels_may_go_and_others_come(open_project, video_folder):
    open_project(videos={'a': video_folder / 'a.webm'}).close()
    assert open_project(videos={'b': video_folder / 'b.mp4'}).video_ids == ['b']


def test_unreadable_videos_are_named_and_the_others_go_on(open_project, video_folder, tmp_path):
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    videos = {'a': video_folder / 'a.webm', 'broken': tmp_path / 'broken.mp4', 'gone': tmp_path / 'gone.mp4'}
    project = open_project(videos=videos)
    assert project.video_ids == ['a']
    assert [problem.partition(': ')[0] for problem in project.problems] == [*map(str, list(videos.values())[1:])]
    project.close()
    with pytest.raises(InputError, match='readable video'):
        open_project(videos={'gone': videos['gone']}, path=tmp_path / 'other.json')


def test_another_video_of_the_same_name_is_not_labelled_but_labels_stay(open_project, video_folder, tmp_path):
    videos = {'a': write_numbered(tmp_path / 'a.webm'), 'b': video_folder / 'b.mp4'}
    project = open_project(videos=videos)
    edit(project, 'add', time_sec=1, label='jump')
    project.close()
    write_numbered(tmp_path / 'a.webm', num_frames=45)
    project = open_project(videos=videos)
    assert project.video_ids == ['b']
    assert '45 frames' in project.problems[0]
    project.close()
    write_numbered(tmp_path / 'a.webm')
    assert [point.label for point in open_project(videos=videos).labels('a').points] == ['jump']


def test_duplicate_ids_are_named_and_the_first_counts(video_folder, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'')
    found, problems = find_videos([video_folder, tmp_path / 'a.mp4', video_folder / 'b.mp4', tmp_path / 'none'])
    assert [path.name for path in found.values()] == ['a.webm', 'b.mp4', 'none']
    assert [problem.startswith(f'{tmp_path / "a.mp4"}: video a: ') for problem in problems] == [True]
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty/._a.mp4').touch()  # a file of the kind that macOS writes beside other files
    assert str(tmp_path / 'empty') in find_videos([tmp_path / 'empty'])[1][0]


@pytest.fixture
def change_file(open_project, tmp_path):
    """Change the content of a project file that holds a point of video a; gives what is written."""

    def change_file(change):
        project = open_project()
        edit(project, 'add', time_sec=1, label='jump')
        project.close()
        content = json.loads((tmp_path / 'project.json').read_text())
        change(content)
        (tmp_path / 'project.json').write_text(json.dumps(content))
        return content

    return change_file


@pytest.mark.parametrize('field, value', [('format', 'fsptal_mm'), ('version', 2), ('classes', [1, 2])])
def test_damaged_project_files_are_refused_and_stay_as_they_are(open_project, change_file, tmp_path, field, value):
    content = change_file(lambda content: content.update({field: value}))
    with pytest.raises(InputError, match=f'project.json: .*{field}'):
        open_project()
    assert json.loads((tmp_path / 'project.json').read_text()) == content


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda a: a.pop('undo'), 'video a: undo'),
        (lambda a: a.update(done=None), 'video a: done'),
        (lambda a: a['points'][0].update(label='swim'), 'video a: points'),
        (lambda a: a['points'][0].pop('frame'), 'frame'),
        (lambda a: a['points'].append(a['points'][0]), 'twice'),
    ],
)
def test_a_damaged_entry_stays_in_the_file_and_the_other_videos_open(
    open_project, change_file, tmp_path, change, message
):
    content = change_file(lambda content: change(content['videos']['a']))
    project = open_project()
    assert project.video_ids == ['b']
    assert re.search(f'project.json: .*{message}', project.problems[0])
    edit(project, 'add', video='b', time_sec=1, label='jump')
    project.close()
    written = json.loads((tmp_path / 'project.json').read_text())['videos']
    assert written['a'] == content['videos']['a']
    assert len(written['b']['points']) == 1


@pytest.mark.parametrize('entry', [None, 3, 'x', [1]])
def test_an_entry_that_is_no_object_stays_in_the_file_and_the_other_videos_open(
    open_project, change_file, tmp_path, entry
):
    change_file(lambda content: content['videos'].update(a=entry))
    project = open_project()
    assert project.video_ids == ['b']
    assert 'project.json: video a: ' in project.problems[0]
    edit(project, 'add', video='b', time_sec=1, label='jump')
    project.close()
    assert json.loads((tmp_path / 'project.json').read_text())['videos']['a'] == entry


def test_what_could_not_be_read_again_is_not_written(open_project, tmp_path):
    project = open_project()
    before = (tmp_path / 'project.json').read_bytes()
    message = {'edit_id': 'an-edit-of-8', 'action': 'add', 'time_sec': 1, 'label': 'jump'}
    with pytest.raises(InputError, match='video a'):
        project.edit('a', message, lambda sec: (-1, sec))  # a frame that no reader accepts
    assert (tmp_path / 'project.json').read_bytes() == before
    assert not project.labels('a').points


def test_a_video_of_unusable_facts_is_left_out(open_project, tmp_path, monkeypatch):
    class Endless(list):
        duration_sec, mean_fps = 2.0, float('inf')

    real = project.open_video
    monkeypatch.setattr(project, 'open_video', lambda path, _: Endless([0]) if path.stem == 'a' else real(path))
    opened = open_project()
    assert opened.video_ids == ['b']
    assert 'fps' in opened.problems[0]
    opened.close()
    monkeypatch.undo()
    assert open_project().video_ids == ['a', 'b']


@pytest.mark.parametrize('facts', [dict(num_frames='60'), dict(duration_sec=0.0), dict(fps=None)])
def test_facts_that_cannot_be_used_are_read_again_and_labels_stay(open_project, change_file, facts):
    change_file(lambda content: content['videos']['a'].update(facts))
    project = open_project()
    assert project.file('a').duration_sec == pytest.approx(2.0)
    assert [point.label for point in project.labels('a').points] == ['jump']


def test_labels_of_a_video_that_is_gone_stay_while_the_others_go_on(open_project, video_folder):
    project = open_project()
    for video in 'ab':
        edit(project, 'add', video=video, time_sec=1, label='jump')
    project.close()
    project = open_project(videos={'b': video_folder / 'b.mp4'})
    assert project.video_ids == ['b']
    assert 'video a: ' in project.problems[0]
    edit(project, 'add', video='b', time_sec=0.5, label='run')
    project.close()
    assert [point.label for point in open_project().labels('a').points] == ['jump']


@pytest.mark.parametrize('name', ['H.264 avi', 'MPEG-4 avi', 'H.264 ts', 'H.264 mp4, edit list'])
def test_points_get_the_time_of_their_frame_in_any_container(open_project, tmp_path, name):
    variant = VARIANTS[name](tmp_path)
    videos, frames = {'v': variant.path}, OpenVideos({'v': variant.path})
    project = open_project(videos=videos)
    for place in (10, 20, 30):
        wanted = dict(edit_id=f'edit-{place:04}', action='add', label='jump', time_sec=variant.times_sec[place] + 0.01)
        point = project.edit('v', wanted, lambda time_sec: frames.snap('v', time_sec)).points[-1]
        assert (point.frame, point.time_sec) == (place, pytest.approx(variant.times_sec[place], abs=2e-3))
    project.close()
    assert len(open_project(videos=videos).labels('v').points) == 3


def test_the_reading_of_new_videos_says_how_far_it_is(video_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv('FORCE_COLOR', raising=False)  # to rich, it means a terminal
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=itertools.count(0, 20).__next__))  # all is slow
    videos = dict.fromkeys(('a', 'b', 'c'), video_folder / 'a.webm')
    project.Project(tmp_path / 'project.json', ['jump'], videos).close()
    assert 'Reading videos: 33%, 1/3 videos' in capsys.readouterr().out
