"""Features in files of torch and pickle are read, and no code in a file is run."""

import os
import pickle
import re
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from tool_modules import load_tool

from fsptal_mm.datasets.pickled_features import read_pickled
from fsptal_mm.utils.errors import InputError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
TENSOR = torch.from_numpy(FEATURES)


def write(path, content, protocol=4):
    if path.suffix in ('.pt', '.pth'):
        torch.save(content, path)
    elif path.suffix == '.npy':
        np.save(path, content, allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize(
    'content',
    [
        pytest.param(FEATURES, id='array'),
        pytest.param(FEATURES.astype('>f8'), id='big-endian'),
        pytest.param(np.asfortranarray(FEATURES), id='fortran'),
        pytest.param(FEATURES.astype(np.float16), id='half'),
        pytest.param(FEATURES.astype(np.int64), id='whole numbers'),
        pytest.param(list(FEATURES), id='rows'),
        pytest.param(FEATURES.tolist(), id='lists'),
        pytest.param({'rgb': FEATURES, 'fps': np.float64(25), 'name': 'a'}, id='dict'),
        pytest.param(OrderedDict(rgb=FEATURES), id='ordered dict'),
        pytest.param(TENSOR, id='tensor'),
        pytest.param(TENSOR.double().T.contiguous().T, id='strided tensor'),
    ],
)
def test_pickles(tmp_path, content, protocol):
    found = read_pickled(write(tmp_path / 'v1.pkl', content, protocol))
    assert list(found) == ['v1']
    np.testing.assert_array_equal(found['v1'], FEATURES)


@pytest.mark.parametrize('suffix', ['.pt', '.pth'])
@pytest.mark.parametrize('content', [TENSOR, dict(feats=TENSOR, fps=25), [*TENSOR], TENSOR.bfloat16()])
def test_files_of_torch(tmp_path, suffix, content):
    np.testing.assert_array_equal(read_pickled(write(tmp_path / f'v1{suffix}', content))['v1'], FEATURES)


def test_a_sparse_tensor(tmp_path):
    path = write(tmp_path / 'v1.pt', TENSOR.to_sparse())
    np.testing.assert_array_equal(read_pickled(path)['v1'], FEATURES)


def test_an_array_of_objects(tmp_path):
    content = np.array(dict(feat=FEATURES, fps=25.0), dtype=object)
    np.testing.assert_array_equal(read_pickled(write(tmp_path / 'v1.npy', content))['v1'], FEATURES)


def test_python_2_wrote_bytes_as_texts(tmp_path):
    text = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nI2\ntcnumpy\ndtype\n"
    text += b"(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb."
    (tmp_path / 'v1.pkl').write_bytes(text)
    assert read_pickled(tmp_path / 'v1.pkl')['v1'].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    'content, options, videos',
    [
        ({'a': FEATURES, 'b': FEATURES[:2]}, {}, ['a', 'b']),
        ({'rgb': FEATURES, 'flow': FEATURES * 2}, dict(key='rgb'), ['v1']),
        ([FEATURES, FEATURES[:2]], dict(names=['x', 'y']), ['x', 'y']),
        ({'rgb': {'a': FEATURES, 'b': FEATURES}}, dict(key='rgb'), ['a', 'b']),
        (np.stack([FEATURES] * 10), {}, ['v1']),
        ({'a': FEATURES.tolist(), 'b': FEATURES[:2].tolist()}, {}, ['a', 'b']),
        ({b'a': FEATURES, b'b': FEATURES}, {}, ['a', 'b']),
        ({'a': {'rgb': FEATURES, 'flow': 0 * FEATURES}, 'b': {'rgb': FEATURES}}, dict(key='rgb'), ['a', 'b']),
        (defaultdict(list, a=FEATURES, b=FEATURES), {}, ['a', 'b']),
    ],
)
def test_several_arrays(tmp_path, content, options, videos):
    found = read_pickled(write(tmp_path / 'v1.pkl', content), **options)
    assert list(found) == videos
    np.testing.assert_array_equal(found[videos[0]].reshape(-1, 4, 3)[0], FEATURES)


