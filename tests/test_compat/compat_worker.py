"""Programs that test_compat runs in processes of their own, where nothing has been repaired yet.

``symptoms FOLDER``: try everything that a repair is for, before and after the repairs; print both outcomes as JSON.
``changes``: import the package, and print which attributes of the host are other objects afterwards.
``healthy``: apply the repairs to an installation without faults, which fake modules on the caller's path simulate.
``train FOLDER``: train a toy model under torchrun; write the weights of every rank.
"""

import importlib
import json
import os
import sys
import types
import warnings
from pathlib import Path

warnings.simplefilter('ignore')


def drn(folder):
    from mmaction.models.localizers import BMN  # noqa: F401
    from mmaction.models.localizers.drn import drn
    from mmaction.registry import MODELS

    if not hasattr(drn, '__file__'):  # this mmaction2 has no drn, so no model of it can be built
        assert 'DRN' not in MODELS


def numpy_trapz(folder):
    import numpy as np
    from mmaction.evaluation.functional.accuracy import average_recall_at_avg_proposals

    proposals = {'v': np.array([[0.0, 1.0, 0.9]])}
    *_, auc = average_recall_at_avg_proposals({'v': np.array([[0.0, 1.0]])}, proposals, 1, 1)
    assert auc > 0


def checkpoint(folder):
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.runner import CheckpointLoader

    path = str(Path(folder, 'probe.pth'))
    torch.save({'loss': HistoryBuffer([0.5], [1])}, path)
    assert CheckpointLoader.load_checkpoint(path)['loss'].current() == 0.5


def hub_config(folder):
    import mmengine.hub

    name = 'bmn/bmn_2xb8-400x100-9e_activitynet-feature.py'
    assert mmengine.hub.get_config(f'mmaction::localization/{name}').model.type == 'BMN'


def base_config(folder):
    from mmengine.config import Config

    path = Path(folder, 'child.py')
    path.write_text("_base_ = 'mmaction::localization/bmn/bmn_2xb8-400x100-9e_activitynet-feature.py'\n")
    assert Config.fromfile(path).model.type == 'BMN'


def clone_in_the_way(folder):
    """The path holds a folder with the name of the distribution, such as a clone of its repository."""
    from mmengine.utils import get_installed_path

    Path(folder, 'mmaction2').mkdir(exist_ok=True)
    sys.path.insert(0, folder)
    try:
        assert Path(get_installed_path('mmaction2'), 'registry.py').is_file()
    finally:
        sys.path.remove(folder)


def launch(launcher):
    def probe(folder):
        import torch
        from mmengine.dist import init_dist

        init_dist(launcher)
        torch.distributed.destroy_process_group()

    return probe


def data_parallel(folder):
    import torch
    from mmengine.model import MMDistributedDataParallel

    torch.distributed.init_process_group('gloo', store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = MMDistributedDataParallel(torch.nn.Linear(1, 1), device_ids=[0], find_unused_parameters=True)
        assert model.find_unused_parameters
    finally:
        torch.distributed.destroy_process_group()


def amp(folder):
    import torch
    from mmaction.registry import OPTIM_WRAPPERS

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer, loss_scale='dynamic'))


LAUNCHERS = ('pytorch', 'slurm', 'mpi')
PROBES = [drn, numpy_trapz, checkpoint, hub_config, base_config, clone_in_the_way, data_parallel, amp]
PROBES = {probe.__name__: probe for probe in PROBES} | {launcher: launch(launcher) for launcher in LAUNCHERS}


def compat_alone():
    """Import ``fsptal_mm.compat`` without the rest of the package, which would import the host's models."""
    package = types.ModuleType('fsptal_mm')
    package.__path__ = [str(Path(__file__).parents[2] / 'fsptal_mm')]
    sys.modules['fsptal_mm'] = package
    return importlib.import_module('fsptal_mm.compat')


def outcomes(folder):
    result = {}
    for name, probe in PROBES.items():
        try:
            probe(folder)
            result[name] = None
        except Exception as error:
            result[name] = f'{type(error).__name__}: {error}'
    return result


def symptoms(folder):
    sys.modules['pkg_resources'] = None  # importing it fails, as with setuptools 82
    before = outcomes(folder)
    import fsptal_mm.compat

    first = fsptal_mm.compat.apply()
    after = outcomes(folder)
    print(json.dumps(dict(before=before, after=after, applied=first, again=fsptal_mm.compat.apply())))


