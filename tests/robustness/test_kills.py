"""Programs that are killed at random moments leave no half-written file; restarted, they end as if never killed."""

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import Program, kill_at_random, leftovers
from tiny_recognizers import write_recognizer
from tiny_run import same_weights
from tiny_videos import write_video

from fsptal_mm.datasets.synthetic.generator import ensure_synthetic
from fsptal_mm.engine.resuming import find_latest_checkpoint
from fsptal_mm.utils.writing import write_json

ROOT = Path(__file__).parents[2]
EPOCHS = 4
CONFIG = f"""
_base_ = [{str(ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py')!r}]
data_root = DATA_ROOT
train_dataloader = dict(batch_size=4, dataset=dict(type='PointTALDataset', data_root=data_root))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(type='PointTALDataset', data_root=data_root)
)
val_dataloader = test_dataloader
model = dict(embedding=dict(out_channels=16), head=dict(in_channels=16))
train_cfg = dict(max_epochs={EPOCHS}, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2))
"""

pytestmark = [pytest.mark.kills]


@pytest.fixture(scope='module')
def material(tmp_path_factory):
    """A small dataset, a config that reads it, and the work directory of a whole run."""
    folder = tmp_path_factory.mktemp('material')
    root = ensure_synthetic(folder / 'set', train_videos=10, test_videos=10)
    (folder / 'config.py').write_text(CONFIG.replace('DATA_ROOT', repr(str(root))))
    train(folder, folder / 'whole').run_whole()
    return folder


def train(material, work_dir):
    arguments = [material / 'config.py', '--work-dir', work_dir, '--seed', 0, '--resume']
    return Program(ROOT / 'tools/train.py', arguments, work_dir, work_dir.with_suffix('.log'))


@dataclass
class Case:
    """A program that writes into a folder, and that folder as a whole run leaves it."""

    program: Program
    whole: Path
    stays: tuple = ()  # names of files of an earlier run, which the program is to replace

    def fresh(self):
        shutil.rmtree(self.program.folder, ignore_errors=True)
        self.program.folder.mkdir()
        self.fill()

    def fill(self):
        for name in self.stays:
            (self.program.folder / name).write_text('of an earlier run')

    def same(self, name):
        return filecmp.cmp(self.program.folder / name, self.whole / name, shallow=False)

    def files(self, folder):
        return {path.relative_to(folder) for path in folder.rglob('*') if path.is_file() and path.name[0] != '.'}

    def check(self):
        for name in self.files(self.program.folder):
            path = self.program.folder / name
            earlier = str(name) in self.stays and path.read_text() == 'of an earlier run'
            assert earlier or self.same(name), name

    def finish(self):
        assert self.files(self.program.folder) == self.files(self.whole)
        for name in self.files(self.whole):
            assert self.same(name), name
        assert not leftovers(self.program.folder)


class GeneratesData(Case):
    """Case of a program that writes into a hidden folder first, which is gone in the end."""

    def check(self):
        if (self.program.folder / 'set').exists():
            self.finish()

    def finish(self):
        super().finish()
        assert {path.name for path in self.program.folder.iterdir()} == {'set', '.set.lock'}


class Training(Case):
    def check(self):
        folder = self.program.folder
        for path in folder.glob('*.pth'):
            assert torch.load(path)['meta']['epoch'] == int(path.stem.removeprefix('epoch_'))
        if (folder / 'last_checkpoint').exists():
            named = (folder / 'last_checkpoint').read_text()  # empty if killed, or the disk full, during writing
            assert find_latest_checkpoint(folder) == (named or str(max(folder.glob('epoch_*.pth'))))
        else:
            assert not (folder / 'epoch_2.pth').exists()  # epoch_1.pth is written just before last_checkpoint

    def finish(self):
        folder = self.program.folder
        last = f'epoch_{EPOCHS}.pth'
        assert same_weights(*(torch.load(place / last) for place in (folder, self.whole)))
        assert sorted(path.name for path in folder.glob('*.pth')) == [f'epoch_{EPOCHS - 1}.pth', last]
        assert not leftovers(folder)


def training(material, folder):
    return Training(train(material, folder / 'work'), material / 'whole')


def extraction(material, folder):
    (folder / 'videos').mkdir()
    for number in range(6):
        write_video(folder / f'videos/v{number}.mp4', 1.0 + number)
    arguments = [*write_recognizer(folder, 'tsn'), folder / 'work', folder / 'videos', '--workers', 2, '--fps', 20]
    return case_of(folder, 'tools/data/extract_features.py', arguments)


def generation(material, folder):
    arguments = [folder / 'work/set', '--params', 'train_videos=10', 'test_videos=10', 'dim=256']
    return case_of(folder, 'tools/data/make_synthetic.py', arguments, kind=GeneratesData)


def conversion(material, folder):
    segments = [{'label': 'run', 'segment': [second, second + 1.5]} for second in range(0, 60, 2)]
    video = dict(subset='train', duration=60, annotations=segments)
    write_json(folder / 'gt.json', dict(database={f'v{number}': video for number in range(300)}))
    arguments = [folder / 'work/out.json', '--ann-file', folder / 'gt.json']
    return case_of(folder, 'tools/data/convert_annotations.py', arguments, ('out.json',))


def case_of(folder, script, arguments, stays=(), kind=Case):
    """The case of a program that writes into ``folder / 'work'``, with what a whole run leaves."""
    program = Program(ROOT / script, arguments, folder / 'work', folder / 'log.txt')
    shutil.rmtree(folder / 'whole', ignore_errors=True)
    program.run_whole()
    (folder / 'work').rename(folder / 'whole')
    return kind(program, folder / 'whole', stays)


# Programs that write one file in place of an older one, many files by several workers, a folder as a whole, and
# checkpoints. The annotator is killed in tests/test_annotator/test_restart.py.
@pytest.mark.parametrize('make', [conversion, extraction, generation, training])
def test_killed_at_random_moments(make, material, tmp_path, full_count):
    case = make(material, tmp_path)
    if not case.program.events:  # its whole run was that of the fixture, in another folder
        case.fresh()
        case.program.run_whole()
    kill_at_random(case.program, np.random.default_rng(0), 20 if full_count else 2, case.fresh, case.check, case.finish)
