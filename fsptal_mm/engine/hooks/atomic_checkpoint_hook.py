"""Checkpoints that are whole or absent, and a resume from the newest readable one."""

import re
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

from ..resuming import best_checkpoints, check_progress, find_latest_checkpoint, take_up_best
from ..trained_videos import note_trained_videos, trained_videos, video_ids

_BACKEND = 'fsptal_mm.atomic'
_OUTDATED, _OUTDATED_BEST = 'outdated_step', 'outdated_best'  # keys in the meta of a checkpoint


@register_backend(_BACKEND)
class AtomicLocalBackend(LocalBackend):
    """Backend that writes local files under another name and then moves them; mmengine's writes into the file."""

    def __init__(self) -> None:
        self._outdated = None

    @property
    def outdated(self) -> list[str]:
        """Files that are deleted at the end of :meth:`deleting_afterwards`."""
        return list(self._outdated or ())

    def put(self, obj: bytes, filepath: str) -> None:
        """Write bytes to a file.

        Raises:
            WriteError: No space left, a read-only folder, ... An earlier file of this name stays as it was.
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
        """Put off deletions until the block ends; after an error, nothing is deleted. Blocks may be nested."""
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
    - The oldest (or so far best) checkpoint is deleted after the new one is written; mmengine deletes it before that.
      If a run is killed after the writing and before the deletion, its resume deletes the outdated checkpoint.
    - If a run is killed after it has written a best checkpoint and before the latest checkpoint names it, its resume
      still finds that best checkpoint. mmengine's resume only knows the previous best one.
    - ``resume=True`` without ``load_from`` takes the newest checkpoint that can be read, with a warning if that is not
      the one that ``last_checkpoint`` names. mmengine takes the named one unchecked.
    - A resume from a file that no training saved is refused.
    - If mmengine can infer no ``rule`` for a figure of ``save_best``, such as ``point/recall``, it is ``'greater'``.
      mmengine ends with an error.
    - Checkpoints hold the ids of the training videos, so that tools can refuse to choose thresholds by these videos.
      The ids of the checkpoint that a run begins with (``resume``, ``load_from``) are kept.

    Checkpoints on other storage (``out_dir='s3://...'``), and those with ``backend_args``, are left to mmengine.
    """

    _outdated = ()  # names of the files that the resumed checkpoint replaced
    _trained = frozenset()  # ids of videos that the weights have been trained on, in this run or before

    def _init_rule(self, rules, key_indicators):
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        known = [part.lower() for part in (*self.greater_keys, *self.less_keys)]  # mmengine infers rules from these
        super()._init_rule(
            [
                rule or (None if key == 'auto' or any(part in key.lower() for part in known) else 'greater')
                for rule, key in zip(rules, key_indicators)
            ],
            key_indicators,
        )

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint to resume from, if the run names none.

        Raises:
            InputError: There are checkpoints, but none can be read.
        """
        if runner._resume and runner._load_from is None:
            runner._load_from = find_latest_checkpoint(runner.work_dir)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the training videos of a loaded checkpoint; on a resume, check it, and prepare the deletions.

        On a resume, the best checkpoint that a killed run wrote last is noted, too, and outdated files are listed.

        Raises:
            InputError: The checkpoint does not say after which epoch and step it was saved.
        """
        self._trained = trained_videos(checkpoint) or set()
        if runner._resume:
            check_progress(checkpoint, runner._load_from)
            meta, before = checkpoint['meta'], best_checkpoints(checkpoint)
            # Names of best checkpoints of the same step, which the run may have written just before it was killed.
            names = [self._best_name(key, meta['epoch' if self.by_epoch else 'iter']) for key in self._wanted()]
            take_up_best(checkpoint, [Path(runner._load_from).with_name(name) for name in names])
            known = best_checkpoints(checkpoint)
            # To delete: files that the checkpoint notes as replaced, and a checkpoint that is no longer the best.
            listed = [name for name in (*meta.get(_OUTDATED_BEST, ()), *before) if name not in known]
            self._outdated = [name for name in listed if self._is_best_name(name)]
            if isinstance(meta.get(_OUTDATED), int):
                self._outdated.append(self.filename_tmpl.format(meta[_OUTDATED]))

    def before_train(self, runner: Runner) -> None:
        """Choose how files are written, prepare as mmengine does, and delete files that a killed run left outdated."""
        self._trained = self._trained | video_ids(runner.train_dataloader.dataset)
        is_local = '://' not in str(self.out_dir or runner.work_dir)
        if is_local and self.backend_args is None and self.file_client_args is None:
            self.backend_args = dict(backend=_BACKEND)
        super().before_train(runner)
        # A checkpoint may come from a stranger, so paths in it are not used: only files whose names this hook gives are
        # deleted, in the folder of the checkpoint that the run resumes from.
        if self._outdated and isinstance(self.file_backend, AtomicLocalBackend) and is_main_process():
            folder = Path(self.out_dir)
            if folder.resolve() == Path(runner._load_from).parent.resolve():
                for name in self._outdated:
                    (folder / name).unlink(missing_ok=True)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the ids of the training videos into the checkpoint, if the dataset has ids."""
        if self._trained:
            note_trained_videos(checkpoint, self._trained)

    def _save_checkpoint_with_step(self, runner, step, meta):
        """Save as mmengine does; the checkpoint also notes which files are to be deleted once it is written."""
        if 0 < self.max_keep_ckpts == len(self.keep_ckpt_ids) and self.keep_ckpt_ids[-1] != step:
            meta = dict(meta, **{_OUTDATED: self.keep_ckpt_ids[0]})  # step of the oldest one
        outdated = map(Path, getattr(self.file_backend, 'outdated', ()))  # replaced by a new best checkpoint
        if names := [path.name for path in outdated if path.parent == Path(self.out_dir)]:
            meta = dict(meta, **{_OUTDATED_BEST: names})
        with self._deleting_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics):
        if any(key not in (*metrics, 'auto') for key in self._wanted()):
            expected = f'one of the figures of the validation, {sorted(metrics)}'
            raise InputError(expected, field='save_best', found=self._wanted())
        with self._deleting_afterwards():
            super()._save_best_checkpoint(runner, metrics)

    def _wanted(self):
        """Figures of the validation by which best checkpoints are kept."""
        return self.key_indicators if self.save_best else ()

    def _best_name(self, key, step):
        return f'best_{key}_{self.filename_tmpl.format(step)}'.replace('/', '_')

    def _is_best_name(self, name):
        """Whether :meth:`_best_name` gives this name for some step."""
        steps = [int(digits) for digits in re.findall(r'\d{1,18}', str(name))]
        return any(self._best_name(key, step) == name for key in self._wanted() for step in steps)

    def _deleting_afterwards(self):
        backend = getattr(self, 'file_backend', None)  # there is none in a validation without training
        return backend.deleting_afterwards() if isinstance(backend, AtomicLocalBackend) else nullcontext()
