"""Reading of the clips of a video, one per snippet of the grid, as input of a recognizer."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose

from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

from .reader import VideoReader

_DECODED_AT_ONCE = 16  # number of frames that are decoded before they are scaled and cropped; small, to save memory
# A snippet counts only if its centre lies at least this far, in snippets, before the end of the video, since durations
# are rounded.
_EDGE_SNIPPETS = 1e-3


@dataclass(frozen=True)
class ClipGrid:
    """Grid of clips: the times of the frames that form the clip of each snippet.

    Snippet t covers the seconds ``[t, t + 1) * stride_frames / fps``, and its clip is centred on this range. So the
    grid begins and ends with the video, however long a clip is. In a clip that reaches beyond the start or the end of
    the video, the first or the last frame is repeated.

    Args:
        fps: Frames per second at which every video is sampled, whatever its native rate.
        snippet_frames: Length of a clip, in frames at ``fps``.
        stride_frames: Frames at ``fps`` from one snippet to the next.
        clip_len: Number of frames that the model sees, evenly spread over the ``snippet_frames``. Default: all of them.

    Raises:
        InputError: A number is not positive, or a number of frames is not whole.
    """

    fps: float
    snippet_frames: int
    stride_frames: int
    clip_len: int | None = None

    def __post_init__(self):
        if self.clip_len is None:
            object.__setattr__(self, 'clip_len', self.snippet_frames)
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float('inf'):
                raise InputError('a positive number', field=name, found=value)
            if name != 'fps' and value != int(value):
                raise InputError('a whole number of frames', field=name, found=value)

    @property
    def snippet_grid(self) -> SnippetGrid:
        """Snippet grid in seconds, the same for all videos."""
        return SnippetGrid(self.stride_frames / self.fps)

    def num_snippets(self, duration_sec: float) -> int:
        """Number T of snippets whose centre lies in the video; at least 1."""
        return max(1, int(self.snippet_grid.num_snippets(duration_sec) + 0.5 - _EDGE_SNIPPETS))

    def times_sec(self, snippets: Sequence[int] | np.ndarray) -> np.ndarray:
        """Times of the frames of clips, in seconds.

        Args:
            snippets: ``(S,)`` indices of snippets.

        Returns:
            np.ndarray: ``(S, clip_len)`` float64. Some times may lie before 0 or after the end of the video.
        """
        # The clip is cut into clip_len equal parts, and the middle frame of each part is taken: 2, 6, 10, 14 of 16
        # frames in 4 parts.
        spread = ((np.arange(self.clip_len) + 0.5) * self.snippet_frames / self.clip_len).astype(np.int64)
        start = np.asarray(snippets)[:, None] * self.stride_frames - (self.snippet_frames - self.stride_frames) // 2
        return (start + spread) / self.fps


class ClipPipeline:
    """Part of a recognizer's test pipeline that turns decoded frames into clips: one view, no randomness.

    Args:
        test_pipeline (list[dict]): Test pipeline of the recognizer, or its part from scaling to ``FormatShape``. Steps
            that find, sample and decode frames are left out, since :class:`ClipGrid` decides which frames are read.
            Steps after ``FormatShape`` are left out, too. ``ThreeCrop`` and ``TenCrop`` become ``CenterCrop``.

    Attributes:
        steps (list[dict]): Configs of the steps that are used.

    Raises:
        InputError: The pipeline has no ``FormatShape``; or it samples frames, and no step decodes them.
    """

    def __init__(self, test_pipeline: Sequence[dict[str, Any]]) -> None:
        names = [str(step['type']) for step in test_pipeline]
        # The steps up to the last decoding step find, sample and decode frames.
        first = max((number + 1 for number, name in enumerate(names) if name.endswith('Decode')), default=0)
        if 'FormatShape' not in names[first:] or any('SampleFrames' in name for name in names[first:]):
            expected = 'steps that scale and crop frames, then FormatShape, all of them after a decoding step (if any)'
            raise InputError(expected, field='test_pipeline', found=names)
        steps = test_pipeline[first : names.index('FormatShape') + 1]
        self.steps = [_one_view(dict(step)) for step in steps]
        *spatial, self._format = [TRANSFORMS.build(dict(step)) for step in self.steps]
        self._spatial = Compose(spatial)

    def scale(self, frames: Sequence[np.ndarray], modality: str) -> list[np.ndarray]:
        """Scale and crop frames.

        Args:
            frames: ``(H, W, C)`` uint8 arrays of one size.
            modality: ``'RGB'`` or ``'Flow'``, as in ``VideoReader``.

        Returns:
            list[np.ndarray]: As many frames, scaled and cropped.
        """
        shape = frames[0].shape[:2]
        results = dict(imgs=list(frames), img_shape=shape, original_shape=shape, modality=modality)
        return list(self._spatial(results | dict(num_clips=1, clip_len=len(frames)))['imgs'])

    def format(self, clips: Sequence[Sequence[np.ndarray]], modality: str) -> torch.Tensor:
        """Pack scaled frames into the shape that the model takes.

        Args:
            clips: S lists of ``clip_len`` frames, as :meth:`scale` returns them.
            modality: As in :meth:`scale`.

        Returns:
            Tensor: uint8, ``(S, 1, C, clip_len, H, W)`` for 3D models and ``(S, clip_len, C, H, W)`` for 2D models;
            flow for 2D models is stacked, ``(S, 1, 2 * clip_len, H, W)``.
        """
        images = np.stack([frame for clip in clips for frame in clip])
        results = dict(imgs=images, num_clips=len(clips), clip_len=len(clips[0]), modality=modality)
        images = self._format(results)['imgs']  # axis 0: S clips; for 2D models on RGB, S * clip_len frames
        return torch.from_numpy(np.ascontiguousarray(images)).reshape(len(clips), -1, *images.shape[1:])


def _one_view(step):
    if step['type'] in ('ThreeCrop', 'TenCrop'):
        step['type'] = 'CenterCrop'
    return step


def iterate_clips(
    video: VideoReader,
    grid: ClipGrid,
    pipeline: ClipPipeline,
    chunk_size: int,
    snippets: Sequence[int] | np.ndarray | None = None,
) -> Iterator[torch.Tensor]:
    """Read the clips of a video in chunks. Every frame is decoded only once, even if clips overlap.

    Args:
        video (VideoReader): The open video.
        grid (ClipGrid): Position and length of the clips.
        pipeline (ClipPipeline): Pipeline that scales, crops and packs the frames.
        chunk_size: Number of clips in a chunk.
        snippets (Sequence[int], optional): Ascending indices. Default: all snippets of the video.

    Yields:
        Tensor: ``(S, ...)`` uint8 clips, ``S <= chunk_size``: see :meth:`ClipPipeline.format`.

    Raises:
        InputError: A frame cannot be decoded.
    """
    snippets = np.arange(grid.num_snippets(video.duration_sec)) if snippets is None else np.asarray(snippets)
    scaled = {}  # from frame index to scaled frame: frames of this chunk, and those that the next one may use
    for start in range(0, len(snippets), chunk_size):
        indices = video.index_at(grid.times_sec(snippets[start : start + chunk_size]))
        scaled = {index: frame for index, frame in scaled.items() if index >= indices.min()}
        missing = [index for index in np.unique(indices).tolist() if index not in scaled]
        for first in range(0, len(missing), _DECODED_AT_ONCE):
            part = missing[first : first + _DECODED_AT_ONCE]
            scaled.update(zip(part, pipeline.scale(video.frames(part), video.modality)))
        yield pipeline.format([[scaled[index] for index in clip] for clip in indices.tolist()], video.modality)
