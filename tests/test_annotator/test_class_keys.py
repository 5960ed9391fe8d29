import pytest

from fsptal_mm.annotator import read_class_keys
from fsptal_mm.utils.errors import InputError


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / 'classes.txt').write_text(text)
        return read_class_keys(tmp_path / 'classes.txt')

    return read


def test_digits_then_letters_then_no_key(read):
    keys = [entry.key for entry in read('\n'.join(f'class {number}' for number in range(37)))]
    assert keys == [*'123456789', *'abcdefghijklmnopqrstuvwxyz', None, None]


def test_wanted_keys_are_kept_and_the_others_fill_up(read):
    assert read('jump\tJ\n\nlong jump\nthrow\t1\n') == [('jump', 'j'), ('long jump', '2'), ('throw', '1')]


@pytest.mark.parametrize(
    'text, place',
    [
        pytest.param('', '', id='no class'),
        pytest.param('a\na\n', ':2', id='a class twice'),
        pytest.param('a\tx\nb\tx\n', ':2', id='a key twice'),
        pytest.param('a\t0\n', ':1', id='the key of background'),
        pytest.param('a\t12\n', ':1', id='two keys'),
        pytest.param('a\tä\n', ':1', id='no ASCII'),
        pytest.param('background\n', ':1', id='background'),
    ],
)
def test_a_bad_line_is_named(read, text, place):
    with pytest.raises(InputError, match=rf'classes\.txt{place}: '):
        read(text)
