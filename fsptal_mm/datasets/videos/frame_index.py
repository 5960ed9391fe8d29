"""Index of a video file: the times of all frames, and the key frames from which decoding can start."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from fsptal_mm.utils.errors import InputError

from .decoding import USE_ANYWAY, decode, open_container, reason

# Containers that state the time of each frame, by their names in FFmpeg. Other containers state the times of some
# frames or of none.
_TIMED = ('mov,mp4,m4a,3gp,3g2,mj2', 'matroska,webm', 'mpegts')
_JUMPY = ('mpegts',)  # containers that may hold several recordings in a row, each with times that start anew
# If the time steps back, or ahead by more than this, another recording begins. But if another stream, such as sound,
# goes on during a step ahead, the recording is the same, and only its picture stands still.
_JUMP_SEC = 10.0
_NUMBERED = ('avi',)  # containers that number packets in decoding order and do not state when frames are shown
# Containers that number packets in this way for some codecs only: .mxf and .wmv with H.264, for example. A file of this
# kind is recognized by frames whose stated times go back.
_SOMETIMES_NUMBERED = ('mxf', 'asf')
_HIDING = ('vp8',)  # codecs with packets whose frames are never shown
# A file counts as cut off if it is shorter than its header states by more than _LOST_SEC seconds plus _LOST_FRAMES
# frames. A tolerance is needed, since even the header of a complete file is a little wrong.
_LOST_SEC, _LOST_FRAMES = 0.5, 2


@dataclass(frozen=True)
class FrameIndex:
    """Times of the frames of a file, in ticks of its video stream.

    Attributes:
        ticks (np.ndarray): ``(N,)`` int64, ascending: start of each frame that is shown.
        end_tick: End of the last frame.
        key_ticks (np.ndarray): ``(K,)`` int64, ascending: starts of the frames from which the file can be decoded.
        key_pts (np.ndarray): ``(K,)`` int64: times that the file states for the key frames; a seek needs these times.
            They differ from ``key_ticks`` where the stated times had to be corrected.
        tick_sec: Seconds per tick.
        has_keys: Whether the file marks key frames.
        is_timed: Whether each decoded frame states its time, also after a seek. If not, frames are counted from a key
            frame on.
    """

    ticks: np.ndarray
    end_tick: int
    key_ticks: np.ndarray
    key_pts: np.ndarray
    tick_sec: float
    has_keys: bool
    is_timed: bool


@dataclass
class _Packets:
    """Packets of the video stream: each list has one entry per packet. Times and durations are in ticks of the stream.

    Attributes:
        pts: Time at which the frame is shown; None if the file does not state it.
        dts: Time at which the packet is decoded; None if the file does not state it.
        durations: Duration of the frame; 0 if the file does not state it.
        is_shown: Whether the frame is shown.
        is_key: Whether the packet holds a key frame.
        other_sec: ``(M,)`` times of the packets of all other streams, in seconds, ascending; only for containers of
            ``_JUMPY``.
        end_sec: End of the last packet of all streams, in seconds.
    """

    pts: list = field(default_factory=list)
    dts: list = field(default_factory=list)
    durations: list = field(default_factory=list)
    is_shown: list = field(default_factory=list)
    is_key: list = field(default_factory=list)
    other_sec: np.ndarray | list = field(default_factory=list)
    end_sec: float = 0.0


def index_frames(path: str | Path, allow_damaged: bool = False) -> FrameIndex:
    """Find the times of all frames that a player shows.

    If the container states the time of each frame, its packets are read, and frames are decoded only up to the first
    one that can be decoded. If not, all frames are decoded, which takes longer.

    Args:
        path: The video file.
        allow_damaged: Whether to index what can be read of a truncated or damaged file. Default: such a file is an
            error.

    Raises:
        InputError: The file is missing, empty, unreadable or without a frame; or it is truncated or damaged, unless
            ``allow_damaged``.
    """
    container, stream = open_container(path)
    with container:
        packets = _read_packets(container, stream, allow_damaged)
        lost = _lost_end(container, stream, packets)
        if lost and not allow_damaged:
            raise InputError(USE_ANYWAY, file=path, found=lost)
        trusted = not lost and _are_frames(packets, container, stream)
    container, stream = open_container(path)
    has_keys = any(packets.is_key)
    with container:
        frames = decode(container, stream, None, has_keys, allow_damaged)
        first = next(frames, None)
        if first is None:
            raise InputError('at least one frame that can be decoded', file=path, found='none')
        if trusted and first.pts in packets.pts:
            return _index_packets(packets, first.pts, float(stream.time_base))
        return _index_decoded(itertools.chain([first], frames), stream, packets)


def _read_packets(container, stream, allow_damaged):
    """Read all packets of a file, without decoding them."""
    packets = _Packets()
    tick_secs = {other.index: float(other.time_base) for other in container.streams if other.time_base}
    try:
        for packet in container.demux():
            is_other = packet.stream.index != stream.index
            if packet.pts is not None:
                tick_sec = tick_secs.get(packet.stream.index, 0.0)
                packets.end_sec = max(packets.end_sec, (packet.pts + (packet.duration or 0)) * tick_sec)
                if is_other and container.format.name in _JUMPY:
                    packets.other_sec.append(packet.pts * tick_sec)
            if is_other or not packet.size:
                continue
            packets.pts.append(packet.pts)
            packets.dts.append(packet.dts)
            packets.durations.append(packet.duration or 0)
            packets.is_shown.append(not packet.is_discard)
            packets.is_key.append(packet.is_keyframe)
    except FFmpegError as error:
        if not allow_damaged:
            raise InputError(USE_ANYWAY, file=container.name, found=reason(error)) from error
    packets.other_sec = np.sort(packets.other_sec)
    return packets


def _lost_end(container, stream, packets):
    """Text for an error: how much of the length stated in the header is missing at the end; ``None`` if nothing is."""
    kind, rate = container.format.name, float(stream.average_rate or 25)
    if kind == 'avi':
        stated_sec = stream.frames / rate
    elif kind.startswith('mov') and stream.duration:
        stated_sec = float(stream.duration * stream.time_base)
    elif kind.startswith(('matroska', 'asf', 'flv', 'mxf')) and container.duration:
        stated_sec = container.duration / av.time_base
    else:  # no length is stated
        return None
    lost_sec = stated_sec - packets.end_sec
    is_lost = lost_sec > _LOST_SEC + _LOST_FRAMES / rate
    return f'the last {lost_sec:.2f} of {stated_sec:.2f} s are cut off' if is_lost else None


def _are_frames(packets, container, stream):
    """Whether the packets can serve as the list of frames: each is one frame, with a time that no other frame has."""
    if container.format.name not in _TIMED or stream.codec.name in _HIDING:
        return False
    if None in packets.pts or len(set(packets.pts)) < len(packets.pts):
        return False
    if container.format.name not in _JUMPY:
        return True
    # Jumps of the time are looked for in dts, which ascend from packet to packet except at a jump.
    times_sec = [dts * float(stream.time_base) for dts in packets.dts if dts is not None]
    return not any(after < before or _jumps(packets, before, after) for before, after in itertools.pairwise(times_sec))


def _jumps(packets, before_sec, after_sec):
    """Whether the time jumps ahead between two frames: a long step, during which no other stream goes on."""
    if after_sec - before_sec <= _JUMP_SEC:
        return False
    first, stop = np.searchsorted(packets.other_sec, (before_sec, after_sec))
    return np.diff([before_sec, *packets.other_sec[first:stop], after_sec]).max() > _JUMP_SEC


def _index_packets(packets, first_pts, tick_sec):
    """Index from the times of the packets that are shown, without decoding; it begins with the first decoded frame."""
    pts = np.array(packets.pts, np.int64)
    ticks = np.sort(pts[np.array(packets.is_shown) & (pts >= first_pts)])
    last_duration = packets.durations[packets.pts.index(ticks[-1])]
    keys = np.sort(pts[np.array(packets.is_key)])
    return FrameIndex(ticks, _end(ticks, last_duration, tick_sec), keys, keys, tick_sec, bool(len(keys)), True)


def _index_decoded(frames, stream, packets):
    """Index from frames that are decoded one by one.

    A seek needs the time that the file states for a key frame. If the stated times of the key frames do not ascend, a
    seek could end anywhere. Then the index gets no key frames.
    """
    pts, is_key, duration = [], [], 0
    for frame in frames:
        pts.append(frame.pts)
        is_key.append(frame.key_frame)
        duration = frame.duration or 0
    is_numbered = _is_numbered(pts, stream.container.format.name, packets)
    ticks = np.array(sorted(packets.dts) if is_numbered else _ascending(pts, stream, packets), np.int64)
    keys = [index for index, key in enumerate(is_key) if key and pts[index] is not None]
    key_pts = [pts[index] for index in keys]
    if any(after <= before for before, after in itertools.pairwise(key_pts)):
        keys = key_pts = []
    tick_sec = float(stream.time_base)
    end = _end(ticks, 0 if is_numbered else duration, tick_sec)
    return FrameIndex(ticks, end, ticks[keys], np.array(key_pts, np.int64), tick_sec, any(packets.is_key), False)


def _is_numbered(pts, kind, packets):
    """Whether the frames get their times from the packets' ``dts`` instead of from ``pts``, the times that they state.

    This is so in containers that only number the packets in decoding order, if each frame has a packet with a number.
    The sorted numbers are then the times of the frames in the order in which they are shown.
    """
    if len(packets.dts) != len(pts) or None in packets.dts:
        return False
    if kind in _NUMBERED:
        return True
    stated = [tick for tick in pts if tick is not None]
    goes_back = any(after <= before for before, after in itertools.pairwise(stated))
    return kind in _SOMETIMES_NUMBERED and goes_back and packets.dts == sorted(packets.dts)


def _ascending(pts, stream, packets):
    """Ticks of frames, strictly ascending, from the times that the file states.

    A frame without a stated time starts one frame duration after the frame before it. A frame whose stated time is not
    later than that of the frame before it starts one tick after that frame. If the time steps back by more than a
    second, or jumps ahead in a container of ``_JUMPY``, another recording begins: its first frame starts one frame
    duration after the last frame of the recording before.
    """
    tick_sec = float(stream.time_base)
    frame_ticks = max(1, round(1 / stream.time_base / (stream.average_rate or 25)))
    may_jump = stream.container.format.name in _JUMPY
    ticks, offset = [], 0  # offset: added to a stated time of the present recording, gives the time in the whole file
    for stated in pts:
        following = ticks[-1] + frame_ticks if ticks else 0
        tick = following if stated is None else stated + offset
        last = ticks[-1] if ticks else tick
        last_sec, next_sec = (last - offset) * tick_sec, (tick - offset) * tick_sec  # as the recording states them
        if next_sec < last_sec - 1 or (may_jump and _jumps(packets, last_sec, next_sec)):
            offset, tick = following - stated, following
        ticks.append(max(tick, ticks[-1] + 1) if ticks else tick)
    return ticks


def _end(ticks, last_duration, tick_sec):
    """End of the last frame in ticks; if its stated duration is 0 (unknown), the median duration of frames is taken."""
    usual = np.median(np.diff(ticks)) if len(ticks) > 1 else 1 / 25 / tick_sec
    return int(ticks[-1] + (last_duration or max(1, round(usual))))
