"""A full or read-only disk gives one clear error that names the file; files that were there before are unharmed."""

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_kills import conversion, generation, material, training  # noqa: F401  (`material` is a fixture)
from tiny_videos import write_video

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import WriteError
from fsptal_mm.visualization import annotate_video

pytestmark = [pytest.mark.disk]


def mount(*arguments):
    return subprocess.run(['mount', *map(str, arguments)], capture_output=True).returncode == 0


@contextmanager
def small_disk(folder, num_bytes):
    """Mount a small disk at a folder; skips the test if that is not allowed."""
    if os.name != 'posix' or not mount('-t', 'tmpfs', '-o', f'size={num_bytes}', 'tmpfs', folder):
        pytest.skip('mounting a small disk needs the rights of root')
    try:
        yield
    finally:
        subprocess.run(['umount', '--lazy', str(folder)], check=True)


@pytest.mark.parametrize('make', [training, generation, conversion])
def test_full_and_read_only_disks(make, material, tmp_path):  # noqa: F811
    case = make(material, tmp_path)
    folder = case.program.folder
    case.fresh()
    size = sum((case.whole / name).stat().st_size for name in case.files(case.whole))
    with small_disk(folder, size // 2):
        case.fill()
        assert case.program.run() == 1
        assert_named(case, 'No space left on device|full disk')
        case.check()
        mount('-o', 'remount,ro', folder)
        assert case.program.run() == 1
        assert_named(case, 'Read-only file system')
        case.check()
        mount('-o', 'remount,rw,size=100m', folder)
        case.program.run_whole()
        case.finish()


def assert_named(case, reason):
    """Check that the last line names the reason, and the file unless mmengine wrote it (log, copy of the config)."""
    last = case.program.tail().splitlines()[-1]
    assert re.search(reason, last), case.program.tail()
    assert last.startswith('OSError: ') or re.search(f'{case.program.folder}/[\\w.]', last), last


def test_a_video_that_does_not_fit_is_not_taken_for_whole(tmp_path):
    video = open_video(write_video(tmp_path / 'in.mp4', 4.0))
    folder = tmp_path / 'work'
    folder.mkdir()
    arguments = Instances.of_video([], [], []), ()
    whole = Path(annotate_video(video, tmp_path / 'whole.mp4', *arguments))
    with small_disk(folder, whole.stat().st_size // 2):
        with pytest.raises(WriteError, match=r'work/out\.mp4: .*No space left'):
            annotate_video(video, folder / 'out.mp4', *arguments)
        assert not list(folder.iterdir())
