import json
import os
import pickle
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner

from fsptal_mm import compat
from fsptal_mm.utils.errors import InputError

compat.apply()

on_cpu = pytest.mark.skipif(get_device() != 'cpu', reason='this machine has an accelerator: its own AMP is used')
safe_torch = pytest.mark.skipif(
    'load_checkpoints_safely' not in compat.apply(), reason='before torch 2.6 nothing in a checkpoint is refused'
)
ROOT = Path(__file__).parents[1]
WORKER = str(ROOT / 'tests' / 'compat_worker.py')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


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
    """What fails in a bare process, before and after the repairs."""
    variables = dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port())
    variables.update(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', SLURM_NODELIST='localhost')
    variables.update({f'OMPI_COMM_WORLD_{k}': v for k, v in (('LOCAL_RANK', '0'), ('SIZE', '1'), ('RANK', '0'))})
    return json.loads(run_python(WORKER, 'symptoms', str(tmp_path_factory.mktemp('symptoms')), **variables))


@pytest.mark.parametrize(
    'probe, symptom',
    [
        ('drn', "No module named 'mmaction.models.localizers.drn'"),
        ('drn_unregistered', "No module named 'mmaction.models.localizers.drn'"),
        ('trapz', "has no attribute 'trapz'"),
        ('checkpoint', 'HistoryBuffer was not an allowed global'),
        ('hub_config', 'pkg_resources'),
        ('base_config', 'pkg_resources'),
        ('clone_in_the_way', 'pkg_resources'),
        ('pytorch', '_cuda_setDevice'),
        ('slurm', '_cuda_setDevice'),
        ('mpi', '_cuda_setDevice'),
        ('data_parallel', 'device_ids'),
        ('amp', 'only available training on gpu'),
        ('data_root', 'did not follow'),
        ('option', 'not enough values to unpack'),
    ],
)
def test_repair_removes_the_symptom(outcomes, probe, symptom):
    before, after = outcomes['before'][probe], outcomes['after'][probe]
    assert after is None
    if before is None:
        pytest.skip(f'the installed host libraries do not have this fault: {probe}')
    if '_cuda_setDevice' in symptom and torch.backends.cuda.is_built():
        symptom = 'NVIDIA|CUDA'  # a CUDA build without a device words it in another way
    assert re.search(symptom, before)


def test_apply_is_idempotent_and_names_its_repairs(outcomes):
    assert outcomes['applied'] == outcomes['again']
    assert {'replace_pkg_resources', 'launch_without_cuda'} <= set(outcomes['applied'])
    merge, loader = Config.merge_from_dict, CheckpointLoader._schemes['']
    assert compat.apply() == compat.apply()
    assert Config.merge_from_dict is merge
    assert CheckpointLoader._schemes[''] is loader


def test_nothing_is_patched_where_nothing_is_broken(tmp_path):
    """With drn, an old torch, numpy's trapz, pkg_resources and a GPU, only faults of every mmengine are left."""
    for name in ('mmaction/__init__.py', 'mmaction/models/localizers/drn/drn.py', 'pkg_resources.py'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    result = run_python(WORKER, 'healthy', path=[tmp_path])
    everywhere = [
        'move_nested_data_root',
        'name_what_is_no_option',
        'write_checkpoints_whole',
        'write_configs_whole',
        'name_the_scalars_of_a_full_disk',
        'resume_from_a_whole_checkpoint',
        'name_what_cannot_be_resumed',
        'run_no_config_of_a_checkpoint',
        'refuse_weights_of_another_model',
    ]
    assert json.loads(result) == dict(applied=everywhere, patched=[])


def test_two_cpu_processes_train_one_model(tmp_path):
    launcher = ['-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={free_port()}']
    run_python(*launcher, WORKER, 'train', str(tmp_path))
    ranks = [json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in range(2)]
    assert ranks[0] == ranks[1]
    assert ranks[0]['backend'] == 'gloo'
    for run in ranks[0]['weights']:  # once wrapped by the runner, once by the config
        weight, bias = run['start']
        # two epochs; rank 0 sees 0, then 2, rank 1 sees 1, then 3, and the gradients of (wx + b - x)^2 are averaged
        for pair in [(0, 1), (2, 3)] * 2:
            errors = [weight * x + bias - x for x in pair]
            gradient = sum(2 * e * x for e, x in zip(errors, pair)) / 2
            bias -= 0.05 * sum(2 * e for e in errors) / 2
            weight -= 0.05 * gradient
        assert run['end'] == pytest.approx([weight, bias], abs=1e-5)


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen = []

    def forward(self, x, mode):
        out = self.layer(x)
        self.seen.append(out.dtype)
        return dict(loss=out.square().mean())


class Epochs(Hook):
    def __init__(self):
        self.run = []

    def before_train_epoch(self, runner):
        self.run.append(runner.epoch)


class Points(list):
    def __init__(self, items):
        super().__init__(items)
        self.metainfo = dict(classes=('a', 'b'), grid=ConfigDict(fps=25.0), weight=np.float32(0.5))


def toy_runner(work_dir, name, max_epochs, **options):
    return Runner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Points(dict(x=torch.ones(2)) for _ in range(4)),
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            batch_size=2,
        ),
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3)],
        experiment_name=f'{name}_{Path(work_dir).name}',
        **{'optim_wrapper': dict(optimizer=dict(type='Adam', lr=0.1)), **options},
    )


