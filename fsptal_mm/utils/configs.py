"""Reading of configs and of options for them; a mistake in a config raises an InputError with file and line."""

import ast
import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import mmaction.registry
from mmengine.config import Config, DictAction

from .errors import InputError
from .reading import read_text, regular_file

_NEAR = 3  # largest number of similar names that an error lists
_UNKNOWN_TYPE = re.compile(r'(\S+) is not in the \S+::(.+?) registry\.')  # message of mmengine's builder
_UNKNOWN_ARGUMENT = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")  # Python's message
_SEARCHER = 'num_places and num_rounds'  # what replaces two older arguments
_REPLACED = {  # class and argument of older configs, and what a config says instead
    ('LoadSnippetClips', 'decoder'): 'no decoder, since PyAV decodes all videos',
    ('RefinementHead', 'max_proposals'): 'max_proposals_per_class',
    ('SegmentSearcher', 'beam_width'): _SEARCHER,
    ('SegmentSearcher', 'max_combinations'): _SEARCHER,
}
_OPENED = {'[': list, '(': tuple, '{': dict}  # types of Python literals, by their first character


def read_options(texts: Iterable[str] | None, option: str = '--cfg-options') -> dict[str, Any] | None:
    """Read options ``KEY=VALUE`` of a command line, also those that mmengine's ``DictAction`` misreads.

    A value keeps its spaces. A value in quotes also keeps its commas. A value in brackets or braces may be a Python
    literal, such as a list of dicts or of texts with commas. All other values are read as mmengine does: ``1,2`` and
    ``[a,b]`` are lists of numbers or texts.

    Args:
        texts (Iterable[str], optional): The options.
        option: Name of the argument that they belong to, for the error.

    Returns:
        dict | None: Values by key; ``None`` if ``texts`` is ``None``.

    Raises:
        InputError: An option has no ``=``, has an unclosed bracket, or contains ``dict(...)``.
    """
    if texts is None:
        return None
    options = {}
    for text in texts:
        key, equals, value = text.partition('=')
        try:
            if not equals:
                raise ValueError(text)
            options[key] = _parse_value(value)
        except ValueError:
            expected = "KEY=VALUE; write a list of dicts as KEY=[{'a':1},{'a':2}]"
            raise InputError(expected, field=option, found=text) from None
    return options


def _parse_value(text):
    """Convert the text of one value; ValueError if it contains ``dict(...)`` or a bracket that is not closed."""
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in '\'"' and text[0] not in text[1:-1]
    if not is_quoted and (text.startswith('dict(') or (text[:1] in _OPENED and re.search(r'\bdict\(', text))):
        raise ValueError(text)
    text = text[1:-1] if is_quoted else text
    is_template = re.fullmatch(r'\{\w*\}[^,]+', text)  # {name}/file: a text with a place to fill in later
    if (text[:1] not in _OPENED or is_template) and (is_quoted or ',' not in text):
        return DictAction._parse_int_float_bool(text)
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        literal = ast.literal_eval(text)
        if isinstance(literal, _OPENED.get(text[0], ())):
            return literal
    if text[0] in _OPENED and '{' in text:  # a dict, or a list of dicts, that Python cannot read
        raise ValueError(text)
    # A list in mmengine's form, such as 1,2 or [a,b]: texts in it need no quotes.
    in_brackets = text[0] in '[(' and text[-1] in ')]'
    parts = [part for part in _split(text[1:-1] if in_brackets else text) if part.strip()]
    if parts == [text]:  # no list but a name, such as "[new] data" or "f(a,b)"
        return text
    values = [_parse_value(part) for part in parts]
    return tuple(values) if in_brackets and text[0] == '(' else values


def _split(text):
    """Split a text at the commas outside of brackets; ValueError if a bracket is not closed."""
    parts, depth = [''], 0
    for char in text:
        depth += (char in '([') - (char in ')]')
        if depth < 0:
            break
        if char == ',' and not depth:
            parts.append('')
        else:
            parts[-1] += char
    if depth:
        raise ValueError(text)
    return parts


def read_config(path: str | os.PathLike) -> Config:
    """Read a config file. Errors in code that the config runs or imports keep their type and traceback.

    Raises:
        InputError: The file or one of its bases is missing, or is not valid Python.
    """
    regular_file(path, 'a config file')
    try:
        return Config.fromfile(path)
    except Exception:  # mmengine does not name the file that cannot be parsed
        _check_files(str(path))
        raise


