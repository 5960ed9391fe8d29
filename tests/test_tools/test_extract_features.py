import json
import re

import numpy as np
import pytest
from tiny_recognizers import write_recognizer
from tiny_videos import write_video
from tool_modules import load_tool

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.utils.errors import InputError

tool = load_tool('data/extract_features')


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    return write_recognizer(tmp_path_factory.mktemp('recognizer'), 'tsn')


@pytest.fixture
def videos(tmp_path):
    (tmp_path / 'videos').mkdir()
    for number, duration_sec in enumerate((1.0, 2.0, 3.0, 4.0)):
        write_video(tmp_path / f'videos/v{number}.mp4', duration_sec)
    return tmp_path / 'videos'


def run(recognizer, out, videos, *options):
    with pytest.raises(SystemExit) as end:
        tool.main([*recognizer, str(out), str(videos), '--workers', '0', '--fps', '20', *options])
    return end.value.code


def arrays(folder):
    return {path.stem: np.load(path) for path in sorted(folder.glob('*.npy'))}


def test_features_and_side_file(tmp_path, recognizer, videos):
    assert run(recognizer, tmp_path / 'out', videos) == 0
    assert {name: len(array) for name, array in arrays(tmp_path / 'out').items()} == dict(v0=1, v1=2, v2=4, v3=5)
    side = json.loads((tmp_path / 'out/features.json').read_text())
    assert side['grid'] == dict(fps=20, snippet_frames=16, stride_frames=16, offset_sec=0)
    assert (side['snippet_sec'], side['feature_dim'], side['stream']) == (0.8, 512, 'rgb')
    assert side['model']['checkpoint'] == 'tsn.pth'


def test_shards_make_the_whole(tmp_path, recognizer, videos, monkeypatch):
    run(recognizer, tmp_path / 'whole', videos)
    assert run(recognizer, tmp_path / 'parts', videos, '--shard', '0/2') == 0
    assert sorted(arrays(tmp_path / 'parts')) == ['v0', 'v2']
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    run(recognizer, tmp_path / 'parts', videos)
    whole, parts = arrays(tmp_path / 'whole'), arrays(tmp_path / 'parts')
    assert list(whole) == list(parts)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    assert 'shard' in run(recognizer, tmp_path / 'parts', videos, '--shard', '2/2')


def test_an_interrupted_run_goes_on(tmp_path, recognizer, videos, monkeypatch):
    save, saved = np.save, []

    def save_or_stop(file, array):
        if len(saved) == 2:
            file.write(b'half')
            raise KeyboardInterrupt
        saved.append(file.name)
        save(file, array)

    monkeypatch.setattr(np, 'save', save_or_stop)
    with pytest.raises(KeyboardInterrupt):
        tool.main([*recognizer, str(tmp_path / 'out'), str(videos), '--workers', '0', '--fps', '20'])
    assert sorted(arrays(tmp_path / 'out')) == ['v0', 'v1']  # no half-written v2
    monkeypatch.undo()
    before = (tmp_path / 'out/v0.npy').stat().st_mtime_ns
    assert run(recognizer, tmp_path / 'out', videos) == 0
    assert sorted(arrays(tmp_path / 'out')) == ['v0', 'v1', 'v2', 'v3']
    assert (tmp_path / 'out/v0.npy').stat().st_mtime_ns == before


def test_broken_and_short_videos(tmp_path, recognizer, videos, capsys):
    (videos / 'bad.mp4').write_bytes(b'no video')
    (videos / 'empty.mp4').touch()
    write_video(videos / 'short.mp4', 0.3)
    assert run(recognizer, tmp_path / 'out', videos, '--workers', '2') == 1
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith('error: ') and ('bad' in line or 'empty' in line)]
    assert re.search('5 videos.* 2 ', printed, re.DOTALL)
    assert re.search(r'short: 0\.30 s.* 0\.80 s', printed)
    assert sorted(arrays(tmp_path / 'out')) == ['short', 'v0', 'v1', 'v2', 'v3']


@pytest.mark.parametrize('suffix', ['.mp4', '.ts'])
def test_a_video_whose_name_is_too_long_for_its_features_does_not_stop_the_others(
    tmp_path, recognizer, videos, capsys, suffix
):
    name = 'a' * (255 - len(suffix))  # file systems allow 255 bytes; the file is written under a longer name first
    (videos / 'v0.mp4').rename(videos / f'{name}{suffix}')
    assert run(recognizer, tmp_path / 'out', videos) == 1
    assert sorted(arrays(tmp_path / 'out')) == ['v1', 'v2', 'v3']
    assert re.search(rf'error: .*{name}{suffix}: name: ', capsys.readouterr().out)


def test_a_folder_with_the_name_of_a_video_is_none(tmp_path, recognizer, videos):
    (videos / 'v4.mp4').mkdir()
    write_video(videos / 'v4.mp4/a.mp4', 1.0)
    assert run(recognizer, tmp_path / 'out', videos) == 0
    assert sorted(arrays(tmp_path / 'out')) == ['a', 'v0', 'v1', 'v2', 'v3']


def test_the_time_left_goes_by_durations(videos):
    (videos / 'bad.mp4').write_bytes(b'no video')
    durations_sec = tool.estimate_durations_sec(sorted(map(str, videos.iterdir())))
    # The unreadable video gets the mean of the others.
    assert list(durations_sec.values()) == pytest.approx([2.5, 1.0, 2.0, 3.0, 4.0], abs=0.1)


def test_other_settings_do_not_mix(tmp_path, recognizer, videos):
    run(recognizer, tmp_path / 'out', videos, '--shard', '0/4')
    message = run(recognizer, tmp_path / 'out', videos, '--stride-frames', '8')
    assert 'features.json' in message
    assert 'grid.stride_frames' in message
    assert sorted(arrays(tmp_path / 'out')) == ['v0']
    (tmp_path / 'out/features.json').unlink()
    assert 'unknown' in run(recognizer, tmp_path / 'out', videos)


def test_two_videos_of_one_name(tmp_path, recognizer, videos):
    (videos / 'more').mkdir()
    write_video(videos / 'more/v1.avi', 1.0)
    assert 'another name' in run(recognizer, tmp_path / 'out', videos)


def test_a_data_set_reads_the_grid(tmp_path, recognizer, videos):
    run(recognizer, tmp_path / 'out', videos)
    video = dict(subset='train', duration_sec=4.0, points=[dict(time_sec=1.7, label='run')], segments=[])
    content = dict(format='fsptal_mm', version=1, classes=['run'], videos=dict(v3=video))
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    pipeline = [dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')]
    arguments = dict(data_root=str(tmp_path), ann_file='ann.json', data_prefix=dict(rgb='out'), pipeline=pipeline)
    sample = PointTALDataset(**arguments)[0]['data_samples']
    assert sample.grid.snippet_sec == 0.8
    assert sample.snippet_instances[:, 0].tolist() == [-1, -1, 0, -1, -1]  # 1.7 s lies in snippet 2
    with pytest.raises(InputError, match='grid: '):
        PointTALDataset(**arguments, grid=dict(snippet_sec=0.64))
    (tmp_path / 'out/features.json').unlink()
    with pytest.raises(InputError, match='grid'):
        PointTALDataset(**arguments)