def test_runner_resumes_from_its_own_checkpoint(tmp_path):
    toy_runner(tmp_path, 'first', 1).train()
    checkpoint = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    assert checkpoint['meta']['dataset_meta'] == Points([]).metainfo
    epochs = Epochs()
    runner = toy_runner(tmp_path, 'second', 2, resume=True, custom_hooks=[epochs])
    runner.train()
    assert epochs.run == [1]  # the first epoch, number 0, is not run again
    assert runner.iter == 4  # two batches an epoch
    log, _ = runner.message_hub.get_scalar('train/loss').data
    assert len(log) == 4  # the log of the first epoch was taken over
    assert log[:2] == pytest.approx(checkpoint['message_hub']['log_scalars']['train/loss'].data[0])


@pytest.mark.parametrize('core', ['numpy.core', 'numpy._core'])
def test_checkpoint_written_under_either_numpy(tmp_path, core):
    content = dict(history=HistoryBuffer([1.5, 2.5], [1, 2]), best=np.float64(0.25), names=('a',))
    path = tmp_path / 'numpy.pth'
    torch.save(content, path, _use_new_zipfile_serialization=False)  # not a zip: names can be exchanged in place
    data = path.read_bytes()
    written = b'numpy._core.multiarray' if b'numpy._core.multiarray' in data else b'numpy.core.multiarray'
    assert written in data
    path.write_bytes(data.replace(written, f'{core}.multiarray'.encode()))
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['history'].data[0].tolist() == [1.5, 2.5]
    assert loaded['history'].statistics('mean') == pytest.approx(4 / 3)  # (1.5 + 2.5) / (1 + 2)
    assert loaded['best'] == 0.25


