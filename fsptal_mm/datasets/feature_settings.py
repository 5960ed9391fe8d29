"""Side file of a feature folder: the snippet grid, and the model that made the features."""

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
# These files may be moved or renamed: their digests show whether they are the same.
_NAMES_ONLY = ('model.config', 'model.checkpoint')
_DIGESTS = {'config_sha256', 'checkpoint_sha256'}


def read_settings(folder: str | Path) -> dict[str, Any] | None:
    """Read the side file of a folder of features.

    Returns:
        dict | None: None if there is none; else ``grid`` (fields of :meth:`SnippetGrid.from_config`), ``feature_dim``,
        ``model``, ... as :attr:`FeatureExtractor.settings` has them.

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

    Raises:
        InputError: The folder has features that were made with other settings, or with unknown ones.
    """
    folder = Path(folder)
    settings = {'format': _FORMAT, 'version': _VERSION, **settings}
    has_features = any(folder.glob('*.npy'))  # before the side file, which another process may write right now
    old = read_settings(folder)
    if old is None:
        if has_features:
            raise InputError('an empty folder, since it is unknown how its features were made', file=folder)
        write_json(folder / SIDE_FILE, settings)
        return
    new, old = _flat(json.loads(json.dumps(settings))), _flat(old)
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if differing:
        raise InputError(
            f'{ {name: old.get(name) for name in differing} }, as the features that are there; or another folder',
            file=folder / SIDE_FILE,
            field=', '.join(differing),
            found={name: new.get(name) for name in differing},
        )


def _flat(settings):
    """Settings of all levels under dotted names, without those that may differ."""
    flat = {}
    for name, value in settings.items():
        parts = {f'{name}.{key}': part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        flat.update({key: part for key, part in parts.items() if key not in _NAMES_ONLY})
    return flat


def stated_grid(folders: Iterable[str | Path]) -> tuple[dict[str, Any], Path] | None:
    """Read the grid that side files state.

    Args:
        folders: Folders (or files) of feature streams.

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
