from pathlib import Path

import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.datasets.synthetic.generator import ensure_synthetic

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return ensure_synthetic(tmp_path_factory.mktemp('data') / 'synthetic')


@pytest.fixture
def config(root, tmp_path):
    """A config that reads the generated files as anybody's own."""
    path = tmp_path / 'config.py'
    path.write_text(
        f'_base_ = [{str(ROOT / "configs/base/base_synthetic.py")!r}]\n'
        f'data_root = {str(root)!r}\n'
        "train_dataloader = dict(dataset=dict(type='PointTALDataset', data_root=data_root))\n"
        "test_dataloader = dict(dataset=dict(type='PointTALDataset', data_root=data_root))\n"
    )
    return path


@pytest.fixture
def check(config, capsys):
    """Run the tool; return its exit status and the lines that it printed."""
    tool = load_tool('data/check_dataset')

    def check(*options):
        with pytest.raises(SystemExit) as end:
            tool.main([str(config), *options])
        return end.value.code, capsys.readouterr().out.splitlines()

    return check


def test_good_data_pass_and_are_counted(check):
    status, lines = check()
    assert status == 0
    counts = [line.strip() for line in lines]
    assert counts.count('classes: 10') == 2
    assert counts.index('train_dataloader') < counts.index('videos: 60') < counts.index('test_dataloader')
    assert 'videos: 30' in counts
    assert 'classes without a point: none' in counts
    assert not any(line.startswith('error') for line in lines)


def test_every_broken_video_is_a_line_and_the_status_says_so(check, root):
    files = sorted((root / 'features/train').iterdir())[:3]
    kept = {path: path.read_bytes() for path in files}
    try:
        files[0].unlink()
        files[1].write_bytes(b'no array')
        np.save(files[2], np.load(files[2])[:3])
        status, lines = check('--loaders', 'train_dataloader')
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    errors = [line for line in lines if line.startswith('error: ')]
    assert status == 1
    assert len(errors) == 3
    for path, error in zip(files, errors):
        assert path.stem in error
    assert 'no such file' in errors[0]
    assert 'number of snippets: found 3' in errors[2]


def test_a_wrong_grid_is_found(check):
    status, lines = check('--cfg-options', 'train_dataloader.dataset.grid.snippet_sec=0.32')
    assert status == 1
    assert sum(line.startswith('error: ') for line in lines) == 60


def test_unreadable_annotations_end_in_one_line(check, tmp_path):
    status, lines = check('--cfg-options', f'data_root={tmp_path / "nowhere"}')
    assert status == 1
    assert 'nowhere' in lines[-1]
