"""LOWESS: the smoothing of the published λ-profiles, an option of figures that always prints its fraction."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def lowess(x: Sequence[float] | Floats, y: Sequence[float] | Floats, fraction: float = 0.5) -> Floats:
    """Smooths y(x) by a weighted straight line around each point.

        r = ⌊f · n + 10⁻¹⁰⌋ nearest points,  h_i = distance of the r-th,  w_ij = (1 − (|x_j − x_i| / h_i)³)³₊
        ŷ_i = value at x_i of the line that minimizes Σ_j w_ij (y_j − a − b x_j)²

    Without robustness iterations. Source: Cleveland (1979), "Robust Locally Weighted Regression and Smoothing
    Scatterplots", Section 2; f = 0.5 and no iteration as in the λ-profiles of Spoor et al. (2025), whose published code
    smooths over linear λ.

    Args:
        x: `[n]`; where, in any order.
        y: `[n]`; what, finite.
        fraction: f in (0, 1], the share of points behind each smoothed one; at least three are taken.

    Returns:
        `[n]` float64; ŷ at each x, in the order of `x` and the units of `y`. Fewer than three points come back as they
        are, and so does a point whose neighbors all lie at its own x, as their mean.

    Raises:
        ValueError: If the lengths differ, a number is not finite, or `fraction` is out of range.

    Examples:
        >>> lowess([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]).round(6).tolist()
        [1.0, 3.0, 5.0, 7.0]
    """
    places, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if places.shape != values.shape or places.ndim != 1:
        raise ValueError(f"`len(x) == len(y)` must hold, but got shapes {places.shape} and {values.shape}.")
    if not (np.isfinite(places).all() and np.isfinite(values).all()):
        raise ValueError("x and y must be finite; leave out points that were not measured.")
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"`0 < fraction <= 1` must hold, but got {fraction=}.")
    if places.size < 3:
        return values.copy()
    nearest = min(max(3, int(fraction * places.size + 1e-10)), places.size)
    return np.array([_at(place, places, values, nearest) for place in places])


def _at(place: float, x: Floats, y: Floats, nearest: int) -> float:
    distance = np.abs(x - place)
    width = np.partition(distance, nearest - 1)[nearest - 1]
    if width == 0.0:
        return float(y[distance == 0.0].mean())
    weight = np.clip(1.0 - (distance / width) ** 3, 0.0, None) ** 3
    weight /= weight.sum()
    center = float(weight @ x)
    spread = float(weight @ (x - center) ** 2)
    mean = float(weight @ y)
    if spread <= 1e-12 * width**2:
        return mean
    return mean + float(weight @ ((x - center) * y)) / spread * (place - center)
