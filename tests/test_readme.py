"""What the README says, as far as a program can check it."""

import json
import re
from pathlib import Path

import pytest
from mmaction.registry import DATASETS, METRICS, MODELS, TASK_UTILS, TRANSFORMS

from fsptal_mm.datasets.annotations import load_annotations

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


@pytest.mark.parametrize(
    'path', sorted(set(re.findall(r'(?:configs|tools|tests|fsptal_mm)/[\w/.-]*\w(?:/|\.\w+)', README)))
)
def test_paths_exist(path):
    assert (ROOT / path).exists()


def test_links_to_files_lead_somewhere():
    links = [link for link in re.findall(r'\]\(([^)]+)\)', README) if not link.startswith('http')]
    assert links
    assert all((ROOT / link).exists() for link in links)


def test_make_targets_exist():
    targets = set(re.findall(r'^make (\w+)', README, re.MULTILINE))
    assert {'demo', 'test'} <= targets
    rules = set(re.findall(r'^(\w+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    assert targets <= rules


@pytest.mark.parametrize('name', sorted(set(re.findall(r"type='([A-Z]\w+)'", README))))
def test_named_types_are_registered(name):
    assert any(registry.get(name) for registry in (MODELS, DATASETS, METRICS, TRANSFORMS, TASK_UTILS))


def test_the_example_annotation_is_read(tmp_path):
    (example,) = re.findall(r'```json\n(.*?)```', README, re.DOTALL)
    (tmp_path / 'ann.json').write_text(json.dumps(json.loads(example)))
    annotations = load_annotations(tmp_path / 'ann.json')
    assert annotations.videos['my_video'].point_sec.tolist() == [12.4]
    assert annotations.videos['my_video'].segments_sec.tolist() == [[11.0, 14.2]]


def test_extras_exist():
    extras = set(re.findall(r"\.\[(\w+)\]'", README))
    text = (ROOT / 'pyproject.toml').read_text()
    assert extras
    assert all(re.search(rf'^{extra} = \[', text, re.MULTILINE) for extra in extras)
