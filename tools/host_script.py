"""Run a script of the installed mmaction2 with this plugin; ``train.py`` and ``test.py`` use this module."""

import argparse
import ast
import importlib.util
import os
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

# Long messages of mmengine, which --quiet keeps from the terminal: about 400 lines at the start of a training or test.
_LONG = re.compile(
    r'System environment:|INFO.* - Config:|Hooks will be executed|paramwise_options|FileClient|HardDiskB'
)


def run(name):
    """Run a script of mmaction2's ``tools`` with the arguments of this process.

    Four things are added to the script. ``--quiet`` keeps environment, config and hooks from the terminal, but not from
    the log file (mmengine has one log level for both). ``--cfg-options data_root=DIR`` changes every path of the config
    that lies below the old ``data_root``. A mistake in an option or a config is reported in one line. ``RunChecksHook``
    is added to configs that lack it.

    Args:
        name: File name of the script, ``'train.py'`` or ``'test.py'``.

    Raises:
        SystemExit: The user's input is wrong; the message is one line.
    """
    # oneDNN caches compiled code for the last 1024 shapes of tensors, and batches of videos nearly always have new
    # shapes. The cached code lies between the large tensors in memory, so that malloc cannot give the memory of freed
    # tensors back to the system. So the cache is limited to 32 shapes, about as many as a step needs.
    os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '32')
    root = Path(__file__).resolve().parents[1]
    if (root / 'fsptal_mm').is_dir():  # a clone that is not installed
        sys.path.insert(0, str(root))
    start = runpy.run_path(str(Path(__file__).with_name('starting.py')))['start']
    args = start(name, lambda _: _parse_args(name), config='a config file', checkpoint='a checkpoint')
    # With these options, mmaction2 draws the label of each short clip, which a localizer does not predict.
    if getattr(args, 'show', False) or getattr(args, 'show_dir', None):
        sys.exit('error: --show and --show-dir do not work here; tools/analysis_tools/plot_timeline.py draws timelines')
    import fsptal_mm  # noqa: F401  (repairs mmaction2; a clone that is not installed can be imported from here on)
    from fsptal_mm.utils.configs import move_data_root, naming_types, read_config, read_options
    from fsptal_mm.utils.errors import InputError

    stdout = sys.stdout
    if args.quiet:
        sys.stdout = QuietStream(stdout)  # mmengine's logger takes it when it is built
    script = _load(name)

    def fromfile(path):
        config = read_config(path)
        # Before the script merges the options, so that an option for a single path is stronger than data_root.
        move_data_root(config, args.cfg_options)
        config.setdefault('default_hooks', {}).setdefault('run_checks', dict(type='RunChecksHook'))
        return config

    script.parse_args, script.Config = lambda: args, SimpleNamespace(fromfile=fromfile)
    try:
        args.cfg_options = read_options(args.cfg_options)
        with naming_types(args.config):
            script.main()
    except InputError as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        hint = ': the same command with --resume goes on from the last checkpoint' if name == 'train.py' else ''
        sys.exit(f'interrupted{hint}')
    finally:
        sys.stdout = stdout


class QuietStream:
    """Text stream without the long messages that mmengine logs at its start; a message is one call of ``write``.

    Args:
        stream: Stream that gets everything else.
    """

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        """Write a text, unless it is one of the long messages."""
        return len(text) if _LONG.search(text) else self._stream.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _find(name):
    """Find a script of the installed mmaction2."""
    host = Path(importlib.util.find_spec('mmaction').submodule_search_locations[0])
    candidates = [host / '.mim' / 'tools' / name, host.parent / 'tools' / name]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        sys.exit(f'mmaction2 has no tools/{name}; looked for {", ".join(map(str, candidates))}')
    return path


def _parse_args(name):
    """Call the function ``parse_args`` of a script of mmaction2, without running the slow imports of the script.

    The values of ``--cfg-options`` stay a list of texts, which :func:`read_options` reads after the imports.
    """
    path = _find(name)
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if getattr(node, 'name', None) == 'parse_args']
    names = dict(argparse=SimpleNamespace(**{**vars(argparse), 'ArgumentParser': _Parser}), os=os, DictAction='extend')
    exec(compile(tree, path, 'exec'), names)
    return names['parse_args']()


class _Parser(argparse.ArgumentParser):
    """Parser with ``--quiet``."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_argument(
            '--quiet', action='store_true', help='print no environment, config and hooks; the log file has them'
        )


def _load(name):
    """Load a script of mmaction2 as a module, without an entry in ``sys.modules``."""
    path = _find(name)
    spec = importlib.util.spec_from_file_location(f'mmaction_{path.stem}', path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
