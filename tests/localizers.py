"""Small localizers with random weights, which the tests of inference use instead of trained ones."""

from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ('run', 'jump', 'sit')


def make_localizer(folder, grid='dict(snippet_sec=0.64)', dim=6, classes=CLASSES, stem='model', extra=''):
    """Write a config and a checkpoint of a base model on features; returns both paths."""
    config, checkpoint = folder / f'{stem}.py', folder / f'{stem}.pth'
    config.write_text(
        f'_base_ = {str(ROOT / "configs/base/base_synthetic.py")!r}\n'
        f'model = dict(embedding=dict(in_channels={dim}, out_channels=16),\n'
        f'             head=dict(num_classes={len(classes or CLASSES)}, in_channels=16))\n'
        f'test_dataloader = dict(dataset=dict(_delete_=True, type="PointTALDataset", data_root={str(folder)!r},\n'
        f'    ann_file="none.json", data_prefix=dict(feature="features"), grid={grid},\n'
        '    pipeline=[dict(type="LoadSnippetFeatures"), dict(type="PointsToSnippets"),\n'
        '              dict(type="PackPointTALInputs")]))\n'
        f'{extra}'
    )
    save_localizer(Config.fromfile(config), checkpoint, classes)
    return config, checkpoint


def save_localizer(config, checkpoint, classes=None):
    """Write a checkpoint of the model of a config.

    Its classifier has large weights, so that scores vary from snippet to snippet and something is found.
    """
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.head.classifier.weight.data.mul_(20)
    meta = dict(dataset_meta=dict(classes=classes)) if classes else {}
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