class Call:
    """An object whose pickle is ``(function, arguments)`` or ``(function, arguments, state)``."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def touch(path):
    return f'open({str(path)!r}, "w").close()'


@safe_torch
@pytest.mark.parametrize('as_zip', [True, False])
@pytest.mark.parametrize(
    'payload, refused',
    [
        (
            lambda mark: Call(os.system, (f'touch "{mark}"',)),
            f'{os.system.__module__}.system',
        ),  # posix.system, nt.system
        (lambda mark: Call(eval, (touch(mark),)), 'eval'),
        (lambda mark: Call(exec, (touch(mark),)), 'exec'),
        (lambda mark: Call(getattr, (Call(__import__, ('os',)), 'system')), '__import__'),
        (lambda mark: Call(getattr, (HistoryBuffer, '__init__')), "builtins.getattr('__init__')"),  # four are allowed
        (lambda mark: Call(np.load, (str(mark),)), 'numpy.load'),  # a function of an allowed module
    ],
)
def test_foreign_code_in_a_checkpoint_does_not_run(tmp_path, payload, refused, as_zip):
    mark, path = tmp_path / 'ran', tmp_path / 'evil.pth'
    evil = {'state_dict': {'w': torch.zeros(1)}, 'meta': payload(mark)}
    torch.save(evil, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(InputError) as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert not mark.exists()
    assert error.value.found in (refused, f'builtins.{refused}')  # torch 2.6 names the module, too
    assert str(error.value).startswith(f'{path}: found ')
    assert 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1' in str(error.value)


@safe_torch
def test_a_user_can_trust_a_file(tmp_path, monkeypatch):
    mark, path = tmp_path / 'ran', tmp_path / 'trusted.pth'
    torch.save({'meta': Call(exec, (touch(mark),))}, path)
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    with pytest.warns(UserWarning, match='TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'):
        CheckpointLoader.load_checkpoint(str(path))
    assert mark.exists()  # which shows as well that the calls above would have worked


@safe_torch
def test_raw_bytes_never_become_pointers(tmp_path):
    """numpy's own dtype believes a file that gives a float a field which holds objects, or lies outside of it."""
    path = tmp_path / 'evil.pth'
    reconstruct = np.zeros(0).__reduce__()[0]
    for field in ('O8', 'f8'):
        state = (3, '<', None, ('x',), {'x': (Call(np.dtype, (field, False, True)), 80)}, 8, 8, 0)
        dtype = Call(np.dtype, ('f8', False, True), state)
        assert pickle.loads(pickle.dumps(dtype)).names == ('x',)  # the lie
        torch.save(Call(reconstruct, (np.ndarray, (0,), b'b'), (1, (1,), dtype, False, bytes(8))), path)
        if field == 'O8':
            with pytest.raises(InputError, match=r"found .numpy\.dtype\('O8'\)"):
                CheckpointLoader.load_checkpoint(str(path))
        else:
            assert CheckpointLoader.load_checkpoint(str(path)).dtype.names is None


@safe_torch
@pytest.mark.parametrize('as_zip', [True, False])
@pytest.mark.parametrize('kept', [0, 1, 100, 2000, -1])
def test_truncated_checkpoint_is_named(tmp_path, kept, as_zip):
    path = tmp_path / 'epoch_3.pth'
    torch.save({'state_dict': torch.nn.Linear(50, 20).state_dict()}, path, _use_new_zipfile_serialization=as_zip)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r'epoch_3\.pth: found .*whole, undamaged checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))


@safe_torch
def test_other_files_are_no_checkpoints(tmp_path):
    path = tmp_path / 'page.pth'
    path.write_text('<html>404</html>')  # what a failed download leaves behind
    with pytest.raises(InputError, match=r'page\.pth: found .*checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))
    with pytest.raises(InputError, match=r'absent\.pth: found .no such file'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'absent.pth'))


@on_cpu
def test_amp_trains_in_bf16_and_resumes(tmp_path):
    amp = dict(
        type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(type='SGD', lr=0.1), clip_grad=dict(max_norm=9)
    )
    runner = toy_runner(tmp_path, 'amp', 1, optim_wrapper=amp, default_scope='mmaction')
    before = runner.model.layer.weight.clone()
    runner.train()
    assert set(runner.model.seen) == {torch.bfloat16}
    assert runner.model.layer.weight.dtype == torch.float32
    assert not torch.equal(runner.model.layer.weight, before)
    runner = toy_runner(tmp_path, 'amp2', 2, optim_wrapper=amp, default_scope='mmaction', resume=True)
    runner.train()
    assert runner.epoch == 2


def build_amp(**options):
    from mmaction.registry import OPTIM_WRAPPERS

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    return OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer, **options))


@on_cpu
@pytest.mark.parametrize(
    'options',
    [dict(loss_scale=512.0), dict(loss_scale={}, dtype='bfloat16'), dict(dtype=torch.bfloat16, use_fsdp=False)],
)
def test_amp_takes_the_arguments_of_the_gpu(options):
    wrapper = build_amp(**options)
    state = wrapper.state_dict()
    wrapper.load_state_dict(dict(state, loss_scaler=dict(scale=65536.0)))  # as it stands in a checkpoint from a GPU


