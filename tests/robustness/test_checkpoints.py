"""Checkpoints: damaged, of strange content, larger than they look, or holding code."""

import io
import pickle
import zipfile
from functools import cache
from pathlib import Path

import pytest
import torch
from bounded import outcome, refused
from hypothesis import given
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, checkpoint
from nasty import Payload, damaged, more, special_files, spoilt, values
from torch import nn
from toy_run import toy_runner

from fsptal_mm.apis.model_loading import choose_class_names, load_weights, state_dict_holder
from fsptal_mm.apis.recognizer import load_recognizer
from fsptal_mm.engine.resuming import find_latest_checkpoint
from fsptal_mm.utils.errors import InputError


def load(path):
    """Load a checkpoint as inference does; returns the model."""
    model = nn.Linear(3, 2)
    found = state_dict_holder(CheckpointLoader.load_checkpoint(str(path), map_location='cpu'), path)
    load_weights(model, found, path)
    return model


def content():
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    return dict(
        meta=dict(epoch=3, dataset_meta=dict(classes=('a', 'b'))),
        state_dict=nn.Linear(3, 2).state_dict(),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(lr=0.1), resumed_keys=dict(loss=True)),
    )


@cache
def good_bytes(as_zip):
    buffer = io.BytesIO()
    torch.save(content(), buffer, _use_new_zipfile_serialization=as_zip)
    return buffer.getvalue()


@pytest.mark.parametrize('as_zip', [True, False])
@more
@given(data=st.data())
def test_whatever_stands_in_a_file(as_zip, data, tmp_path):
    """Damaged files, noise, and sound files that torch loads, but of anything else than a model of ours."""
    path = tmp_path / 'epoch_3.pth'
    path.write_bytes(good_bytes(as_zip))
    assert isinstance(load(path), nn.Linear)
    kind = data.draw(st.sampled_from(['damaged', 'noise', 'strange']))
    if kind == 'strange':
        torch.save(data.draw(spoilt(dict(content(), message_hub=None))), path)
    else:
        path.write_bytes(data.draw(damaged(good_bytes(as_zip)) if kind == 'damaged' else st.binary(max_size=300)))
    assert isinstance(outcome(load, path, names=path), InputError) or kind != 'noise'


@pytest.mark.parametrize('damage', [(), {'': ()}], ids=str)
def test_damaged_versions_of_modules_are_named(damage, tmp_path):
    weights = nn.Linear(3, 2).state_dict()
    weights._metadata = damage
    torch.save(dict(state_dict=weights), tmp_path / 'epoch_3.pth')
    with pytest.raises(InputError, match=r'epoch_3.pth.*_metadata'):
        load(tmp_path / 'epoch_3.pth')


@given(found=values)
def test_strange_class_names(found, tmp_path):
    """Class names in a checkpoint come from a stranger: they are names, never the path of a file."""
    (tmp_path / 'classes.txt').write_text('a\nb\n')
    for names in (found, str(tmp_path / 'classes.txt')):
        result = outcome(choose_class_names, 2, {'the checkpoint': names}, 'epoch_3.pth', names='epoch_3.pth')
        assert isinstance(result, InputError) or result == tuple(names)


STATE_DICTS = [
    pytest.param({'weight': torch.zeros(2, 3)}, id='a weight is missing'),
    pytest.param({'weight': torch.zeros(3, 2), 'bias': torch.zeros(2)}, id='another shape'),
    pytest.param({'weight': torch.zeros(1).expand(10**6, 10**6), 'bias': torch.zeros(2)}, id='a tensor of one number'),
    pytest.param({'weight': 'x', 'bias': None}, id='no tensors'),
    pytest.param({0: torch.zeros(2, 3)}, id='numbers for names'),
    pytest.param({'weight': torch.zeros(2, 3), 'bias': torch.zeros(2), 'more': torch.zeros(1)}, id='one more'),
    pytest.param([], id='a list'),
    pytest.param(None, id='nothing'),
]


@pytest.mark.parametrize('weights', STATE_DICTS)
def test_weights_of_another_model_are_refused(weights, tmp_path):
    torch.save(dict(state_dict=weights), tmp_path / 'epoch_3.pth')
    refused(load, tmp_path / 'epoch_3.pth', names='epoch_3.pth')


def test_a_recognizer_of_strange_weights_is_refused(tmp_path):
    config = tmp_path / 'config.py'
    backbone = dict(type='ResNet', depth=18, pretrained=None)
    config.write_text(f'model = dict(type="Recognizer2D", backbone={backbone})\ntest_pipeline = []\n')
    for weights in ('text', [1], dict(state_dict=3), {1: 2}):
        torch.save(weights, tmp_path / 'weights.pth')
        refused(load_recognizer, config, tmp_path / 'weights.pth', 'cpu', names='weights.pth')


def test_archives_that_unpack_to_more_than_they_are(tmp_path):
    path = tmp_path / 'epoch_3.pth'
    torch.save(dict(state_dict={'weight': torch.zeros(1 << 20)}), path)
    with zipfile.ZipFile(path) as file:
        members = [(member, file.read(member)) for member in file.infolist()]
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        for member, data in members:
            file.writestr(member.filename, data)
    assert path.stat().st_size < 1 << 16
    assert 'not compressed' in str(refused(load, path, names=path))
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('archive/data.pkl', bytes(1 << 16))
        file.filelist *= 1000  # the directory of the archive lists the same bytes a thousand times
        file._didModify = True
    assert 'not compressed' in str(refused(load, path, names=path))


