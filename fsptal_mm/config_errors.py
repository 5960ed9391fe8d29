"""Mistakes in configs as an InputError with file and line, where mmengine ends in a traceback of its own."""

import contextlib
import difflib
import os
import re
import traceback
from pathlib import Path

from mmengine.config import Config
from mmengine.config import config as config_module
from mmengine.registry import build_functions
from mmengine.runner import Runner
from mmengine.utils import manager

from fsptal_mm.utils.errors import InputError

_READERS = ('fromfile', '_file2dict', '_parse_lazy_import')  # mmengine's; their argument ``filename`` is a config
_BUILDERS = (build_functions.__file__, manager.__file__)
# Functions of mmengine that take a value of the user as it is: how they fail at a wrong one, and what would be right.
_TAKERS = {
    'mkdir_or_exist': (OSError, 'a folder that can be made'),
    'set_random_seed': (ValueError, 'a seed from 0 to 4294967295'),
    'init_dist': (KeyError, 'the variables that this launcher sets'),
}
_NEAR = 3


@contextlib.contextmanager
def config_errors():
    """Let errors of reading a config in the block, and of building what it describes, say where the mistake is.

    These are: whatever goes wrong while a config is read (no such file, syntax, ``_base_``, ``custom_imports``, ...), a
    ``type`` that is not registered, an argument that it does not take or that is missing, a value that its constructor
    refuses, a missing field, and a work directory, seed or launcher that cannot be used. All other errors stay as they
    are.

    Raises:
        InputError: In place of such an error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a config is a program: it can fail in any way
        steps = list(traceback.walk_tb(error.__traceback__))
        found = _of_reading(error, steps) or _of_building(error, steps)
        if found is None:
            raise
        raise found from error


def _of_reading(error, steps):
    """The InputError if the traceback leads through the reader of configs."""
    readers = [at for at, (frame, _) in enumerate(steps) if _is_reader(frame)]
    if not readers:
        return None
    names = [os.path.normpath(steps[at][0].f_locals['filename']) for at in readers]
    file, below = names[-1], steps[readers[-1] + 1 :]
    parents = [name for name in names if os.path.abspath(name) != os.path.abspath(file)]
    if not os.path.isfile(file):
        is_folder = os.path.isdir(file)
        if not parents:
            return InputError('a config file', file=file, found='a folder' if is_folder else 'no such file')
        found = f'{file}, which {"is a folder" if is_folder else "does not exist"}'
        return InputError('a config file', file=_place(parents[-1], '_base_'), field='_base_', found=found)
    said = f'{type(error).__name__}: {error}'.splitlines()[0]
    lines = [line for frame, line in below if frame.f_code.co_filename in ('', os.path.abspath(file))]
    if isinstance(error, SyntaxError) and error.lineno and error.filename in ('<unknown>', os.path.abspath(file)):
        return InputError('Python', file=f'{file}:{error.lineno}', found=error.msg)
    if lines:  # it stands in the config itself; its _base_ is run without a name for the file
        return InputError('a config that can be run', file=f'{file}:{lines[-1]}', found=said)
    called = {frame.f_code.co_name for frame, _ in below}
    place, field = file, None
    if called & {'_get_base_files', '_get_cfg_path'} and file.endswith('.py'):
        place, field = _place(file, '_base_'), '_base_'
    if isinstance(error, ImportError) and error.__cause__ is not None:
        place, field = _place(file, 'custom_imports'), 'custom_imports'
        said = str(error.__cause__.__context__ or error.__cause__)
    elif 'import_modules_from_strings' in called:
        return None  # an error in somebody's module: its traceback says more
    return InputError('a config that can be read', file=place, field=field, found=said)


def _is_reader(frame):
    return frame.f_code.co_filename == config_module.__file__ and frame.f_code.co_name in _READERS


def _of_building(error, steps):
    """The InputError if a builder of mmengine, or a config that was asked for a field, raised the error itself."""
    last, file = steps[-1][0], _file_of_config(steps)
    if last.f_code.co_filename == config_module.__file__:
        return InputError('another config, or other options', file=file, found=f'{type(error).__name__}: {error}')
    argument = re.search(r"__init__\(\) (?:got an unexpected|missing \d+ required).*?'(\w+)'", str(error))
    if isinstance(error, TypeError) and argument and _is_of_constructor(steps):
        place = _place(file, argument[1])
        return InputError('the arguments that this type takes', file=place, field=argument[1], found=str(error))
    if isinstance(error, ValueError) and last.f_code.co_name == '__init__' and _is_of_constructor(steps):
        return InputError(f'values that {_class_of(last)} takes', file=file, found=str(error))
    if last.f_code.co_filename not in _BUILDERS:
        return _of_taker(error, steps)
    name, registry = last.f_locals.get('obj_type'), last.f_locals.get('registry')
    if not isinstance(name, str) or not isinstance(error, KeyError):
        return InputError('a dict with a type', file=file, found=f'{type(error).__name__}: {error}')
    near = difflib.get_close_matches(name, registry.module_dict, n=_NEAR)
    expected = f'a name in the registry {registry.name!r}'
    expected += f', such as {", ".join(near)}' if near else '; is the module that registers it in custom_imports?'
    return InputError(expected, file=_place(file, name), field='type', found=name)


def _class_of(frame):
    """Name of the class whose ``__init__`` runs in a frame, as far as its first argument still tells."""
    named = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return type(frame.f_locals[named[0]]).__name__ if named and named[0] in frame.f_locals else 'the type'


def _is_of_constructor(steps):
    """Whether the error is of arguments that a builder gave: constructors may have handed them on."""
    builders = [at for at, (frame, _) in enumerate(steps) if _is_builder(frame)]
    return bool(builders) and all(frame.f_code.co_name == '__init__' for frame, _ in steps[builders[-1] + 1 :])


def _is_builder(frame):
    return frame.f_code.co_filename in _BUILDERS or frame.f_code is Runner.build_dataloader.__code__


def _of_taker(error, steps):
    """The InputError if one of mmengine's functions could not use a value."""
    for frame, _ in steps:
        name = frame.f_code.co_name
        if frame.f_globals.get('__name__', '').startswith('mmengine.') and name in _TAKERS:
            kind, expected = _TAKERS[name]
            if isinstance(error, kind):
                return InputError(expected, found=f'{type(error).__name__}: {error}')
    return None


def _file_of_config(steps):
    """Path of the config that the functions of the traceback work on; the innermost one knows best."""
    for frame, _ in reversed(steps):
        for value in frame.f_locals.values():
            if isinstance(value, Config) and value.filename:
                return value.filename
    return None


def _place(file, word):
    """``file:line`` of the first line with a word; ``file`` if that is elsewhere (in a base, on the command line)."""
    if file is None or word is None:
        return file
    lines = Path(file).read_text(encoding='utf-8', errors='replace').splitlines()
    at = next((number for number, line in enumerate(lines, 1) if re.search(rf'\b{re.escape(word)}\b', line)), None)
    return file if at is None else f'{file}:{at}'
