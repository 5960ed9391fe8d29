"""Curves of the report's charts."""

import math

import numpy as np

MAX_POINTS = 500  # largest number of points of a curve: the width of a chart shows no more


def thin(values: dict[int, float], factor: float = 1) -> tuple[list[int], list[float | None]]:
    """Scale a curve, and reduce it to at most ``MAX_POINTS`` points.

    Args:
        values (dict[int, float]): From x to value.
        factor: Factor of the values.

    Returns:
        tuple: x, ascending, and the values, with ``None`` for NaN and Inf.
    """
    every = sorted(values)
    chosen = np.linspace(0, len(every) - 1, min(len(every), MAX_POINTS)).round().astype(int)
    thinned = [every[index] for index in np.unique(chosen)]
    return thinned, [factor * values[x] if math.isfinite(values[x]) else None for x in thinned]
