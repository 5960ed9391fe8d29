"""The reader shows every frame at its time, in many kinds of videos, see tests/video_variants.py."""

import numpy as np
import pytest
from numbered_videos import read_number
from video_variants import VARIANTS

from fsptal_mm.datasets.videos.reader import open_video


@pytest.mark.parametrize('name', VARIANTS)
def test_every_frame_at_its_instant(tmp_path, name):
    variant = VARIANTS[name](tmp_path)
    times_sec, frame_sec = np.array(variant.times_sec), 1 / variant.rate
    video = open_video(variant.path)
    assert [read_number(image) for image in video.frames(range(len(video)))] == variant.numbers
    np.testing.assert_allclose(video.start_sec, times_sec, rtol=0, atol=0.02 * frame_sec + 1e-3)
    assert video.duration_sec == pytest.approx(variant.end_sec, abs=0.5 * frame_sec)
    # A fresh reader gives the same frames in random order, so its seeks are right.
    fresh, wanted = open_video(variant.path), np.random.default_rng(0).permutation(len(times_sec))[:20]
    indices = fresh.index_at(times_sec[wanted] + 0.4 * frame_sec)
    shown = [read_number(fresh.frames([index])[0]) for index in indices]
    assert shown == [variant.numbers[place] for place in wanted]
