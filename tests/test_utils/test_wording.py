import pytest

from fsptal_mm.utils.wording import counted


@pytest.mark.parametrize(
    'number, noun, text',
    [(0, 'point', '0 points'), (1, 'point', '1 point'), (2, 'test video', '2 test videos'), (2, 'class', '2 classes')],
)
def test_counts_agree_with_their_nouns(number, noun, text):
    assert counted(number, noun) == text
