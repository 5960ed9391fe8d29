"""Small videos whose frames show their own number, in bars that survive any codec."""

import numpy as np
from video_writing import write_frames

SIZE = (256, 96)  # width, height
BITS = 8
BAR = SIZE[0] // BITS


def numbered_frame(number, size=SIZE):
    """Frame with a white bar for every 1 in the number, the lowest bit on the left."""
    bits = (number >> np.arange(BITS)) & 1
    row = np.repeat(np.where(bits, 225, 30).astype(np.uint8), size[0] // BITS)
    return np.broadcast_to(row[None, :, None], (size[1], size[0], 3)).copy()


def read_number(image):
    """The number that a frame ``(H, W, 3)`` shows, in any size."""
    height, width = image.shape[:2]
    bars = image[height // 2, width // BITS // 2 :: width // BITS].mean(axis=1)
    return int((1 << np.flatnonzero(bars > 128)).sum())


def write_numbered(path, num_frames=60, fps=30, **kwargs):
    """Write frames 0 to ``num_frames - 1``; ``kwargs`` as in :func:`write_frames`. Returns the path.

    With the default codecs of these containers, Chromium plays a .webm file, but no .mp4 file.
    """
    return write_frames(path, map(numbered_frame, range(num_frames)), fps=fps, **kwargs)
