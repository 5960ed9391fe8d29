"""Computation of snippet features from clips, by a backbone of mmaction2 that takes a few clips at a time."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from fsptal_mm.utils.errors import InputError


def pool_clip_features(outputs: Tensor | Sequence, num_clips: int) -> Tensor:
    """Average the output of a backbone, so that each clip has one vector.

    Several tensors (SlowFast's two pathways, several stages) are pooled one by one and joined along D. If the frames of
    a clip were folded into the batch (2D backbones), the rows of the clip are averaged.

    Args:
        outputs (Tensor | Sequence): ``(rows, D)``, tokens ``(rows, L, D)``, maps ``(rows, D, H, W)`` or
            ``(rows, D, T, H, W)``; or a tuple or list of such tensors. Every clip has the same number of consecutive
            rows.
        num_clips: Number of clips that the backbone got.

    Returns:
        Tensor: ``(num_clips, D)`` float32.

    Raises:
        InputError: The output has another form.
    """
    if isinstance(outputs, (tuple, list)) and outputs:
        return torch.cat([pool_clip_features(part, num_clips) for part in outputs], 1)
    is_poolable = torch.is_tensor(outputs) and outputs.is_floating_point() and 2 <= outputs.ndim <= 5
    if not is_poolable or 0 in outputs.shape or len(outputs) % num_clips:
        found = f'{tuple(outputs.shape)} of {outputs.dtype}' if torch.is_tensor(outputs) else type(outputs).__name__
        raise InputError(
            f'one vector per snippet, or what can be averaged to it: floating-point (rows, D), (rows, tokens, D), '
            f'(rows, D, H, W) or (rows, D, T, H, W), or several, where rows is a multiple of the {num_clips} clips',
            field='output of the backbone',
            found=found,
        )
    if outputs.ndim == 3:
        outputs = outputs.mean(1)
    elif outputs.ndim > 3:
        outputs = outputs.flatten(2).mean(-1)
    return outputs.float().unflatten(0, (num_clips, -1)).mean(1)


def encode_clips(backbone: nn.Module, clips: Tensor, prepare: Callable, chunk_size: int, checkpointed: bool) -> Tensor:
    """Features of the clips of one video, a few clips at a time.

    Without gradients, only the features of a chunk are kept. With gradients, all activations are kept; but if
    ``checkpointed`` is true, only the input clips (uint8) are kept, and the backward pass computes every chunk again.
    The second computation uses the same random numbers as the first, and does not update the running statistics of
    batch normalisation again.

    Args:
        backbone (nn.Module): Takes the output of ``prepare``, and returns what :func:`pool_clip_features` takes.
        clips (Tensor): ``(T, ...)``, one per snippet, on any device.
        prepare (Callable): Brings clips into the form and onto the device of the backbone.
        chunk_size: Largest number of clips at once; the chunks of a video differ in size by at most one clip.
        checkpointed: Whether the backward pass computes every chunk again.

    Returns:
        Tensor: ``(T, D)`` float32.
    """

    def encode(part, _anchor):
        return pool_clip_features(backbone(prepare(part)), len(part))

    # checkpoint() saves the random state of the devices of its arguments. The clips may still lie on the host, so a
    # parameter of the backbone is an argument, too.
    anchor = next(backbone.parameters(), None)
    features = []
    for part in clips.tensor_split(math.ceil(len(clips) / chunk_size)):
        if checkpointed and torch.is_grad_enabled():
            # Contexts of the forward pass, and of its repetition in the backward pass.
            context = lambda: (contextlib.nullcontext(), running_statistics_kept(backbone))  # noqa: E731
            features.append(checkpoint(encode, part, anchor, use_reentrant=False, context_fn=context))
        else:
            features.append(encode(part, anchor))
    return torch.cat(features)


@contextlib.contextmanager
def running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch normalisation in training use the statistics of the batch, but not update the running ones."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    settings = [(part.momentum, part.num_batches_tracked) for part in norms]
    # `track_running_stats` stays on: otherwise, other tensors would be saved than in the first computation.
    for part in norms:
        part.momentum, part.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for part, (momentum, count) in zip(norms, settings):
            part.momentum, part.num_batches_tracked = momentum, count


def check_can_recompute(backbone: nn.Module) -> None:
    """Make sure that a second pass over clips can leave the running statistics of batch normalisation alone.

    Raises:
        InputError: The backbone trains ``SyncBatchNorm``, which ``running_statistics_kept`` cannot handle: PyTorch's
            class fails if ``num_batches_tracked`` is None, and the class of compiled mmcv is not found.
    """
    for name, part in backbone.named_modules():
        if type(part).__name__ == 'SyncBatchNorm' and part.training:
            expected = f'False, since {name} is SyncBatchNorm, or BN with norm_eval=True in the backbone'
            raise InputError(expected, field='PointTAL.checkpoint_clips', found=True)


def frozen_parts(backbone: nn.Module, freeze: bool | str | Sequence[str]) -> list[nn.Module]:
    """Find the modules of a backbone that ``freeze`` names.

    Args:
        backbone (nn.Module): The backbone.
        freeze (bool | str | Sequence[str]): ``True``: the whole backbone. ``False``: nothing. Or the names of
            submodules, such as ``('conv1', 'layer1.0')``.

    Raises:
        InputError: A name that no submodule has.
    """
    if isinstance(freeze, bool):
        return [backbone] if freeze else []
    modules, wanted = dict(backbone.named_modules()), freeze if isinstance(freeze, (list, tuple)) else (freeze,)
    for name in wanted:
        if not name or not isinstance(name, str) or name not in modules:
            names = [child for child, _ in backbone.named_children()]
            raise InputError(
                f'True, False, or names such as {names}', field='PointTAL.freeze_backbone', found=str(name)
            )
    return [modules[name] for name in wanted]
