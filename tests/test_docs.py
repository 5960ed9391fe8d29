"""The documentation's pages: what is built from them, and the code that stands in them."""

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

import fsptal_mm
from fsptal_mm.datasets.feature_settings import keep_settings
from fsptal_mm.models import SnippetScores
from fsptal_mm.structures import NO_INSTANCE, PointTargets
from fsptal_mm.utils.writing import write_json

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / 'docs').rglob('*.md'))
MAX_IMAGE_KB = 150


class Page(HTMLParser):
    """Files that a browser fetches to show a page."""

    def __init__(self, text):
        super().__init__()
        self.fetched = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ('script', 'img', 'iframe', 'source', 'video'):
            self.fetched.add(attrs.get('src'))
        elif tag == 'link' and attrs.get('rel') != 'canonical':
            self.fetched.add(attrs.get('href'))


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Folder of the built pages. A link or a reference that leads nowhere is an error."""
    pytest.importorskip('sphinx', reason='Sphinx is not installed: the docs extra')
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', 'docs', str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def public_names():
    """Everything that a package names in its ``__all__``, by its full name; packages themselves are left out."""
    names = {}
    for module in pkgutil.walk_packages(fsptal_mm.__path__, 'fsptal_mm.'):
        if module.ispkg:
            package = importlib.import_module(module.name)
            names |= {f'{module.name}.{name}': getattr(package, name) for name in getattr(package, '__all__', ())}
    return names


@pytest.fixture(scope='module')
def described(site):
    """Full names that the API pages describe, by their kind."""
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / 'objects.inv').read_bytes(), uri='').data
    return {kind: set(names) for kind, names in inventory.items() if kind.startswith('py:')}


@pytest.mark.processes
def test_every_public_name_is_described(described):
    all_described, missing = set().union(*described.values()), []
    for full_name, item in public_names().items():
        # A name that a package hands on from a package beneath it is described there. Both know where it is defined.
        defined_as = f'{getattr(item, "__module__", None)}.{getattr(item, "__qualname__", None)}'
        if not {full_name, defined_as} & all_described:
            missing.append(full_name)
    assert missing == []


@pytest.mark.processes
def test_described_constants_exist(described):  # pages name these by hand, since they have no docstrings
    assert described['py:data']
    assert all(pkgutil.resolve_name(name) is not None for name in described['py:data'])


@pytest.mark.processes
def test_pages_fetch_nothing_from_elsewhere(site):
    fetched = set().union(*(Page(path.read_text()).fetched for path in site.rglob('*.html'))) - {None}
    assert fetched
    assert not [url for url in fetched if re.match(r'(\w+:)?//', url)]
    styles = '\n'.join(path.read_text() for path in site.rglob('*.css'))
    assert not re.findall(r'(?:url\(|@import )["\']?(?:\w+:)?//[^)]*', styles)


def named_in_pages():
    """Names such as ``fsptal_mm.models.PointTAL`` that the hand-written pages use."""
    texts = [page.read_text() for page in [*PAGES, ROOT / 'README.md']]
    return sorted({name for text in texts for name in re.findall(r'\bfsptal_mm(?:\.[A-Za-z_]\w*)+', text)})


@pytest.mark.parametrize('name', named_in_pages())
def test_names_in_pages_exist(name):
    assert pkgutil.resolve_name(name) is not None


def test_pictures_are_small_and_shown():
    shown = {
        Path(name).name
        for page in [*PAGES, ROOT / 'README.md']
        for name in re.findall(r'!\[.*?\]\((.*?)\)', page.read_text())
    }
    files = list((ROOT / 'docs/images').iterdir())
    assert {file.name for file in files} == shown
    assert all(file.stat().st_size < MAX_IMAGE_KB * 1000 for file in files)


def code_block(page, title):
    """The block of code of that title."""
    (code,) = re.findall(rf'```python title="{re.escape(title)}"\n(.*?)```', (ROOT / page).read_text(), re.DOTALL)
    return code


@pytest.fixture
def smooth_head(tmp_path, monkeypatch):
    """The head of "Add a method", registered while a test runs."""
    (tmp_path / 'smooth_head.py').write_text(code_block('docs/guides/adding_a_method.md', 'smooth_head.py'))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module('smooth_head')
    yield module
    MODELS._module_dict.pop('SmoothHead')
    sys.modules.pop('smooth_head')


def test_the_head_of_the_guide_adds_its_loss(smooth_head):
    head = smooth_head.SmoothHead(num_classes=1, in_channels=4, smooth_weight=0.5)
    classes = torch.tensor([[0.2, 0.6, 0.6], [0.5, 0.9, 0.1]])[..., None]  # the second video has one snippet
    scores = SnippetScores(classes, torch.zeros(2, 3), classes)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    instances = torch.full((2, 3, 1), NO_INSTANCE, dtype=torch.int32)
    targets = PointTargets(instances, torch.zeros(2, 3, dtype=torch.bool), torch.ones(2, 1), mask)
    losses = head.loss_by_feat(scores, targets)
    # Changes of .4 and 0 in the first video, none in the second: 0.5 * ((.16 + 0) / 2 + 0) / 2.
    assert float(losses['loss_smooth']) == pytest.approx(0.02)
    assert {'loss_background', 'loss_point_action', 'loss_point_background'} < set(losses)


def write_config(folder, page, title):
    """A config of a guide, where its relative paths lead to ours."""
    path = folder / title
    path.write_text(code_block(page, title).replace("'../", f"'{ROOT}/configs/"))
    return path


def test_the_config_of_the_guide_builds_the_head(smooth_head, tmp_path):
    config = Config.fromfile(write_config(tmp_path, 'docs/guides/adding_a_method.md', 'smooth_synthetic.py'))
    assert config.model.head.num_classes == 10
    model = MODELS.build(config.model)
    assert isinstance(model.head, smooth_head.SmoothHead)
    assert model.head.smooth_weight == 0.1


@pytest.mark.slow
def test_the_config_for_own_videos_trains(tmp_path):
    rng = np.random.default_rng(0)
    videos, folder = {}, tmp_path / 'data/mine/features'
    keep_settings(folder, dict(grid=dict(fps=25, snippet_frames=16)))
    for index in range(8):
        np.save(folder / f'v{index}.npy', rng.random((20, 2048), dtype=np.float32))
        points = [dict(time_sec=3.0 + index % 2, label='jump'), dict(time_sec=9.0, label='throw')]
        videos[f'v{index}'] = dict(subset='train', duration_sec=12.8, points=points)
    content = dict(format='fsptal_mm', version=1, classes=['jump', 'throw'], videos=videos)
    write_json(tmp_path / 'data/mine/annotations.json', content)
    config = write_config(tmp_path, 'docs/guides/own_data.md', 'fsptal_mine.py')
    options = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1']
    loaders = [
        f'{part}_dataloader.{name}'
        for part in ('train', 'val')
        for name in ('num_workers=0', 'persistent_workers=False')
    ]
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config), '--cfg-options', *options, *loaders]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'Epoch\(val\) \[1\]\[2/2\] +point/mAP: ', done.stdout + done.stderr)  # 2 of 8 are held out
    assert json.loads((tmp_path / 'data/mine/annotations.json').read_text()) == content


def commands():
    """Every command of the pages that calls a script of ours: page, script, arguments."""
    for page in [*PAGES, ROOT / 'README.md', *ROOT.glob('configs/*/README.md')]:
        for block in re.findall(r'```bash\n(.*?)```', page.read_text(), re.DOTALL):
            for line in block.replace('\\\n', ' ').splitlines():
                script = re.search(r'(?:^|\s)(tools/[\w/]+\.(?:py|sh))\b(.*)', line.partition(' #')[0])
                if script:
                    yield pytest.param(*script.groups(), id=f'{page.relative_to(ROOT)}: {script[1]}')


@pytest.mark.parametrize('script, arguments', list(commands()))
def test_commands_name_scripts_and_options_that_exist(script, arguments):
    text = (ROOT / script).read_text()
    shared = [(ROOT / script).with_name(f'{name}.py') for name in re.findall(r'^from (\w+) import', text, re.MULTILINE)]
    text += ''.join(path.read_text() for path in shared if path.is_file())
    options = re.findall(r'\s(--[a-z][\w-]*|-o)\b', arguments)
    if script in ('tools/train.py', 'tools/test.py'):  # mmaction2's own command line
        assert set(options) <= {'--amp', '--resume', '--seed', '--cfg-options', '--work-dir'}
    else:
        assert [option for option in options if f"'{option}'" not in text] == []
