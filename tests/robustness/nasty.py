"""Nasty inputs: values of unexpected kinds, damaged files, and paths at which there is no regular file."""

import copy
import os
import socket

from hypothesis import settings
from hypothesis import strategies as st

NASTY_TEXTS = (
    '', ' ', '\0', 'a\0b', 'a\nb', 'a\r\nb', 'a\x0bb', 'a\u2028b', '\ud800', '\u202e', '\ufeff', 'nan', 'inf', '-1',
    '1e400', '1_0', '\u0663', '../../etc/passwd', '/etc/passwd', '..', '.', '~', 'C:\\x', 'a/../b', 'a/b', 'v_',
    '%s%n', '{0}', '$(touch x)', '=cmd()', '"', "'", ',', 'x' * 5000, 'background',
)  # fmt: skip
NASTY_NUMBERS = (
    0, -0.0, -1, 1, 0.5, 1e-320, 1e-12, 1e12, 1e13, 1e300, 1.7e308, -1e300, 10**30, 10**400, -(10**400),
    2**53 + 1, 2**63, float('nan'), float('inf'), float('-inf'),
)  # fmt: skip
NASTY_VALUES = (None, True, False, *NASTY_NUMBERS, *NASTY_TEXTS, [], [[]], {}, {'': {}}, [None], [1, 2, 3], ['a', {}])
# Brackets are nested deeper than any reader recurses. There are not more of them, since torch takes quadratic time for
# its error about a long name.
_NASTY_BYTES = (
    b'\0', b'\xff\xfe', b'\xef\xbb\xbf', b'\r', b'\r\n', b'\n\n', b'"', b"'", b'\\', b',', b',,,', b'{', b'}',
    b'[' * 10_000, b'{"a":' * 2_000, b']', b'9' * 5000, b'1e999', b'NaN', b'-Infinity', b'null', b'\x1a', b'\x85',
    b'\xe2\x80\xa8', b'\xc0\xaf', b'\xed\xa0\x80', b'PK\x05\x06', b'\x7f' * 64, b' ' * 10_000,
)  # fmt: skip

more = settings(max_examples=3 * settings().max_examples)  # for tests that draw from several strategies
values = st.one_of(
    st.sampled_from(NASTY_VALUES).map(copy.deepcopy),  # copies, since a test may change a drawn value
    st.floats(),
    st.integers(),
    st.text(max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda part: st.lists(part, max_size=3)
    ),
)


class Payload:
    """Object whose unpickling makes the folder ``run`` in the working directory."""

    def __reduce__(self):
        return os.mkdir, ('run',)


@st.composite
def damaged(draw, original):
    """Bytes of a good file after bits were flipped, parts cut out, moved or put in, or its end was cut off."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        how = draw(st.sampled_from(['flip', 'cut', 'end', 'put', 'noise', 'move']))
        if how == 'flip' and start < len(content):
            content[start] ^= 1 << draw(st.integers(0, 7))
        elif how == 'cut':
            del content[start:stop]
        elif how == 'end':
            del content[start:]
        elif how == 'put':
            content[start:start] = draw(st.sampled_from(_NASTY_BYTES))
        elif how == 'noise':
            content[start:stop] = draw(st.binary(max_size=20))
        elif how == 'move':
            part, place = content[start:stop], draw(st.integers(0, len(content)))
            content[place:place] = part
    return bytes(content)


@st.composite
def spoilt(draw, original):
    """A good JSON document with nasty values, or nasty keys, or keys left out, in one to three places."""
    content = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(content))
        if not places:
            return draw(values)
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(['value', 'value', 'value', 'drop', 'key', 'copy']))
        if how == 'drop':
            del owner[key]
        elif how == 'key' and isinstance(owner, dict):
            owner[draw(st.sampled_from(NASTY_TEXTS) | st.text(max_size=8))] = owner.pop(key)
        elif how == 'copy':
            owner[key] = copy.deepcopy(draw(st.sampled_from(places))[0])
        else:
            owner[key] = draw(values)
    return content


def _places(content):
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items):
        yield content, key
        yield from _places(value)


def special_files(folder, suffix):
    """Paths by the name of their fault; at none of them, there is a regular file of readable size."""
    paths = {kind: folder / f'{kind}{suffix}' for kind in ('missing', 'folder', 'pipe', 'loop', 'socket', 'sparse')}
    paths['folder'].mkdir()
    os.mkfifo(paths['pipe'])
    paths['loop'].symlink_to(paths['loop'])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(paths['socket']))  # relative, since it may have 108 bytes at most
    paths['sparse'].touch()
    os.truncate(paths['sparse'], 1 << 42)
    for kind, target in (('zero', '/dev/zero'), ('unreadable', '/proc/self/mem')):  # reading /proc/self/mem fails
        paths[kind] = folder / f'{kind}{suffix}'
        paths[kind].symlink_to(target)
    paths['below a file'] = folder / 'sparse.txt' / f'x{suffix}'
    paths['long'] = folder / ('x' * 300 + suffix)
    paths['NUL'] = f'{folder}/a\0b{suffix}'
    return paths