PAYLOAD = Payload()


def history_with_code():
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.more = PAYLOAD
    return history


PLACES = {
    'alone': lambda: PAYLOAD,
    'weight': lambda: dict(content(), state_dict=dict(weight=PAYLOAD)),
    'log': lambda: dict(content(), message_hub=dict(log_scalars=dict(loss=history_with_code()))),
    'name': lambda: dict(content(), state_dict={PAYLOAD: 1}),
    'class names': lambda: dict(content(), meta=dict(dataset_meta=dict(classes=[PAYLOAD]))),
}


@pytest.mark.parametrize('place', [*PLACES, 'a pickle', 'a list of pickles'])
@pytest.mark.parametrize('as_zip', [True, False])
def test_code_is_never_run(place, as_zip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'epoch_3.pth'
    if place in PLACES:
        torch.save(PLACES[place](), path, _use_new_zipfile_serialization=as_zip)
    else:
        path.write_bytes(pickle.dumps([PAYLOAD] * 5 if 'list' in place else PAYLOAD, protocol=0))
    refused(load, path, names=path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    refused(find_latest_checkpoint, tmp_path, names='last_checkpoint')
    assert not (tmp_path / 'run').exists()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The checkpoint of a training of one epoch in the working directory, with code for a config."""
    monkeypatch.chdir(tmp_path)
    toy_runner(tmp_path, 'first', 1).train()
    found = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    found['meta']['config'] = "import os\nos.mkdir('run')\n"
    torch.save(found, tmp_path / 'epoch_1.pth')
    return tmp_path / 'epoch_1.pth'


@pytest.mark.parametrize(
    'name', ['epoch_1.pth', 'https://example.org/epoch_1.pth', 's3://bucket/epoch_1.pth', 'my://1']
)
def test_the_config_in_a_checkpoint_is_not_run_by_a_resume(name, trained, monkeypatch):
    """mmengine runs the text of ``meta['config']`` as a Python config; only older toolboxes write such a text."""

    def load_from_elsewhere(filename, map_location):
        return torch.load(trained, map_location)

    if '://' in name:  # replaces the loader that would fetch it by network
        monkeypatch.setattr(CheckpointLoader, '_get_checkpoint_loader', lambda path: load_from_elsewhere)
    runner = toy_runner(trained.parent, 'second', 2, resume=True, load_from=name)
    runner.train()
    assert runner.epoch == 2
    assert not Path('run').exists()


PROGRESS = dict(state_dict={}, meta=dict(epoch=1, iter=2), message_hub={})


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(None, id='weights alone'),
        pytest.param(dict(state_dict={}), id='weights in a state_dict'),
        pytest.param({**PROGRESS, 'meta': {}}, id='no progress'),
        pytest.param({**PROGRESS, 'meta': 3}, id='meta is a number'),
        pytest.param({**PROGRESS, 'meta': dict(epoch='x', iter=2)}, id='epoch is a text'),
        pytest.param({**PROGRESS, 'meta': dict(epoch=1, iter=-2)}, id='negative steps'),
        pytest.param({**PROGRESS, 'message_hub': None}, id='no log'),
    ],
)
def test_a_resume_from_what_no_training_saved_is_refused(content, tmp_path):
    hooks = dict(checkpoint=dict(type='AtomicCheckpointHook'))
    runner = toy_runner(tmp_path, 'first', 1, resume=True, load_from=str(tmp_path / 'w.pth'), default_hooks=hooks)
    weights = runner.model.state_dict()
    torch.save({**content, 'state_dict': weights} if content else weights, tmp_path / 'w.pth')
    assert '--resume' in str(refused(runner.train, names=tmp_path / 'w.pth'))


def test_code_that_comes_over_http_is_not_run(tmp_path, monkeypatch):
    """By default, torch.hub unpickles downloaded files without any check."""
    monkeypatch.chdir(tmp_path)
    torch.save(Payload(), tmp_path / 'evil.pth')
    monkeypatch.setattr('torch.hub.download_url_to_file', lambda *args, **kwargs: pytest.fail('no network in a test'))
    monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'evil.pth').rename(tmp_path / 'checkpoints/evil.pth')  # as if it had been downloaded
    with pytest.raises(pickle.UnpicklingError, match='eights'):
        checkpoint.CheckpointLoader.load_checkpoint('http://example.org/evil.pth')
    assert not (tmp_path / 'run').exists()


def test_what_is_no_regular_file_is_refused(tmp_path):
    for what, path in special_files(tmp_path, '.pth').items():
        refused(load, path, names='' if what == 'NUL' else path)


@given(
    text=st.binary(max_size=80) | st.sampled_from([b'a\0b', b'/dev/zero', b'/', b'epoch_\xc2\xb2.pth', b'epoch_.pth'])
)
def test_what_last_checkpoint_says(text, tmp_path):
    """Whatever stands in ``last_checkpoint``, a checkpoint is found, or an error names the file."""
    (tmp_path / 'epoch_1.pth').write_bytes(good_bytes(True))
    (tmp_path / 'epoch_\u00b2.pth').write_bytes(good_bytes(True))
    (tmp_path / 'last_checkpoint').write_bytes(text)
    outcome(find_latest_checkpoint, tmp_path, names='last_checkpoint')
