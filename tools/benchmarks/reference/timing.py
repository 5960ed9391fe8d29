"""Timing of functions in turn, so that a busy machine slows all of them alike."""

import math
import time

import numpy as np

_SHORTEST_SEC = 0.01


def take_turns(*functions, repeats=5, warm=False, clock=time.perf_counter):
    """Call functions in turn, again and again.

    A function that takes less than a hundredth of a second is called several times at each turn.

    Args:
        *functions: Functions without arguments.
        repeats: Number of turns of each function.
        warm: Whether all functions have run before, and take long. If not, each function is called once before the
            turns, to warm up and to find the number of its calls in a turn.
        clock: Function that returns seconds. With ``time.process_time``, for functions of one thread, other programs on
            the machine do not count.

    Returns:
        np.ndarray: ``(F, repeats)`` seconds per call.
    """
    first_secs = [_SHORTEST_SEC if warm else _seconds(function, 1, clock) for function in functions]
    calls = [max(1, math.ceil(_SHORTEST_SEC / max(sec, 1e-9))) for sec in first_secs]
    turns = [[_seconds(function, number, clock) for function, number in zip(functions, calls)] for _ in range(repeats)]
    return np.array(turns).T


def median_sec(functions, repeats, **kwargs):
    """Median seconds per call of each function, by :func:`take_turns`."""
    return np.median(take_turns(*functions, repeats=repeats, **kwargs), axis=1).tolist()


def clock_of(threads):
    """Choose the clock for work in a number of threads; return it and its name."""
    return (time.process_time, 'CPU time') if threads == 1 else (time.perf_counter, 'wall clock')


def _seconds(function, number, clock):
    start = clock()
    for _ in range(number):
        function()
    return (clock() - start) / number
