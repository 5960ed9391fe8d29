"""Statements of the README, the guides and the pages of the configs, as far as a program can check them."""

import itertools
import json
import pkgutil
import re
import sys
from pathlib import Path

import mmaction
import pytest
from markdown_tables import rows
from mmaction.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, PARAM_SCHEDULERS, TASK_UTILS, TRANSFORMS

from fsptal_mm.apis.recognizer import load_recognizer
from fsptal_mm.datasets.annotations.records import load_annotations

ROOT = Path(__file__).parents[1]
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
MAX_IMAGE_KB = 150


def test_paths_and_names_exist():
    paths = set(re.findall(r'(?<![\w/])(?:configs|tools|tests|fsptal_mm)/[\w/.-]*\w(?:/|\.\w+)', ALL_TEXT))
    # configs/mine: files that guides tell their reader to write
    assert [path for path in paths if not (ROOT / path).exists() and not path.startswith('configs/mine/')] == []
    for name in set(re.findall(r'\bfsptal_mm(?:\.[A-Za-z_]\w*)+', ALL_TEXT)):
        assert pkgutil.resolve_name(name) is not None
    for name in set(re.findall(r"type='([A-Z]\w+)'", ALL_TEXT)) - {'SmoothHead'}:
        assert any(registry.get(name) for registry in REGISTRIES), name


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


def test_pictures_are_small_and_shown():
    shown = {Path(name).name for name in re.findall(r'!\[.*?\]\((.*?)\)', ALL_TEXT)}
    files = list((ROOT / 'docs/images').iterdir())
    assert {file.name for file in files} == shown
    assert all(file.stat().st_size < MAX_IMAGE_KB * 1000 for file in files)


@pytest.mark.parametrize('page', ['README.md', 'docs/guides/own_data.md'])
def test_readers_with_own_videos_see_what_they_will_get(page):
    shown = {Path(name).stem for name in re.findall(r'!\[.*?\]\((.*?)\)', PAGES[page])}
    assert {'annotator', 'report', 'annotated_video'} <= shown


def test_make_targets_and_extras_exist():
    targets = set(re.findall(r'(?:^|`)make ([\w-]+)', ALL_TEXT, re.MULTILINE))
    assert {'demo', 'test', 'docs', 'pictures'} <= targets
    assert targets <= set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    first = re.search(r'```bash\n(.*?)```', PAGES['README.md'], re.DOTALL)[1]
    assert re.findall(r'^make (\w+)', first, re.MULTILINE) == ['demo', 'test']
    extras = set(re.findall(r"\.\[(\w+)\]'", ALL_TEXT))
    assert extras
    assert extras <= set(re.findall(r'^(\w+) = \[', (ROOT / 'pyproject.toml').read_text(), re.MULTILINE))


def test_results_are_those_of_the_benchmarks():
    found = rows(PAGES['docs/guides/benchmarks.md'])
    (column,) = {row.index('mAP@0.1-0.7') for row in found if row[:2] == ['data', 'row']}
    # The first row of each pair counts.
    of_guide = {tuple(row[:2]): row[column] for row in reversed(found) if len(row) > column}
    table = [row for row in rows(PAGES['README.md']) if row[0] in DATA_NAMES]
    assert len(table) == len(DATA_NAMES)
    methods = ('FS-PTAL refined', 'FS-PTAL tuned', "FS-PTAL (paper's form)", 'LACP', 'base', 'MIL')
    for data, *figures in table:
        assert figures == [of_guide[DATA_NAMES[data], method] for method in methods]


def test_methods_have_the_figures_of_the_benchmarks():
    found = rows(PAGES['docs/guides/benchmarks.md'])
    (column,) = {row.index('mAP@0.1-0.7') for row in found if row[:2] == ['data', 'row']}
    of_guide = {tuple(row[:2]): row[column] for row in reversed(found) if len(row) > column}
    table = rows(PAGES['docs/guides/which_method.md'])
    (first,) = (index for index, row in enumerate(table) if row[:2] == ['method', '50 Salads'])
    names = {'base model': 'base', "FS-PTAL, paper's form": "FS-PTAL (paper's form)"}
    of_table = itertools.takewhile(lambda row: len(row) == len(table[first]), table[first + 2 :])
    for method, *figures, _published in of_table:
        for data, figure in zip(DATA_NAMES.values(), figures, strict=True):
            assert figure == of_guide.get((data, names.get(method, method)), '-'), (data, method)


def test_the_example_annotation_is_read(tmp_path):
    (example,) = re.findall(r'```json\n(.*?)```', PAGES['docs/guides/own_data.md'], re.DOTALL)
    (tmp_path / 'ann.json').write_text(json.dumps(json.loads(example)))
    annotations = load_annotations(tmp_path / 'ann.json')
    assert annotations.videos['my_video'].point_sec.tolist() == [12.4]
    assert annotations.videos['my_video'].segments_sec.tolist() == [[11.0, 14.2]]


def commands():
    """Every command of the pages that calls a script of ours: page, script, arguments."""
    for page, text in PAGES.items():
        for block in re.findall(r'```bash\n(.*?)```', text, re.DOTALL):
            for line in block.replace('\\\n', ' ').splitlines():
                script = re.search(r'(?:^|\s)(tools/[\w/]+\.(?:py|sh))\b(.*)', line.partition(' #')[0])
                if script:
                    yield page, *script.groups()


def test_the_checkpoint_that_the_guide_downloads_is_that_of_its_config():
    page = PAGES['docs/guides/own_data.md']
    (config,) = re.findall(r'^RECOGNIZER=\$MMACTION/(tsn/\S+)\.py$', page, re.MULTILINE)
    (address,) = re.findall(r'^curl -fLo tsn_r50.pth (\S+)$', page, re.MULTILINE)
    models = Path(mmaction.__path__[0], '.mim/configs/recognition/tsn/metafile.yml').read_text()
    assert f'- Name: {Path(config).name}\n' in models
    assert f'Weights: {address}\n' in models
    assert address.split('/')[-2] == Path(config).name


def test_the_guide_makes_a_checkpoint_of_random_weights(tmp_path, monkeypatch):
    page = PAGES['docs/guides/own_data.md']
    (code,) = re.findall(r"^python - \$RECOGNIZER tsn_r50.pth <<'END'\n(.*?)^END$", page, re.MULTILINE | re.DOTALL)
    (name,) = re.findall(r'^RECOGNIZER=\$MMACTION/(tsn/\S+)$', page, re.MULTILINE)
    config = Path(mmaction.__path__[0], '.mim/configs/recognition', name)
    monkeypatch.setattr(sys, 'argv', ['-', str(config), str(tmp_path / 'random.pth')])
    exec(code, {})
    load_recognizer(config, tmp_path / 'random.pth', 'cpu')  # raises if a weight is missing


def test_commands_name_scripts_and_options_that_exist():
    for page, script, arguments in commands():
        text = (ROOT / script).read_text()
        shared = re.findall(r'^from (\w+) import', text, re.MULTILINE)
        paths = [(ROOT / script).with_name(f'{name}.py') for name in shared]
        text += ''.join(path.read_text() for path in paths if path.is_file())
        if script in ('tools/train.py', 'tools/test.py'):  # mmaction2's own command line, and --quiet
            text += "'--amp' '--resume' '--seed' '--cfg-options' '--work-dir' '--quiet'"
        options = re.findall(r'\s(--[a-z][\w-]*|-o)\b', arguments)
        assert [option for option in options if f"'{option}'" not in text] == [], (page, script)
