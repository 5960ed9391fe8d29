"""Extraction of snippet features from videos, with any recognizer of mmaction2."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from fsptal_mm.datasets.videos.clips import ClipGrid, ClipPipeline, iterate_clips
from fsptal_mm.datasets.videos.flow import RGB_SOURCE, check_source, open_frames
from fsptal_mm.models import pool_clip_features
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError, check_numbers

from .model_loading import usable_device
from .recognizer import load_recognizer, sampled_clip

_PROBE_SHAPE = (256, 340)  # height and width of the black frames of _probe: a usual size of recognizers' inputs


@dataclass(frozen=True)
class Extraction:
    """Result of the extraction of one video.

    Attributes:
        path: Path of the video.
        features: ``(T, D)`` float32; ``None`` if there is an ``error``.
        error: Reason why the video cannot be used; ``None`` if it can.
        note: Warning about a video whose features were extracted nevertheless; ``None`` if there is no warning.
    """

    path: str
    features: np.ndarray | None = None
    error: InputError | None = None
    note: str | None = None


class FeatureExtractor:
    """Extractor of snippet features ``(T, D)`` with the backbone of a recognizer, and its neck if it has one.

    The recognizer's test pipeline scales and crops the frames (one view, the centre crop), and its data preprocessor
    normalizes them. The feature map of a clip is averaged over space and time. If the model gives several maps
    (SlowFast), their averages are concatenated.

    Args:
        config: Config of an mmaction2 recognizer: a file, or a ``Config``.
        checkpoint: Checkpoint of the recognizer, a local file; nothing in it is executed.
        fps: Frames per second at which every video is sampled, whatever its native rate.
        stride_frames: Frames from one snippet to the next, at ``fps``.
        snippet_frames: Frames from the start of a clip to its end, at ``fps``. Default: as in the config; for 2D
            models, the larger of ``stride_frames`` and ``clip_len``.
        clip_len: Number of frames of a clip that the model sees. Default: as in the config.
        device: Device of the model. Default: the device that mmengine chooses, a GPU if there is one.
        half: Whether to compute in half precision: float16, or bfloat16 on the CPU.
        batch_size: Number of clips in one forward pass.
        source: Source of the frames: ``'video'`` for RGB frames; for models of optical flow, ``'tvl1'`` (flow is
            computed by TV-L1) or a folder of flow images. See ``open_frames``.
        allow_damaged: Whether to take what can be read of truncated and damaged videos. Default: such a video is an
            error.

    Attributes:
        clip_grid (ClipGrid): Position and length of the clips.
        grid (SnippetGrid): The snippet grid in seconds, as localizers need it.
        feature_dim: Dimension of the features, D.

    Raises:
        InputError: The config, the checkpoint or a setting does not fit; or the model's output for a clip is neither
            a vector nor feature maps.

    Examples:
        >>> extractor = FeatureExtractor('tsn_r50.py', 'tsn_r50.pth')  # doctest: +SKIP
        >>> features, grid = extractor.extract('video.mp4'), extractor.grid  # doctest: +SKIP
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        *,
        fps: float = 25.0,
        stride_frames: int = 16,
        snippet_frames: int | None = None,
        clip_len: int | None = None,
        device: str | torch.device | None = None,
        half: bool = False,
        batch_size: int = 8,
        source: str = RGB_SOURCE,
        allow_damaged: bool = False,
    ) -> None:
        check_numbers('FeatureExtractor', 1, whole=True, batch_size=batch_size)
        self.device = usable_device(device)
        self.half, self.batch_size, self.allow_damaged = half, batch_size, allow_damaged
        self.model, config, test_pipeline = load_recognizer(config, checkpoint, self.device)
        default_len, default_frames = sampled_clip(config, test_pipeline)
        clip_len = clip_len or default_len
        self.clip_grid = ClipGrid(
            fps, snippet_frames or default_frames or max(clip_len, stride_frames), stride_frames, clip_len
        )
        self.pipeline = ClipPipeline(test_pipeline)
        self.source, self.modality = str(source), check_source(source)
        self._config, self._checkpoint = config, checkpoint
        self.feature_dim = self._probe()

    @property
    def grid(self) -> SnippetGrid:
        """Snippet grid in seconds; it is the same for all videos."""
        return self.clip_grid.snippet_grid

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Content of the side file of a feature folder (grid, dimension, digests of the model), as JSON values."""
        clips = asdict(self.clip_grid)
        # Only the parts of the config that the features depend on are digested: neither the classifier nor the steps
        # that sample and decode frames.
        digested = dict(model=self._config.model.to_dict(), steps=self.pipeline.steps)
        digested['model'].pop('cls_head', None)
        config_text = json.dumps(digested, sort_keys=True, default=str)
        return dict(
            snippet_sec=self.grid.snippet_sec,
            grid={name: clips[name] for name in ('fps', 'snippet_frames', 'stride_frames')} | {'offset_sec': 0.0},
            clip_len=self.clip_grid.clip_len,
            stream='rgb' if self.modality == 'RGB' else 'flow',
            source='flow images' if Path(self.source).is_dir() else self.source,
            feature_dim=self.feature_dim,
            half=self.half,
            model=dict(
                config=Path(self._config.filename or '').name,
                config_sha256=hashlib.sha256(config_text.encode()).hexdigest()[:16],
                checkpoint=Path(self._checkpoint).name,
                checkpoint_sha256=_digest(self._checkpoint),
            ),
        )

    def _probe(self):
        """Find the dimension of the features by a forward pass of one black clip; an InputError if the pass fails."""
        modality = self.modality
        frames = [np.zeros((*_PROBE_SHAPE, 2 if modality == 'Flow' else 3), np.uint8)] * self.clip_grid.clip_len
        try:
            clips = self.pipeline.format([self.pipeline.scale(frames, modality)], modality)
            return self.forward(clips).shape[1]
        except InputError:
            raise
        except Exception as error:  # models raise different types of errors for inputs that do not fit
            expected = f'a model that takes clips of {self.clip_grid.clip_len} {modality} frames'
            raise InputError(expected, field='model', found=str(error).split('\n')[0]) from error

    @torch.inference_mode()
    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Compute the features of clips.

        Args:
            clips (Tensor): S clips, ``(S, ...)`` uint8, as ``iterate_clips`` yields them.

        Returns:
            Tensor: ``(S, D)`` float32 on the device.
        """
        inputs = self.model.data_preprocessor(dict(inputs=list(clips), data_samples=None))['inputs']
        half = torch.bfloat16 if self.device.type == 'cpu' else torch.float16
        with torch.autocast(self.device.type, half, enabled=self.half):
            maps, _ = self.model.extract_feat(inputs, stage='neck')
        return pool_clip_features(maps, len(clips))

    def extract(self, path: str | Path, on_progress: Callable[[float], object] | None = None) -> np.ndarray:
        """Extract the features of one video.

        Args:
            path: The video file.
            on_progress: Function that is called after every batch with the share of the snippets that is done, 0 to 1.

        Returns:
            np.ndarray: ``(T, D)`` float32.

        Raises:
            InputError: The video cannot be read.
        """
        (result,) = self.extract_all([path], 0, on_progress and (lambda _, share: on_progress(share)))
        if result.error is not None:
            raise result.error
        return result.features

    def extract_all(
        self,
        paths: Iterable[str | Path],
        num_workers: int = 0,
        on_progress: Callable[[str, float], object] | None = None,
    ) -> Iterator[Extraction]:
        """Extract the features of many videos. If a video cannot be read, extraction goes on with the next one.

        Args:
            paths: The video files.
            num_workers: Number of worker processes that decode videos; each decodes one video at a time. 0: the main
                process decodes.
            on_progress: Function that is called after every batch with the path of the video and the share of its
                snippets that is done, 0 to 1.

        Yields:
            Extraction: One per video, as soon as it is done. With several workers, the order may differ from that of
            ``paths``.

        Raises:
            InputError: ``num_workers`` is no whole number >= 0.
        """
        check_numbers('FeatureExtractor', 0, whole=True, num_workers=num_workers)
        paths = [str(path) for path in paths]
        stream = _ClipStream(paths, self.source, self.clip_grid, self.pipeline, self.batch_size, self.allow_damaged)
        parts = [[] for _ in paths]  # for each video, the features of its batches so far
        # The stream makes the batches. With batch_size=None, the loader passes them on unchanged.
        for number, clips, total, note in DataLoader(stream, batch_size=None, num_workers=num_workers):
            path, done = paths[number], parts[number]
            if isinstance(note, InputError):
                done.clear()
                yield Extraction(path, error=note)
                continue
            done.append(self.forward(clips).cpu().numpy())
            count = sum(map(len, done))
            if on_progress:
                on_progress(path, count / total)
            if count == total:
                yield Extraction(path, np.concatenate(done), note=note)
                done.clear()


