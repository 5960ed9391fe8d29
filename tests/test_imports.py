"""Imports go in one direction: structures <- datasets | models | evaluation | visualization <- engine <- apis."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fsptal_mm

PACKAGE = Path(fsptal_mm.__file__).parent
# What a part may import of the package besides itself.
MAY_IMPORT = {
    'utils': set(),
    'compat': {'utils'},
    'structures': {'utils'},
    'datasets': {'utils', 'structures'},
    'models': {'utils', 'structures'},
    'evaluation': {'utils', 'structures'},
    'visualization': {'utils', 'structures'},
    'engine': {'utils', 'structures', 'evaluation', 'models', 'visualization'},
    'apis': {'utils', 'structures', 'datasets', 'models', 'evaluation', 'visualization', 'engine'},
    'report': {'utils', 'structures', 'evaluation', 'visualization', 'apis'},
    'annotator': {'utils', 'datasets', 'evaluation', 'visualization'},
    '__init__': {'compat', 'datasets', 'engine', 'evaluation', 'models'},
}


def imported_parts(path):
    """Parts of the package that a file imports, wherever in the file."""
    depth = len(path.relative_to(PACKAGE).parts) - 1
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split('.') for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split('.') if node.module else []
            if node.level:  # relative: climb from the file's own folder
                base = ['fsptal_mm', *path.relative_to(PACKAGE).parts[: depth - node.level + 1]]
                module = base + module
            names = [[*module, alias.name] for alias in node.names]
        else:
            continue
        yield from (name[1] for name in names if name[0] == 'fsptal_mm' and len(name) > 1)


def test_imports_go_one_way():
    for path in PACKAGE.rglob('*.py'):
        part = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
        bad = set(imported_parts(path)) - MAY_IMPORT[part] - {part, '__version__'}
        assert not bad, f'{path}: {part} must not import {bad}'


def test_the_check_sees_imports_of_every_form(tmp_path, monkeypatch):
    monkeypatch.setattr('test_imports.PACKAGE', tmp_path)
    (tmp_path / 'models/heads').mkdir(parents=True)
    path = tmp_path / 'models/heads/x.py'
    path.write_text(
        'import fsptal_mm.datasets\nfrom fsptal_mm import engine\nfrom ...evaluation import y\nfrom ..losses import z\n'
    )
    assert sorted(imported_parts(path)) == ['datasets', 'engine', 'evaluation', 'models']


@pytest.mark.processes
def test_what_draws_is_imported_at_its_first_use():
    code = (
        'import sys, fsptal_mm.apis, fsptal_mm.annotator, fsptal_mm.report\n'
        "assert 'matplotlib' not in sys.modules, 'it takes longer than all else that is imported here'\n"
        'from fsptal_mm import visualization\n'
        'drawn = [getattr(visualization, name) for name in visualization.__all__]\n'
        "assert 'matplotlib' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
