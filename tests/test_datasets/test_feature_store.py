"""Features that a dataset keeps in memory give the same samples as features that are read from files."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from tiny_run import make_runner, same_weights, write_data
from torch.utils.data import DataLoader

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.models import SnippetDataPreprocessor
from fsptal_mm.utils.errors import InputError


def make_dataset(folder, steps=('ExtendPointLabels',), loader=(), **options):
    steps = [dict(type=step) if isinstance(step, str) else step for step in steps]
    pipeline = [
        dict(type='LoadSnippetFeatures') | dict(loader),
        dict(type='PointsToSnippets'),
        *steps,
        dict(type='PackPointTALInputs'),
    ]
    paths = dict(data_root=str(folder), ann_file='ann.json', data_prefix=dict(feature='features'))
    return PointTALDataset(**paths, grid=dict(snippet_sec=1.0), pipeline=pipeline, **options)


def halve(folder):
    """Convert the feature files to float16."""
    for path in (folder / 'features').glob('*.npy'):
        np.save(path, np.load(path).astype(np.float16))


def packed(dataset):
    """All samples of a dataset, packed as the model gets them."""
    return SnippetDataPreprocessor()(pseudo_collate([dataset[index] for index in range(len(dataset))]))


EMBEDDED = [dict(type='ExtendPointLabels', stage='embedding')]


@pytest.mark.parametrize('half', [False, True])
@pytest.mark.parametrize(
    'place, steps', [('memory', ['ExtendPointLabels']), ('memory', EMBEDDED), ('device', EMBEDDED)]
)
def test_samples_are_those_of_the_files(tmp_path, place, steps, half, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    write_data(tmp_path)
    if half:
        halve(tmp_path)
    found, expected = (packed(make_dataset(tmp_path, steps, keep_features=kept)) for kept in (place, None))
    assert torch.equal(found['inputs'].features, expected['inputs'].features)
    assert found['inputs'].features.dtype == torch.float32
    for one, other in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert torch.equal(one.snippet_instances, other.snippet_instances)
        assert one.metainfo.keys() == other.metainfo.keys()
        for name in ('video_id', 'num_snippets', 'duration_sec', 'grid'):
            assert one.get(name) == other.get(name)


def test_half_precision_stays_half_where_nothing_is_lost(tmp_path):
    write_data(tmp_path)
    halve(tmp_path)
    dataset = make_dataset(tmp_path, EMBEDDED, keep_features='device')
    assert dataset[0]['inputs'].dtype == torch.float16
    np.save(tmp_path / 'features/v2.npy', np.full((23, 6), 0.1, dtype=np.float32))  # float16 cannot hold 0.1
    dataset = make_dataset(tmp_path, EMBEDDED, keep_features='device')
    assert dataset[0]['inputs'].dtype == torch.float32


def test_files_are_read_once(tmp_path):
    write_data(tmp_path)
    dataset = make_dataset(tmp_path, keep_features='memory')
    first = dataset[1]['inputs']
    for path in (tmp_path / 'features').glob('*.npy'):
        path.unlink()
    assert torch.equal(dataset[1]['inputs'], first)


def test_a_training_is_the_same(tmp_path):
    checkpoints = []
    for place in (None, 'memory'):
        adam = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))
        runner = make_runner(tmp_path, name=str(place), epochs=2, optim_wrapper=adam)
        runner.train_dataloader.dataset.keep_features = place
        runner.train()
        checkpoints.append(torch.load(tmp_path / str(place) / 'epoch_2.pth'))
    assert same_weights(*checkpoints)


def test_a_pipeline_that_changes_features_needs_them_in_memory(tmp_path):
    write_data(tmp_path)
    with pytest.raises(InputError, match='video v0: keep_features'):
        make_dataset(tmp_path, keep_features='device')[0]


def test_worker_processes_have_no_device(tmp_path):
    write_data(tmp_path)
    loader = DataLoader(make_dataset(tmp_path, EMBEDDED, keep_features='device'), num_workers=1, collate_fn=list)
    with pytest.raises(InputError, match='num_workers'):
        next(iter(loader))


def test_features_of_other_dimensions_are_named(tmp_path):
    write_data(tmp_path)
    np.save(tmp_path / 'features/v3.npy', np.ones((12, 5), dtype=np.float32))
    with pytest.raises(InputError, match='video v3: dimension of the snippet features: found 5'):
        make_dataset(tmp_path, keep_features='memory')[0]


def test_another_place_is_refused(tmp_path):
    write_data(tmp_path)
    with pytest.raises(InputError, match="keep_features: found 'gpu'"):
        make_dataset(tmp_path, keep_features='gpu')