def _digest(path):
    """First 16 hexadecimal digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()[:16]


@dataclass
class _ClipStream(IterableDataset):
    """Batches of the clips of many videos. Each worker process reads whole videos, so that no frame is decoded twice.

    The stream yields ``(index of the video, clips, T, note)``; the note is a warning or ``None``. If a video cannot be
    read, clips and T are ``None``, and the note is the InputError.
    """

    paths: list
    source: str
    grid: ClipGrid
    pipeline: ClipPipeline
    batch_size: int
    allow_damaged: bool

    def __iter__(self):
        worker = get_worker_info()
        mine = range(len(self.paths))[worker.id :: worker.num_workers] if worker else range(len(self.paths))
        for number in mine:
            try:
                yield from self._read(number)
            except InputError as error:
                yield number, None, None, error
            except Exception as error:  # an error of OpenCV or FFmpeg must not stop the other videos
                yield number, None, None, InputError('a readable video', file=self.paths[number], found=repr(error))

    def _read(self, number):
        """Yield the batches of one video, by its index."""
        video = open_frames(self.paths[number], self.source, self.grid.fps, self.allow_damaged)
        total, note = self.grid.num_snippets(video.duration_sec), None
        clip_sec = self.grid.snippet_frames / self.grid.fps
        if video.duration_sec < clip_sec:
            note = f'{video.duration_sec:.2f} s, shorter than a clip of {clip_sec:.2f} s: its end frames are repeated'
        for clips in iterate_clips(video, self.grid, self.pipeline, self.batch_size):
            yield number, clips, total, note
