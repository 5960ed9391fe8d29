"""Feature files: damaged, lying about their size, holding code, or pointing elsewhere."""

import io
import re
import zipfile
import zlib
from functools import cache

import h5py
import numpy as np
import pytest
from bounded import outcome, refused
from feature_files import load_features, write_features
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nasty import Payload, damaged, more, special_files

from fsptal_mm.apis.inference_inputs import list_inputs
from fsptal_mm.utils.errors import InputError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
SUFFIXES = ('.npy', '.npz', '.csv', '.h5')

_NUMBERS = re.compile(rb'[\d\s.,;eE+-]*')  # a csv file of numbers is a file of features


def load(path):
    features = load_features(path, duration_sec=None)['features']
    assert features.dtype == np.float32
    assert features.ndim == 2
    assert np.isfinite(features).all()
    return features


@cache
def good_bytes(suffix, folder):
    chunks = dict(chunks=(2, 3), compression='gzip') if suffix == '.h5' else {}
    return write_features(folder / f'good{suffix}', FEATURES, **chunks).read_bytes()


@pytest.mark.parametrize('suffix', SUFFIXES)
@more
@given(data=st.data(), is_noise=st.booleans())
def test_whatever_stands_in_a_file(suffix, data, is_noise, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    path = folder / f'damaged{suffix}'
    path.unlink(missing_ok=True)  # a new inode, since a file that is memory-mapped must not shrink
    noise = st.binary(max_size=300).filter(lambda content: suffix != '.csv' or not _NUMBERS.fullmatch(content))
    path.write_bytes(data.draw(noise if is_noise else damaged(good_bytes(suffix, folder))))
    result = outcome(load, path, names=path)
    assert isinstance(result, InputError) or not is_noise
    outcome(list_inputs, path)


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.h5'])
@given(array=hnp.arrays(hnp.scalar_dtypes() | hnp.array_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_arrays_of_any_kind(suffix, array, tmp_path):
    path = tmp_path / f'v1{suffix}'
    path.unlink(missing_ok=True)
    try:
        write_features(path, array)
    except (TypeError, ValueError):  # types that the format does not know
        return
    # Further axes of length 1 are left out.
    is_sound = array.ndim > 1 and sum(n != 1 for n in array.shape) < 3 and array.size and array.dtype.kind in 'biuf'
    with np.errstate(all='ignore'):
        is_sound = is_sound and np.isfinite(array.astype(np.float32)).all()
    if is_sound:
        np.testing.assert_array_equal(load(path).ravel(), array.astype(np.float32).ravel())
    else:
        refused(load, path, names=f'{path}: video v1')


def npy_header(shape, descr='<f4', extra=''):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}{extra}}}"
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text.encode()


@pytest.mark.parametrize(
    'header',
    [
        pytest.param(npy_header('(1000000000000, 3)'), id='a trillion snippets'),
        pytest.param(npy_header('(4, 1000000000000)'), id='a trillion numbers a snippet'),
        pytest.param(npy_header('(10000000000, 0)'), id='no numbers, often'),
        pytest.param(npy_header('(9223372036854775807, 9223372036854775807)'), id='overflow'),
        pytest.param(npy_header('(-1, 3)'), id='negative'),
        pytest.param(npy_header('(True, 3)'), id='truth'),
        pytest.param(npy_header('(4, 3)', '|O'), id='objects'),
        pytest.param(npy_header('(4, 3)', '|V1000000000'), id='void'),
        pytest.param(npy_header('(4, 3)', '<f4', ", 'x': __import__('os').mkdir('run')"), id='code in the header'),
        pytest.param(b'\x93NUMPY\x03\x00\xff\xff\xff\xff' + b'{' * 5000, id='a header without end'),
        pytest.param(npy_header('(' * 200 + ')' * 200), id='nested'),
    ],
)
@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
def test_headers_that_lie(header, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = header + b'\0' * 48
    path = tmp_path / f'v1{suffix}'
    path.write_bytes(zipped(content) if suffix == '.npz' else content)
    refused(load, path, names=f'{path}: video v1')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    'num_bytes, claimed, compression',
    [
        pytest.param(8 << 20, 3 << 30, zipfile.ZIP_DEFLATED, id='more than fits'),  # its header claims 3 GiB
        pytest.param(8 << 20, 1 << 20, zipfile.ZIP_DEFLATED, id='more than it claims'),
        pytest.param(4 << 20, None, zipfile.ZIP_LZMA, id='asks for a dictionary of 4 GiB in a few bytes'),
    ],
)
def test_archives_that_unpack_to_a_thousand_times_their_size(num_bytes, claimed, compression, tmp_path):
    path = tmp_path / 'v1.npz'
    with zipfile.ZipFile(path, 'w', compression) as file, file.open('v1.npy', 'w', force_zip64=True) as member:
        member.write(npy_header(f'({num_bytes // 12}, 3)'))
        for _ in range(num_bytes >> 22):
            member.write(bytes(1 << 22))
    if claimed:
        content = path.read_bytes()
        place = content.rindex(b'PK\x01\x02') + 24
        path.write_bytes(content[:place] + claimed.to_bytes(4, 'little') + content[place + 4 :])
    refused(load, path, names=path)


