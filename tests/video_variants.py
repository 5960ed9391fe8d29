"""Videos of the kinds that people have: container, codec, cut, rate, rotation. Frame n of a source shows n."""

from dataclasses import dataclass, field

import av
import numpy as np
from numbered_videos import numbered_frame
from video_writing import add_sound, copy_packets, set_rotation, write_frames

NUM_FRAMES = 60
SIZE = (160, 64)
_RATE = 25
_X264 = dict(preset='ultrafast', bf=2, g=12, sc_threshold=0)
_OPEN_X264 = {**_X264, 'x264-params': 'open-gop=1:b-adapt=0:bframes=3'}
_X265 = {'preset': 'ultrafast', 'x265-params': 'log-level=none:keyint=12:min-keyint=12:bframes=3:b-adapt=0:open-gop=0'}
_OPEN_X265 = {**_X265, 'x265-params': _X265['x265-params'].replace('open-gop=0', 'open-gop=1')}
_AV1 = dict(preset=12, g=20)
_VP9 = dict(deadline='realtime', **{'cpu-used': 8})
_VP8 = {'deadline': 'realtime', 'cpu-used': 8, 'auto-alt-ref': 1, 'lag-in-frames': 12, 'arnr-maxframes': 5}


@dataclass
class Variant:
    """A video and what a player shows of it.

    Attributes:
        path: The file.
        numbers: Number that each frame shows.
        times_sec: Start of each frame, in seconds from the start of the first one.
        end_sec: End of the last frame, in seconds from the start of the first one.
    """

    path: object
    numbers: list = field(default_factory=lambda: list(range(NUM_FRAMES)))
    times_sec: list | None = None
    rate: float = _RATE

    def __post_init__(self):
        if self.times_sec is None:
            self.times_sec = [place / self.rate for place in range(len(self.numbers))]
        self.end_sec = self.times_sec[-1] + 1 / self.rate


def encode(path, codec, rate=_RATE, **kwargs):
    """All frames of a source, encoded."""
    return write_frames(path, [numbered_frame(n, SIZE) for n in range(NUM_FRAMES)], codec, rate, **kwargs)


def plain(name, codec, rate=_RATE, **kwargs):
    """Recipe of a video that is encoded and shown whole."""
    return lambda folder: Variant(encode(folder / name, codec, rate, **kwargs), rate=rate)


def _variable(name, codec, **kwargs):
    """Frames 0.04 s apart, then a still of 0.6 s, then frames 1/15 s apart."""
    times = np.concatenate([np.arange(30) * 0.04, 1.76 + np.arange(30) / 15]).round(3).tolist()
    return lambda folder: Variant(
        encode(folder / name, codec, times_sec=times, **kwargs), times_sec=times, rate=1 / (times[-1] - times[-2])
    )


def _cut(name, codec, source='source.mp4', first_packet=0, zero_frame=None, shown_from=None, **options):
    """A copy without encoding that begins at a packet, and is shown from a frame on."""

    def recipe(folder):
        whole = encode(folder / source, codec, **options)
        zero_sec = None if zero_frame is None else zero_frame / _RATE
        path = copy_packets(whole, folder / name, first_packet, zero_sec)
        return Variant(path, list(range(shown_from, NUM_FRAMES)))

    return recipe


def _rotated(name, degrees):
    """A video as a phone stores it: it is turned by a note in its header."""

    def recipe(folder):
        turns = degrees // 90  # np.rot90 turns against the clock
        images = [np.rot90(numbered_frame(number, SIZE), turns) for number in range(NUM_FRAMES)]
        path = write_frames(folder / name, map(np.ascontiguousarray, images), 'libx264', _RATE, **_X264)
        return Variant(set_rotation(path, degrees))

    return recipe


def _packed(folder):
    """DivX: a packet holds a frame and the B-frame before it; an empty frame stands for the latter."""
    vop, divx = b'\x00\x00\x01\xb6', b'\x00\x00\x01\xb2DivX503b1393p\x00'

    def pack(packets):
        latest, packed = -1, []
        for packet, following in zip(packets, [*packets[1:], packets[0]]):
            content = bytes(packet)
            if packet.pts < latest:
                content = vop + b'\x50\x00\x7f'  # a frame that is not coded
            elif latest < following.pts < packet.pts:
                content += bytes(following)
            if packet.is_keyframe:
                content = content.replace(vop, divx + vop, 1)
            latest = max(latest, packet.pts)
            packed.append(_repacked(packet, content))
        return packed

    whole = encode(folder / 'source.mp4', 'mpeg4', bf=1, g=12, b_strategy=0, sc_threshold=1000000000)
    return Variant(copy_packets(whole, folder / 'packed.avi', change=pack))


