"""Videos that a checkpoint was trained on: its detections there say nothing about new videos."""

import traceback
from collections.abc import Collection
from pathlib import Path

from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

from fsptal_mm.engine.trained_videos import trained_videos, video_ids
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id
from fsptal_mm.utils.wording import counted

_MAX_NAMED = 5  # largest number of videos that a sentence lists


def share_trained_on(config: Config, checkpoint: str | Path) -> tuple[int, int]:
    """Count the test videos of a config that a checkpoint was trained on.

    Args:
        config (Config): Config with a ``test_dataloader``; features are not read.
        checkpoint: Local file; nothing in it is executed.

    Returns:
        tuple[int, int]: Number of test videos that were trained on, and number of all test videos. Both are 0 if it
        cannot be known: the checkpoint does not say what it was trained on, or cannot be read, or the data cannot.
    """
    try:
        trained = trained_videos(CheckpointLoader.load_checkpoint(str(checkpoint), 'cpu', 'silent'))
        if not trained or not config.get('test_dataloader'):
            return 0, 0
        with naming_types():
            tested = video_ids(DATASETS.build(config.test_dataloader.dataset))
    except InputError:
        return 0, 0
    except Exception as error:  # building a dataset may raise any error, which must not stop the report
        traceback.print_exception(error)
        return 0, 0
    return len(tested & trained), len(tested)


def training_videos_among(ids: Collection[str], trained: Collection[str], checkpoint: str | Path) -> str | None:
    """Say which videos a checkpoint was trained on, for a warning.

    Args:
        ids: Ids of the videos; they match with or without ActivityNet's ``v_``.
        trained: Ids of the videos that the checkpoint was trained on.
        checkpoint: File of the checkpoint.

    Returns:
        str | None: A sentence without a full stop; ``None`` if none of the videos was trained on.
    """
    both = [video_id for video_id in ids if known_id(video_id, trained) is not None]
    if not both:
        return None
    named = ', '.join(both[:_MAX_NAMED]) + (', ...' if len(both) > _MAX_NAMED else '')
    return (
        f'{checkpoint} was trained on {len(both)} of {counted(len(ids), "video")} ({named}): what it finds there says '
        'nothing about new videos'
    )
