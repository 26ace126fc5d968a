"""Intervals and robust means over seeds, thin on SciPy.

A sample is one number a seed: S values, `[S]` float64, in the units of whatever was measured. Every interval covers
95 % unless asked otherwise, and is about the mean (or the interquartile mean), not about single seeds.
"""

import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweeps.records import Interval

CONFIDENCE = 0.95
"""Coverage of every interval that a table, a figure or MLflow shows."""

Statistic = Literal["mean", "iqm"] | float
"""A mean, an interquartile mean, or the quantile of this share, in [0, 1]: each a weighted sum of the sorted values."""


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's interval of a mean, the default of tables and figures.

        x̄ ± t(1 − α/2, S − 1) · s / √S,  s² = Σ (x − x̄)² / (S − 1),  α = 1 − confidence

    Source: Student (1908), "The Probable Error of a Mean". One seed has no spread: both ends are then the mean.

    Args:
        values: `[S]`; one finite number a seed, S ≥ 1.
        confidence: Coverage, in (0, 1).

    Returns:
        The mean with its interval, in the units of `values`.

    Raises:
        ValueError: If there is no value, one is not finite, or `confidence` lies outside (0, 1).

    Examples:
        >>> t_interval([1.0, 2.0, 3.0])
        Interval(mean=2.0, low=-0.48413771175..., high=4.48413771175..., num_seeds=3)
    """
    sample = _checked(values, confidence)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, mean, mean, 1)
    quantile = float(special.stdtrit(sample.size - 1, 0.5 + confidence / 2))
    half_width = quantile * float(sample.std(ddof=1)) / sample.size**0.5
    return Interval(mean, mean - half_width, mean + half_width, int(sample.size))


def bootstrap_interval(
    values: Sequence[float],
    statistic: Statistic = "mean",
    confidence: float = CONFIDENCE,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap's interval of a mean, an interquartile mean or a quantile over seeds.

    Seeds are drawn with replacement and the statistic taken of each draw; the ends are the α/2 and 1 − α/2 quantiles
    of those, α = 1 − confidence. With few seeds it is too narrow (three seeds allow ten different draws):
    prefer `t_interval` below about ten. What is drawn depends on S alone, and the statistics are linear in the sorted
    values: so the draws of all samples of S values are one matrix, made once. Equal to SciPy's `bootstrap` but for
    rounding, at a hundredth of its time: a large study has tens of thousands of intervals.

    Source: Efron (1979), "Bootstrap Methods"; percentile ends as in Agarwal et al. (2021), "Deep Reinforcement Learning
    at the Edge of the Statistical Precipice".

    Args:
        values: `[S]`; one finite number a seed, S ≥ 1.
        statistic: What is estimated; `mean` of the result is its value on the sample itself.
        confidence: Coverage, in (0, 1).
        num_resamples: Draws, ≥ 1.
        seed: Of the draws: the same sample and seed give the same interval.

    Returns:
        The statistic with its interval, in the units of `values`; both ends equal it with one seed.

    Raises:
        ValueError: If there is no value, one is not finite, or `confidence` lies outside (0, 1).
    """
    ordered = np.sort(_checked(values, confidence))
    estimate = _of(ordered, statistic)
    if ordered.size == 1:
        return Interval(estimate, estimate, estimate, 1)
    drawn = _draws(statistic, ordered.size, num_resamples, seed) @ ordered
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(estimate, float(low), float(high), ordered.size)


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half: the lowest and the highest ⌊S/4⌋ values are left out.

    Robust as a median, with less spread. Source: Agarwal et al. (2021), Section 4.3; SciPy's `trim_mean(x, 0.25)`.

    Args:
        values: `[S]`; one finite number a seed, S ≥ 1.

    Returns:
        The mean of what is left, in the units of `values`.

    Raises:
        ValueError: If there is no value or one is not finite.

    Examples:
        >>> interquartile_mean([0.0, 1.0, 2.0, 300.0])
        1.5
    """
    return _of(np.sort(_checked(values, CONFIDENCE)), "iqm")


def _of(ordered: NDArray[np.float64], statistic: Statistic) -> float:
    if isinstance(statistic, str):
        cut = ordered.size // 4 if statistic == "iqm" else 0
        return float(ordered[cut : ordered.size - cut].mean())
    return float(np.quantile(ordered, statistic))


def _weights(statistic: Statistic, size: int) -> NDArray[np.float64]:
    """`[S]`: what each of the sorted values counts in a statistic; they sum to 1."""
    of_last = np.array([_of(step, statistic) for step in np.triu(np.ones((size, size)))])  # row j: ones from j on
    return of_last - np.append(of_last[1:], 0.0)


@functools.lru_cache(maxsize=32)
def _draws(statistic: Statistic, size: int, num_resamples: int, seed: int) -> NDArray[np.float64]:
    """`[num_resamples, S]`: what each of a sample's sorted values counts in the statistic of each draw from them."""
    drawn = np.random.default_rng(seed).integers(0, size, (num_resamples, size))
    drawn.sort(axis=1)
    counted = np.zeros((num_resamples, size))
    np.add.at(counted, (np.arange(num_resamples)[:, None], drawn), _weights(statistic, size))
    return counted


def _checked(values: Sequence[float], confidence: float) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"`len(values) >= 1` must hold (one number a seed), but got shape {sample.shape}.")
    if not np.isfinite(sample).all():
        raise ValueError(f"values must be finite, but got {sample.tolist()}; leave out seeds that failed.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"`0 < confidence < 1` must hold, but got {confidence=}.")
    return sample
