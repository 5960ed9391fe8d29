"""Ids of the videos that a checkpoint was trained on; the checkpoint lists them in its ``meta``."""

from typing import Any

_FIELD = 'trained_videos'  # key in the meta of a checkpoint


def video_ids(dataset: Any) -> set[str]:
    """Ids of the videos of a dataset; empty for a dataset of another project that has no ids."""
    read = getattr(dataset, 'get_data_info', None)
    return {read(index).get('video_id') for index in range(len(dataset))} - {None} if read else set()


def trained_videos(checkpoint: Any) -> set[str] | None:
    """Ids of the videos that a checkpoint was trained on; ``None`` if the checkpoint does not say."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    found = meta.get(_FIELD) if isinstance(meta, dict) else None
    return set(map(str, found)) if isinstance(found, (list, tuple)) else None


def note_trained_videos(checkpoint: dict[str, Any], ids: set[str]) -> None:
    """Write the ids of the training videos into a checkpoint that is about to be saved."""
    checkpoint.setdefault('meta', {})[_FIELD] = sorted(ids)
