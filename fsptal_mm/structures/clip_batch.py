"""A batch of videos as clips, one per snippet, before a backbone has seen them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipBatch:
    """Clips of the videos of a batch, left where they are: clips are large, and a backbone takes a few at a time.

    Attributes:
        videos: List of ``(T_i, ...)`` tensors, one clip per snippet, on any device.
        gap: Zero rows between videos in the :class:`SnippetBatch` that is made of their features.
    """

    videos: list
    gap: int = 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of snippets of each video."""
        return tuple(map(len, self.videos))