@pytest.mark.parametrize(
    'content, options, field',
    [
        ({'rgb': FEATURES, 'x': 1}, dict(key='flow'), 'key'),
        ({'x': 1}, {}, 'key'),
        ([FEATURES, FEATURES], {}, 'names'),
        ([FEATURES, FEATURES], dict(names=['x']), 'names'),
        ('text', {}, 'an array'),
        ([], {}, 'names|an array'),
        ({}, {}, 'key'),
        (np.array(['a', 'b']), {}, 'pickle'),
        (FEATURES[:, :0], {}, 'snippet'),
        (FEATURES.astype(complex), {}, 'pickle'),
    ],
)
def test_what_cannot_be_told(tmp_path, content, options, field):
    with pytest.raises(InputError, match=f'v1.pkl.*({field})'):
        read_pickled(write(tmp_path / 'v1.pkl', content), **options)


class Runs:
    def __init__(self, call, *arguments):
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('suffix', ['.pkl', '.pt', '.npy'])
@pytest.mark.parametrize(
    'code', [Runs(os.mkdir, 'run'), Runs(eval, "__import__('os').mkdir('run')"), Runs(np.fromfile, 'x')]
)
def test_no_code_runs(tmp_path, monkeypatch, suffix, code):
    monkeypatch.chdir(tmp_path)
    content = {'a': FEATURES, 'b': code}
    path = write(tmp_path / f'v1{suffix}', np.array(content, dtype=object) if suffix == '.npy' else content)
    with pytest.raises(InputError, match='v1'):
        read_pickled(path)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('size, stride, offset', [((10**9, 3), (0, 1), 0), ((4, 3), (3, 1), 5), ((4, 3), (-3, 1), 9)])
def test_tensors_that_leave_their_storage(tmp_path, size, stride, offset):
    storage = TENSOR.storage()
    path = write(
        tmp_path / 'v1.pkl', Runs(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())
    )
    with pytest.raises(InputError, match='v1'):
        read_pickled(path)


def test_damaged_pickles(tmp_path):
    content = pickle.dumps(FEATURES)
    for length in range(0, len(content), 7):
        (tmp_path / 'v1.pkl').write_bytes(content[:length])
        with pytest.raises(InputError, match='v1'):
            read_pickled(tmp_path / 'v1.pkl')


def test_the_tool_writes_a_file_per_video(tmp_path, capsys):
    tool = load_tool('data/convert_features')
    write(tmp_path / 'v1.pkl', FEATURES)
    write(tmp_path / 'more.pt', {'a': TENSOR, 'b/c': TENSOR})
    tool.main([str(tmp_path / 'out'), str(tmp_path / 'v1.pkl'), str(tmp_path / 'more.pt')])
    files = sorted(path.relative_to(tmp_path / 'out').as_posix() for path in (tmp_path / 'out').rglob('*.npy'))
    assert files == ['a.npy', 'b/c.npy', 'v1.npy']
    for name in files:
        np.testing.assert_array_equal(np.load(tmp_path / 'out' / name), FEATURES)
    assert re.search('3 videos', capsys.readouterr().out)
    with pytest.raises(SystemExit, match='1'):
        tool.main([str(tmp_path / 'out'), *[str(tmp_path / 'v1.pkl')] * 2])
    assert re.search(r'error: .*v1.pkl: video v1', capsys.readouterr().out)


def test_a_file_that_cannot_be_converted_does_not_stop_the_others(tmp_path, capsys):
    bad = write(tmp_path / 'bad.pkl', {'y': FEATURES, '../x': FEATURES})
    cut = write(tmp_path / 'cut.pt', TENSOR)
    cut.write_bytes(cut.read_bytes()[:100])
    good = write(tmp_path / 'good.pkl', FEATURES)
    with pytest.raises(SystemExit, match='1'):
        load_tool('data/convert_features').main([str(tmp_path / 'out'), *map(str, (bad, cut, good))])
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['good.npy']
    printed = capsys.readouterr().out
    assert re.search(r'out: 1 video\nerror: .*bad.pkl: .*\.\./x.*\nerror: .*cut.pt: ', printed)


def test_the_tool_does_not_write_over_what_it_reads(tmp_path, capsys):
    path = write(tmp_path / 'v1.npy', np.array({'rgb': FEATURES, 'flow': FEATURES}, dtype=object))
    before = path.read_bytes()
    with pytest.raises(SystemExit, match='1'):
        load_tool('data/convert_features').main([str(tmp_path), str(path), '--key', 'rgb'])
    assert 'OUT_DIR' in capsys.readouterr().out
    assert path.read_bytes() == before
