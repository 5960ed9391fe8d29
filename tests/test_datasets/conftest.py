"""What several tests of annotations share."""

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
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding='utf-8', newline='')
        return path

    return write


@pytest.fixture
def warnings(monkeypatch):
    """Messages of all the warnings that reading gives."""
    messages = []
    monkeypatch.setattr(cleaning, 'print_log', lambda message, **kwargs: messages.append(message))
    return messages


@pytest.fixture
def load(write, warnings):
    """Write what is given for the file arguments (text or what becomes JSON) to files, then load."""

    def write_file(name, content):
        if not isinstance(content, (str, dict)):
            return content
        suffix = '.json' if isinstance(content, dict) else '.csv' if content.startswith('class,') else '.txt'
        return write(name + suffix, content)

    def load(database=DATABASE, **kwargs):

        if database is not None and 'format' not in database:
            database = {'database': database}
        points = kwargs.pop('point_file', None)
        if isinstance(points, list):
            points = [write_file(f'points{number}', content) for number, content in enumerate(points)]
        elif points is not None:
            points = write_file('points', points)
        files = {
            name: write_file(name, text) for name, text in kwargs.items() if name.endswith('_file') or name == 'classes'
        }
        return load_annotations(write_file('gt', database), point_file=points, **{**kwargs, **files})

    return load