def _repacked(packet, content):
    new = av.Packet(content)
    new.pts, new.dts, new.time_base, new.is_keyframe = packet.pts, packet.dts, packet.time_base, packet.is_keyframe
    return new


def _joined(folder):
    """Two recordings in one transport stream: the clock begins anew in the middle."""
    first, second = (
        write_frames(folder / f'{name}.ts', [numbered_frame(n, SIZE) for n in numbers], 'libx264', **_X264)
        for name, numbers in (('a', range(30)), ('b', range(30, NUM_FRAMES)))
    )
    path = folder / 'joined.ts'
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return Variant(path)


def _joined_ahead(folder):
    """Two recordings with sound in one transport stream: the clock of the second one is 10 minutes ahead."""
    parts = []
    for start_sec, numbers in ((0, range(30)), (600, range(30, NUM_FRAMES))):
        images = [numbered_frame(number, SIZE) for number in numbers]
        times = [start_sec + place / _RATE for place in range(len(images))]
        silent = write_frames(folder / f'{start_sec}.ts', images, 'libx264', times_sec=times, **_X264)
        parts.append(add_sound(silent, folder / f'sound_{start_sec}.ts').read_bytes())
    path = folder / 'ahead.ts'
    path.write_bytes(b''.join(parts))
    return Variant(path)


def _still(folder):
    """A transport stream whose picture stands still for 15 s, while its sound goes on."""
    times = [place / _RATE + (15 if place >= 30 else 0) for place in range(NUM_FRAMES)]
    silent = encode(folder / 'silent.ts', 'libx264', times_sec=times, **_X264)
    return Variant(add_sound(silent, folder / 'still.ts'), times_sec=times)


def _still_and_joined(folder):
    """A recording with a still, and a second one, whose clock begins anew: it shows the first ten frames again."""
    still = _still(folder)
    silent = write_frames(folder / 'b.ts', [numbered_frame(n, SIZE) for n in range(10)], 'libx264', **_X264)
    path = folder / 'both.ts'
    path.write_bytes(still.path.read_bytes() + add_sound(silent, folder / 'second.ts').read_bytes())
    times = [*still.times_sec, *(still.end_sec + place / _RATE for place in range(10))]
    return Variant(path, [*still.numbers, *range(10)], times)


def _resized(folder):
    """A call whose picture becomes smaller in the middle."""
    half = (SIZE[0] // 2, SIZE[1] // 2)
    parts = [
        write_frames(folder / f'{name}.ts', [numbered_frame(n, size) for n in numbers], 'libx264', **_X264).read_bytes()
        for name, numbers, size in (('a', range(30), SIZE), ('b', range(30, NUM_FRAMES), half))
    ]
    path = folder / 'resized.ts'
    path.write_bytes(b''.join(parts))
    return Variant(path)


def _late(folder):
    """Times that begin at 10 s, as after a cut by some programs."""
    whole = encode(folder / 'source.mp4', 'libx264', **_X264)
    return Variant(copy_packets(whole, folder / 'late.mkv', zero_sec=-10))


def _with_sound(folder):
    """Sound that begins before the picture and ends after it."""
    path = folder / 'sound.mp4'
    with av.open(str(path), 'w') as container:
        picture, sound = container.add_stream('libx264', rate=_RATE), container.add_stream('aac', rate=16000)
        picture.width, picture.height, picture.pix_fmt = *SIZE, 'yuv420p'
        for number in range(90):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
            silence.sample_rate, silence.pts = 16000, number * 1024
            container.mux(sound.encode(silence))
        for number in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, SIZE), format='rgb24')
            frame.pts = number + 40
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        container.mux(sound.encode())
    return Variant(path)