@on_cpu
@pytest.mark.parametrize('dtype', ['float16', torch.float16, 'float32'])
def test_amp_refuses_other_types_on_the_cpu(dtype):
    with pytest.raises(InputError, match=r'dtype: found .*float.*, expected .bfloat16. or None'):
        build_amp(dtype=dtype)


def dataset_config(root='data/set', **top):
    dataset = dict(type='D', data_root=root, ann_file=f'{root}/gt.json', prefix=[f'{root}/rgb', (f'{root}/flow', 3)])
    return Config(
        dict(data_root=root, train=dict(dataset=dataset), val=[dict(evaluator=dict(gt=f'{root}/gt.json'))], **top)
    )


def test_data_root_reaches_every_depth():
    cfg = dataset_config(work_dir='work', other='data/set2/x')
    cfg.merge_from_dict(dict(data_root='/new'))
    assert cfg.data_root == cfg.train.dataset.data_root == '/new'
    assert cfg.train.dataset.ann_file == '/new/gt.json'
    assert cfg.train.dataset.prefix == ['/new/rgb', ('/new/flow', 3)]
    assert cfg.val[0].evaluator.gt == '/new/gt.json'
    assert (cfg.work_dir, cfg.other) == ('work', 'data/set2/x')  # another folder whose name begins alike
    assert isinstance(cfg.train.dataset, ConfigDict)
    assert isinstance(cfg.val[0].evaluator, ConfigDict)


@pytest.mark.parametrize(
    'options, found',
    [
        ({'train.dataset.data_root': 'mine'}, ('mine', '/new/gt.json')),  # given beside data_root: kept
        ({'train.dataset.data_root': 'data/set'}, ('data/set', '/new/gt.json')),  # kept even where it is the old value
        ({'train': dict(dataset=dict(ann_file='data/set/b.json'))}, ('/new', 'data/set/b.json')),  # given as a dict
        ({'val.0.evaluator.gt': 'data/set/c'}, ('/new', '/new/gt.json')),  # in an element of a list
    ],
)
@pytest.mark.parametrize('order', [1, -1])  # --cfg-options may name them in any order
def test_explicit_options_have_the_last_word(options, found, order):
    cfg = dataset_config()
    cfg.merge_from_dict(dict(list({'data_root': '/new', **options}.items())[::order]))
    assert (cfg.train.dataset.data_root, cfg.train.dataset.ann_file) == found
    assert cfg.val[0].evaluator.gt == options.get('val.0.evaluator.gt', '/new/gt.json')


@pytest.mark.parametrize(
    'old, options, path, expected',
    [
        ('data', dict(data_root='X/'), 'data/a', 'X/a'),  # no double slash
        ('data/', dict(data_root='X'), 'data/a', 'X/a'),
        ('data/', dict(data_root='X'), 'data', 'X'),
        ('data/', dict(data_root='X/'), 'data/', 'X/'),
        ('data', dict(data_root='/'), 'data/a', '/a'),
        ('data', dict(data_root='data/new'), 'data/a', 'data/new/a'),  # below the old root: moved once only
        ('', dict(data_root='X'), '/a', '/a'),  # no old root, nothing below it
        ('/', dict(data_root='X'), '/a', '/a'),
        ('data', dict(data_root=''), 'data/a', './a'),  # the working directory, not the root of the file system
        ('data', dict(data_root='/'), 'data', '/'),
        (None, dict(data_root='X'), 'data/a', 'data/a'),
        ('data', dict(data_root=['X', 'Y']), 'data/a', 'data/a'),  # no single folder
        ('data', {'nested.data_root': 'X'}, 'data/a', 'data/a'),  # not the top-level key
    ],
)
def test_what_moves_with_data_root(old, options, path, expected):
    cfg = Config(dict(data_root=old, nested=dict(path=path, data_root=old)))
    cfg.merge_from_dict(options)
    assert cfg.nested.path == expected
