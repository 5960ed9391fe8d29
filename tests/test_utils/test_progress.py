"""Progress of long work: few lines without control characters in a log file, a bar in a terminal, or nothing."""

import re
from types import SimpleNamespace

import pytest

from fsptal_mm.utils import progress as module
from fsptal_mm.utils.progress import VideoProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, in seconds."""
    now = [0.0]
    monkeypatch.delenv('FORCE_COLOR', raising=False)  # rich would take the output for a terminal
    # The clock is replaced in this module only. Whatever else waits, such as a data loader, needs the real clock.
    monkeypatch.setattr(module, 'time', SimpleNamespace(monotonic=lambda: now[0]))
    return now


def run(clock, num_steps, step_sec, **kwargs):
    """Do equal steps of work on four videos."""
    with VideoProgress('Work', 4, total=num_steps, **kwargs) as progress:
        for step in range(1, num_steps + 1):
            clock[0] += step_sec
            progress.update(4 * step // num_steps, step)


def test_a_log_file_gets_a_line_now_and_then_with_the_time_that_is_left(clock, capsys):
    run(clock, 40, 3.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [f'{share}%,' for share in range(10, 100, 10)]
    assert lines[2] == 'Work: 30%, 1/4 videos, 0:00:36 so far, about 0:01:24 left'


def test_the_lines_of_a_day_are_few(clock, capsys):
    run(clock, 24 * 360, 10.0)
    lines = capsys.readouterr().out.splitlines()
    assert 100 < len(lines) < 200
    assert 'left' in lines[-1]


def test_work_of_seconds_needs_no_line(clock, capsys):
    run(clock, 9, 1.0)
    assert capsys.readouterr().out == ''


def test_nothing_is_shown_if_disabled(clock, capsys, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    run(clock, 40, 3.0, disable=True)
    assert capsys.readouterr().out == ''


def test_a_terminal_gets_a_bar(clock, capsys, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    with VideoProgress('Work', 4) as progress:
        progress.update(3)
        progress.print('a [note]')
    out = capsys.readouterr().out
    assert progress.is_bar
    assert '3/4' in out
    assert 'a [note]' in re.sub('\x1b.*?[a-zA-Z]', '', out)


def test_work_of_no_size_is_no_error(clock, capsys):
    with VideoProgress('Work', 0) as progress:
        clock[0] = 100.0
        progress.update(0)
    assert capsys.readouterr().out == ''
