"""Post-processing as the paper describes it (Appendix C), in plain loops like those of LACP's code."""

import ctypes
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

# Greedy NMS of segments in the order of falling score: each kept segment is compared with all segments after it.
# OpenTAD compiles such a loop, too.
_LOOP = """
#include <math.h>
void suppress(const double *start, const double *end, long n, double threshold, char *gone) {
    for (long i = 0; i < n; i++) {
        if (gone[i]) continue;
        double length = end[i] - start[i];
        for (long j = i + 1; j < n; j++) {
            if (gone[j]) continue;
            double shared = fmin(end[i], end[j]) - fmax(start[i], start[j]);
            shared = shared > 0 ? shared : 0;
            gone[j] = shared / (length + (end[j] - start[j]) - shared) >= threshold;
        }
    }
}
"""


def localize(settings, scores, background, video_scores, grid, duration_sec):
    """Localize the actions of one video.

    Args:
        settings (ProposalGenerator): Generator whose constants are used.
        scores (np.ndarray): ``(T, C)`` float32, q-hat.
        background (np.ndarray): ``(T,)`` float32, b.
        video_scores (np.ndarray): ``(C,)`` float32, Q_v.
        grid (SnippetGrid): Grid of the video's snippets.
        duration_sec (float): Duration of the video, at which proposals end at the latest.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: ``(N, 2)`` segments in seconds, ``(N,)`` scores and labels, class by
        class.
    """
    classes = np.flatnonzero(video_scores >= settings.video_threshold)
    if not len(classes):
        classes = [int(video_scores.argmax())]
    not_background = 1 - upsample(background, settings.upsampling)
    found = [(np.zeros((0, 2)), np.zeros(0), np.zeros(0, int))]
    for label in classes:
        curve = upsample(scores[:, label], settings.upsampling)
        runs = {run for level in settings.score_levels for run in runs_above(curve, level)}
        runs |= {run for level in settings.background_levels for run in runs_above(not_background, level)}
        proposals, proposal_scores = [], []
        for start, end in sorted(runs):
            points = np.array([start, end]) / settings.upsampling
            begin_sec, end_sec = np.clip(grid.to_sec(points), 0, duration_sec)
            if end_sec > begin_sec:
                contrast = inner_minus_outer(curve, start, end, settings.outer_ratio)
                proposals.append((begin_sec, end_sec))
                proposal_scores.append(contrast + settings.video_weight * video_scores[label])
        if proposals:
            keep = greedy_nms(np.array(proposals), np.array(proposal_scores, np.float32), **settings.nms_args)
            found.append((np.array(proposals)[keep], np.array(proposal_scores)[keep], np.full(len(keep), label)))
    return tuple(np.concatenate(parts) for parts in zip(*found))


def upsample(values, factor):
    """Interpolate ``(T,)`` to ``(T * factor,)`` float32: linear between centres of snippets, constant beyond them."""
    position = (np.arange(len(values) * factor) + 0.5) / factor - 0.5
    return np.interp(position, np.arange(len(values)), values).astype(np.float32)


def runs_above(curve, level):
    """Find the runs of points that reach a threshold (if it is 0: lie above it), as pairs ``(start, end)``."""
    points = np.flatnonzero(curve > 0 if level == 0 else curve >= np.float32(level)).tolist()
    runs = []
    for point in points:
        if runs and runs[-1][1] == point:
            runs[-1][1] = point + 1
        else:
            runs.append([point, point + 1])
    return [tuple(run) for run in runs]


def inner_minus_outer(curve, start, end, outer_ratio):
    """Mean of a run minus the mean of both its outer ranges."""
    reach = math.ceil((end - start) * outer_ratio)
    outer = [*range(max(0, start - reach), start), *range(end, min(len(curve), end + reach))]
    return curve[start:end].mean(dtype=np.float64) - (curve[outer].mean(dtype=np.float64) if outer else 0)


def greedy_nms(segments_sec, scores, iou_threshold):
    """Indices of the segments that greedy NMS keeps, the best first; each is compared with all that remain after it."""
    rest, keep = np.argsort(-scores, kind='stable'), []
    start, end = segments_sec.T
    while len(rest):
        best, rest = rest[0], rest[1:]
        keep.append(best)
        shared = np.maximum(np.minimum(end[best], end[rest]) - np.maximum(start[best], start[rest]), 0)
        union = (end[best] - start[best]) + (end[rest] - start[rest]) - shared
        rest = rest[shared / union < iou_threshold]
    return np.array(keep, dtype=np.int64)


def compiled_nms():
    """Compile :func:`greedy_nms` as a loop in C; return the function, or ``None`` without a C compiler."""
    compiler = shutil.which('cc')
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, 'loop.c'), Path(folder, 'loop.so')
        source.write_text(_LOOP)
        subprocess.run([compiler, '-O3', '-shared', '-fPIC', source, '-o', library, '-lm'], check=True)
        loop = ctypes.CDLL(str(library)).suppress
    doubles = np.ctypeslib.ndpointer(np.float64, flags='C_CONTIGUOUS')
    loop.argtypes = [doubles, doubles, ctypes.c_long, ctypes.c_double, np.ctypeslib.ndpointer(np.int8)]
    loop.restype = None

    def run(segments_sec, scores, iou_threshold):
        order = np.argsort(-scores, kind='stable')
        start, end = np.ascontiguousarray(segments_sec[order].T)
        gone = np.zeros(len(order), np.int8)
        loop(start, end, len(order), iou_threshold, gone)
        return order[gone == 0]

    return run
