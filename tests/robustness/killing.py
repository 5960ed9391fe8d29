"""Programs that are killed at random moments, and started again until they end by themselves."""

import multiprocessing
import os
import runpy
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

# Processes are forked from a fork server, since a fork of this process would inherit locks that its threads hold.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['fsptal_mm', 'mmaction.apis', 'torch._dynamo'])
_FILE_EVENTS = ('open', 'os.chmod', 'os.mkdir', 'os.remove', 'os.rename', 'os.rmdir')
_LONGEST_SEC = 1200  # generous, since other programs may slow the machine


@dataclass
class Program:
    """A script with its arguments, which is run in processes that have imported the libraries already."""

    script: Path
    arguments: list
    folder: Path  # folder that the script writes into
    log: Path  # file for the output of the script
    seconds: float = 0.0  # time of the last whole run
    events: int = 0  # number of times that this run opened, moved or removed a file below ``folder``

    def run(self, kill_after_sec=None, kill_at_event=None):
        """Run the script; returns the exit status, ``-signal.SIGKILL`` if it was killed (with all of its processes)."""
        count = _CONTEXT.RawValue('i')
        process = _CONTEXT.Process(target=self._target, args=(count, kill_at_event))
        begin = time.monotonic()
        process.start()
        process.join(_LONGEST_SEC if kill_after_sec is None else kill_after_sec)
        if process.exitcode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # the process has not made its group yet
                process.kill()
            process.join()
            assert kill_after_sec is not None, f'it hangs: {self.tail()}'
        if process.exitcode == 0:
            self.seconds, self.events = time.monotonic() - begin, count.value
        return process.exitcode

    def run_whole(self):
        """Run the script to its end, and check that it succeeds."""
        assert self.run() == 0, self.tail()

    def tail(self):
        """Last 3000 characters that the script printed."""
        return self.log.read_text()[-3000:]

    def _target(self, count, kill_at_event):
        os.setsid()
        with open(self.log, 'a') as log:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        sys.stdout, sys.stderr = map(os.fdopen, (1, 2), 'ww')  # instead of the streams of pytest
        own = os.getpid()

        def watch(event, args):
            if event in _FILE_EVENTS and os.getpid() == own and self._is_written(event, args):
                count.value += 1
                if count.value == kill_at_event:
                    os.killpg(own, signal.SIGKILL)

        sys.addaudithook(watch)
        torch.set_num_threads(1)
        sys.argv = [str(self.script), *map(str, self.arguments)]
        sys.path.insert(0, str(self.script.parent))
        runpy.run_path(str(self.script), run_name='__main__')

    def _is_written(self, event, args):
        if event == 'open' and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return False
        return isinstance(args[0], (str, Path)) and str(args[0]).startswith(str(self.folder))


def kill_at_random(program, rng, kills, fresh, check, finish):
    """Kill a program ``kills`` times, and start it again after each kill.

    Half of the kills come at a random time, half at a random step of writing files. ``fresh`` prepares the folder
    before the first start, and again after each run that ends by itself. ``check`` checks the files after each kill,
    ``finish`` after each run that ends by itself.
    """
    killed = 0
    while killed < kills:
        fresh()
        while killed < kills:
            if rng.random() < 0.5:
                status = program.run(kill_after_sec=rng.uniform(0, program.seconds))
            else:
                status = program.run(kill_at_event=rng.integers(1, program.events, endpoint=True))
            if status != -signal.SIGKILL:
                assert status == 0, program.tail()
                break
            killed += 1
            check()
        else:
            program.run_whole()
        finish()


def leftovers(folder):
    """Hidden files of writers that were killed."""
    return sorted(path.relative_to(folder) for path in folder.rglob('.*') if 'fsptal-tmp' in path.name)
