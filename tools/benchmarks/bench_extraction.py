"""Time the reading of a generated video, and feature extraction with models of random weights.

It prints how many seconds of video are read in a second of processor time, and how many seconds of video pass through
the extraction in a second of wall clock.
"""

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from fsptal_mm.apis.feature_extractor import FeatureExtractor
from fsptal_mm.datasets.videos.reader import open_video

_MODELS = {  # by name: type of the recognizer, backbone, input format, frames of a clip
    'TSN, ResNet-50': ('Recognizer2D', dict(type='ResNet', depth=50), 'NCHW', 1),
    'SlowOnly, ResNet-18, 4 frames': (
        'Recognizer3D',
        dict(type='ResNet3dSlowOnly', depth=18, pretrained2d=False, lateral=False),
        'NCTHW',
        4,
    ),
}


def write_recognizer(folder, kind, backbone, input_format, clip_len):
    """Write the checkpoint of a recognizer with random weights; return its config and its path."""
    norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], format_shape=input_format)
    config = dict(
        model=dict(type=kind, backbone=backbone, data_preprocessor=dict(type='ActionDataPreprocessor', **norm)),
        test_pipeline=[
            dict(type='DecordInit'),
            dict(type='SampleFrames', clip_len=clip_len, frame_interval=16 // clip_len, num_clips=1),
            dict(type='DecordDecode'),  # mmaction2's own steps of reading; the extractor replaces them
            dict(type='Resize', scale=(-1, 256)),
            dict(type='CenterCrop', crop_size=224),
            dict(type='FormatShape', input_format=input_format),
        ],
    )
    config = Config(config)
    with DefaultScope.overwrite_default_scope('mmaction'):
        torch.save(MODELS.build(config.model).state_dict(), folder / 'model.pth')
    return config, folder / 'model.pth'


def write_video(path, duration_sec):
    """Write a video of moving noise in H.264, of a size (340 x 256) that is usual for recognizers, at 25 per second."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (256, 340, 3), np.uint8), (0, 0), 3)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 340, 256, 'yuv420p'
        for number in range(round(duration_sec * 25)):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, 2 * number, axis=1), format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def time_reading(path, every, read):
    """Shortest of three runs that decode every ``every``-th frame in one thread, in processor seconds."""
    times = []
    for _ in range(3):
        start = time.process_time()
        read(path, every)
        times.append(time.process_time() - start)
    return min(times)


def read_ours(path, every):
    """Decode every ``every``-th frame with the reader of this package."""
    video = open_video(path)
    for start in range(0, len(video), 16 * every):
        video.frames(range(start, min(start + 16 * every, len(video)), every))


def read_decord(path, every):
    """Decode every ``every``-th frame with decord."""
    import decord

    video = decord.VideoReader(str(path), num_threads=1)
    for start in range(0, len(video), 16 * every):
        video.get_batch(list(range(start, min(start + 16 * every, len(video)), every))).asnumpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=40.0, help='duration of the video')
    parser.add_argument('--workers', type=int, default=1, help='processes that decode')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder, 'video.mp4'), args.seconds)
        for every in (1, 4, 16):
            ours_sec, text = time_reading(path, every, read_ours), ''
            if importlib.util.find_spec('decord'):  # mmaction2 installs it
                text = f', {time_reading(path, every, read_decord) / ours_sec:.2f} times as fast as decord'
            print(f'reading 1 of {every} frames: {args.seconds / ours_sec:.0f} s of video per s of processor{text}')
        for name, model in _MODELS.items():
            extractor = FeatureExtractor(*write_recognizer(Path(folder), *model))
            start = time.perf_counter()
            (result,) = extractor.extract_all([path], args.workers)
            passed, snippets = time.perf_counter() - start, len(result.features)
            seen = snippets * extractor.clip_grid.clip_len / passed
            print(
                f'{name}: {snippets / passed:.1f} snippets/s, {seen:.1f} frames/s through the model, '
                f'{args.seconds / passed:.1f} s of video per s, {torch.get_num_threads()} threads'
            )


if __name__ == '__main__':
    main()
