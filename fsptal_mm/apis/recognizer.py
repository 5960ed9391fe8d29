"""Loading of mmaction2 recognizers for feature extraction, and lookup of the length of their clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from torch import nn

from fsptal_mm.utils.configs import naming_types, read_config
from fsptal_mm.utils.errors import InputError

from .model_loading import local_file, state_dict_holder


@naming_types()
def load_recognizer(
    config: str | Path | Config, checkpoint: str | Path, device: str | torch.device
) -> tuple[nn.Module, Config, list[dict[str, Any]]]:
    """Build a recognizer without its classifier, and load its weights.

    Args:
        config: A config file, or a ``Config``, which is not changed.
        checkpoint: A local checkpoint of mmengine, or a local file of weights alone; nothing in it is executed.
        device: Device of the model.

    Returns:
        tuple[nn.Module, Config, list[dict]]: The model in evaluation mode, its config, and its test pipeline.

    Raises:
        InputError: There is no such file; the config has no recognizer or no test pipeline; or the weights do not fit
            the model. Only the weights of the classifier may differ or be missing.
    """
    config = config if isinstance(config, Config) else read_config(config)
    model_config = config.get('model', {}).copy()
    backbone = model_config.get('backbone')
    if not backbone or not str(model_config.get('type', '')).startswith('Recognizer'):
        raise InputError(
            'the config of a recognizer', file=config.filename, field='model', found=model_config.get('type')
        )
    model_config.pop('cls_head', None)
    # ``pretrained`` is removed: the weights it names would be downloaded, although the checkpoint has all weights.
    model_config.backbone = {**backbone, **({'pretrained': None} if 'pretrained' in backbone else {})}
    # A recognizer looks up its parts in the registry of the default scope.
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmaction')):
        model = MODELS.build(model_config)
    weights = CheckpointLoader.load_checkpoint(local_file(checkpoint), map_location='cpu')
    weights = state_dict_holder(weights, checkpoint).get('state_dict', weights)
    weights = {name.removeprefix('module.'): value for name, value in weights.items()}
    try:
        result = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # the shape of a weight differs
        found = str(error).split('\n')[1].strip()
        raise InputError(f'weights of {config.filename}', file=checkpoint, field='state_dict', found=found) from error
    strange = [name for name in result.unexpected_keys if not name.startswith('cls_head.')]
    if result.missing_keys:
        found = f'weights without {result.missing_keys[:3]}, but with {strange[:3]}'
        raise InputError(f'weights of {config.filename}', file=checkpoint, field='state_dict', found=found)
    return model.to(device).eval(), config, _test_pipeline(config)


def _test_pipeline(config):
    if 'test_pipeline' in config:
        return config.test_pipeline
    try:
        return config.test_dataloader.dataset.pipeline
    except AttributeError as error:
        raise InputError('a test_pipeline or a test_dataloader', file=config.filename) from error


def sampled_clip(config: Config, test_pipeline: Sequence[dict[str, Any]]) -> tuple[int, int | None]:
    """Read the length of a recognizer's clips from its test pipeline.

    Args:
        config: Config of the recognizer.
        test_pipeline: Test pipeline of the recognizer.

    Returns:
        tuple[int, int | None]: Number of frames of a clip that the model sees, and number of frames over which these
        are spread. The latter is None for 2D models: their pipelines take single frames (or stacks of flow) from the
        whole video.

    Raises:
        InputError: The test pipeline does not sample frames.
    """
    for step in test_pipeline:
        if 'clip_len' in step:
            break
    else:
        names = [str(step['type']) for step in test_pipeline]
        raise InputError('a transform with clip_len', file=config.filename, field='test_pipeline', found=names)
    if config.model.type == 'Recognizer2D':
        # Models such as TSM process several frames together: num_segments of their backbone.
        return max(step['clip_len'], config.model.backbone.get('num_segments') or 1), None
    return step['clip_len'], step['clip_len'] * step.get('frame_interval', 1)
