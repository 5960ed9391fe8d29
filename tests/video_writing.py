"""Writing of small videos by PyAV: any container, codec and times; copies that are cut without encoding."""

from fractions import Fraction

import av
import numpy as np

_CODECS = {'.mp4': 'mpeg4', '.webm': 'libvpx', '.avi': 'mjpeg', '.mkv': 'mjpeg'}
_TICKS = 1000  # ticks per second, if times of frames are given
_SOUND_RATE, _SOUND_FRAME = 48000, 1152  # samples per second; samples in a frame of MPEG layer 2


def write_frames(path, images, codec=None, fps=25, times_sec=None, pix_fmt='yuv420p', muxer=None, **options):
    """Write RGB images ``(H, W, 3)`` uint8; returns the path.

    Args:
        path: The file; its suffix chooses the container, and the codec if there is none given.
        images: Any iterable; without one there is a file without frames.
        codec: Name of the encoder.
        fps: Frames per second.
        times_sec: Start of each frame in the file, instead of a constant rate.
        pix_fmt: Pixel format.
        muxer: Options of the container.
        **options: Options of the encoder.
    """
    codec = codec or _CODECS[path.suffix]
    pix_fmt = 'yuvj420p' if codec == 'mjpeg' else pix_fmt
    with av.open(str(path), 'w', options=muxer or {}) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(codec, rate=rate)
        stream.options = {name: str(value) for name, value in options.items()}
        stream.codec_context.time_base = time_base = 1 / rate if times_sec is None else Fraction(1, _TICKS)
        stream.pix_fmt = pix_fmt
        stream.width, stream.height = 64, 48
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame.pts = number if times_sec is None else round(times_sec[number] * _TICKS)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def copy_packets(source, path, first=0, zero_sec=None, muxer=None, change=lambda packets: packets):
    """Copy a video without encoding, as ``ffmpeg -c copy`` does; returns the path.

    Args:
        source: The video.
        path: The copy.
        first: Number of the first packet that is copied, in the order of the file.
        zero_sec: Time in the source that becomes 0; what lies before it is cut off by an edit list, if the container
            has one. Default: times stay as they are.
        muxer: Options of the container.
        change: From the list of packets to those that are written.
    """
    with av.open(str(source)) as content, av.open(str(path), 'w', options=muxer or {}) as copy:
        stream = content.streams.video[0]
        target = copy.add_stream_from_template(stream)
        packets = [packet for packet in content.demux(stream) if packet.size][first:]
        shift = 0 if zero_sec is None else round(zero_sec / stream.time_base)
        for packet in change(packets):
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = target
            copy.mux(packet)
    return path


def add_sound(source, path):
    """Copy a video without encoding, and add silence from its first frame to its last one; returns the path."""
    with av.open(str(source)) as content, av.open(str(path), 'w') as copy:
        stream = content.streams.video[0]
        target = copy.add_stream_from_template(stream)
        sound = copy.add_stream('mp2', rate=_SOUND_RATE, layout='mono')
        packets = [packet for packet in content.demux(stream) if packet.size]
        times_sec = [float(packet.pts * packet.time_base) for packet in packets]
        for packet in packets:
            packet.stream = target
        for number in range(int((max(times_sec) - min(times_sec)) * _SOUND_RATE / _SOUND_FRAME)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, _SOUND_FRAME), np.int16), 's16', 'mono')
            frame.sample_rate, frame.time_base = _SOUND_RATE, Fraction(1, _SOUND_RATE)
            frame.pts = round(min(times_sec) * _SOUND_RATE) + number * _SOUND_FRAME
            packets += sound.encode(frame)
        for packet in sorted([*packets, *sound.encode()], key=lambda packet: packet.dts * packet.time_base):
            copy.mux(packet)
    return path


def set_rotation(path, degrees):
    """Write a rotation, 90, 180 or 270 degrees clockwise, into the header of a .mp4 or .mov; returns the path."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b'tkhd') + 4 + 40
    one = 1 << 16
    rows = {90: (0, one, 0, -one, 0), 180: (-one, 0, 0, 0, -one), 270: (0, -one, 0, one, 0)}[degrees]
    content[matrix : matrix + 20] = np.array(rows, '>i4').tobytes()
    path.write_bytes(content)
    return path
