"""Checkpoints that are whole or absent, and a resume from the newest readable one."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write

from ..resuming import check_progress, find_latest_checkpoint

_BACKEND = 'fsptal_mm.atomic'
_OUTDATED = 'outdated_step'  # in the meta of a checkpoint


@register_backend(_BACKEND)
class AtomicLocalBackend(LocalBackend):
    """Local files that are moved into their place when all is written; mmengine's backend writes in place."""

    def __init__(self) -> None:
        self._outdated = None

    def put(self, obj: bytes, filepath: str) -> None:
        """Write bytes to a file.

        Raises:
            WriteError: No space left, a read-only folder, ... What stood there stays.
        """
        with atomic_write(filepath, 'wb') as file:
            file.write(obj)

    def remove(self, filepath: str) -> None:
        """Delete a file, at the end of :meth:`deleting_afterwards` if one is under way."""
        if self._outdated is None:
            super().remove(filepath)
        else:
            self._outdated.append(filepath)

    @contextmanager
    def deleting_afterwards(self) -> Iterator[None]:
        """Put off what the block deletes to its end; after an error, nothing is deleted. Such blocks may be nested."""
        if self._outdated is not None:
            yield
            return
        self._outdated = []
        try:
            yield
        finally:
            outdated, self._outdated = self._outdated, None
        for path in outdated:
            self.remove(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, with its arguments, for runs that may be killed or fill the disk.

    - Local checkpoints are written under another name and moved. mmengine writes into the file itself.
    - The oldest (or so far best) checkpoint is deleted after the new one is written. mmengine deletes it before. If a
      run is killed between the two, its resume deletes the oldest one.
    - ``resume=True`` without ``load_from`` takes the newest checkpoint that can be read, with a warning if that is not
      the one that ``last_checkpoint`` names. mmengine takes whatever is named there.
    - A resume from a file that no training saved is refused.

    Checkpoints on other storage (``out_dir='s3://...'``), and those with ``backend_args``, are left to mmengine.
    """

    _outdated_step = None  # number of the checkpoint that the resumed one replaced

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint of a resume without a file.

        Raises:
            InputError: There are checkpoints, but none can be read.
        """
        if runner._resume and runner._load_from is None:
            runner._load_from = find_latest_checkpoint(runner.work_dir)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check what a resume needs.

        Raises:
            InputError: The checkpoint does not say how far its training was.
        """
        if runner._resume:
            check_progress(checkpoint, runner._load_from)
            self._outdated_step = checkpoint['meta'].get(_OUTDATED)

    def before_train(self, runner: Runner) -> None:
        """Choose how files are written; then as in mmengine. Finish what a killed run has not deleted."""
        is_local = '://' not in str(self.out_dir or runner.work_dir)
        if is_local and self.backend_args is None and self.file_client_args is None:
            self.backend_args = dict(backend=_BACKEND)
        super().before_train(runner)
        # A number, never a path from a checkpoint, and only beside the checkpoint that is resumed.
        if isinstance(self._outdated_step, int) and isinstance(self.file_backend, AtomicLocalBackend):
            outdated = Path(self.out_dir, self.filename_tmpl.format(self._outdated_step))
            if outdated.parent.samefile(Path(runner._load_from).parent) and is_main_process():
                outdated.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner, step, meta):
        if 0 < self.max_keep_ckpts == len(self.keep_ckpt_ids) and self.keep_ckpt_ids[-1] != step:
            meta = dict(meta, **{_OUTDATED: self.keep_ckpt_ids[0]})
        with self._deleting_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics):
        wanted = self.key_indicators if self.save_best else ()
        if any(key not in (*metrics, 'auto') for key in wanted):
            raise InputError(f'a figure of the validation, of {sorted(metrics)}', field='save_best', found=wanted)
        with self._deleting_afterwards():
            super()._save_best_checkpoint(runner, metrics)

    def _deleting_afterwards(self):
        backend = getattr(self, 'file_backend', None)  # there is none in a validation without training
        return backend.deleting_afterwards() if isinstance(backend, AtomicLocalBackend) else nullcontext()
