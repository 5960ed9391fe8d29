import pickle

import pytest

from fsptal_mm.utils.errors import InputError, WriteError, check_flags


def test_message_is_one_short_line_that_names_everything():
    error = InputError('a number', file='gt.json', video='v\n1', field='fps', found='x')
    assert str(error) == "gt.json: video v\\n1: fps: found 'x', expected a number"
    assert len(str(InputError('less', field='split', found=['v'] * 100_000))) < 700


def test_errors_survive_the_way_out_of_a_worker():
    error = pickle.loads(pickle.dumps(InputError('a number', file='gt.json', found=3)))
    assert isinstance(error, InputError)
    assert (str(error), error.file, error.found) == ('gt.json: found 3, expected a number', 'gt.json', 3)
    error = pickle.loads(pickle.dumps(WriteError('a.json', 'No space left on device')))
    assert isinstance(error, InputError)
    assert isinstance(error, OSError)
    assert (error.file, error.found, error.strerror) == ('a.json', *['No space left on device'] * 2)


class Broken(list):
    def __getitem__(self, index):
        raise InputError('a number', file='ann.json', video='v1', field='time_sec', found='x' * 50)


def test_an_error_in_a_worker_says_the_same():
    data = pytest.importorskip('torch.utils.data')
    with pytest.raises(InputError) as error:
        next(iter(data.DataLoader(Broken([1]), num_workers=1)))
    assert str(error.value) == f'ann.json: video v1: time_sec: found {"x" * 50!r}, expected a number'


@pytest.mark.parametrize('value, found', [('no', "'no'"), (0, '0'), (None, "'None'")])
def test_flags_are_true_or_false(value, found):
    check_flags('Head', cosine=True, live=False)
    with pytest.raises(InputError, match=rf'^Head\.cosine: found {found}'):
        check_flags('Head', live=True, cosine=value)
