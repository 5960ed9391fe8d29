"""Pictures of timelines from configs, checkpoints, results files and videos."""

import itertools
import json
from types import SimpleNamespace

import pytest
import torch
from small_sets import save_untrained, small_config
from tiny_videos import write_video
from tool_modules import load_tool

from fsptal_mm.utils import progress

tool = load_tool('analysis_tools/plot_timeline')


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Configs of FS-PTAL and LACP, each followed by the checkpoint of an untrained model."""
    folder, pairs = tmp_path_factory.mktemp('models'), []
    for method in ('fsptal', 'lacp'):
        config = small_config(folder, f'{method}/{method}_synthetic')
        config.dump(folder / f'{method}.py')
        pairs += [str(folder / f'{method}.py'), save_untrained(config, folder / f'{method}.pth')]
    return pairs


@pytest.fixture
def drawn(monkeypatch):
    """Timelines by the file that each would be drawn into; no file is written."""
    timelines = {}
    monkeypatch.setattr(
        tool, 'draw_timeline', lambda path, timeline, **_: timelines.setdefault(path, timeline) and path
    )
    return timelines


def test_two_models_and_results_beneath_each_other_on_test_videos(models, drawn, tmp_path):
    found = [{'label': 'javelin', 'segment': [1, 2], 'score': 0.5}, {'label': 'unknown', 'segment': [1, 2], 'score': 1}]
    (tmp_path / 'r.json').write_text(json.dumps({'results': {'test_001': found}}))
    tool.main([*models, '--results', str(tmp_path / 'r.json'), '--names', 'ours', 'LACP', 'file'])
    paths = [f'work_dirs/timelines/test_00{number}.png' for number in range(3)]
    assert list(drawn) == paths
    timeline = drawn[paths[1]]
    assert (timeline.video_id, timeline.is_training, len(timeline.truth) > 0) == ('test_001', False, True)
    ours, lacp, file = timeline.tracks
    assert [track.name for track in timeline.tracks] == ['ours', 'LACP', 'file']
    assert len(ours.curves.scores) == len(lacp.curves.scores)
    assert abs(ours.curves.scores - lacp.curves.scores).max() > 0
    assert ours.mined is None
    assert (file.curves, file.proposals.segments.tolist()) == (None, [[1, 2]])
    assert timeline.classes[file.proposals.labels[0]] == 'javelin'


@pytest.mark.parametrize('split', ['test', 'train'])
def test_a_warning_names_the_videos_that_were_trained_on(models, drawn, tmp_path, monkeypatch, split):
    """With --split train nobody needs it."""
    said, path = [], tmp_path / 'mine.pth'
    monkeypatch.setattr('fsptal_mm.evaluation.samples.print_log', lambda message, **_: said.append(message))
    trained = ['train_000', 'test_001', 'test_009']
    torch.save({**torch.load(models[1]), 'meta': dict(trained_videos=trained)}, path)
    tool.main([models[0], str(path), '--split', split])
    assert len(drawn) == 3
    assert len(said) == (split == 'test')
    assert all(f'{path} was trained on 1 of 3 videos (test_001)' in message for message in said)


def test_training_videos_show_what_they_are_trained_on(models, drawn, tmp_path):
    tool.main([*models[:2], '--split', 'train', '--videos', 'train_003', '--out', str(tmp_path / 'one.svg')])
    (timeline,) = drawn.values()
    (track,) = timeline.tracks
    assert (timeline.video_id, timeline.is_training, track.name) == ('train_003', True, 'fsptal')
    assert len(track.extended) == len(timeline.points) > 0
    assert len(track.best_segments) >= 1
    assert -1 in track.mined.labels
    assert len(track.proposals) > 0  # computed with the test pipeline, since label extension would change times
    assert track.proposals.segments.max() <= timeline.duration_sec
    assert len(track.curves.scores) > timeline.duration_sec / 0.64  # more snippets than without label extension


def test_results_files_alone_with_frames(tmp_path, capsys):
    entries = [{'label': 'wave', 'segment': [1, 3], 'score': 0.5}]
    (tmp_path / 'a.json').write_text(json.dumps({'results': {'clip': entries, 'lost': entries}}))
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos/clip.mp4', 4.0)
    arguments = ['--results', str(tmp_path / 'a.json'), '--names', 'A', '--video-dir', str(tmp_path / 'videos')]
    tool.main([*arguments, '--out', str(tmp_path / '{video}.svg')])
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / 'clip.svg'), str(tmp_path / 'lost.svg')]
    assert 'no video file of lost' in printed.err
    clip, lost = ((tmp_path / f'{name}.svg').read_text() for name in ('clip', 'lost'))
    assert ('>frames<' in clip, '>frames<' in lost) == (True, False)
    assert all('>proposals wave<' in text for text in (clip, lost))


def test_the_frames_of_one_video_say_how_far_they_are(drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv('FORCE_COLOR', raising=False)  # rich would take the output for a terminal
    # Each look at the clock is 10 s later.
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=itertools.count(0, 10).__next__))
    (tmp_path / 'a.json').write_text('{"results": {"clip": [{"label": "wave", "segment": [1, 3], "score": 0.5}]}}')
    write_video(tmp_path / 'clip.mp4', 4.0)
    tool.main(['--results', str(tmp_path / 'a.json'), '--video-dir', str(tmp_path)])
    *lines, path = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert all(line.startswith('Pictures: ') for line in lines)
    assert path == 'work_dirs/timelines/clip.png'


def test_results_of_several_methods_are_lanes_below_the_ground_truth(drawn, tmp_path):
    truth = {'v1': {'subset': 'test', 'duration': 9, 'annotations': [{'label': 'wave', 'segment': [1, 3]}]}}
    (tmp_path / 'gt.json').write_text(json.dumps({'database': truth}))
    for name, end in (('a', 3), ('b', 4)):
        found = {'v1': [{'label': 'wave', 'segment': [1, end], 'score': 0.5}]}
        (tmp_path / f'{name}.json').write_text(json.dumps({'results': found}))
    files = [str(tmp_path / f'{name}.json') for name in 'ab']
    tool.main(['--results', *files, '--names', 'LACP', 'ours', '--ann-file', str(tmp_path / 'gt.json')])
    (timeline,) = drawn.values()
    assert (timeline.duration_sec, timeline.truth.segments.tolist()) == (9, [[1, 3]])
    assert {track.name: track.proposals.segments.tolist() for track in timeline.tracks} == {
        'LACP': [[1, 3]],
        'ours': [[1, 4]],
    }
