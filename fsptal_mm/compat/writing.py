"""Repairs of how mmengine writes files; :mod:`fsptal_mm.compat` makes them."""

import functools
import inspect
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook, checkpoint_hook
from mmengine.visualization import LocalVisBackend

from fsptal_mm.utils.writing import atomic_path, atomic_write, naming, remove_leftovers


def write_checkpoints_whole():
    """Let a run that is killed while it saves keep every checkpoint that it had.

    Symptom: half of an ``epoch_N.pth``, or an empty ``last_checkpoint``, at which ``--resume`` fails.
    Cause: mmengine writes into the file itself, and deletes the oldest (or so far best) checkpoint before it saves the
    new one. Local files are written under another name and moved, and outdated ones deleted afterwards.
    Delete when: the oldest mmengine supported does so.
    """
    if 'open(' not in inspect.getsource(LocalBackend.put):
        return False

    def put(self, obj, filepath):
        """Write bytes to a file, which is there only when it is whole."""
        with atomic_write(filepath, 'wb') as file:
            file.write(obj)

    LocalBackend.put = put
    checkpoint_hook.open = atomic_write  # its one use of open() writes last_checkpoint
    for name in ('_save_checkpoint_with_step', '_save_best_checkpoint'):
        setattr(CheckpointHook, name, _delete_afterwards(getattr(CheckpointHook, name)))
    return True


def _delete_afterwards(save):
    @functools.wraps(save)
    def save_then_delete(self, *args, **kwargs):
        if not hasattr(self, 'file_backend'):  # validation without training: nothing is saved
            return save(self, *args, **kwargs)
        outdated, backend = [], self.file_backend
        backend.remove = outdated.append  # hides the method
        try:
            save(self, *args, **kwargs)
        finally:
            vars(backend).pop('remove', None)  # gone already where saving the best one saved the last one again
        for path in outdated:
            backend.remove(path)

    return save_then_delete


def write_configs_whole():
    """Let a run that is killed while it writes its config leave none behind, rather than the first half of one.

    Symptom: a config in the work directory that can be read, but lacks settings.
    Cause: mmengine writes into the file itself.
    Delete when: the oldest mmengine supported does not.
    """
    write = Config.dump
    if 'open(' not in inspect.getsource(write):
        return False

    @functools.wraps(write)
    def dump(self, file=None):
        if file is None:
            return write(self)
        remove_leftovers(Path(file).parent, '*/vis_data/')  # of killed runs, each of which had such a folder of its own
        with atomic_path(file, Path(file).suffix) as temporary:
            write(self, temporary)

    Config.dump = dump
    return True


def name_the_scalars_of_a_full_disk():
    """Let a run that cannot write its scalars any more say which file that is.

    Symptom: ``OSError: [Errno 28] No space left on device``, and nothing else.
    Cause: so the operating system says, and mmengine adds nothing.
    Delete when: the oldest mmengine supported names the file.
    """
    dump = LocalVisBackend._dump
    if 'open(' not in inspect.getsource(dump):
        return False

    @functools.wraps(dump)
    def named_dump(self, value_dict, file_path, file_format):
        with naming(Path(file_path)):
            dump(self, value_dict, file_path, file_format)

    LocalVisBackend._dump = named_dump
    return True