def attributes(hosts):
    """Every attribute of modules of the host and of the classes in these, of torch and of numpy, by its full name."""
    found = {}
    for module in hosts:
        for name, value in list(vars(module).items()):
            place = f'{module.__name__}.{name}'
            if not isinstance(value, (types.ModuleType, type)):
                found[place] = value
            elif isinstance(value, type) and value.__module__ == module.__name__:
                found |= {f'{place}.{key}': part for key, part in list(vars(value).items())}
    for name in ('numpy', 'torch', 'torch.cuda', 'torch.distributed', 'torch.nn.parallel'):
        own = vars(sys.modules[name]).items()
        found |= {f'{name}.{key}': value for key, value in own if not isinstance(value, types.ModuleType)}
    schemes = 'mmengine.runner.checkpoint.CheckpointLoader._schemes'
    return found | {schemes: dict(found[schemes])}


def changes():
    import inspect
    import pkgutil

    sys.modules['pkg_resources'] = None
    import torch  # noqa: F401

    for part in ('config', 'dist', 'fileio', 'hooks', 'infer', 'model', 'optim', 'runner', 'visualization'):
        package = importlib.import_module(f'mmengine.{part}')
        for info in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f'mmengine.{part}.{info.name}')

    def no_source(what):
        raise OSError('could not get source code')

    import mmaction.registry  # noqa: F401

    inspect.getsource = no_source
    variables = dict(os.environ)
    hosts = [module for name, module in sys.modules.items() if name.split('.')[0] in ('mmengine', 'mmaction')]
    before = attributes(hosts)
    import fsptal_mm

    after = attributes(hosts)
    changed = [
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or not (before[name] is after[name] or before[name] == after[name])
    ]
    result = dict(applied=fsptal_mm.compat.apply(), changed=sorted(changed), watched=len(before))
    result['environment'] = sorted(set(variables.items()) ^ set(os.environ.items()))
    print(json.dumps(result))


def healthy():
    import mmengine.device.utils
    import numpy as np
    import torch

    torch.__version__ = '2.5.1'
    mmengine.device.utils.DEVICE = 'cuda'
    np.trapz = sum  # noqa: NPY201
    from mmengine.dist.utils import _init_dist_pytorch
    from mmengine.runner.checkpoint import CheckpointLoader, load_from_local
    from mmengine.utils.package_utils import is_installed

    safe_globals = torch.serialization.get_safe_globals()
    applied = compat_alone().apply()
    untouched = {
        'checkpoints': CheckpointLoader._schemes[''] is load_from_local,
        'launch': mmengine.dist.utils._init_dist_pytorch is _init_dist_pytorch,
        'packages': mmengine.utils.is_installed is is_installed,
        'numpy': np.trapz is sum,  # noqa: NPY201
        'modules': not any(name.startswith('mmaction') for name in sys.modules),
        'torch': torch.serialization.get_safe_globals() == safe_globals,
    }
    print(json.dumps(dict(applied=applied, patched=[name for name, same in untouched.items() if not same])))


def train(folder):
    import torch
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    compat_alone().apply()

    class Toy(BaseModel):
        def __init__(self):
            super().__init__()
            self.used, self.unused = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)

        def forward(self, x, mode):
            return dict(loss=(self.used(x) - x).square().mean())

    weights = []
    # Once with the runner's own wrapper, which must be told that a layer is not used, and once with that of the config.
    wrapper = dict(type='MMDistributedDataParallel', find_unused_parameters=True, broadcast_buffers=True)
    for number, cfg in enumerate([dict(find_unused_parameters=True), dict(model_wrapper_cfg=wrapper)]):
        torch.manual_seed(int(os.environ['RANK']))  # the ranks start from different weights
        runner = Runner(
            model=Toy(),
            work_dir=folder,
            launcher='pytorch',
            train_dataloader=dict(
                batch_size=1,
                collate_fn=dict(type='default_collate'),
                dataset=[dict(x=torch.tensor([float(i)])) for i in range(4)],
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
            default_hooks=dict(checkpoint=None),
            experiment_name=f'toy{number}',
            cfg=cfg,
        )
        start = [p.item() for p in runner.model.module.used.parameters()]
        runner.train()
        weights.append(dict(start=start, end=[p.item() for p in runner.model.module.used.parameters()]))
    backend = torch.distributed.get_backend()
    Path(folder, f'rank{os.environ["RANK"]}.json').write_text(json.dumps(dict(weights=weights, backend=backend)))
    torch.distributed.destroy_process_group()


if __name__ == '__main__':
    {'symptoms': symptoms, 'changes': changes, 'healthy': healthy, 'train': train}[sys.argv[1]](*sys.argv[2:])
