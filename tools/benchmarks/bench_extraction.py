"""Time feature extraction with models of random weights on a generated video: snippets and video seconds per second."""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from fsptal_mm.apis.feature_extractor import FeatureExtractor

_MODELS = {
    'TSN, ResNet-50': ('Recognizer2D', dict(type='ResNet', depth=50), 'NCHW', 1),
    'SlowOnly, ResNet-18, 4 frames': (
        'Recognizer3D',
        dict(type='ResNet3dSlowOnly', depth=18, pretrained2d=False, lateral=False),
        'NCTHW',
        4,
    ),
}


def write_recognizer(folder, kind, backbone, input_format, clip_len):
    """Write the checkpoint; returns the arguments of an extractor."""
    norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], format_shape=input_format)
    config = dict(
        model=dict(type=kind, backbone=backbone, data_preprocessor=dict(type='ActionDataPreprocessor', **norm)),
        test_pipeline=[
            dict(type='SampleFrames', clip_len=clip_len, frame_interval=16 // clip_len, num_clips=1),
            dict(type='DecordDecode'),
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
    """Write moving noise, 340 x 256 at 25 frames per second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 25, (340, 256))
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (256, 340, 3), np.uint8), (0, 0), 3)
    for frame in range(round(duration_sec * 25)):
        writer.write(np.roll(noise, 2 * frame, axis=1))
    writer.release()
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=40.0, help='duration of the video')
    parser.add_argument('--workers', type=int, default=1, help='processes that decode')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder, 'video.mp4'), args.seconds)
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
