"""Points and background clicks drawn from ground-truth segments, as annotators or automatic rules would set them."""

import zlib

import numpy as np

from fsptal_mm.utils.errors import InputError

POINT_STYLES = ('centre', 'gaussian', 'uniform')

# Standard deviation of the style 'gaussian', as a share of the segment's length: three standard deviations reach from
# the middle to an end. For comparison, published points have these standard deviations: automatic points 0.010 on
# ActivityNet, GTEA and BEOID, and one frame on THUMOS14, so that the style 'centre' is close to them; points of human
# annotators 0.19 to 0.25.
_GAUSSIAN_SIGMA = 1 / 6

# No point is drawn in this share of the segment at each end, so that rounding to a frame rarely moves a point out of
# the segment.
_MARGIN = 0.01


def draw_points(segments_sec: np.ndarray, style: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one point in each segment.

    Args:
        segments_sec (np.ndarray): ``(M, 2)`` starts and ends in seconds, each of positive length.
        style (str): ``'centre'``: the middle. ``'gaussian'``: normally distributed about the middle, with a standard
            deviation of 1/6 of the length. ``'uniform'``: uniformly distributed over the segment.
        rng (np.random.Generator): Random generator.

    Returns:
        np.ndarray: ``(M,)`` float64 seconds, strictly inside the segments.

    Raises:
        InputError: The style is unknown.
    """
    segments_sec = np.asarray(segments_sec, dtype=np.float64).reshape(-1, 2)
    num_points = len(segments_sec)
    if style == 'centre':
        position = np.full(num_points, 0.5)
    elif style == 'gaussian':
        position = np.clip(rng.normal(0.5, _GAUSSIAN_SIGMA, num_points), _MARGIN, 1 - _MARGIN)
    elif style == 'uniform':
        position = rng.uniform(_MARGIN, 1 - _MARGIN, num_points)
    else:
        raise InputError(f'one of {", ".join(POINT_STYLES)}', field='style', found=style)
    start, end = segments_sec.T
    return start + position * (end - start)


def draw_background(segments_sec: np.ndarray, duration_sec: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one background click in each gap between actions, as the annotators of BackTAL were asked to click.

    Args:
        segments_sec (np.ndarray): ``(M, 2)`` starts and ends of all actions, in seconds.
        duration_sec: Duration of the video.
        rng (np.random.Generator): Random generator.

    Returns:
        np.ndarray: ``(K,)`` float64 seconds, ascending: one click in each of the K gaps of positive length, uniformly
        distributed over the gap. The stretches before the first and after the last action are gaps, too. A video
        without segments gets no click, since it may show actions that nobody labelled.
    """
    segments_sec = np.asarray(segments_sec, dtype=np.float64).reshape(-1, 2)
    if not len(segments_sec):
        return np.zeros(0)
    start, end = segments_sec[np.argsort(segments_sec[:, 0], kind='stable')].T
    gap_start = np.maximum.accumulate(np.append(0.0, end))
    gap_end = np.minimum(np.append(start, duration_sec), duration_sec)
    is_gap = gap_end > gap_start
    gap_start, gap_end = gap_start[is_gap], gap_end[is_gap]
    return gap_start + rng.uniform(_MARGIN, 1 - _MARGIN, len(gap_start)) * (gap_end - gap_start)


def video_rng(seed: int, video_id: str) -> np.random.Generator:
    """Build the random generator of one video; it does not depend on which other videos are read, or in which order.

    Args:
        seed: A whole number >= 0.
        video_id: Id of the video, or any other text: different texts give different generators.

    Raises:
        InputError: The seed is negative or no whole number.
    """
    if not isinstance(seed, int) or seed < 0:
        raise InputError('a whole number >= 0', field='seed', found=seed)
    return np.random.default_rng([seed, zlib.crc32(video_id.encode())])
