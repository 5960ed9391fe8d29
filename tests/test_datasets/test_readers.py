import re

import pytest

from fsptal_mm.datasets.annotations.readers import read_ambiguous, read_classes, read_fps, read_split
from fsptal_mm.utils.errors import InputError


def refused(message):
    return pytest.raises(InputError, match=re.escape(message))


class TestLists:
    def test_split_strips_and_skips_blank_lines(self, write):
        # CRLF, a blank line, spaces, and no newline at the end: all found in published split files
        assert read_split(write('split.txt', 'b \r\n\r\n a')) == ['b', 'a']

    def test_classes_keep_their_order(self, write):
        assert read_classes(write('classes.txt', 'put on\nchop\n')) == ['put on', 'chop']

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            pytest.param('\n \n', "split.txt: found 'an empty file'", id='blank lines only'),
            pytest.param('a\nb\na\n', "split.txt:3: found 'a'", id='id twice'),
            pytest.param(b'caf\xe9\n', 'expected UTF-8 text', id='Latin-1'),
        ],
    )
    def test_split_refuses(self, write, content, message):
        with refused(message):
            read_split(write('split.txt', content))

    def test_missing_file_and_folder(self, tmp_path):
        with refused("nowhere.txt: found 'no such file'"):
            read_split(tmp_path / 'nowhere.txt')
        with refused("found 'a folder'"):
            read_split(tmp_path)

    def test_fps(self, write):
        assert read_fps(write('fps.json', {' a ': 29.97, 'b': '25'})) == {'a': 29.97, 'b': 25.0}

    @pytest.mark.parametrize('fps', [0, -25, 'fast', None, [25]])
    def test_fps_refuses(self, write, fps):
        with refused('fps.json: video a: fps: found'):
            read_fps(write('fps.json', {'a': fps}))

    def test_ambiguous(self, write):
        # THUMOS14's file has two spaces after the id
        path = write('Ambiguous_test.txt', 'a  0.0 1.4\nb  5 6\na  7.5 9\n')
        assert read_ambiguous(path) == {'a': [(0.0, 1.4), (7.5, 9.0)], 'b': [(5.0, 6.0)]}

    @pytest.mark.parametrize(
        ('line', 'message'),
        [
            pytest.param('a 1', 'ambiguous.txt:2: found', id='no end'),
            pytest.param('a 1 x', "ambiguous.txt:2: video a: found 'x'", id='no number'),
            pytest.param('a 3 2', 'ambiguous.txt:2: video a: found [3.0, 2.0]', id='reversed'),
        ],
    )
    def test_ambiguous_refuses(self, write, line, message):
        with refused(message):
            read_ambiguous(write('ambiguous.txt', f'b 1 2\n{line}\n'))
