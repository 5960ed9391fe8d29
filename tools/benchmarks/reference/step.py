"""Training step of FS-PTAL with the paper's config, for the benchmarks."""

from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config

_MODEL_FILE = Path(__file__).parents[3] / 'configs/_base_/models/fsptal.py'


def build_model(dim, num_classes, embed_channels=None, seed=0):
    """Build FS-PTAL with the paper's config for features of dimension ``dim``, and its optimizer.

    Args:
        dim: D of the features.
        num_classes: Number of classes, C.
        embed_channels: D_e of module D. Default: that of the config.
        seed: Seed of the first weights.
    """
    model = Config.fromfile(_MODEL_FILE).model
    model.embedding.in_channels = model.head.in_channels = dim
    model.head.num_classes = num_classes
    if embed_channels is not None:
        model.embedding.embed_channels = embed_channels
    torch.manual_seed(seed)
    model = MODELS.build(model).train()
    return model, build_optimizer(model)


def build_optimizer(model):
    """Build Adam as the configs have it."""
    return torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)


def train_step(model, optimizer, data):
    """Train on one batch: from features to updated weights, mining and search included."""
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
