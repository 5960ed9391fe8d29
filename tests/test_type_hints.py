"""Type hints of the public functions and classes, so that py.typed is true."""

import ast
import importlib
import inspect
import typing
from pathlib import Path

import pytest

import fsptal_mm

PACKAGE = Path(fsptal_mm.__file__).parent
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob('*.py'))}


def public_functions(text):
    """Public functions of a module, public methods and constructors of its public classes."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
            yield from (member for member in node.body if isinstance(member, ast.FunctionDef) and is_public(member))
        elif isinstance(node, ast.FunctionDef) and is_public(node):
            yield node


def is_public(function):
    return function.name in ('__init__', '__call__') or not function.name.startswith('_')


def missing_hints(function):
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    bare = [arg.arg for arg in every if arg is not None and arg.annotation is None]
    return [name for name in bare if name not in ('self', 'cls')] + ['return'] * (function.returns is None)


@pytest.mark.parametrize('name', FILES)
def test_public_functions_carry_hints_that_can_be_resolved(name):
    functions = list(public_functions(FILES[name].read_text()))
    assert {function.name: missing_hints(function) for function in functions if missing_hints(function)} == {}
    parts = Path('fsptal_mm', name).with_suffix('').parts
    module = importlib.import_module('.'.join(part for part in parts if part != '__init__'))
    for value in [value for value in vars(module).values() if getattr(value, '__module__', None) == module.__name__]:
        members = vars(value).values() if inspect.isclass(value) else [value]
        members = [getattr(member, 'fget', None) or getattr(member, '__func__', member) for member in members]
        for member in filter(inspect.isfunction, members):
            typing.get_type_hints(member)


def test_functions_without_hints_are_found():
    text = 'class A:\n def b(self, x: int, *y: int) -> None: ...\n def c(self, x, *, y: int): ...\n def _d(x): ...\n'
    assert [missing_hints(function) for function in public_functions(text)] == [[], ['x', 'return']]
