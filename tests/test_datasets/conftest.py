"""Fixtures that several tests of annotations share."""

import json

import pytest

from fsptal_mm.datasets.annotations import cleaning
from fsptal_mm.datasets.annotations.records import load_annotations

DATABASE = {
    'a': {'subset': 'Validation', 'duration': 20.0, 'fps': 10, 'annotations': [{'label': 'Run', 'segment': [1, 5]}]},
    'b': {'subset': 'Validation', 'duration': 30.0, 'fps': 20, 'annotations': [{'label': 'Hop', 'segment': [2, 3]}]},
    'c': {'subset': 'Test', 'duration': 40.0, 'fps': 25, 'annotations': [{'label': 'Run', 'segment': [4, 9]}]},
}


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's folder: text, bytes, or what becomes JSON."""

    def write(name, content):
        content = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


@pytest.fixture
def warnings(monkeypatch):
    """Messages of all the warnings that reading gives."""
    messages = []
    monkeypatch.setattr(cleaning, 'print_log', lambda message, **kwargs: messages.append(message))
    return messages


@pytest.fixture
def load(write, warnings):
    """Function that writes the values of file arguments (text, or data for JSON) to files, and loads these files."""

    def to_file(name, content):
        if not isinstance(content, (str, dict)):
            return content
        suffix = '.json' if isinstance(content, dict) else '.csv' if content.startswith('class,') else '.txt'
        return write(name + suffix, content)

    def load(database=DATABASE, **kwargs):
        if database is not None and 'format' not in database:
            database = {'database': database}
        for name, content in kwargs.items():
            if name == 'point_file' and isinstance(content, list):
                kwargs[name] = [to_file(f'points{number}', part) for number, part in enumerate(content)]
            elif name.endswith('_file') or name == 'classes':
                kwargs[name] = to_file(name, content)
        return load_annotations(to_file('gt', database), **kwargs)

    return load
