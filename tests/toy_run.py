"""A runner on a toy model that needs no part of this package."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen = []

    def forward(self, x, mode):
        out = self.layer(x)
        self.seen.append(out.dtype)
        return dict(loss=out.square().mean())


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
        default_scope='mmaction',  # else the runner would set the scope mmengine, also for later tests
        **{'optim_wrapper': dict(optimizer=dict(type='Adam', lr=0.1)), **options},
    )
