import json
import os
import shutil

import numpy as np
import pytest
import torch
from localizers import make_localizer
from mmengine.config import Config
from refusals import refused
from tiny_recognizers import write_recognizer
from tool_modules import load_tool
from video_writing import write_frames

from fsptal_mm.apis import FeatureExtractor, KeptFeatures, TALInferencer
from fsptal_mm.datasets.videos.reader import open_video

GRID = 'dict(fps=25, snippet_frames=8)'


def write_video(path, fps, num_frames):
    """Noise whose brightness changes every second, 64 x 48."""
    rng = np.random.default_rng(0)
    noise = [rng.random((48, 64, 3)) * (60 + 190 * (number // fps % 2)) for number in range(num_frames)]
    write_frames(path, [image.astype(np.uint8) for image in noise], fps=fps)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A localizer on features of a small random recognizer, this recognizer, and two videos and a broken one."""
    folder = tmp_path_factory.mktemp('videos')
    make_localizer(folder, grid=GRID, dim=512)
    write_recognizer(folder, 'tsn')
    (folder / 'input').mkdir()
    write_video(folder / 'input/slow.mp4', 10, 45)
    write_video(folder / 'input/fast.mp4', 30, 120)
    (folder / 'input/broken.mp4').write_bytes(b'no video')
    return folder


@pytest.fixture(scope='module')
def extractor(folder):
    return dict(config=folder / 'tsn.py', checkpoint=folder / 'tsn.pth')


@pytest.fixture(scope='module')
def inferencer(folder, extractor):
    return TALInferencer(folder / 'model.py', folder / 'model.pth', 'cpu', extractor=extractor)


def properties(path):
    """Frames per second and number of frames of a video."""
    video = open_video(path)
    return pytest.approx(video.mean_fps, abs=0.01), len(video)


def test_videos_equal_their_features(folder, inferencer, extractor):
    result = inferencer(folder / 'input')
    assert sorted(result['predictions']) == ['fast', 'slow']
    assert [failure.video for failure in result['failures']] == ['broken']
    made = FeatureExtractor(**extractor, fps=25, stride_frames=8, device='cpu')
    for name, num_snippets, duration_sec in (('slow', 14, 4.5), ('fast', 12, 4.0)):  # snippets of about 0.32 s
        features = made.extract(folder / f'input/{name}.mp4')
        assert len(features) == num_snippets
        (expected,) = inferencer(dict(features=features, duration_sec=duration_sec))['predictions'].values()
        assert result['predictions'][name] == expected
        assert len(expected) > 2


def test_annotated_copies_keep_rate_and_length(folder, inferencer, tmp_path):
    result = inferencer(folder / 'input/slow.mp4', out_dir=tmp_path, annotate=True, timeline=True)
    assert result['visualization'] == [str(tmp_path / 'timelines/slow.png'), str(tmp_path / 'videos/slow.mp4')]
    assert properties(tmp_path / 'videos/slow.mp4') == (10.0, 45)
    assert [path.name for path in (tmp_path / 'videos').iterdir()] == ['slow.mp4']


def test_extractors_that_do_not_fit(folder, extractor, tmp_path):
    model, video = (folder / 'model.py', folder / 'model.pth'), folder / 'input/slow.mp4'
    with refused('slow.mp4: ', 'feature extractor'):  # the inferencer has no feature extractor
        TALInferencer(*model)(video)
    with refused('per snippet of the extractor: found 0.64'):
        TALInferencer(*model, extractor=dict(extractor, stride_frames=16))(video)
    with refused('dimension of the extracted features: found 512'):
        TALInferencer(*make_localizer(tmp_path, grid=GRID, dim=6), extractor=extractor)


def test_models_with_a_backbone_read_videos_as_they_are(folder, inferencer, tmp_path):
    """Features extracted by a network, and the same network as a backbone, lead to the same detections."""
    recognizer = Config.fromfile(folder / 'tsn.py')
    preprocessor, steps = recognizer.model.data_preprocessor, recognizer.test_pipeline
    config, checkpoint = make_localizer(
        tmp_path,
        grid=GRID,
        dim=512,
        extra=f"""
model.update(backbone=dict(type='mmaction.ResNet', depth=18, pretrained=None),
             data_preprocessor=dict(type='SnippetDataPreprocessor', mean={preprocessor.mean}, std={preprocessor.std}))
test_dataloader['dataset']['pipeline'][0] = dict(type='LoadSnippetClips', clip_len=1, test_pipeline={steps})
""",
    )
    weights = {**torch.load(checkpoint)['state_dict'], **torch.load(folder / 'model.pth')['state_dict']}
    backbone = torch.load(folder / 'tsn.pth')['state_dict']
    weights.update({name: value for name, value in backbone.items() if name.startswith('backbone.')})
    torch.save(dict(state_dict=weights), checkpoint)
    whole = TALInferencer(config, checkpoint, classes=inferencer.classes)
    video = folder / 'input/slow.mp4'
    found, expected = whole(video)['predictions']['slow'], inferencer(video)['predictions']['slow']
    assert [detection.label for detection in found] == [detection.label for detection in expected]
    for field in (0, 1, 3):
        assert [values[field] for values in found] == pytest.approx([values[field] for values in expected], abs=1e-4)
    with refused('a video'):
        whole(np.zeros((9, 512), np.float32))


def test_real_videos_of_other_frame_rates(data_root, inferencer, tmp_path):
    result = inferencer(data_root / 'videos', out_dir=tmp_path, annotate=True)
    assert not result['failures']
    for name, duration_sec in (('demo', 10.0), ('demo_spatiotemporal_det', 9.5)):
        assert result['predictions'][name]
        assert max(found.end_sec for found in result['predictions'][name]) <= duration_sec
        assert properties(tmp_path / f'videos/{name}.mp4') == properties(data_root / f'videos/{name}.mp4')


def test_a_second_call_extracts_only_what_has_changed(folder, inferencer, tmp_path, monkeypatch):
    video, out = tmp_path / 'slow.mp4', tmp_path / 'out'
    shutil.copy(folder / 'input/slow.mp4', video)
    first = inferencer(video, out_dir=out)['predictions']
    made, extract = [], FeatureExtractor.extract
    monkeypatch.setattr(
        FeatureExtractor, 'extract', lambda self, path, *rest: made.append(path) or extract(self, path, *rest)
    )
    assert inferencer(video, out_dir=out)['predictions'] == first
    assert not made
    os.utime(video, (1, 1))  # as if it had been written anew
    assert inferencer(video, out_dir=out)['predictions'] == first
    assert made == [str(video)]
    inferencer(video)
    inferencer(video, out_dir=tmp_path / 'other')
    assert len(made) == 3
    shutil.copy(folder / 'input/fast.mp4', video)
    fast = inferencer(video, out_dir=out)['predictions']['slow']
    assert fast == inferencer(folder / 'input/fast.mp4')['predictions']['fast']
    (kept,) = (out / 'features').iterdir()
    assert len(np.load(kept / 'slow.npy')) == 12
    assert json.loads((kept / 'features.json').read_text())['grid']['snippet_frames'] == 8


def test_kept_features_are_those_of_one_recognizer_with_its_settings(folder, extractor, tmp_path):
    def extracted(**changes):
        kept = KeptFeatures(tmp_path, FeatureExtractor(**{**extractor, 'device': 'cpu', **changes}))
        kept.extract(folder / 'input/slow.mp4', 'slow')
        return kept.extracted

    assert [extracted(), extracted()] == [1, 0]
    assert [extracted(stride_frames=8), extracted(half=True), extracted(allow_damaged=True)] == [1, 1, 1]
    other = torch.load(folder / 'tsn.pth')
    other['state_dict']['backbone.conv1.conv.weight'] *= 2
    torch.save(other, tmp_path / 'other.pth')
    assert extracted(checkpoint=tmp_path / 'other.pth') == 1


def test_features_that_cannot_be_kept_are_used(folder, inferencer, tmp_path):
    expected = inferencer(folder / 'input/slow.mp4')['predictions']
    (tmp_path / 'features').write_text('a file where the folder should be')
    assert inferencer(folder / 'input/slow.mp4', out_dir=tmp_path)['predictions'] == expected


def demo(*arguments):
    """Call ``tools/demo.py``; returns what it ends with."""
    with pytest.raises(SystemExit) as end:
        load_tool('demo').main([*map(str, arguments)])
    return end.value.code


def test_demo_draws_results_again_without_a_model(folder, inferencer, tmp_path, capsys):
    video, results = folder / 'input/slow.mp4', tmp_path / 'results.json'
    every = inferencer(video, out_dir=tmp_path)['predictions']['slow']
    before = results.read_text()
    assert json.loads(before)['classes'] == list(inferencer.classes)  # not the order of the alphabet
    threshold = every[1].score
    options = '--timeline', '--annotate', '--score-threshold', threshold, '--out-dir', tmp_path, '--show', 9
    assert demo('--from-results', results, video, *options) == 0
    printed = capsys.readouterr().out
    assert f'{every[1].score:.3f}' in printed
    assert f'{every[2].score:.3f}' not in printed
    assert 'timelines/slow.png' in printed
    assert properties(tmp_path / 'videos/slow.mp4') == (10.0, 45)
    assert results.read_text() == before
    drawn = (tmp_path / 'timelines/slow.png').read_bytes()
    inferencer(video, out_dir=tmp_path / 'model', timeline=True, score_threshold=threshold)
    assert (tmp_path / 'model/timelines/slow.png').read_bytes() == drawn


def test_demo_names_what_it_cannot_draw_from_results(folder, inferencer, tmp_path, capsys):
    results = tmp_path / 'results.json'
    inferencer(folder / 'input/slow.mp4', out_dir=tmp_path)
    assert demo('--from-results', results, folder / 'input', '--timeline', '--out-dir', tmp_path) == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith('error: ')]
    assert len(errors) == 2
    assert 'broken' in errors[0]
    assert 'fast' in errors[1]
    assert (tmp_path / 'timelines/slow.png').is_file()
    for wrong in ([], ['--timeline', '--device', 'cpu'], ['--annotate', '--extractor', 'a', 'b']):
        assert demo('--from-results', results, folder / 'input', *wrong) == 2
    (tmp_path / 'names.txt').write_text('none\n')
    line = demo('--from-results', results, folder / 'input', '--timeline', '--classes', tmp_path / 'names.txt')
    assert line.startswith(f'error: {results}: video slow: label: ')