@pytest.mark.parametrize(
    'shape, chunks',
    [((10**12, 3), (1024, 3)), ((10**9, 4), (1024, 4)), ((4, 10**12), (1, 1024)), ((4, 3), (20_000, 50_000))],
)
def test_hdf5_that_unpacks_to_more_than_fits(shape, chunks, tmp_path):
    with h5py.File(tmp_path / 'v1.h5', 'w') as file:
        limits = tuple(max(pair) for pair in zip(shape, chunks))
        file.create_dataset('v1', shape, 'f4', chunks=chunks, maxshape=limits, compression='gzip', fillvalue=1)
    assert (tmp_path / 'v1.h5').stat().st_size < 1 << 20
    refused(load, tmp_path / 'v1.h5', names='v1.h5: video v1')


def virtual(file, outside):
    layout = h5py.VirtualLayout((4, 3), 'f4')
    layout[:] = h5py.VirtualSource(outside, 'v1', (4, 3))
    file.create_virtual_dataset('v1', layout)


def link_to_a_link(file, outside):
    file['other'] = h5py.ExternalLink(outside, 'v1')
    file['v1'] = h5py.SoftLink('/other')


HDF5 = {
    'external link': lambda file, outside: file.__setitem__('v1', h5py.ExternalLink(outside, 'v1')),
    'soft link': lambda file, outside: file.__setitem__('v1', h5py.SoftLink('/nowhere')),
    'link to a link': link_to_a_link,
    'raw file': lambda file, outside: file.create_dataset('v1', (4, 3), 'f4', external=[('/etc/passwd', 0, 48)]),
    'virtual': virtual,
    'group': lambda file, outside: file.create_group('v1/v1'),
    'texts': lambda file, outside: file.create_dataset('v1', data=[['a', 'b']], dtype=h5py.string_dtype()),
}


@pytest.mark.parametrize('how', HDF5)
def test_hdf5_reaches_no_other_file(how, tmp_path):
    outside = write_features(tmp_path / 'secret.h5', FEATURES)
    with h5py.File(tmp_path / 'v1.h5', 'w') as file:
        HDF5[how](file, outside)
    refused(load, tmp_path / 'v1.h5', names='v1.h5: video v1')
    assert [video.video_id for video in outcome(list_inputs, tmp_path / 'v1.h5')] == ['v1']


def saved(save, array, **kwargs):
    save(buffer := io.BytesIO(), array, **kwargs)
    return buffer.getvalue()


def zipped(content):
    with zipfile.ZipFile(buffer := io.BytesIO(), 'w') as file:
        file.writestr('v1.npy', content)
    return buffer.getvalue()


OBJECTS = np.array([[Payload()]], dtype=object)
FIELDS = np.array([[(1, Payload())]], dtype=[('a', 'f4'), ('b', 'O')])
WITH_CODE = {
    'objects': saved(np.save, OBJECTS, allow_pickle=True),
    'fields': saved(np.save, FIELDS, allow_pickle=True),
    'an archive': saved(np.savez, OBJECTS),
    'a pickle': OBJECTS.dumps(),
    'a pickle in an archive': zipped(OBJECTS.dumps()),
}


@pytest.mark.parametrize('how', WITH_CODE)
@pytest.mark.parametrize('suffix', SUFFIXES)
def test_code_is_never_run(suffix, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'v1{suffix}'
    path.write_bytes(WITH_CODE[how])
    refused(load, path, names=f'{path}: video v1')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    'text',
    [
        'a,b\n1,2\n3\n', 'a,b\n1,x\n', 'a,b\n1,\n', 'a,b\n1,1e39\n', 'a,b\n1,nan\n', 'a,b\n', '', '\n\n', 'a,b\n"1,2\n',
        'a\n' + '1' * 200_000, 'a,b\n1,' + '9' * 5000, 'a,b\n\0,1\n', 'a,b\n' + ',' * 100_000 + '\n',
    ],
)  # fmt: skip
def test_csv_that_holds_no_features(text, tmp_path):
    (tmp_path / 'v1.csv').write_text(text)
    refused(load, tmp_path / 'v1.csv', names='v1.csv: video v1')


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_what_is_no_regular_file_is_refused(suffix, tmp_path):
    for what, path in special_files(tmp_path, suffix).items():
        refused(load, path, names='' if what == 'NUL' else f'{path}: video v1')


def test_a_damaged_stream_of_a_sound_archive_is_refused(tmp_path):
    """The sizes in the archive are right, but its compressed data are damaged."""
    path = write_features(tmp_path / 'v1.npz', np.zeros((5000, 3)))
    content = bytearray(path.read_bytes())
    start = content.index(b'v1.npy') + 40
    content[start : start + 8] = zlib.compress(b'x' * 64)[:8]
    path.write_bytes(content)
    refused(load, path, names=path)