def _check_files(path):
    """Raise an InputError for the first file, of a config and its bases, that is missing or cannot be parsed."""
    if not path.endswith('.py'):
        return
    text = read_text(path, utf16=False)  # Python does not read UTF-16
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise InputError('valid Python', file=f'{path}:{error.lineno}', found=error.msg) from None
    except ValueError as error:  # null bytes
        raise InputError('valid Python', file=path, found=str(error)) from None
    for name in Config._get_base_files(path):
        base, _ = Config._get_cfg_path(name, path)
        if not os.path.isfile(base):
            raise InputError('a config file', file=_place(path, '_base_'), field='_base_', found=name)
        _check_files(base)


@contextlib.contextmanager
def naming_types(file: str | os.PathLike | None = None) -> Iterator[None]:
    """Turn errors about names in a config into InputErrors that say what to write instead.

    The KeyError of mmengine for an unknown ``type`` becomes an InputError that names similar types. The TypeError of
    Python for an argument of an older version, renamed or dropped since, becomes an InputError that says what replaces
    the argument. This is a context manager, and a decorator.

    Args:
        file: The config, for the error.

    Raises:
        InputError: A ``type`` is in no registry, or an argument is of an older version. Every other error stays as it
            is.
    """
    try:
        yield
    except KeyError as error:
        unknown = _UNKNOWN_TYPE.match(str(error.args[0])) if error.args else None
        if unknown is None:
            raise
        name, of = unknown.groups()  # `of`: name of a registry of mmaction2, whose parent is a registry of mmengine
        registries = [entry for entry in vars(mmaction.registry).values() if getattr(entry, 'name', None) == of]
        registries += [registry.parent for registry in registries if registry.parent is not None]
        known = {key for registry in registries for key in registry.module_dict}
        near = difflib.get_close_matches(name, known, n=_NEAR)
        hint = f', such as {", ".join(near)}' if near else '; is the module that registers it in custom_imports?'
        place = file and _place(file, name)
        raise InputError(f'a name in the registry {of!r}{hint}', file=place, field='type', found=name) from error
    except TypeError as error:
        unknown = _UNKNOWN_ARGUMENT.search(str(error))
        successor = _REPLACED.get(unknown.groups()) if unknown else None
        if successor is None:
            raise
        owner, name = unknown.groups()
        raise InputError(successor, file=file and _place(file, name), field=owner, found=name) from error


def _place(file, word):
    """Return ``file:line`` of the first line with a word; only ``file`` if the word is in a base config instead."""
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if re.search(rf'\b{re.escape(word)}\b', line):
            return f'{file}:{number}'
    return str(file)


def merge_options(config: Config, options: dict | None) -> None:
    """Merge ``--cfg-options`` into a config; a new ``data_root`` replaces the old one in every path.

    mmengine would change the top-level key alone, since paths that the config builds from it have become plain strings.

    Args:
        config: Changed in place.
        options: Values by dotted key. They take precedence over paths that ``data_root`` changes.
    """
    move_data_root(config, options)
    config.merge_from_dict(options or {})


def move_data_root(config: Config, options: dict | None) -> None:
    """Replace the folder ``data_root`` in every string of a config, at any depth, that is this folder or a path in it.

    Args:
        config: Config, changed in place. The old folder is the ``data_root`` at the top level, else the ``data_root``
            that all datasets share. If there is none, nothing changes.
        options: Options whose ``data_root`` is the new folder, if it is a string.

    Raises:
        InputError: There is no ``data_root`` at the top level, and the datasets have several.
    """
    old, new = config.get('data_root'), (options or {}).get('data_root')
    if 'data_root' not in config and isinstance(new, str):
        roots = sorted(_data_roots(config._cfg_dict))
        if len(roots) > 1:
            raise InputError('one data_root in the config', field='data_root', found=', '.join(roots))
        old = roots[0] if roots else None
    if isinstance(old, str) and isinstance(new, str):
        _move(config._cfg_dict, old.rstrip('/'), (new or '.').rstrip('/'))


def _data_roots(node):
    """Collect all values of ``data_root`` in a config, at any depth."""
    if not isinstance(node, (dict, list, tuple)):
        return set()
    items = list(dict.items(node)) if isinstance(node, dict) else list(enumerate(node))
    own = {value for key, value in items if key == 'data_root' and isinstance(value, str)}
    return own.union(*(_data_roots(value) for _, value in items))


def _move(node, old, new):
    """Replace the leading folder ``old`` by ``new`` in all strings of ``node``; return it. Dicts change in place."""
    if isinstance(node, (list, tuple)):
        return type(node)(_move(value, old, new) for value in node)
    if isinstance(node, dict):
        for key, value in dict.items(node):  # ConfigDict.items would import and build the objects of a lazy config
            dict.__setitem__(node, key, _move(value, old, new))
    if isinstance(node, str) and old and f'{node}/'.startswith(f'{old}/'):
        return new + node[len(old) :] or '/'
    return node
