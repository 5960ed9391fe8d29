"""The wheel as a user installs it: in an environment of its own, away from the repository."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import fsptal_mm

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[1]
SHORT = ('--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """Wheel and sdist, built once."""
    out = tmp_path_factory.mktemp('dist')
    subprocess.run([sys.executable, '-m', 'build', '--outdir', str(out), str(ROOT)], check=True, capture_output=True)
    return next(out.glob('*.whl')), next(out.glob('*.tar.gz'))


def test_wheel_and_sdist_carry_configs_and_tools(distributions):
    wheel, sdist = distributions
    with zipfile.ZipFile(wheel) as file:
        in_wheel = set(file.namelist())
    with tarfile.open(sdist) as file:
        in_sdist = {name.partition('/')[2] for name in file.getnames()}
    wanted = ['model-index.yml', 'tools/train.py', 'tools/dist_train.sh', 'tools/data/check_dataset.py']
    wanted += [str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')]
    for names in (in_wheel, in_sdist):
        assert {f'fsptal_mm/.mim/{name}' for name in wanted} <= names
        pages = {f'fsptal_mm/{name}' for name in ('annotator/static/index.html', 'report/template/report.html')}
        assert pages | {'fsptal_mm/py.typed'} <= names
        assert not any('__pycache__' in name for name in names)
    assert not any(name.startswith('tests/') for name in in_wheel)


def test_version_stands_in_one_place(distributions):
    version = fsptal_mm.__version__
    assert f'-{version}-' in distributions[0].name
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == version
    assert f'## {version}' in (ROOT / 'CHANGELOG.md').read_text()


def test_installed_wheel_trains_in_a_clean_environment(distributions, tmp_path):
    """The dependencies are those that pip has chosen for the tests; the package is that of the wheel."""
    environment = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'FSPTAL_DATA_ROOT')}
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(tmp_path / 'venv')], check=True)
    python = str(tmp_path / 'venv/bin/python')
    (site_packages,) = (tmp_path / 'venv/lib').glob('python3*/site-packages')
    # The dependencies come behind the environment's own packages. Their .pth files, such as those of editable
    # installations, are not read.
    (site_packages / 'dependencies.pth').write_text(sysconfig.get_path('purelib'))
    options = dict(cwd=tmp_path, env=environment, capture_output=True, text=True)
    pip = [sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps']
    subprocess.run([*pip, str(distributions[0])], check=True, **options)
    command = [python, '-c', 'import fsptal_mm; print(fsptal_mm.__path__[0])']
    where = subprocess.run(command, check=True, **options).stdout.split('\n')[-2]
    assert Path(where).is_relative_to(tmp_path)
    mim = Path(where, '.mim')
    command = [python, str(mim / 'tools/train.py'), str(mim / 'configs/base/base_synthetic.py'), *SHORT]
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert re.search(r'mAP@0\.1-0\.7: [\d.]+', done.stdout + done.stderr)
    assert (tmp_path / 'work_dirs/base_synthetic/epoch_1.pth').is_file()
