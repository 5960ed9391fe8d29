"""Public code of a method, read from a clone of it, and comparisons with ours."""

import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

STUBS = ('tensorboard_logger',)  # of what the public codes import and the comparison does not use


def load_module(file: Path, patches: Sequence[tuple[str, str]], name: str) -> types.ModuleType:
    """Run a file of a clone with some of its text replaced.

    Args:
        file: Of the clone.
        patches: Pairs of a text, which must occur, and its replacement.
        name: Of the module; later files may import it by this name.
    """
    for stub in STUBS:
        sys.modules.setdefault(stub, types.SimpleNamespace(log_value=None))
    text = file.read_text()
    for found, replacement in patches:
        if found not in text:
            raise SystemExit(f'{file}: the clone is not of the commit that was compared, {found!r} is missing')
        text = text.replace(found, replacement)
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, str(file), 'exec'), module.__dict__)
    return module


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, relative to the largest value where that is above 1."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


def parameter_difference(ours: nn.Module, copied: Mapping[str, Tensor]) -> float:
    """Largest difference of parameters, each relative to the largest value of its tensor."""
    own = ours.state_dict()
    return max(
        float((own[name] - value).abs().max() / value.abs().max().clamp(min=1e-12)) for name, value in copied.items()
    )


class Report:
    """Rows of a table in Markdown.

    Attributes:
        failed: Whether a difference was above its limit.
    """

    def __init__(self) -> None:
        self.failed = False
        print('| compared | difference | limit |\n|---|---:|---:|')

    def row(self, what: str, value: float, limit: float) -> None:
        """Print one row."""
        self.failed |= not value <= limit
        print(f'| {what} | {value:.1e} | {limit:g} |' + ' FAILED' * (not value <= limit))

    def finish(self) -> None:
        """Exit with 1 if something failed."""
        sys.exit(int(self.failed))


def gradient(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Gradients of a loss, zero where it does not depend on an input."""
    found = torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(part) if own is None else own for part, own in zip(inputs, found)]
