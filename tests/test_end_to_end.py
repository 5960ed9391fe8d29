"""Training and testing through a backbone, from video files, by config alone."""

import json
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.runner import Runner
from peak_memory import PeakMemory
from plain_files import plain_video, write_plain
from refusals import refused
from tiny_recognizers import config_of, write_recognizer
from tiny_videos import write_video

from fsptal_mm.apis.feature_extractor import FeatureExtractor
from fsptal_mm.datasets import LoadSnippetClips
from fsptal_mm.structures import ClipBatch, SnippetGrid
from fsptal_mm.utils.configs import merge_options

CONFIG = Path(__file__).parents[1] / 'configs/fsptal_tuned/fsptal-tuned_e2e-r50_own_videos.py'
DURATION_SEC = 4.0
GRID = SnippetGrid(0.32)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Folder of a dataset of short videos, one of them at another frame rate."""
    folder = tmp_path_factory.mktemp('mine')
    (folder / 'videos').mkdir()
    described = {}
    for index, fps in enumerate((30, 12, 30, 30)):
        name = f'v{index}'
        write_video(folder / f'videos/{name}.mp4', DURATION_SEC, fps)
        described[name] = plain_video(
            [(0.6, 1.5, 'a'), (2.2, 3.0, 'b')],
            [(1.0 + 0.1 * index, 'a'), (2.6, 'b')],
            subset='test' if index == 3 else 'train',
            duration_sec=DURATION_SEC,
        )
    write_plain(folder / 'annotations.json', ['a', 'b'], described)
    return folder


@pytest.fixture
def config(videos, tmp_path):
    """The experiment with a ResNet-18 on small frames, and a finer grid."""
    config = Config.fromfile(CONFIG)
    merge_options(
        config,
        dict(
            data_root=str(videos),
            work_dir=str(tmp_path / 'work'),
            log_level='ERROR',
            model=dict(backbone=dict(depth=18), embedding=dict(in_channels=512, out_channels=16), clip_chunk=3),
            optim_wrapper=dict(accumulative_counts=1),
            train_cfg=dict(max_epochs=1, val_interval=1),
        ),
    )
    config.model.head.update(in_channels=16)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config[name]
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(videos), grid=dict(snippet_sec=8 / 25))
        loader.dataset.pipeline[0].update(clip_len=2, test_pipeline=config_of('tsn').test_pipeline)
    config.train_dataloader.dataset.indices = [0, 1]  # two videos, so two steps
    return config


def moved_from(before, model):
    """Names of the weights that have changed."""
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize('freeze', [False, ['conv1', 'layer1', 'layer2', 'layer3'], True])
def test_two_steps_of_training_and_a_test(config, freeze, monkeypatch):
    config.model.freeze_backbone = freeze
    config.model.backbone.frozen_stages = -1
    runner = Runner.from_cfg(config)
    monkeypatch.setattr(runner.model, 'init_weights', lambda: None)  # else the runner draws them anew
    before = copied(runner.model)
    runner.train()
    assert runner.iter == 2
    moved = moved_from(before, runner.model)
    assert 'embedding.conv.weight' in moved
    every_stage = {'conv1', 'layer1', 'layer2', 'layer3', 'layer4'}
    frozen = every_stage if freeze is True else set(freeze or ())
    assert {name.split('.')[1] for name in moved if name.startswith('backbone.')} == every_stage - frozen
    runner.test()
    assert list(json.loads(Path(config.work_dir, 'results.json').read_text())['results']) == ['v3']


@pytest.mark.parametrize('name', ['tsn', 'slowfast', 'vit'])
def test_a_frozen_backbone_makes_the_features_that_are_extracted(config, videos, tmp_path, name):
    recognizer = config_of(name)
    recognizer_file, checkpoint = write_recognizer(tmp_path, name)
    extractor = FeatureExtractor(recognizer_file, checkpoint, fps=25, stride_frames=8, snippet_frames=8, clip_len=16)
    extracted = extractor.extract(videos / 'videos/v1.mp4')

    preprocessor = recognizer.model.data_preprocessor
    config.model.backbone = recognizer.model.backbone
    config.model.data_preprocessor.update({key: preprocessor[key] for key in ('mean', 'std', 'format_shape')})
    config.model.embedding.in_channels = extracted.shape[1]
    config.model.freeze_backbone = True
    config.load_from = checkpoint
    load = config.test_dataloader.dataset.pipeline[0]
    load.update(test_pipeline=recognizer.test_pipeline, clip_len=16)
    config.test_dataloader.dataset.subset = 'train'

    runner = Runner.from_cfg(config)
    runner.load_or_resume()
    dataset = DATASETS.build(config.test_dataloader.dataset)
    inputs = runner.model.data_preprocessor(dict(inputs=[dataset[1]['inputs']]))['inputs']
    assert isinstance(inputs, ClipBatch)
    assert inputs.videos[0].dtype == torch.uint8
    features = runner.model.train().extract_features(inputs)
    (found,) = features.split(features.features)
    assert len(extracted) == 12  # 4 s at 0.32 s: the centre of a 13th would be the end of the video
    torch.testing.assert_close(found, torch.from_numpy(extracted), rtol=1e-4, atol=1e-5)
    assert not found.requires_grad


@pytest.mark.parametrize(
    'changes, grows',
    [
        (dict(freeze_backbone=True), False),
        (dict(checkpoint_clips=True), False),
        (dict(freeze_backbone=['conv1', 'layer1'], checkpoint_clips=True), False),
        (dict(checkpoint_clips=False), True),
    ],
    ids=['frozen', 'trained', 'partly frozen', 'trained without checkpoints'],
)
def test_memory_does_not_grow_with_the_video(config, changes, grows):
    config.model.update(changes)
    config.model.backbone.frozen_stages = -1
    model = MODELS.build(config.model)

    def peak(num_snippets):
        clips = torch.randint(0, 256, (num_snippets, 2, 3, 32, 32), dtype=torch.uint8)
        with PeakMemory() as memory:
            model.embed(model.data_preprocessor(dict(inputs=[clips]))['inputs']).features.sum().backward()
        model.zero_grad(set_to_none=True)
        return memory.peak

    per_snippet, of_feature = (peak(36) - peak(6)) / 30, 512 * 4
    # A snippet's feature is there a few times (joined, packed, gradients); its activations are much more.
    assert per_snippet > 50 * of_feature if grows else per_snippet < 6 * of_feature


def load_clips(videos, name='v0.mp4', grid=GRID, duration_sec=DURATION_SEC, **kwargs):
    loader = LoadSnippetClips(config_of('tsn').test_pipeline, **kwargs)
    paths = [str(videos / 'videos' / name)]
    return loader(dict(video_id='v', feature_paths=paths, grid=grid, duration_sec=duration_sec))


def test_clips_show_their_snippets_whatever_the_frame_rate(videos):
    for name in ('v0.mp4', 'v1.mp4'):
        clips = load_clips(videos, name, clip_len=1)['features']
        assert clips.shape == (12, 1, 3, 32, 32)
        # The videos become brighter with time.
        seconds = (torch.from_numpy(clips).flatten(1).float().median(1).values - 20) / 20
        assert (seconds - (torch.arange(12) + 0.5) * 0.32).abs().max() < 0.3
    # The duration is that of the clips.
    assert load_clips(videos, duration_sec=None)['duration_sec'] == pytest.approx(12 * 0.32)


@pytest.mark.parametrize(
    'changes, named',
    [
        (dict(name='missing.mp4'), 'missing.mp4'),
        (dict(duration_sec=60.0), 'number of snippets: found 12'),
        (dict(grid=SnippetGrid(0.33)), "video v: grid: found '0.33 s"),  # no whole number of frames at 25 a second
        (dict(grid=SnippetGrid(0.32, 0.1)), 'grid: found'),
    ],
)
def test_what_does_not_fit_is_named(videos, changes, named):
    with refused(named):
        load_clips(videos, **changes)


def test_clips_are_not_interpolated(config):
    config.train_dataloader.dataset.pipeline[2].stage = 'features'
    with refused('clips of shape'):
        DATASETS.build(config.train_dataloader.dataset)[0]


@pytest.mark.slow
def test_a_second_stage_trains_behind_a_backbone(config):
    members = [dict(in_channels=512), dict(inputs='embedding', in_channels=16)]
    config.model.refinement = dict(type='RefinementHead', num_classes=2, members=members)
    config.custom_hooks = [dict(type='RefinementHook', begin=1)]
    config.train_cfg.update(max_epochs=2, val_interval=2)
    config.find_unused_parameters = True
    runner = Runner.from_cfg(config)
    start, frozen = runner.model.start_refinement, {}

    def start_refinement(store):
        frozen.update(copied(runner.model))
        start(store)

    runner.model.start_refinement = start_refinement
    runner.train()
    moved = moved_from(frozen, runner.model)
    assert moved
    assert all(name.startswith('refinement.') for name in moved)
    runner.test()
    assert json.loads(Path(config.work_dir, 'results.json').read_text())['results']['v3']
