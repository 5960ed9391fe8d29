"""Transform that loads clips from video files, for models that are trained together with their backbone."""

from collections.abc import Sequence
from typing import Any

from mmaction.registry import TRANSFORMS

from fsptal_mm.datasets.videos.clips import ClipGrid, ClipPipeline, iterate_clips
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers
from fsptal_mm.utils.reading import known_file

from .loading import SnippetLoader

# Number of clips to build at a time. All at once would need the frames of the whole video twice in memory.
_CHUNK_SNIPPETS = 16
_ROUNDING_FRAMES = 1e-6  # tolerance for the rounding error of snippet_sec * fps


@TRANSFORMS.register_module()
class LoadSnippetClips(SnippetLoader):
    """Load one clip per snippet from a video file, in place of ``LoadSnippetFeatures``.

    The clips are the same as those that ``tools/data/extract_features.py`` reads: they are centred on the snippets of
    the dataset's ``grid``, which begins with the video. Every video is sampled at ``fps``, whatever its native rate.
    The frames stay uint8.

    Required keys: ``video_id``, ``feature_paths``, ``grid``, ``duration_sec``. Added: ``features (T, ...)`` uint8,
    in the shape that ``FormatShape`` of the pipeline gives. Set: ``duration_sec``, if the annotations do not state it.

    Args:
        test_pipeline (list[dict]): Test pipeline of the recognizer whose backbone is used, or its part from scaling to
            ``FormatShape``. One view without randomness is taken, see ``ClipPipeline``.
        fps: Frames per second at which videos are sampled.
        snippet_frames: Length of a clip in frames, at ``fps``. Default: one stride of the grid.
        clip_len: Number of frames that the backbone sees, evenly spread over the clip. Default: all frames of the clip.
        allow_damaged: Whether to take what can be read of truncated and damaged videos. Default: such a video is an
            error.
        length_tolerance: See :class:`SnippetLoader`.

    Raises:
        InputError: An argument is out of range, or the pipeline does not fit ``ClipPipeline``.
    """

    def __init__(
        self,
        test_pipeline: Sequence[dict[str, Any]],
        fps: float = 25.0,
        snippet_frames: int | None = None,
        clip_len: int | None = None,
        allow_damaged: bool = False,
        length_tolerance: float = 0.1,
    ) -> None:
        super().__init__(length_tolerance)
        check_numbers('LoadSnippetClips', 1e-3, fps=fps)
        check_flags('LoadSnippetClips', allow_damaged=allow_damaged)
        counts = dict(snippet_frames=snippet_frames, clip_len=clip_len)
        check_numbers('LoadSnippetClips', 1, whole=True, optional=True, **counts)
        self.clip_pipeline = ClipPipeline(test_pipeline)
        self.fps = fps
        self.snippet_frames = snippet_frames
        self.clip_len = clip_len
        self.allow_damaged = allow_damaged

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the clips, and compare their number with the duration.

        Raises:
            InputError: The video cannot be read, or its length does not fit the duration in the annotations; there are
                several files for one video; or the grid does not fit, see :meth:`clip_grid`.
        """
        paths, video_id = results['feature_paths'], results['video_id']
        if len(paths) != 1:
            raise InputError('one video file', video=video_id, field='data_prefix', found=paths)
        grid = self.clip_grid(results['grid'], video_id)
        video = open_video(known_file(paths[0]), self.allow_damaged)
        num_snippets, clips = grid.num_snippets(video.duration_sec), None
        for start, part in enumerate(iterate_clips(video, grid, self.clip_pipeline, _CHUNK_SNIPPETS)):
            clips = part.new_empty((num_snippets, *part.shape[1:])) if clips is None else clips
            clips[start * _CHUNK_SNIPPETS :][: len(part)] = part
        results['features'] = clips.numpy()
        self.check_grid(results)
        return results

    def clip_grid(self, grid: SnippetGrid, video_id: str | None = None) -> ClipGrid:
        """Convert a video's :class:`.SnippetGrid` to a ``ClipGrid``.

        Raises:
            InputError: A snippet is no whole number of frames at ``fps``, or the grid does not begin with the video.
        """
        stride = round(grid.snippet_sec * self.fps)
        if abs(grid.snippet_sec * self.fps - stride) > _ROUNDING_FRAMES or not stride or grid.offset_sec:
            raise InputError(
                f'a whole number of frames at {self.fps} per second, and an offset of 0',
                video=video_id,
                field='grid',
                found=f'{grid.snippet_sec} s per snippet from {grid.offset_sec} s',
            )
        return ClipGrid(self.fps, self.snippet_frames or stride, stride, self.clip_len)
