import pytest

from fsptal_mm.annotator import read_class_keys
from fsptal_mm.utils.errors import InputError


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / 'classes.txt'
        path.write_text(text)
        return read_class_keys(path)

    return read


def test_digits_then_letters_then_no_key(read):
    keys = [entry.key for entry in read('\n'.join(f'class {number}' for number in range(37)))]
    assert keys == [*'123456789', *'abcdefghijklmnopqrstuvwxyz', None, None]


def test_wanted_keys_are_kept_and_the_others_fill_up(read):
    assert read('jump\tJ\n\nlong jump\nthrow\t1\n') == [('jump', 'j'), ('long jump', '2'), ('throw', '1')]


@pytest.mark.parametrize(
    'text, place, message',
    [
        ('', '', 'the name of a class'),
        ('a\na\n', ':2', 'every class once'),
        ('a\tx\nb\tx\n', ':2', 'every key once'),
        ('a\t0\n', ':1', 'a letter or a digit from 1 to 9'),  # 0 is background
        ('a\t12\n', ':1', 'a letter or a digit from 1 to 9'),
        ('a\tä\n', ':1', 'a letter or a digit from 1 to 9'),
        ('background\n', ':1', 'names of actions only'),
    ],
)
def test_says_what_is_wrong_and_where(read, text, place, message):
    with pytest.raises(InputError, match=rf'classes\.txt{place}: .*{message}'):
        read(text)


def test_class_lists_of_data_sets_are_read(data_root):
    keys = read_class_keys(data_root / '50salads_acc/classes.txt')
    assert (keys[0], keys[9]) == (('add_dressing', '1'), ('serve_salad_onto_plate', 'a'))
