"""Loading of a method's public code from a clone, and comparisons of it with ours.

In all files of this folder, "theirs" is the public code, and "ours" is the head of this package.
"""

import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

STUBS = ('tensorboard_logger',)  # modules that public codes import, but that no comparison uses


def read_patched(file: Path, patches: Sequence[tuple[str, str]]) -> str:
    """Read a file of a clone, and replace some of its text by patches, see :func:`load_module`."""
    text = file.read_text()
    for found, replacement in patches:
        if found not in text:
            raise SystemExit(
                f'{file}: expected {found!r}, found none: the clone is not at the commit that was compared'
            )
        text = text.replace(found, replacement)
    return text


def write_patched(
    clone: Path, folder: Path, patches: Mapping[str, Sequence[tuple[str, str]]], **values: object
) -> None:
    """Write files of a clone into a folder, with some of their text replaced.

    Args:
        clone: Folder of the clone.
        folder: Folder to write to.
        patches: By the path of each file in the clone: pairs of a text, which must occur, and its replacement.
        values: Values for the names that stand in braces in the replacements.
    """
    for name, own in patches.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(read_patched(clone / name, [(found, new.format(**values)) for found, new in own]))


def load_module(file: Path, patches: Sequence[tuple[str, str]], name: str) -> types.ModuleType:
    """Run a file of a clone with some of its text replaced.

    Args:
        file: Python file of the clone.
        patches: Pairs of a text, which must occur in the file, and its replacement.
        name: Name under which files that are loaded later can import this one.
    """
    for stub in STUBS:
        sys.modules.setdefault(stub, types.SimpleNamespace(log_value=None))
    text = read_patched(file, patches)
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, str(file), 'exec'), module.__dict__)
    return module


def difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference, divided by the largest expected value if that value is above 1."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


def parameter_difference(ours: nn.Module, copied: Mapping[str, Tensor]) -> float:
    """Return the largest difference between parameters, as a share of the largest expected value in the same tensor.

    Args:
        ours: Our model.
        copied: Expected parameters, by the names in our model.
    """
    own = ours.state_dict()
    return max(
        float((own[name] - value).abs().max() / value.abs().max().clamp(min=1e-12)) for name, value in copied.items()
    )


class Report:
    """Table in Markdown that is printed row by row.

    Attributes:
        failed: Whether a difference was above its limit.
    """

    def __init__(self) -> None:
        self.failed = False
        print('| compared | difference | limit |\n|---|---:|---:|')

    def row(self, what: str, value: float, limit: float) -> None:
        """Print one row: a name, the difference found, and its limit."""
        self.failed |= not value <= limit
        print(f'| {what} | {value:.1e} | {limit:g} |' + ' FAILED' * (not value <= limit))

    def finish(self) -> None:
        """End the program, with status 1 if a difference was above its limit."""
        sys.exit(int(self.failed))


def gradient(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Compute the gradients of a loss with respect to inputs; zeros for an input that it does not depend on."""
    found = torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(part) if own is None else own for part, own in zip(inputs, found)]
