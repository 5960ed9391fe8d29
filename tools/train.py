"""Run mmaction2's own training script with this plugin: the same arguments; an error of input is one line."""

import importlib.util
import runpy
import sys
import traceback
from pathlib import Path


def run_host_tool(name):
    """Run a script of the installed mmaction2 as if it had been called itself."""
    root = Path(__file__).resolve().parents[1]
    if (root / 'fsptal_mm').is_dir():  # a clone that is not installed
        sys.path.insert(0, str(root))
    host = Path(importlib.util.find_spec('mmaction').submodule_search_locations[0])
    candidates = [host / '.mim' / 'tools' / name, host.parent / 'tools' / name]
    script = next((path for path in candidates if path.is_file()), None)
    if script is None:
        sys.exit(f'mmaction2 has no tools/{name}; looked for {", ".join(map(str, candidates))}')
    sys.argv[0] = str(script)
    from fsptal_mm.config_errors import config_errors  # a clone could not be imported before
    from fsptal_mm.utils.errors import InputError

    try:
        with config_errors():
            runpy.run_path(str(script), run_name='__main__')
    except InputError as error:
        sys.exit(f'error: {error}')
    except AssertionError as error:
        if traceback.extract_tb(error.__traceback__)[-1].filename != str(script):
            raise
        sys.exit(f'error: {error}')  # the script's own assertions are about its arguments


if __name__ == '__main__':
    run_host_tool('train.py')
