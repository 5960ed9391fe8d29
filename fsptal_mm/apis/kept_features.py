"""Features that an extractor made of videos, kept in a folder for the next run on the same videos."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from fsptal_mm.datasets.feature_files import FeatureReader
from fsptal_mm.datasets.feature_settings import keep_settings, settings_digest
from fsptal_mm.utils.errors import WriteError
from fsptal_mm.utils.reading import path_below, read_json
from fsptal_mm.utils.writing import atomic_write, write_json

from .feature_extractor import FeatureExtractor


class KeptFeatures:
    """Folder of the features that an extractor made, which are not extracted again.

    Features are taken from the folder if the path, the size and the modification time of the video are the same, and so
    are the recognizer and the settings of the extraction. Beside ``VIDEO.npy``, the file ``VIDEO.video.json`` states of
    which video file the features are.

    Args:
        parent: Folder with one subfolder for each recognizer with its settings.
        extractor (FeatureExtractor): The extractor for all other videos.

    Attributes:
        folder (Path): The subfolder of this extractor, whose name is a digest of the settings.
        reused: Number of videos whose features were taken from the folder.
        extracted: Number of videos whose features were extracted.
    """

    def __init__(self, parent: str | Path, extractor: FeatureExtractor) -> None:
        self.extractor = extractor
        self.folder = Path(parent, settings_digest(extractor.settings))
        self.reused = self.extracted = 0

    def extract(
        self, path: str | Path, video_id: str, on_progress: Callable[[float], object] | None = None
    ) -> np.ndarray:
        """Read the features of a video from the folder, or extract them and write them there.

        If they cannot be written, a warning says so, since they can be used nevertheless.

        Args:
            path: The video file.
            video_id: Id of the video, after which the file of the features is named.
            on_progress: As in :meth:`.FeatureExtractor.extract`.

        Returns:
            np.ndarray: ``(T, D)`` float32.

        Raises:
            InputError: The video cannot be read, or a file in the folder is damaged.
        """
        features_file, origin_file = (path_below(self.folder, video_id, end) for end in ('.npy', '.video.json'))
        origin = self._origin(path)
        if features_file.is_file() and origin_file.is_file() and read_json(origin_file) == origin:
            self.reused += 1
            return FeatureReader().read(features_file, video_id)
        features = self.extractor.extract(path, on_progress)
        self.extracted += 1
        try:
            keep_settings(self.folder, self.extractor.settings)
            with atomic_write(features_file, 'wb') as file:
                np.save(file, features)
            write_json(origin_file, origin)
        except WriteError as error:
            print_log(f'features are not kept: {error}', 'current', logging.WARNING)
        return features

    def _origin(self, path):
        """Description of a video file and of how it is read, as JSON values."""
        path = Path(path).resolve()
        stat = path.stat()
        damaged = self.extractor.allow_damaged
        return dict(path=str(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns, allow_damaged=damaged)
