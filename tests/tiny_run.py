"""A runner on five tiny videos, which the tests of hooks train with, and a comparison of what it saves."""

import numpy as np
import torch
from mmaction.utils import register_all_modules
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from plain_files import plain_video, write_plain

MINERS = dict(FSPTALHead='PseudoLabelMiner', PointTALHead='PseudoLabelMiner', LACPHead='LACPSeedMiner')
LENGTHS = (9, 16, 23, 12, 30)  # an odd number of videos, so that two processes have unequal shares
WRAPPERS = dict(
    RepeatDataset=lambda dataset: dict(type='RepeatDataset', dataset=dataset, times=2),
    ConcatDataset=lambda dataset: dict(type='ConcatDataset', datasets=[dataset, dataset]),
)


def write_data(folder, segments=True):
    """Features and annotations of five videos of one-second snippets, two or three points each."""
    rng = np.random.default_rng(0)
    videos = {}
    for number, length in enumerate(LENGTHS):
        (folder / 'features').mkdir(exist_ok=True)
        np.save(folder / f'features/v{number}.npy', rng.normal(size=(length, 6)).astype(np.float32))
        times = [2.5, length - 3.5] + [length / 2] * (length > 14)
        rows = [(time, 'ab'[index % 2]) for index, time in enumerate(times)]
        of_video = [(time - 1.5, time + 1.5, label) for time, label in rows] if segments else []
        videos[f'v{number}'] = plain_video(of_video, rows, subset='train', duration_sec=float(length))
    write_plain(folder / 'ann.json', 'ab', videos)


def make_loader(folder, batch_size=1, steps=(), shuffle=False, sampler=(), loader=(), **dataset):
    """Config of a loader of these videos; ``steps`` are further transforms, behind the one that loads the features."""
    pipeline = ['LoadSnippetFeatures', *steps, 'PointsToSnippets', 'PackPointTALInputs']
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=shuffle, **dict(sampler)),
        dataset=dict(
            type='PointTALDataset',
            data_root=str(folder),
            ann_file='ann.json',
            data_prefix=dict(feature='features'),
            grid=dict(snippet_sec=1.0),
            pipeline=[dict(type=step) for step in pipeline],
        )
        | dataset,
        **dict(loader),
    )


def hook_of(runner, kind):
    """The hook of a class."""
    return next(hook for hook in runner.hooks if isinstance(hook, kind))


def make_runner(
    folder,
    hooks=(),
    head=(),
    trunk='SnippetEmbedding',
    epochs=1,
    lr=0.0,
    workers=0,
    name='run',
    steps=(),
    wrapper=None,
    loader=(),
    **kwargs,
):
    """A runner whose thresholds mine labels even with random weights; its work directory is ``folder / name``.

    ``steps`` are further transforms, behind the one that loads the features; ``wrapper`` is one of ``WRAPPERS``;
    ``loader`` holds further arguments of the training loader.
    """
    register_all_modules()
    if not (folder / 'ann.json').is_file():
        write_data(folder)
    head = dict(type='FSPTALHead', num_classes=2, in_channels=8) | dict(head)
    if miner := MINERS.get(head['type']):
        head['miner'] = dict(type=miner, background_threshold=0.5, action_threshold=0.5)
    train_loader = make_loader(folder, 2, steps, shuffle=True, loader=loader)
    dataset = train_loader['dataset']
    dataset['pipeline'].insert(-1, dict(type='ExtendPointLabels'))
    if wrapper:
        train_loader['dataset'] = WRAPPERS[wrapper](dataset)
    settings = dict(
        model=dict(type='PointTAL', embedding=dict(type=trunk, in_channels=6, out_channels=8), head=head),
        train_dataloader=train_loader | dict(num_workers=workers, persistent_workers=workers > 0),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr)),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=list(hooks),
        randomness=dict(seed=0),
        default_scope='mmaction',
        experiment_name=f'{folder.name}_{name}',  # mmengine's loggers and message hubs are found by this name
        work_dir=str(folder / name),
        log_level='WARNING',
    )
    return Runner(**(settings | kwargs))


def batches(runner):
    """Every training video as a batch of its own, packed, with the data samples."""
    dataset = runner.train_dataloader.dataset
    for index in range(len(dataset)):
        data = pseudo_collate([dataset[index]])
        yield runner.model.data_preprocessor(data)['inputs'], data['data_samples']


def tensors(node, path=''):
    """Every tensor of a checkpoint with its place in it."""
    if isinstance(node, torch.Tensor):
        yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in items:
        yield from tensors(value, f'{path}/{key}')


def same_weights(first, second):
    """Whether two checkpoints hold the same weights and state of the optimizer, to the last bit."""
    keys = ('state_dict', 'ema_state_dict', 'optimizer')
    first, second = (dict(tensors({key: ckpt[key] for key in keys if key in ckpt})) for ckpt in (first, second))
    assert first.keys() == second.keys()
    assert len(first) > 8
    return all(torch.equal(value, second[path]) for path, value in first.items())
