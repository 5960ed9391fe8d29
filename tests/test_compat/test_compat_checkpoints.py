"""mmengine's own checkpoints load, and no checkpoint runs code."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from toy_run import Points, toy_runner

import fsptal_mm  # noqa: F401
from fsptal_mm.utils.errors import InputError


def test_runner_resumes_from_its_own_checkpoint(tmp_path):
    toy_runner(tmp_path, 'first', 1).train()
    checkpoint = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    assert checkpoint['meta']['dataset_meta'] == Points([]).metainfo
    runner = toy_runner(tmp_path, 'second', 2, resume=True)
    runner.train()
    assert (runner.iter, len(runner.model.seen)) == (4, 2)  # two batches an epoch; the first one is not run again
    log, _ = runner.message_hub.get_scalar('train/loss').data
    assert len(log) == 4  # the log of the first epoch is kept
    assert log[:2] == pytest.approx(checkpoint['message_hub']['log_scalars']['train/loss'].data[0])


@pytest.mark.parametrize('core', ['numpy.core', 'numpy._core'])
def test_checkpoint_written_under_either_numpy(tmp_path, core):
    content = dict(history=HistoryBuffer([1.5, 2.5], [1, 2]), best=np.float64(0.25), names=('a',))
    path = tmp_path / 'numpy.pth'
    torch.save(content, path, _use_new_zipfile_serialization=False)  # not zipped, so names can be replaced
    data = path.read_bytes()
    written = b'numpy._core.multiarray' if b'numpy._core.multiarray' in data else b'numpy.core.multiarray'
    assert written in data
    path.write_bytes(data.replace(written, f'{core}.multiarray'.encode()))
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['history'].data[0].tolist() == [1.5, 2.5]
    assert loaded['history'].statistics('mean') == pytest.approx(4 / 3)  # (1.5 + 2.5) / (1 + 2)
    assert loaded['best'] == 0.25


class Call:
    """An object whose pickle is ``(function, arguments)`` or ``(function, arguments, state)``."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def touch(path):
    return f'open({str(path)!r}, "w").close()'


@pytest.mark.parametrize('as_zip', [True, False])
@pytest.mark.parametrize(
    'payload, refused',
    [
        # The module is posix or nt.
        (lambda mark: Call(os.system, (f'touch "{mark}"',)), f'{os.system.__module__}.system'),
        (lambda mark: Call(exec, (touch(mark),)), 'exec'),
        (lambda mark: Call(getattr, (Call(__import__, ('os',)), 'system')), '__import__'),
        (lambda mark: Call(getattr, (HistoryBuffer, '__init__')), "builtins.getattr('__init__')"),  # four are allowed
        (lambda mark: Call(np.load, (str(mark),)), 'numpy.load'),  # a function of an allowed module
    ],
)
def test_foreign_code_in_a_checkpoint_does_not_run(tmp_path, payload, refused, as_zip):
    mark, path = tmp_path / 'ran', tmp_path / 'evil.pth'
    evil = {'state_dict': {'w': torch.zeros(1)}, 'meta': payload(mark)}
    torch.save(evil, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(InputError, match=r'^/.*evil\.pth: found .*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1') as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert not mark.exists()
    assert error.value.found in (refused, f'builtins.{refused}')  # torch 2.6 names the module, too


def test_a_user_can_trust_a_file(tmp_path, monkeypatch):
    mark, path = tmp_path / 'ran', tmp_path / 'trusted.pth'
    torch.save({'meta': Call(exec, (touch(mark),))}, path)
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    with pytest.warns(UserWarning, match='TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'):
        CheckpointLoader.load_checkpoint(str(path))
    assert mark.exists()  # this also shows that the payloads of the test above would run


def test_raw_bytes_never_become_pointers(tmp_path):
    """From a file, numpy.dtype accepts a float type with a field of objects, or with a field beyond its end."""
    path = tmp_path / 'evil.pth'
    reconstruct = np.zeros(0).__reduce__()[0]
    for field in ('O8', 'f8'):
        state = (3, '<', None, ('x',), {'x': (Call(np.dtype, (field, False, True)), 80)}, 8, 8, 0)
        dtype = Call(np.dtype, ('f8', False, True), state)
        assert pickle.loads(pickle.dumps(dtype)).names == ('x',)  # accepted by numpy
        torch.save(Call(reconstruct, (np.ndarray, (0,), b'b'), (1, (1,), dtype, False, bytes(8))), path)
        if field == 'O8':
            with pytest.raises(InputError, match=r"found .numpy\.dtype\('O8'\)"):
                CheckpointLoader.load_checkpoint(str(path))
        else:
            assert CheckpointLoader.load_checkpoint(str(path)).dtype.names is None


@pytest.mark.parametrize('as_zip', [True, False])
@pytest.mark.parametrize('kept', [0, 1, 100, -1])
def test_truncated_checkpoint_is_named(tmp_path, kept, as_zip):
    path = tmp_path / 'epoch_3.pth'
    torch.save({'state_dict': torch.nn.Linear(50, 20).state_dict()}, path, _use_new_zipfile_serialization=as_zip)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r'epoch_3\.pth: found'):
        CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize('content', ['<html>404</html>', None], ids=['what a failed download leaves', 'no file'])
def test_other_files_are_no_checkpoints(tmp_path, content):
    path = tmp_path / 'page.pth'
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r'page\.pth: found'):
        CheckpointLoader.load_checkpoint(str(path))
