"""What the README, the guides and the pages of the configs say, as far as a program can check it."""

import json
import re
from pathlib import Path

import pytest
from markdown_tables import rows
from mmaction.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, PARAM_SCHEDULERS, TASK_UTILS, TRANSFORMS

from fsptal_mm.datasets.annotations.records import load_annotations

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / 'README.md', *ROOT.glob('docs/**/*.md'), *ROOT.glob('configs/*/README.md')]
}
ALL_TEXT = '\n'.join(PAGES.values())
REGISTRIES = (MODELS, DATASETS, METRICS, TRANSFORMS, TASK_UTILS, HOOKS, LOOPS, PARAM_SCHEDULERS)
DATA_NAMES = {
    '50 Salads, accelerometers': 'acc_50salads',
    'GTEA, SpatialCNN': 'spatialcnn_gtea',
    'THUMOS-shaped': 'thumos14shaped',
    'embedded': 'synthetic',
}


@pytest.mark.parametrize(
    'path', sorted(set(re.findall(r'(?<![\w/])(?:configs|tools|tests|fsptal_mm)/[\w/.-]*\w(?:/|\.\w+)', ALL_TEXT)))
)
def test_paths_exist(path):
    assert (ROOT / path).exists() or path.startswith('configs/mine/')  # files that guides tell their reader to write


def anchors(path):
    """Anchors of the headings of a page, as GitHub and Sphinx make them."""
    titles = re.findall(r'^#+ (.+)', path.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)]+)\)', PAGES[page]):
        if not link.startswith('http'):
            name, _, anchor = link.partition('#')
            file = (ROOT / page).parent / name if name else ROOT / page
            assert file.exists(), link
            assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize('page', [page for page in PAGES if page.startswith('configs/')])
def test_configs_that_a_page_lists_exist(page):
    names = re.findall(r'`([\w-]+\.py)`', PAGES[page])
    assert names
    assert [name for name in names if not (ROOT / page).with_name(name).is_file()] == []


def test_make_targets_exist():
    targets = set(re.findall(r'(?:^|`)make ([\w-]+)', ALL_TEXT, re.MULTILINE))
    assert {'demo', 'test', 'docs', 'pictures'} <= targets
    rules = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    assert targets <= rules


def test_the_two_commands_stand_first():
    first = re.search(r'```bash\n(.*?)```', README, re.DOTALL)[1]
    assert re.findall(r'^make (\w+)', first, re.MULTILINE) == ['demo', 'test']


def test_results_are_those_of_the_benchmarks():
    found = rows(PAGES['docs/guides/benchmarks.md'])
    (column,) = {row.index('mAP@0.1-0.7') for row in found if row[:2] == ['data', 'row']}
    of_guide = {tuple(row[:2]): row[column] for row in reversed(found) if len(row) > column}  # the first of each
    table = [row for row in rows(README) if row[0] in DATA_NAMES]
    assert len(table) == len(DATA_NAMES)
    methods = ('FS-PTAL refined', 'FS-PTAL tuned', "FS-PTAL (paper's form)", 'LACP', 'base', 'MIL')
    for data, *figures in table:
        assert figures == [of_guide[DATA_NAMES[data], method] for method in methods]


@pytest.mark.parametrize('name', sorted(set(re.findall(r"type='([A-Z]\w+)'", ALL_TEXT)) - {'SmoothHead'}))
def test_named_types_are_registered(name):
    assert any(registry.get(name) for registry in REGISTRIES)


def test_the_example_annotation_is_read(tmp_path):
    (example,) = re.findall(r'```json\n(.*?)```', PAGES['docs/guides/own_data.md'], re.DOTALL)
    (tmp_path / 'ann.json').write_text(json.dumps(json.loads(example)))
    annotations = load_annotations(tmp_path / 'ann.json')
    assert annotations.videos['my_video'].point_sec.tolist() == [12.4]
    assert annotations.videos['my_video'].segments_sec.tolist() == [[11.0, 14.2]]


def test_extras_exist():
    extras = set(re.findall(r"\.\[(\w+)\]'", ALL_TEXT))
    text = (ROOT / 'pyproject.toml').read_text()
    assert extras
    assert all(re.search(rf'^{extra} = \[', text, re.MULTILINE) for extra in extras)
