"""Side file of a feature folder, ``features.json``: it states the snippet grid and the model that made the features."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_json
from fsptal_mm.utils.writing import write_json

SIDE_FILE = 'features.json'
_FORMAT, _VERSION = 'fsptal_mm_features', 1
# The names of config and checkpoint are not compared, since the two files may be renamed. Their digests are compared.
_NAMES_ONLY = ('model.config', 'model.checkpoint')
_DIGESTS = {'config_sha256', 'checkpoint_sha256'}


def read_settings(folder: str | Path) -> dict[str, Any] | None:
    """Read the side file of a folder of features.

    Returns:
        dict | None: ``grid`` (fields of :meth:`SnippetGrid.from_config`), ``feature_dim``, ``model`` and the other
        fields of :attr:`FeatureExtractor.settings`; None if the folder has no side file.

    Raises:
        InputError: The file is damaged, or has another format or version.
    """
    path = Path(folder, SIDE_FILE)
    if not path.is_file():
        return None
    content = read_json(path)
    found = (content.get('format'), content.get('version'))
    if found != (_FORMAT, _VERSION) or not isinstance(content.get('grid'), dict):
        raise InputError(f'{(_FORMAT, _VERSION)} with a grid', file=path, field='format, version', found=found)
    model = content.get('model')
    if model is not None and not (isinstance(model, dict) and set(model) >= _DIGESTS):
        raise InputError(f'an object with {sorted(_DIGESTS)}', file=path, field='model', found=model)
    return content


def keep_settings(folder: str | Path, settings: dict[str, Any]) -> None:
    """Write the side file of a folder; if there is one, make sure that it holds the same settings.

    Args:
        folder: Folder of features.
        settings (dict): As in :attr:`FeatureExtractor.settings`.

    Raises:
        InputError: The folder has features that were made with other settings, or without a side file.
    """
    folder = Path(folder)
    settings = {'format': _FORMAT, 'version': _VERSION, **settings}
    # Features are looked for before the side file is read. In the other order, another process could write a side file
    # and features in between, and then its features would seem to have no side file.
    has_features = any(folder.glob('*.npy'))
    old = read_settings(folder)
    if old is None:
        if has_features:
            found = f'features without {SIDE_FILE}'
            expected = 'an empty folder, since it is unknown how the features there were made'
            raise InputError(expected, file=folder, found=found)
        write_json(folder / SIDE_FILE, settings)
        return
    new, old = _flat(json.loads(json.dumps(settings))), _flat(old)
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if differing:
        raise InputError(
            f'{ {name: old.get(name) for name in differing} }, as for the features in the folder; or another folder',
            file=folder / SIDE_FILE,
            field=', '.join(differing),
            found={name: new.get(name) for name in differing},
        )


def settings_digest(settings: dict[str, Any]) -> str:
    """Digest of the settings that :func:`keep_settings` compares: 16 hexadecimal digits, a name for a folder."""
    text = json.dumps(_flat(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _flat(settings):
    """Settings by dotted names, such as ``grid.fps``, without those of ``_NAMES_ONLY``, which are not compared."""
    flat = {}
    for name, value in settings.items():
        parts = {f'{name}.{key}': part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        flat.update({key: part for key, part in parts.items() if key not in _NAMES_ONLY})
    return flat


def stated_grid(folders: Iterable[str | Path]) -> tuple[dict[str, Any], Path] | None:
    """Read the grid that the side files of feature streams state.

    Args:
        folders: One per stream: a folder of features, or an HDF5 file, which has no side file.

    Returns:
        tuple[dict, Path] | None: Fields of :meth:`SnippetGrid.from_config` and the side file that states them; None if
        no stream has a side file.

    Raises:
        InputError: The side files of the streams state different grids.
    """
    stated = None
    for folder in folders:
        settings = read_settings(folder)
        if settings is None:
            continue
        grid, path = settings['grid'], Path(folder, SIDE_FILE)
        if stated is not None and SnippetGrid.from_config(grid) != SnippetGrid.from_config(stated[0]):
            raise InputError(f'{stated[0]}, as in {stated[1]}', file=path, field='grid', found=grid)
        stated = stated or (grid, path)
    return stated
