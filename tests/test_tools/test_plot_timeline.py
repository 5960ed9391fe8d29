"""The whole way: configs, checkpoints, results and videos to pictures."""

import json
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_videos import write_video
from tool_modules import load_tool

from fsptal_mm.utils.configs import merge_options

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/plot_timeline')


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Configs of FS-PTAL and LACP on a small set, and checkpoints of untrained models: pairs, joined."""
    folder, pairs = tmp_path_factory.mktemp('models'), []
    for seed, method in enumerate(('fsptal', 'lacp')):
        config = Config.fromfile(ROOT / f'configs/{method}/{method}_synthetic.py')
        merge_options(config, {'data_root': str(folder / 'set')})
        for part in ('train', 'test'):
            config[f'{part}_dataloader'].dataset.generator = dict(train_videos=10, test_videos=10)
        config.dump(folder / f'{method}.py')
        init_default_scope('mmaction')
        torch.manual_seed(seed)
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), folder / f'{method}.pth')
        pairs += [str(folder / f'{method}.py'), str(folder / f'{method}.pth')]
    return pairs


@pytest.fixture
def drawn(tool, monkeypatch):
    """Timelines by the file that they were drawn into; nothing is drawn."""
    timelines = {}
    monkeypatch.setattr(
        tool, 'draw_timeline', lambda path, timeline, **kwargs: timelines.setdefault(path, timeline) and path
    )
    return timelines


def test_two_models_and_results_beneath_each_other_on_test_videos(tool, models, drawn, tmp_path):
    found = [{'label': 'javelin', 'segment': [1, 2], 'score': 0.5}, {'label': 'unknown', 'segment': [1, 2], 'score': 1}]
    (tmp_path / 'r.json').write_text(json.dumps({'results': {'test_001': found}}))
    tool.main([*models, '--results', str(tmp_path / 'r.json'), '--names', 'ours', 'LACP', 'file'])
    paths = [f'work_dirs/timelines/test_00{number}.png' for number in range(3)]
    assert list(drawn) == paths
    timeline = drawn[paths[1]]
    assert (timeline.video_id, timeline.is_training) == ('test_001', False)
    assert len(timeline.truth) > 0
    assert [track.name for track in timeline.tracks] == ['ours', 'LACP', 'file']
    ours, lacp, file = timeline.tracks
    assert len(ours.curves.scores) == len(lacp.curves.scores)
    assert abs(ours.curves.scores - lacp.curves.scores).max() > 0
    assert ours.mined is None
    assert (file.curves, file.proposals.segments.tolist()) == (None, [[1, 2]])
    assert timeline.classes[file.proposals.labels[0]] == 'javelin'


def test_training_videos_show_what_they_are_trained_on(tool, models, drawn, tmp_path):
    tool.main([*models[:2], '--split', 'train', '--videos', 'train_003', '--out', str(tmp_path / 'one.svg')])
    (timeline,) = drawn.values()
    (track,) = timeline.tracks
    assert (timeline.video_id, timeline.is_training, track.name) == ('train_003', True, 'fsptal')
    assert len(track.extended) == len(timeline.points) > 0
    assert len(track.best_segments) >= 1
    assert -1 in track.mined.labels
    assert len(track.proposals) > 0  # from the test pipeline: on the extended video, times would be wrong
    assert track.proposals.segments.max() <= timeline.duration_sec
    assert len(track.curves.scores) > timeline.duration_sec / 0.64  # extended


def test_results_files_alone_with_frames(tool, tmp_path, capsys):
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


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--videos', 'nowhere'], r"videos: found \['nowhere'\], expected ids of the 10 videos"),
        (['--out', 'all.png'], "--out: found 'all.png', expected '{video}' in the path"),
        (['--results', 'missing.json'], 'missing.json'),
        (['--names', 'x', 'x'], 'different names'),
    ],
)
def test_errors_are_one_line(tool, models, arguments, message):
    pairs = models if '--names' in arguments else models[:2]
    with pytest.raises(SystemExit, match=message) as error:
        tool.main([*pairs, *arguments])
    assert str(error.value).startswith('error: ')
    assert '\n' not in str(error.value)


def test_a_checkpoint_of_another_model_is_refused(tool, models):
    with pytest.raises(SystemExit, match=r'error: .*lacp.pth: found .*expected the weights of the model'):
        tool.main([models[0], models[3]])


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([], '--results, is needed'),
        (['one.py'], 'come in pairs'),
        (['--results', 'a.json', '--out', '{video}.jpg'], 'ends with one of .png, .svg, .pdf'),
        (['--results', 'a.json', '--names', 'x', 'y'], '2 for 1 models'),
        (['--results', 'a.json', '--max-classes', '-1'], '--max-classes: found -1, expected at least 0'),
        (['--results', 'a.json', '--max-proposals', '-1'], '--max-proposals: found -1, expected at least 0'),
    ],
)
def test_bad_command_lines(tool, arguments, message, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args(arguments)
    assert message in capsys.readouterr().err
