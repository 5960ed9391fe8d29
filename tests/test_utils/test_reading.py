"""Text files in several encodings."""

import codecs

import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.reading import read_json, read_text

TEXT = '{"names": "Sprünge 跳躍"}'
COLUMNS = dict(video='video_id', label='class', time='time')


@pytest.mark.parametrize(
    'content',
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode('utf-16-le'),
        codecs.BOM_UTF16_BE + TEXT.encode('utf-16-be'),
    ],
)
def test_encodings_that_are_read(content, tmp_path):
    (tmp_path / 'file.json').write_bytes(content)
    assert read_json(tmp_path / 'file.json') == {'names': 'Sprünge 跳躍'}


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(TEXT.encode('latin-1', 'replace'), id='Latin-1'),
        pytest.param(TEXT.encode('utf-16-le'), id='UTF-16 without a mark, not ASCII'),
        pytest.param('ids'.encode('utf-16-le'), id='UTF-16 without a mark, ASCII'),
        pytest.param(codecs.BOM_UTF16_LE + b'a', id='half a character'),
    ],
)
def test_other_encodings_name_file_and_remedy(content, tmp_path):
    (tmp_path / 'file.txt').write_bytes(content)
    with refused('file.txt', 'save the file as UTF-8'):
        read_text(tmp_path / 'file.txt')


def test_tables_and_lists_of_windows(tmp_path):
    rows = ['video_id,class,time', 'first,Sprünge,1.5', 'second,Sprünge,2']
    (tmp_path / 'points.csv').write_bytes('\r\n'.join(rows).encode('utf-16'))
    (tmp_path / 'split.txt').write_bytes('second\r\n'.encode('utf-16'))
    found = load_annotations(
        None, point_file=tmp_path / 'points.csv', split_file=tmp_path / 'split.txt', columns=COLUMNS
    )
    assert (found.classes, list(found.videos)) == (('Sprünge',), ['second'])
    assert found.videos['second'].point_sec.tolist() == [2.0]
