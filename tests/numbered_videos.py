"""Small generated videos whose frames show their own number, in bars that survive any codec."""

import re
import struct

import cv2
import numpy as np

SIZE = (256, 96)  # width, height
BITS = 8
BAR = SIZE[0] // BITS
_CODECS = {'.webm': 'VP80', '.mp4': 'mp4v'}  # one that Chromium plays, one that it does not


def numbered_frame(number):
    """BGR frame with a white bar for every 1 in the number, the lowest bit on the left."""
    bits = (number >> np.arange(BITS)) & 1
    row = np.repeat(np.where(bits, 225, 30).astype(np.uint8), BAR)
    return np.broadcast_to(row[None, :, None], (SIZE[1], SIZE[0], 3)).copy()


def read_number(image):
    """The number that a frame ``(H, W, 3)`` of this size shows."""
    bars = image[SIZE[1] // 2, BAR // 2 :: BAR].mean(axis=1)
    return int((1 << np.flatnonzero(bars > 128)).sum())


def write_numbered(path, num_frames=60, fps=30):
    """Write frames 0 to ``num_frames - 1``. Returns the path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*_CODECS[path.suffix]), fps, SIZE)
    assert writer.isOpened()
    for number in range(num_frames):
        writer.write(numbered_frame(number))
    writer.release()
    return path


def write_numbered_variable(path, times_ms, num_frames=60):
    """Write a .webm of 30 frames a second, then put the frames at ``times_ms`` (ascending, below 32768).

    OpenCV writes constant rates only. In the file, a frame begins with ``0xa3``, its size, ``0x81``, and two bytes of
    time relative to a cluster; a video this short has one cluster. Places to seek to begin with ``0xbb``, their size,
    and ``0xb382``, the duration with ``0x448988``.
    """
    content = bytearray(write_numbered(path, num_frames).read_bytes())
    blocks = re.finditer(rb'\xa3[\x80-\xff]\x81(..)[\x80\x00]', bytes(content), re.DOTALL)
    places = [block.start(1) for block in blocks]
    assert len(places) == num_frames
    moved = {bytes(content[place : place + 2]): int(new).to_bytes(2, 'big') for place, new in zip(places, times_ms)}
    places += [cue.start(1) for cue in re.finditer(rb'\xbb[\x80-\xff]\xb3\x82(..)', bytes(content), re.DOTALL)]
    for place in places:
        content[place : place + 2] = moved[bytes(content[place : place + 2])]
    (duration,) = [match.start() + 3 for match in re.finditer(rb'\x44\x89\x88', bytes(content))]
    content[duration : duration + 8] = struct.pack('>d', times_ms[-1] + 100)
    path.write_bytes(content)
    return path
