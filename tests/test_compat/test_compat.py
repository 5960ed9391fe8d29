import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import OPTIM_WRAPPERS
from toy_run import toy_runner

from fsptal_mm.utils.errors import InputError

ROOT = Path(__file__).parents[2]
WORKER = str(ROOT / 'tests/test_compat/compat_worker.py')


def run_python(*arguments, path=(), **variables):
    """Run Python without CUDA and return the last line that it printed."""
    variables.update(
        CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(map(str, [*path, ROOT]))
    )
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope='module')
def outcomes(tmp_path_factory):
    """Failures in a bare process, before and after the repairs."""
    variables = dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT='0')
    variables.update(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', SLURM_NODELIST='localhost')
    variables.update({f'OMPI_COMM_WORLD_{k}': v for k, v in (('LOCAL_RANK', '0'), ('SIZE', '1'), ('RANK', '0'))})
    return json.loads(run_python(WORKER, 'symptoms', str(tmp_path_factory.mktemp('symptoms')), **variables))


PROBES = ('drn', 'numpy_trapz', 'checkpoint', 'hub_config', 'base_config', 'clone_in_the_way', 'pytorch', 'slurm',
          'mpi', 'data_parallel', 'amp')  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize('probe', PROBES)
def test_repair_removes_the_symptom(outcomes, probe):
    assert outcomes['after'][probe] is None
    if outcomes['before'][probe] is None:
        pytest.skip(f'the installed host libraries do not have this fault: {probe}')


@pytest.mark.processes
def test_apply_is_idempotent_and_names_its_repairs(outcomes):
    assert outcomes['applied'] == outcomes['again']
    assert {'replace_pkg_resources', 'launch_without_cuda'} <= set(outcomes['applied'])


# What each repair changes in the host, as attributes of its modules, and of the classes in these.
PLACES = {
    'restore_numpy_trapz': ['numpy.trapz'],
    'load_checkpoints_safely': [
        'mmengine.runner.checkpoint.CheckpointLoader._schemes',
        'mmengine.runner.checkpoint.load_url',
    ],
    'run_no_config_of_a_checkpoint': ['mmengine.runner.checkpoint.CheckpointLoader.load_checkpoint'],
    'replace_pkg_resources': [
        'mmengine.utils.package_utils.package2module',
        *(  # in all modules that import them
            f'mmengine.{module}{name}'
            for module in ('', 'config.config.', 'utils.', 'utils.package_utils.')
            for name in ('get_installed_path', 'is_installed')
        ),
    ],
    'launch_without_cuda': [
        *(f'mmengine.dist.utils._init_dist_{launcher}' for launcher in ('mpi', 'pytorch', 'slurm')),
        'mmengine.model.wrappers.distributed.MMDistributedDataParallel.__init__',
    ],
}


@pytest.mark.processes
def test_the_import_changes_nothing_but_what_it_repairs():
    """Config, DictAction, Runner, CheckpointHook, Registry, ... stay as they are, and no environment variable is set.

    In this test, the source files of mmengine and mmaction2 cannot be read, since repairs must not need them.
    """
    result = json.loads(run_python(WORKER, 'changes'))
    assert len(result['applied']) <= 7
    assert result['changed'] == sorted(place for name in result['applied'] for place in PLACES.get(name, ()))
    assert result['watched'] > 1000
    assert result['environment'] == []


@pytest.mark.processes
def test_nothing_is_patched_where_nothing_is_broken(tmp_path):
    """With drn, an old torch, numpy's trapz, pkg_resources and a GPU, only the fault of every mmengine is left."""
    for name in ('mmaction/__init__.py', 'mmaction/models/localizers/drn/drn.py', 'pkg_resources.py'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    result = run_python(WORKER, 'healthy', path=[tmp_path])
    assert json.loads(result) == dict(applied=['run_no_config_of_a_checkpoint'], patched=[])


@pytest.mark.processes
def test_two_cpu_processes_train_one_model(tmp_path):
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--local-addr=127.0.0.1', '--nproc_per_node=2']
    run_python(*launcher, WORKER, 'train', str(tmp_path))
    ranks = [json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in range(2)]
    assert ranks[0] == ranks[1]
    assert ranks[0]['backend'] == 'gloo'
    for run in ranks[0]['weights']:  # once with the wrapper of the runner, once with that of the config
        weight, bias = run['start']
        # In each of two epochs, rank 0 sees 0, then 2, and rank 1 sees 1, then 3. The gradients of (wx + b - x)^2 are
        # averaged over both ranks.
        for pair in [(0, 1), (2, 3)] * 2:
            errors = [weight * x + bias - x for x in pair]
            gradient = sum(2 * e * x for e, x in zip(errors, pair)) / 2
            bias -= 0.05 * sum(2 * e for e in errors) / 2
            weight -= 0.05 * gradient
        assert run['end'] == pytest.approx([weight, bias], abs=1e-5)


def test_amp_trains_in_bf16_and_resumes(tmp_path):
    optimizer = dict(type='SGD', lr=0.1)
    amp = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=optimizer, clip_grad=dict(max_norm=9))
    for epochs in (1, 2):
        runner = toy_runner(tmp_path, f'amp{epochs}', epochs, optim_wrapper=amp, resume=epochs == 2)
        before = runner.model.layer.weight.clone()
        runner.train()
        assert set(runner.model.seen) == {torch.bfloat16}
        assert runner.model.layer.weight.dtype == torch.float32
        assert not torch.equal(runner.model.layer.weight, before)
        assert (runner.epoch, len(runner.model.seen)) == (epochs, 2)


@pytest.mark.parametrize(
    'options, fits',
    [
        (dict(loss_scale=512.0), True),
        (dict(loss_scale={}, dtype='bfloat16'), True),
        (dict(dtype=torch.bfloat16, use_fsdp=False), True),
        (dict(dtype='float16'), False),
        (dict(dtype=torch.float16), False),
    ],
)
def test_amp_takes_the_arguments_of_the_gpu(options, fits):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    config = dict(type='AmpOptimWrapper', optimizer=optimizer, **options)
    if not fits:
        with pytest.raises(InputError, match=r'dtype: found .*float16'):
            OPTIM_WRAPPERS.build(config)
        return
    wrapper = OPTIM_WRAPPERS.build(config)
    # This is the state in a checkpoint from a GPU.
    wrapper.load_state_dict(wrapper.state_dict() | dict(loss_scaler=dict(scale=65536.0)))