VARIANTS = {
    'H.264 mp4': plain('a.mp4', 'libx264', **_X264),
    'H.264 mp4, 23.976 per second': plain('a.mp4', 'libx264', 24000 / 1001, **_X264),
    'H.264 mp4, 59.94 per second': plain('a.mp4', 'libx264', 60000 / 1001, **_X264),
    'H.264 mp4, no B-frames': plain('a.mp4', 'libx264', **{**_X264, 'bf': 0}),
    'H.264 mp4, header in front': plain('a.mp4', 'libx264', muxer=dict(movflags='faststart'), **_X264),
    'H.264 mp4 in fragments': plain('a.mp4', 'libx264', muxer=dict(movflags='frag_keyframe+empty_moov'), **_X264),
    'H.264 mp4, 4:4:4': plain('a.mp4', 'libx264', pix_fmt='yuv444p', **_X264),
    'H.264 mp4, refresh without key frames': plain('a.mp4', 'libx264', **{'x264-params': 'intra-refresh=1:keyint=12'}),
    'H.264 mp4, variable rate': _variable('a.mp4', 'libx264', **_X264),
    'H.264 mp4, edit list': _cut('cut.mp4', 'libx264', zero_frame=17, shown_from=17, **_X264),
    'H.264 mp4, open GOP, edit list': _cut('cut.mp4', 'libx264', zero_frame=20, shown_from=20, **_OPEN_X264),
    'H.264 mp4, turned by 90': _rotated('a.mp4', 90),
    'H.264 mp4, turned by 180': _rotated('a.mp4', 180),
    'H.264 mp4, with sound': _with_sound,
    'H.264 mov, turned by 270': _rotated('a.mov', 270),
    'H.264 mkv, open GOP': plain('a.mkv', 'libx264', **_OPEN_X264),
    'H.264 mkv, cut before an open GOP': _cut('cut.mkv', 'libx264', first_packet=9, shown_from=12, **_OPEN_X264),
    'H.264 mkv, from 10 s on': _late,
    'H.264 avi': plain('a.avi', 'libx264', **_X264),
    'H.264 avi, no B-frames': plain('a.avi', 'libx264', **{**_X264, 'bf': 0}),
    'H.264 flv': plain('a.flv', 'libx264', **_X264),
    'H.264 ts': plain('a.ts', 'libx264', **_X264),
    'H.264 ts, interlaced': plain('a.ts', 'libx264', **{**_X264, 'x264-params': 'tff=1'}),
    'H.264 ts, cut between key frames': _cut('cut.ts', 'libx264', first_packet=5, shown_from=12, **_X264),
    'H.264 ts, two recordings': _joined,
    'H.264 ts, two recordings, the second one ahead': _joined_ahead,
    'H.264 ts, a still with sound': _still,
    'H.264 ts, a still, then another recording': _still_and_joined,
    'H.264 ts, size changes': _resized,
    'H.264 m2ts': plain('a.m2ts', 'libx264', **_X264),
    'HEVC mp4': plain('a.mp4', 'libx265', **_X265),
    'HEVC mp4, open GOP': plain('a.mp4', 'libx265', **_OPEN_X265),
    'HEVC mp4, open GOP, edit list': _cut('cut.mp4', 'libx265', zero_frame=20, shown_from=20, **_OPEN_X265),
    'HEVC mkv, cut before an open GOP': _cut('cut.mkv', 'libx265', first_packet=9, shown_from=12, **_OPEN_X265),
    'HEVC ts, open GOP': plain('a.ts', 'libx265', **_OPEN_X265),
    'AV1 mp4': plain('a.mp4', 'libsvtav1', **_AV1),
    'AV1 webm': plain('a.webm', 'libsvtav1', **_AV1),
    'VP9 webm': plain('a.webm', 'libvpx-vp9', **_VP9),
    'VP9 mp4, 60 per second': plain('a.mp4', 'libvpx-vp9', 60, **_VP9),
    'VP8 webm, hidden frames': plain('a.webm', 'libvpx', **_VP8),
    'VP8 webm, variable rate': _variable('a.webm', 'libvpx', **_VP8),
    'MPEG-4 mp4': plain('a.mp4', 'mpeg4', bf=2, g=12),
    'MPEG-4 avi': plain('a.avi', 'mpeg4', bf=2, g=12),
    'MPEG-4 avi, packed B-frames': _packed,
    'MPEG-4 3gp': plain('a.3gp', 'mpeg4', g=12),
    'MPEG-4 3g2': plain('a.3g2', 'mpeg4', g=12),
    'H.264 f4v': plain('a.f4v', 'libx264', **_X264),
    'MPEG-2 without a container': plain('a.m2v', 'mpeg2video', bf=2, g=12),
    'MPEG-2 mpg': plain('a.mpg', 'mpeg2video', bf=2, g=12),
    'MPEG-2 ts': plain('a.ts', 'mpeg2video', bf=2, g=12),
    'MPEG-1 mpg': plain('a.mpg', 'mpeg1video', bf=2, g=12),
    'MPEG-2 mxf': plain('a.mxf', 'mpeg2video', bf=2, g=12),
    'H.264 mxf': plain('a.mxf', 'libx264', **_X264),
    'H.264 wmv': plain('a.wmv', 'libx264', **_X264),
    'MPEG-2 wmv': plain('a.wmv', 'mpeg2video', bf=2, g=12),
    'WMV 2 wmv': plain('a.wmv', 'wmv2', g=12),
    'Sorenson flv': plain('a.flv', 'flv', g=12),
    'Motion JPEG avi': plain('a.avi', 'mjpeg'),
    'Motion JPEG mkv, variable rate': _variable('a.mkv', 'mjpeg'),
    'ProRes mov': plain('a.mov', 'prores_ks', pix_fmt='yuv422p10le'),
    'FFV1 mkv': plain('a.mkv', 'ffv1'),
}
