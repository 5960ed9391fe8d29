"""Training and test of experiments with one seed each; a run that is finished is not repeated."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock
from mmengine.config import Config

import fsptal_mm
from fsptal_mm.utils.configs import merge_options, read_config, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import write_json

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / 'tools'
_LOG_LINES = 15
# Options of all runs. Only the last checkpoint is tested, so earlier ones are deleted.
_ALWAYS = ('default_hooks.checkpoint.max_keep_ckpts=1',)


class RunError(Exception):
    """Training or testing failed; the message holds the last lines of the log."""


@dataclass(frozen=True)
class Experiment:
    """A config with options: everything but the seed.

    Attributes:
        config_file: Path.
        options: ``key=value`` as on the command line.
        config (Config): The config with the options.
        fingerprint: Hash of the config, and of the source if there is one. Experiments of the same hash share their
            runs.
        folder: Folder of its runs, one subfolder per seed.
        source (Experiment, optional): Experiment whose run of the same seed must be finished first.
        pseudo_segments: Whether to train on segments that the model of ``source`` found.
        trains: Whether to train. Otherwise the last checkpoint of the source is tested with the config and options of
            this experiment.
    """

    config_file: Path
    options: tuple
    config: Config
    fingerprint: str
    folder: Path
    source: 'Experiment | None' = None
    pseudo_segments: bool = False
    trains: bool = True

    @classmethod
    def resolve(cls, config_file, options, work_dir, source=None, pseudo_segments=False, trains=True):
        """Read the config and apply the options.

        Args:
            config_file: Path of a config.
            options (Sequence[str]): ``key=value``; later ones win.
            work_dir: Folder of all experiments.
            source (Experiment, optional), pseudo_segments, trains: As the attributes of the class.

        Raises:
            InputError: The config has mistakes, or the options do not fit it.
        """
        options = (*_ALWAYS, *options)
        config = read_config(config_file)
        try:
            merge_options(config, read_options(options))
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            expected = 'key=value for fields of the config'
            raise InputError(expected, file=config_file, field='cfg-options', found=f'{options}: {error}') from error
        text = json.dumps(config.to_dict(), sort_keys=True, default=str)
        if source is not None:
            text += f'{source.fingerprint} {pseudo_segments}' + ' tested' * (not trains)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        folder = Path(work_dir).absolute() / 'runs' / f'{Path(config_file).stem}-{fingerprint[:12]}'
        return cls(Path(config_file), options, config, fingerprint, folder, source, pseudo_segments, trains)

    def run_folder(self, seed):
        """Folder of the run with this seed."""
        return self.folder / f'seed_{seed}'

    def run_options(self, seed):
        """Options of the run with this seed; ``{run}`` and ``{source}`` in them are replaced by folders."""
        folders = {'{run}': self.run_folder(seed)}
        if self.source is not None:
            folders['{source}'] = self.source.run_folder(seed)
        options = list(self.options)
        for name, folder in folders.items():
            options = [option.replace(name, str(folder)) for option in options]
        return options

    def checkpoint(self, seed):
        """Path of the last checkpoint of a run."""
        return (self.run_folder(seed) / 'last_checkpoint').read_text().strip()

    def metrics(self, seed):
        """Content of ``metrics.json`` of a run, see :meth:`RunPool.run_one`; ``None`` if the run is not finished."""
        path = self.run_folder(seed) / 'metrics.json'
        found = json.loads(path.read_text()) if path.is_file() else {}
        return found if found.get('fingerprint') == self.fingerprint else None

    def results_file(self, seed):
        """Path of the file with the detections that a finished run made in the test videos."""
        return self.run_folder(seed) / 'results.json'


class RunPool:
    """Pool that runs experiments in processes of their own, several at a time.

    A run is what a user would type: ``tools/train.py``, then ``tools/test.py`` with the last checkpoint. The commands
    stand in the run's ``log.txt``. ``OMP_NUM_THREADS`` is the number of cores divided by ``jobs``, unless it is set
    already.

    Args:
        jobs: Number of runs at the same time.
    """

    def __init__(self, jobs):
        self.jobs = jobs
        self.environment = {'OMP_NUM_THREADS': str(max(1, _num_cores() // jobs)), **os.environ}
        self._processes = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, runs):
        """Run the experiments that are not finished. An interruption also ends their processes.

        Args:
            runs (Sequence[tuple[Experiment, int]]): Experiments and seeds.

        Yields:
            tuple: Experiment, seed, and the :class:`RunError` of the run or ``None``, as soon as the run ends.
        """
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = {pool.submit(self.run_one, *run): run for run in runs}
            try:
                for future in as_completed(futures):
                    error = future.exception()
                    if error is not None and not isinstance(error, RunError):
                        raise error
                    yield *futures[future], error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()

    def run_one(self, experiment, seed):
        """Train and test, unless this run is finished.

        The run's folder then holds ``metrics.json`` with ``metrics`` (fractions, see :class:`TALMetric`), ``seed``,
        ``fingerprint``, ``config``, ``cfg_options``, ``version`` of the package, ``date`` and ``seconds``. This file is
        written last: if a run was interrupted, the file is missing, and the run starts from the beginning.

        Raises:
            RunError: Training or testing failed.
        """
        if experiment.source is not None:
            self.run_one(experiment.source, seed)
        folder = experiment.run_folder(seed)
        experiment.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(experiment.folder / f'.seed_{seed}.lock'):  # another process may need the same run at this moment
            if experiment.metrics(seed) is not None:
                return
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            started = time.monotonic()
            try:
                self._train_and_test(experiment, seed, folder)
                measures = json.loads((folder / 'results.json').read_text())['evaluation']['metrics']
            except (subprocess.CalledProcessError, OSError, KeyError) as error:
                lines = (folder / 'log.txt').read_text(errors='replace').splitlines()[-_LOG_LINES:]
                raise RunError('\n'.join([f'{folder / "log.txt"}: {error!r}', *lines])) from error
            write_json(
                folder / 'metrics.json',
                {
                    'metrics': measures,
                    'seed': seed,
                    'fingerprint': experiment.fingerprint,
                    'config': str(experiment.config_file),
                    'cfg_options': experiment.options,
                    'version': fsptal_mm.__version__,
                    'date': datetime.now().isoformat(timespec='seconds'),
                    'seconds': round(time.monotonic() - started, 1),
                },
            )

    def _train_and_test(self, experiment, seed, folder):
        """Run the scripts of a run: export of pseudo segments, training, test, as far as the experiment needs them."""
        source = experiment.source
        if experiment.pseudo_segments:
            segments = [source.config_file, source.checkpoint(seed), folder / 'pseudo_segments.json']
            options = ['--cfg-options', *source.run_options(seed)]
            self._call(folder, SCRIPTS / 'data/export_pseudo_segments.py', *segments, *options)
        common = ['--work-dir', folder, '--cfg-options', *experiment.run_options(seed)]
        if experiment.trains:
            self._call(folder, SCRIPTS / 'train.py', experiment.config_file, '--seed', seed, *common)
        checkpoint = (experiment if experiment.trains else source).checkpoint(seed)
        self._call(folder, SCRIPTS / 'test.py', experiment.config_file, checkpoint, *common)

    def _call(self, folder, *arguments):
        command = [sys.executable, *map(str, arguments)]
        with open(folder / 'log.txt', 'a') as log:
            log.write(f'$ OMP_NUM_THREADS={self.environment["OMP_NUM_THREADS"]} {" ".join(command)}\n')
            log.flush()
            with self._lock:
                if self._stopped:
                    raise InterruptedError
                process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=self.environment)
                self._processes.add(process)
            status = process.wait()
        with self._lock:
            self._processes.discard(process)
        if status:
            raise subprocess.CalledProcessError(status, Path(arguments[0]).name)

    def _stop(self):
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.terminate()


def _num_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
