"""Decoding of a video file with PyAV, from the beginning of the file or from a key frame on."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file

# The ``expected`` of all InputErrors about damaged files.
USE_ANYWAY = 'a complete, undamaged file (allow_damaged, or --allow-damaged, takes what can be read)'


def open_container(path: str | Path) -> tuple[InputContainer, VideoStream]:
    """Open a video file.

    Returns:
        tuple: The container, and its video stream; if there are several streams, the one that players show.

    Raises:
        InputError: The file is missing, empty or unreadable, has no video, or its codec is unknown.
    """
    if not regular_file(path, 'a video file').stat().st_size:
        raise InputError('a video', file=path, found='an empty file')
    try:
        container = av.open(str(path), metadata_errors='replace')
    except FFmpegError as error:
        expected = 'a readable video (if the file is a video, its end may be missing, as after an interrupted copy)'
        raise InputError(expected, file=path, found=reason(error)) from error
    stream = container.streams.best('video')
    if stream is None:
        raise InputError('a video', file=path, found='a file without pictures')
    if stream.codec_context is None:
        raise InputError('a codec that FFmpeg decodes', file=path, found='an unknown codec')
    # Several worker processes read videos at the same time. Then one thread per video uses the processor cores best.
    stream.codec_context.thread_count = 1
    return container, stream


def declared_duration_sec(path: str | Path) -> float | None:
    """Read the duration in seconds that the header of a video file states; None if it states none.

    Use it for estimates only: headers may be wrong, and no frame is decoded to check them.
    """
    try:
        container, _ = open_container(path)
    except InputError:
        return None
    with container:
        return container.duration / av.time_base if container.duration else None


def reason(error: FFmpegError) -> str:
    """Message of an error of FFmpeg, followed by the last line that FFmpeg logged about it."""
    logged = error.log[2].strip() if error.log else ''
    return f'{error.strerror}: {logged}' if logged else error.strerror


def decode(
    container: InputContainer,
    stream: VideoStream,
    key_pts: int | None = None,
    has_keys: bool = True,
    allow_damaged: bool = False,
) -> Iterator[av.VideoFrame]:
    """Decode frames in the order in which they are shown, from the beginning of a container or from a key frame.

    Frames at the beginning that cannot be decoded are left out without an error, as players do: a file that was cut
    between two key frames begins with such frames.

    Args:
        container (InputContainer): The open file.
        stream (VideoStream): Its video stream.
        key_pts: Time of the key frame to seek, in ticks of the stream. Decoding may begin earlier or, in files without
            a good index, later. Default: no seek; the container must just have been opened.
        has_keys: Whether the file marks key frames. If so, decoding begins with a key frame.
        allow_damaged: Whether to leave out what cannot be decoded. Default: a damaged part is an error.

    Yields:
        VideoFrame: One frame after the other.

    Raises:
        InputError: A part of the file is damaged.
    """
    awaits_key, started = has_keys, False
    try:
        if key_pts is not None:
            container.seek(key_pts, stream=stream)
        for packet in container.demux(stream):
            # The last packet is empty: it makes the decoder return the frames that it still holds.
            awaits_key = awaits_key and not packet.is_keyframe and packet.size > 0
            if awaits_key:
                continue
            try:
                frames = packet.decode()
            except FFmpegError as error:
                if started and not allow_damaged:
                    raise _damage(container, stream, packet, reason(error)) from error
                continue
            for frame in frames:
                if frame.is_corrupt and not started:
                    continue
                if frame.is_corrupt and not allow_damaged:
                    raise _damage(container, stream, frame, 'a frame that can be decoded only in part')
                started = True
                yield frame
    except FFmpegError as error:
        if not allow_damaged:
            raise InputError(USE_ANYWAY, file=container.name, found=reason(error)) from error


def _damage(container, stream, part, found):
    """InputError that states the time of a damaged packet or frame (``part``) in seconds."""
    start = stream.start_time or 0
    at = '' if part.pts is None else f' at {float((part.pts - start) * stream.time_base):.2f} s'
    return InputError(USE_ANYWAY, file=container.name, found=f'{found}{at}')
