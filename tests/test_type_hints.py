"""Type hints of the public functions and classes, so that py.typed is true."""

import functools
import importlib
import inspect
import pkgutil
import typing

import pytest

PACKAGES = tuple(
    f'fsptal_mm.{name}'
    for name in (
        *('annotator', 'apis', 'compat', 'datasets', 'engine', 'evaluation', 'models', 'report', 'structures', 'utils'),
        'visualization',
    )
)


def modules_of(package):
    """Names of a package and of all modules in it."""
    folders = importlib.import_module(package).__path__
    return [package, *(module.name for module in pkgutil.walk_packages(folders, f'{package}.'))]


MODULES = [name for package in PACKAGES for name in modules_of(package)]


def is_public(name):
    return not name.startswith('_')


def functions_of(module):
    """Public functions of a module, public methods and constructors of its public classes, by name."""
    for name, value in vars(module).items():
        if not is_public(name) or getattr(value, '__module__', None) != module.__name__:
            continue
        if inspect.isclass(value):
            for member, method in vars(value).items():
                if member in ('__init__', '__call__') or is_public(member):
                    yield from ((f'{name}.{member}', function) for function in unwrapped(method))
        elif inspect.isfunction(value):
            yield name, inspect.unwrap(value)


def unwrapped(method):
    """The plain functions behind a method or a property."""
    if isinstance(method, (staticmethod, classmethod)):
        method = method.__func__
    if isinstance(method, functools.cached_property):
        method = method.func
    parts = (method.fget, method.fset) if isinstance(method, property) else (method,)
    return [inspect.unwrap(part) for part in parts if inspect.isfunction(part)]


def missing_hints(function):
    signature = inspect.signature(function)
    found = [
        name
        for place, (name, parameter) in enumerate(signature.parameters.items())
        if parameter.annotation is parameter.empty and not (place == 0 and name in ('self', 'cls'))
    ]
    return found + ['return'] * (signature.return_annotation is signature.empty)


@pytest.mark.parametrize('name', MODULES)
def test_public_functions_carry_hints(name):
    missing = {
        function_name: hints
        for function_name, function in functions_of(importlib.import_module(name))
        if (hints := missing_hints(function))
    }
    assert missing == {}


@pytest.mark.parametrize('name', MODULES)
def test_hints_can_be_resolved(name):
    for _, function in functions_of(importlib.import_module(name)):
        typing.get_type_hints(function)


def test_functions_without_hints_are_found():
    def hinted(first: int, *rest: int) -> None: ...

    def bare(first, *, second: int): ...

    assert missing_hints(hinted) == []
    assert missing_hints(bare) == ['first', 'return']
