"""Timing functions side by side, so that a busy machine slows all of them alike."""

import math
import time

import numpy as np

_SHORTEST_SEC = 0.01


def take_turns(*functions, repeats=5, clock=time.perf_counter):
    """Call functions in turn, again and again.

    A function that takes less than a hundredth of a second is called several times at each turn.

    Args:
        *functions: Without arguments; each is called once before the clock starts.
        repeats: How many turns each one has.
        clock: ``time.process_time`` leaves out what other programs take; for functions of one thread that never wait.

    Returns:
        np.ndarray: ``(F, repeats)`` seconds per call.
    """
    calls = [max(1, math.ceil(_SHORTEST_SEC / max(_seconds(function, 1, clock), 1e-9))) for function in functions]
    turns = [[_seconds(function, number, clock) for function, number in zip(functions, calls)] for _ in range(repeats)]
    return np.array(turns).T


def median_sec(functions, repeats):
    """Median seconds per call of each function, by :func:`take_turns`."""
    return np.median(take_turns(*functions, repeats=repeats), axis=1).tolist()


def _seconds(function, number, clock):
    start = clock()
    for _ in range(number):
        function()
    return (clock() - start) / number
