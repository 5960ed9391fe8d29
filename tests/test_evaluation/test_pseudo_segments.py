import numpy as np
import pytest

from fsptal_mm.evaluation.functional import Instances
from fsptal_mm.evaluation.pseudo_segments import add_default_segments, select_pseudo_segments


def points(times, labels):
    return Instances.from_videos([np.repeat(np.array(times, dtype=float)[:, None], 2, axis=1)], [labels])


def found(*rows):
    """Rows of start, end, class, score, in one video."""
    start, end, labels, scores = np.array(rows, dtype=float).T
    return Instances.from_videos([np.stack([start, end], 1)], [labels], [scores])


@pytest.mark.parametrize(
    'rows, segments, missed, reason',
    [
        ([(4, 6, 0, 0.5), (3, 8, 0, 0.9)], [[3, 8]], [1], 'the best one that covers the point'),
        ([(3, 25, 0, 0.9), (4, 6, 0, 0.5)], [[4, 6]], [1], 'one that covers two points counts for neither'),
        ([(4, 6, 1, 0.9)], [], [0, 1], 'another class'),
        ([(6, 8, 0, 0.9)], [], [0, 1], 'no point inside'),
        ([(19, 21, 0, 0.2), (4, 6, 0, 0.3)], [[4, 6]], [1], 'too little confidence'),
        ([(19, 21, 0, 0.9), (4, 6, 0, 0.3)], [[4, 6], [19, 21]], [], 'in the order of the points'),
    ],
)
def test_selection(rows, segments, missed, reason):
    pseudo = select_pseudo_segments(points([5, 20], [0, 0]), found(*rows), min_score=0.25)
    assert pseudo.segments.segments.tolist() == segments, reason
    assert pseudo.missed.tolist() == missed


def test_default_segments_have_the_usual_length_and_end_half_way():
    labelled = points([5, 8, 90, 50], [0, 0, 0, 1])
    pseudo = select_pseudo_segments(labelled, found((0, 6, 0, 0.9)))
    filled = add_default_segments(pseudo, labelled, [91.0])
    # Length 6 round 8, 90 and 50: half-way between 5 and 8, the end of the video at 91, and nothing near 50,
    # whose class has no segment of its own.
    assert filled.segments.segments.tolist() == [[0, 6], [6.5, 11], [87, 91], [47, 53]]
    assert filled.segments.labels.tolist() == [0, 0, 0, 1]
    assert filled.missed.tolist() == [1, 2, 3]
