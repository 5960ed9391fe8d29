import numpy as np
import pytest
import torch
from localizers import make_localizer
from mmengine.config import Config
from refusals import refused
from tiny_recognizers import write_recognizer
from video_writing import write_frames

from fsptal_mm.apis import FeatureExtractor, TALInferencer
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
