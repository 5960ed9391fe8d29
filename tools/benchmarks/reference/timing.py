"""How all benchmarks of the training step measure: variants by turns, medians, ratios within one run."""

import statistics
import time


def median_sec(functions, repeats):
    """Median time of each function; they take turns, so that a busy moment of the machine hits all of them."""
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, its_times in zip(functions, times):
            start = time.perf_counter()
            function()
            its_times.append(time.perf_counter() - start)
    return [statistics.median(its_times) for its_times in times]
