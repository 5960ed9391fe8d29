import numpy as np
import pytest
import torch
from mmengine.config import Config
from refusals import refused
from tiny_recognizers import config_of, write_recognizer
from tiny_videos import write_variable_rate, write_video

from fsptal_mm.apis.feature_extractor import FeatureExtractor


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recognizers')
    return lambda name: write_recognizer(folder, name)


def relative_difference(first, second):
    return np.abs(first - second).mean() / np.abs(second - second.mean(0)).mean()


@pytest.mark.parametrize(
    'name, dim', [('tsn', 512), ('tsm', 512), ('i3d', 64), ('slowonly', 64), ('slowfast', 144), ('vit', 32)]
)
def test_any_recognizer(tmp_path, recognizer, name, dim):
    extractor = FeatureExtractor(*recognizer(name), fps=15, batch_size=3)
    features = extractor.extract(write_video(tmp_path / 'a.mp4'))
    assert (features.dtype, features.shape, extractor.feature_dim) == (np.float32, (4, dim), dim)  # 60 / 16 frames
    assert np.isfinite(features).all()
    assert features.std(0).max() > 0  # the content of the snippets differs


def test_the_features_are_the_backbones_on_the_normalised_clip(tmp_path, recognizer):
    extractor = FeatureExtractor(*recognizer('i3d'), fps=15)
    config, seen = config_of('i3d').model.data_preprocessor, []
    hook = extractor.model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    clips = torch.randint(0, 256, (2, 1, 3, 8, 32, 32), dtype=torch.uint8)
    features = extractor.forward(clips)
    hook.remove()
    mean, std = (torch.tensor(config[key]).view(3, 1, 1, 1) for key in ('mean', 'std'))
    torch.testing.assert_close(seen[0], (clips[:, 0] - mean) / std)
    with torch.no_grad():
        torch.testing.assert_close(features, extractor.model.backbone(seen[0]).mean((2, 3, 4)))


def test_the_frame_rate_of_the_video_does_not_matter(tmp_path, recognizer):
    extractor = FeatureExtractor(*recognizer('i3d'), fps=15)
    paths = [write_video(tmp_path / f'{fps}.avi', fps=fps) for fps in (15, 30)]
    slow, fast = map(extractor.extract, paths)
    variable = extractor.extract(write_variable_rate(tmp_path / 'a.mkv'))
    assert slow.shape == fast.shape == variable.shape
    assert relative_difference(fast, slow) < 0.05
    assert relative_difference(variable, slow) < 0.25  # its second part has 10 frames per second
    assert relative_difference(slow[::-1], slow) > 0.5


def test_half_precision_workers_and_batches_change_little(tmp_path, recognizer):
    path = write_video(tmp_path / 'a.mp4')
    whole = FeatureExtractor(*recognizer('slowonly'), fps=15).extract(path)
    single = FeatureExtractor(*recognizer('slowonly'), fps=15, batch_size=1)
    np.testing.assert_allclose(single.extract(path), whole, rtol=1e-4, atol=1e-5)
    (result,) = single.extract_all([path], num_workers=2)
    np.testing.assert_array_equal(result.features, single.extract(path))
    with refused('num_workers: found -1'):
        next(single.extract_all([path], num_workers=-1))
    half = FeatureExtractor(*recognizer('slowonly'), fps=15, half=True).extract(path)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).max() < 0.05 * np.abs(whole).max()


def test_flow_by_tvl1(tmp_path, recognizer):
    pytest.importorskip('cv2.optflow', reason='OpenCV without its contrib modules')
    extractor = FeatureExtractor(*recognizer('flow'), fps=10, source='tvl1')
    features = extractor.extract(write_video(tmp_path / 'a.avi', 2.0, fps=10))
    assert features.shape == (1, 512)


@pytest.mark.parametrize(
    'name, arguments, named',
    [
        ('flow', dict(source='/no/flow'), "source: found '/no/flow'"),
        ('tsn', dict(source='.'), 'Flow frames'),  # flow frames for an RGB model
        ('tsn', dict(batch_size=0), 'batch_size: found 0'),
        ('tsn', dict(device='nosuch'), "device: found 'nosuch'"),
        ('tsn', dict(checkpoint='missing.pth'), 'missing.pth'),
    ],
)
def test_bad_arguments(recognizer, name, arguments, named):
    config, checkpoint = recognizer(name)
    with refused(named):
        FeatureExtractor(**(dict(config=config, checkpoint=checkpoint) | arguments))


def test_weights_of_another_model(recognizer):
    with refused('state_dict'):
        FeatureExtractor(recognizer('i3d')[0], recognizer('tsn')[1])


def test_another_classifier_does_not_matter(tmp_path, recognizer):
    path, checkpoint = recognizer('tsn')
    config = Config.fromfile(path)
    config.model.cls_head.num_classes = 9
    video = write_video(tmp_path / 'a.mp4', 1.0)
    np.testing.assert_array_equal(
        FeatureExtractor(config, checkpoint).extract(video), FeatureExtractor(path, checkpoint).extract(video)
    )


def test_real_videos(data_root, recognizer):
    extractor = FeatureExtractor(*recognizer('tsn'))
    # Videos of 10 s at 28 and of 9.5 s at 6 frames per second.
    for name, snippets in (('demo', 16), ('demo_spatiotemporal_det', 15)):
        assert extractor.extract(data_root / f'videos/{name}.mp4').shape == (snippets, 512)
