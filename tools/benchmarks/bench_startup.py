"""Time what ``import fsptal_mm`` adds to importing mmaction2's models, datasets and evaluation.

Every turn is a process of its own. It imports mmaction2, then this package, and prints how long each import took, and
which further packages the import of this package loaded. Python caches compiled files, as it does by default.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

_TURN = """
import json, sys, time, types, warnings

warnings.simplefilter('ignore')
name = 'mmaction.models.localizers.drn'  # missing on PyPI: mmaction.models cannot be imported without it
for stub in (types.ModuleType(name), types.ModuleType(f'{name}.drn')):
    stub.__path__, stub.DRN = [], None
    sys.modules[stub.__name__] = stub
start = time.perf_counter()
import mmaction.datasets, mmaction.evaluation, mmaction.models
toolbox, before = time.perf_counter(), set(sys.modules)
import fsptal_mm
end = time.perf_counter()
added = {module.partition('.')[0] for module in set(sys.modules) - before}
print(json.dumps([toolbox - start, end - toolbox, sorted(added - {'fsptal_mm'} - sys.stdlib_module_names)]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=7, help='runs of each measurement; the median is printed')
    args = parser.parse_args()
    turns = []
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONDONTWRITEBYTECODE'}
    for _ in range(args.repeats + 1):
        done = subprocess.run([sys.executable, '-c', _TURN], env=env, check=True, capture_output=True, text=True)
        turns.append(json.loads(done.stdout.splitlines()[-1]))
    # The first turn compiles the files, so it does not count.
    toolbox, ours = np.array([turn[:2] for turn in turns[1:]]).T
    share = 100 * np.median(ours / toolbox)
    print(f'mmaction.models, .datasets, .evaluation: {np.median(toolbox):.2f} s; import fsptal_mm after them:', end=' ')
    print(f'{np.median(ours):.2f} s ({ours.min():.2f} to {ours.max():.2f}; target 0.3), {share:.1f} % of that')
    print(f'further packages that it loads: {", ".join(turns[-1][2]) or "none"}')


if __name__ == '__main__':
    main()
