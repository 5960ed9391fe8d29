"""Every config can be built, reads its data below its data root, and chooses nothing by the test set."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from mmaction.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config

from fsptal_mm.datasets.annotations import load_annotations
from fsptal_mm.datasets.synthetic import generator
from fsptal_mm.utils.configs import merge_options

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@cache
def load(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('FSPTAL_DATA_ROOT', '/somewhere')
        return Config.fromfile(path)


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request):
    return deepcopy(load(request.param))


def build_parts(config):
    """Build everything that a config names and that needs no data; the hooks are returned."""
    model = MODELS.build(config.model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1000
    for name in ('val_evaluator', 'test_evaluator'):
        METRICS.build(config[name])
    for name in LOADERS:
        dataset = config[name].dataset
        dataset_class = DATASETS.get(dataset.type)
        assert 'grid' in dataset
        for step in dataset.pipeline:
            TRANSFORMS.build(step)
        dataset_class(**{k: v for k, v in dataset.items() if k != 'type'}, lazy_init=True)
    return [HOOKS.build(hook) for hook in (*config.default_hooks.values(), *config.get('custom_hooks', ()))]


def test_every_part_can_be_built(config):
    types = [type(hook).__name__ for hook in build_parts(config)]
    # custom_hooks is one list in one base file; a list in a leaf config would replace it, and a hook would be lost.
    assert 'FiniteLossHook' in types
    assert ('PseudoLabelMiningHook' in types) == (config.model.get('head', {}).get('type') == 'FSPTALHead')


@pytest.mark.parametrize('path', sorted((ROOT / 'tests/data/configs').glob('*.py')), ids=lambda path: path.stem)
def test_configs_that_users_hold_can_still_be_built(path):
    """Flattened configs, as a run leaves them in its work directory, from before classes stood in ``metainfo``."""
    assert build_parts(Config.fromfile(path))


def test_training_and_test_read_the_same_grid_and_root(config):
    train, val, test = (config[name].dataset for name in LOADERS)
    assert train.grid == val.grid == test.grid
    assert train.data_root == val.data_root == test.data_root == config.data_root
    assert config.data_root.startswith('/somewhere/')  # the value of the environment variable
    assert not train.get('test_mode', False)
    assert val.test_mode
    assert test.test_mode
    merge_options(config, dict(data_root='/elsewhere/set'))
    assert [config[name].dataset.data_root for name in LOADERS] == ['/elsewhere/set'] * 3


def test_metainfo_names_the_classes_of_the_model(config):
    if 'own_videos' in config.filename:  # the user names the classes
        return
    train, val, test = (config[name].dataset.metainfo.classes for name in LOADERS)
    assert train == val == test
    assert len(set(train)) == len(train)
    if 'head' in config.model:  # BMN's proposals have no class
        assert config.model.head.num_classes == len(train)


# Annotation file and folder of each dataset. Without an annotation file, ActivityNet's classes are those of its points.
ANNOTATIONS = {
    'thumos14': ('gt.json', 'thumos14'),
    'gtea': ('gt_full.json', 'gtea'),
    'beoid': ('gt_full.json', 'beoid'),
    '50salads': ('gt.json', '50salads_acc'),
    'activitynet13': (None, 'activitynet13'),
}


@pytest.mark.parametrize('name', ANNOTATIONS)
def test_classes_are_those_of_the_published_annotations(name, data_root, tmp_path):
    # The order that an annotation file alone gives, which checkpoints without a class list rely on.
    ann_file, folder = ANNOTATIONS[name]
    root = data_root / folder
    split, files = root / 'split_train.txt', {}
    if ann_file is None:
        files = dict(point_file=root / 'point_gaussian/point_labels.csv', fps_file=tmp_path / 'fps.json')
        files['fps_file'].write_text(json.dumps(dict.fromkeys(split.read_text().split(), 30)))
    named = Config.fromfile(ROOT / f'configs/_base_/classes/{name}.py').metainfo.classes
    assert load_annotations(ann_file and root / ann_file, split_file=split, **files).classes == named


def test_classes_of_the_embedded_dataset():
    assert Config.fromfile(ROOT / 'configs/_base_/classes/synthetic.py').metainfo.classes == generator.CLASSES


def test_nothing_is_chosen_by_the_test_set(config):
    assert 'save_best' not in config.default_hooks.checkpoint


def test_a_held_out_fold_chooses_by_its_points():
    config = Config.fromfile(ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic_fold.py')
    train, val = (dict(config[name].dataset) for name in ('train_dataloader', 'val_dataloader'))
    train_fold, val_fold = dict(train.pop('fold')), dict(val.pop('fold'))
    assert config.val_evaluator == dict(type='PointMetric')
    assert (train_fold.pop('part'), val_fold.pop('part')) == ('train', 'held_out')
    assert train_fold == val_fold
    for field in ('pipeline', 'test_mode', 'keep_features'):
        train.pop(field, None), val.pop(field, None)
    assert train == val
    assert 'fold' not in config.test_dataloader.dataset


def test_leaves_hold_only_differences():
    for path in CONFIGS:
        assert len(path.read_text().splitlines()) <= 30, f'{path.name} repeats what belongs into _base_'
