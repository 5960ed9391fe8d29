"""The pages of the documentation: the built site, and the code in the pages."""

import importlib
import itertools
import math
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
from plain_files import plain_video, write_plain

import fsptal_mm
from fsptal_mm.datasets.feature_settings import keep_settings
from fsptal_mm.datasets.folds import Fold
from fsptal_mm.models import SnippetScores
from fsptal_mm.structures import NO_INSTANCE, PointTargets

ROOT = Path(__file__).parents[1]


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
    for module in pkgutil.walk_packages(fsptal_mm.__path__, 'fsptal_mm.'):
        if module.ispkg:
            package = importlib.import_module(module.name)
            for name in getattr(package, '__all__', ()):
                yield f'{module.name}.{name}', getattr(package, name)


@pytest.mark.processes
def test_every_public_name_is_described(site):
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / 'objects.inv').read_bytes(), uri='').data
    described = {name for kind, names in inventory.items() if kind.startswith('py:') for name in names}
    for full_name, item in public_names():
        # A package may re-export a name of a subpackage, whose page then describes it. So the place of the definition
        # counts, too.
        defined_as = f'{getattr(item, "__module__", None)}.{getattr(item, "__qualname__", None)}'
        assert {full_name, defined_as} & described, full_name
    assert inventory['py:data']  # pages name these by hand, since they have no docstrings
    assert all(pkgutil.resolve_name(name) is not None for name in inventory['py:data'])


@pytest.mark.processes
def test_pages_fetch_nothing_from_elsewhere(site):
    fetched = set().union(*(Page(path.read_text()).fetched for path in site.rglob('*.html'))) - {None}
    assert fetched
    assert not [url for url in fetched if re.match(r'(\w+:)?//', url)]
    styles = '\n'.join(path.read_text() for path in site.rglob('*.css'))
    assert not re.findall(r'(?:url\(|@import )["\']?(?:\w+:)?//[^)]*', styles)


def code_block(page, title):
    """The block of code of that title."""
    (code,) = re.findall(rf'```python title="{re.escape(title)}"\n(.*?)```', (ROOT / page).read_text(), re.DOTALL)
    return code


def write_config(folder, page, title):
    """A config of a guide, where its relative paths lead to ours."""
    path = folder / title
    path.write_text(code_block(page, title).replace("'../", f"'{ROOT}/configs/"))
    return path


@pytest.fixture
def smooth_head(tmp_path, monkeypatch):
    """The head of "Add a method", registered while a test runs."""
    (tmp_path / 'smooth_head.py').write_text(code_block('docs/guides/adding_a_method.md', 'smooth_head.py'))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module('smooth_head')
    yield module
    MODELS._module_dict.pop('SmoothHead')
    sys.modules.pop('smooth_head')


def test_the_head_of_the_guide_adds_its_loss(smooth_head, tmp_path):
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
    config = Config.fromfile(write_config(tmp_path, 'docs/guides/adding_a_method.md', 'smooth_synthetic.py'))
    assert config.model.head.num_classes == 10
    built = MODELS.build(config.model).head
    assert isinstance(built, smooth_head.SmoothHead)
    assert built.smooth_weight == 0.1


@pytest.mark.parametrize('num_videos', [2, 3, 10, 11, 40, 1000])
def test_the_config_for_own_videos_reaches_its_steps(num_videos, tmp_path):
    path = write_config(tmp_path, 'docs/guides/own_data.md', 'fsptal_mine.py')
    text, count = re.subn(r'(?m)^num_videos = \d+', f'num_videos = {num_videos}', path.read_text())
    assert count == 1
    path.write_text(text)
    config = Config.fromfile(path)
    fold = Fold.from_config(config.train_dataloader.dataset.fold)
    trained_on = fold.select([f'v{index}' for index in range(num_videos)])
    assert len(trained_on) == num_videos - math.ceil(num_videos / 4)
    steps = math.ceil(len(trained_on) / config.train_dataloader.batch_size)
    mining, second = config.custom_hooks
    assert mining.end == second.begin == config.param_scheduler[0].begin
    assert second.begin * steps >= 600
    assert (config.train_cfg.max_epochs - second.begin) * steps >= 200
    assert config.param_scheduler[0].end == config.param_scheduler[1].begin < config.train_cfg.max_epochs
    assert config.param_scheduler[1].end == config.train_cfg.max_epochs
    assert second.begin * steps <= 2000, 'no longer than needed'


def test_commands_about_models_read_what_commands_above_have_made():
    """The shell prints the commands, loops included; ``cat`` prints the name of its file instead of what it holds."""
    page = (ROOT / 'docs/guides/diagnosis.md').read_text()
    blocks = '\n'.join(re.findall(r'```bash\n(.*?)```', page, re.DOTALL))
    script = 'python() { (IFS=$\'\\t\'; echo "$*"); }\ncat() { echo "$1"; }\n' + blocks
    printed = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True).stdout
    trained, tested, count = {}, set(), 0
    for tool, *arguments in (line.split('\t') for line in printed.splitlines()):
        outputs = {after for option, after in itertools.pairwise(arguments) if option in ('-o', '--out', '--work-dir')}
        for path in (Path(text) for text in arguments if text.startswith('work_dirs/') and text not in outputs):
            run = path if len(path.parts) == 2 else path.parent
            assert run in trained, f'{tool} reads {path}'
            assert path.suffix != '.pth' or path.name == f'epoch_{trained[run].train_cfg.max_epochs}.pth'
            assert run in tested or not (path.name == 'results.json' or tool.endswith('report.py')), f'{tool}: {path}'
            count += 1
        config = ROOT / arguments[0]
        work_dir = next(map(Path, outputs), Path('work_dirs', config.stem))
        if tool == 'tools/train.py':
            trained[work_dir] = Config.fromfile(config)
            tested.discard(work_dir)  # the report calls results stale that are older than the checkpoint
        elif tool == 'tools/test.py':
            tested.add(work_dir)
    assert count > 15


@pytest.mark.slow
def test_the_config_for_own_videos_trains(tmp_path):
    rng = np.random.default_rng(0)
    videos, folder = {}, tmp_path / 'data/mine/features'
    keep_settings(folder, dict(grid=dict(fps=25, snippet_frames=16)))
    for index in range(8):
        np.save(folder / f'v{index}.npy', rng.random((20, 2048), dtype=np.float32))
        points = [(3.0 + index % 2, 'jump'), (9.0, 'throw')]
        videos[f'v{index}'] = plain_video(points=points, subset='train', duration_sec=12.8)
    ann_file = write_plain(tmp_path / 'data/mine/annotations.json', ['jump', 'throw'], videos)
    content = ann_file.read_text()
    config = write_config(tmp_path, 'docs/guides/own_data.md', 'fsptal_mine.py')
    options = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1']
    for part in ('train', 'val'):
        options += [f'{part}_dataloader.num_workers=0', f'{part}_dataloader.persistent_workers=False']
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config), '--cfg-options', *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'Epoch\(val\) \[1\]\[2/2\] +point/mAP: ', done.stdout + done.stderr)  # 2 of 8 videos are held out
    assert ann_file.read_text() == content
