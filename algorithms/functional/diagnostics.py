"""How a multiplier moved: saturation, oscillation, damping, and its lag behind the cost.

A series is `[K]`, one number an iteration, of one seed and one cost; finite. Times are in iterations. All measures are
ours; each returns NaN where the series does not show what it measures.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_PADDING = 8  # finer frequencies than 1/K, for a peak between two of them


class Saturation(NamedTuple):
    """Where λ stood.

    Attributes:
        at_zero: Share of iterations with λ = 0.
        at_cap: Share of iterations with λ at its cap; 0 without one.
    """

    at_zero: float
    at_cap: float


def saturation(multiplier: ArrayLike, multiplier_max: float | None = None) -> Saturation:
    """Computes the shares of iterations in which λ stood at a bound, where it cannot answer a further error.

    Args:
        multiplier: `[K]`; λ.
        multiplier_max: Its cap, or None.

    Returns:
        The shares in [0, 1].

    Raises:
        ValueError: If the series is no finite `[K]` with K ≥ 1.
    """
    values = _series(multiplier)
    at_cap = 0.0 if multiplier_max is None else float(np.mean(values >= multiplier_max * (1.0 - 1e-6)))
    return Saturation(float(np.mean(values <= 0.0)), at_cap)


def total_variation(series: ArrayLike) -> float:
    """Computes Σ_k |x_{k+1} − x_k|, the way that the series went, in its unit.

    Args:
        series: `[K]`.

    Returns:
        The total variation; 0 for one number. A series that rises to λ* without overshoot has λ*.

    Raises:
        ValueError: If the series is no finite `[K]` with K ≥ 1.

    Examples:
        >>> total_variation([0.0, 2.0, 1.0, 1.5])
        3.5
    """
    return float(np.abs(np.diff(_series(series))).sum())


def dominant_period(series: ArrayLike) -> float:
    """Finds the period of the strongest oscillation: the peak of the periodogram.

    The line from least squares is taken off and a Hann window laid over the rest. Only a peak between two samples and
    half the series counts, so that a drift is no oscillation.

    Args:
        series: `[K]`.

    Returns:
        The period, iterations; NaN without a peak, or with fewer than 8 numbers.

    Raises:
        ValueError: If the series is no finite `[K]` with K ≥ 1.
    """
    values = _series(series)
    index = _peak(np.abs(_spectrum(values)) ** 2, len(values))
    return np.nan if index is None else _PADDING * len(values) / index


def phase_lag(multiplier: ArrayLike, cost: ArrayLike) -> float:
    """Computes how far λ runs behind the cost at the frequency that both share most strongly.

    Pure gradient ascent integrates the error and so lags by 90°; a proportional term draws the lag towards 0°.

    Args:
        multiplier: `[K]`; λ.
        cost: `[K]`; J, measured at the same iterations.

    Returns:
        The lag, degrees in (−180, 180]; positive where λ follows the cost. NaN without a common oscillation.

    Raises:
        ValueError: If the series are not finite `[K]` of one length.
    """
    first, second = _series(multiplier), _series(cost)
    if len(first) != len(second):
        raise ValueError(f"λ and cost must have one length, but got {len(first)} and {len(second)}.")
    cross = _spectrum(second) * np.conj(_spectrum(first))
    peak = _peak(np.abs(cross), len(first))
    return np.nan if peak is None else float(np.degrees(np.angle(cross[round(peak)])))


def damping_ratio(series: ArrayLike, *, noise: float = 0.1) -> float:
    """Estimates the damping ratio ζ from how the swings between successive turning points shrink.

        swing j+1 / swing j = exp(−δ),  ζ = δ / √(π² + δ²)

    δ is the slope of log swing over j by least squares. A swing needs no centre line, so an offset does not matter.

    Args:
        series: `[K]`.
        noise: Reversals smaller than this share of the series' range are no turning points.

    Returns:
        ζ in (−1, 1): 0 oscillates for ever, towards 1 it settles without, negative grows. NaN with fewer than three
        turning points: there is no oscillation to measure.

    Raises:
        ValueError: If the series is no finite `[K]` with K ≥ 1.
    """
    values = _series(series)
    turns = values[_turning_points(values, noise * float(np.ptp(values)))]
    swings = np.abs(np.diff(turns))
    if len(swings) < 2:
        return np.nan
    slope = np.polynomial.Polynomial.fit(np.arange(len(swings)), np.log(swings), 1).convert().coef
    decrement = -float(slope[1]) if len(slope) > 1 else 0.0
    return decrement / float(np.hypot(np.pi, decrement))


def _series(series: ArrayLike) -> Floats:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"A series must be finite `[K]` with K ≥ 1, but got shape {list(values.shape)}.")
    return values


def _spectrum(values: Floats) -> NDArray[np.complex128]:
    """Detrended, windowed and padded Fourier transform; index i is the frequency i / (padding · K)."""
    steps = np.arange(len(values))
    trend = np.polynomial.Polynomial.fit(steps, values, 1)(steps) if len(values) > 1 else values
    rest = values - trend
    if np.ptp(rest) <= 1e-9 * max(np.abs(values).max(), 1e-300):  # a straight line up to rounding
        rest = np.zeros_like(values)
    return np.fft.rfft(rest * np.hanning(len(values)), n=_PADDING * len(values))


def _peak(power: Floats, length: int) -> float | None:
    """The index of the highest inner peak from two periods on, refined by a parabola; None without one."""
    lowest = 2 * _PADDING
    if length < 8 or not power[lowest:].any():
        return None
    index = lowest + int(np.argmax(power[lowest:]))
    if index in (lowest, len(power) - 1):
        return None
    left, middle, right = np.log(power[index - 1 : index + 2] + 1e-300)
    return index + 0.5 * float(left - right) / float(left - 2.0 * middle + right)


def _turning_points(values: Floats, reversal: float) -> list[int]:
    """Indices of the extrema from which the series turned back by more than `reversal`; never its two ends."""
    turns: list[int] = []
    low = high = 0
    direction = 0
    for index, value in enumerate(values):
        low = index if value < values[low] else low
        high = index if value > values[high] else high
        if direction >= 0 and values[high] - value > reversal:
            turns.append(high)
            direction, low = -1, index
        elif direction <= 0 and value - values[low] > reversal:
            turns.append(low)
            direction, high = 1, index
    return turns[1:] if turns and turns[0] == 0 else turns
