"""Comparisons of two or more samples over seeds, thin on SciPy: which is better, by how much, and how surely."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sweeps.analysis.statistics import CONFIDENCE, t_interval
from sweeps.records import Interval

Floats = NDArray[np.float64]
Statistic = Callable[[Sequence[Floats]], float]


@dataclass(frozen=True)
class Difference:
    """How much one sample lies above another.

    Attributes:
        value: Mean difference with its 95 % interval, in the units of the samples; `num_seeds` counts pairs, or the
            smaller sample where nothing is paired.
        p_value: Two-sided, of the hypothesis that both have one mean; NaN with fewer than two values.
        paired: Whether values of common seeds were subtracted from each other.
    """

    value: Interval
    p_value: float
    paired: bool


def difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Compares two samples, seed by seed where they have at least two seeds in common.

        paired:    δ_s = x_s − y_s over common seeds,  δ̄ ± t(0.975, n − 1) · s_δ / √n
        unpaired:  x̄ − ȳ ± t(0.975, ν) · √(s_x²/n_x + s_y²/n_y),  ν after Welch and Satterthwaite

    The p-value is that of the same t statistic. Pairing removes what a seed does to both: its environments and initial
    weights. Source: Student (1908); Welch (1947), "The generalization of 'Student's' problem".

    Args:
        first: Seed → x.
        second: Seed → y; same units.

    Returns:
        x − y.

    Raises:
        ValueError: If a sample is empty or holds a number that is not finite.

    Examples:
        >>> difference({0: 3.0, 1: 5.0, 2: 7.0}, {0: 1.0, 1: 2.0, 2: 3.0}).value.mean
        3.0
    """
    common = sorted(first.keys() & second.keys())
    if len(common) >= 2:
        delta = np.array([first[seed] - second[seed] for seed in common])
        value = t_interval(delta.tolist())
        error = float(delta.std(ddof=1)) / len(common) ** 0.5
        return Difference(value, _p_value(value.mean, error, len(common) - 1), True)
    return _welch(list(first.values()), list(second.values()))


def _welch(x: Sequence[float], y: Sequence[float]) -> Difference:
    mean = t_interval(x).mean - t_interval(y).mean
    seeds = min(len(x), len(y))
    if seeds < 2:
        return Difference(Interval(mean, mean, mean, seeds), np.nan, False)
    parts = [float(np.var(sample, ddof=1)) / len(sample) for sample in (x, y)]
    error = sum(parts) ** 0.5
    if error == 0.0:
        return Difference(Interval(mean, mean, mean, seeds), _p_value(mean, 0.0, 1.0), False)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(x) - 1) + parts[1] ** 2 / (len(y) - 1))
    half_width = float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
    return Difference(
        Interval(mean, mean - half_width, mean + half_width, seeds), _p_value(mean, error, freedom), False
    )


def _p_value(mean: float, error: float, freedom: float) -> float:
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2.0 * special.stdtr(freedom, -abs(mean / error)))


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> float:
    """How likely a run of the one beats a run of the other.

        P(X > Y) + ½ P(X = Y) = U / (n m),  U the Mann–Whitney statistic

    Source: Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice", Section 4.3;
    Mann and Whitney (1947).

    Args:
        first: `[n]`; finite.
        second: `[m]`; finite.

    Returns:
        In [0, 1]; 0.5 says that neither is better.

    Raises:
        ValueError: If a sample is empty or not finite.

    Examples:
        >>> probability_of_improvement([1.0, 2.0, 3.0], [2.0, 2.0])
        0.5
    """
    x, y = (np.asarray(sample, dtype=np.float64) for sample in (first, second))
    if not (x.size and y.size and np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"both samples must hold finite numbers, but got {list(first)} and {list(second)}.")
    return float(stats.mannwhitneyu(x, y, method="asymptotic").statistic) / (x.size * y.size)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts p-values for the number of comparisons.

        p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j)),  p_(1) ≤ … ≤ p_(m)

    Rejecting where p̃ ≤ α keeps the probability of any false rejection at most α. Source: Holm (1979), "A Simple
    Sequentially Rejective Multiple Test Procedure".

    Args:
        p_values: `[m]` in [0, 1]; a NaN is no comparison: it stays NaN and does not count.

    Returns:
        `[m]`; in the order of `p_values`.

    Raises:
        ValueError: If one lies outside [0, 1].

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    if ((values[known] < 0.0) | (values[known] > 1.0)).any():
        raise ValueError(f"`0 <= p <= 1` must hold, but got {list(p_values)}.")
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(values.size, np.nan)
    raised = (order.size - np.arange(order.size)) * values[order]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return adjusted.tolist()


def stratified_bootstrap(
    strata: Sequence[Sequence[float] | Floats],
    statistic: Statistic | Literal["mean", "iqm"] = "iqm",
    confidence: float = CONFIDENCE,
    num_resamples: int = 2000,
    seed: int = 42,
) -> Interval:
    """The percentile bootstrap's interval of a statistic over several conditions.

    Seeds are drawn with replacement within each condition, so that every draw has all conditions; the ends are the α/2
    and 1 − α/2 quantiles of the statistic, α = 1 − confidence. `mean` and `iqm` take each condition's mean over its
    seeds first and then the mean, or the mean of the middle half ⌊n/4⌋ … ⌈3n/4⌉, over the n conditions.

    Source: Agarwal et al. (2021), Section 4.1; 2000 draws, seed 42 and the interquartile mean across conditions as in
    the metrics of arXiv 2609.15315.

    Args:
        strata: One sample a condition (task, limit), each `[S_k]` or `[S_k, …]` with seeds first, S_k ≥ 1.
        statistic: A function of the samples, or one of the two named ones.
        confidence: Coverage, in (0, 1).
        num_resamples: Draws, ≥ 1.
        seed: Of the draws.

    Returns:
        The statistic of the samples themselves with its interval; `num_seeds` is the smallest S_k.

    Raises:
        ValueError: If there is no condition, one is empty or not finite, or `confidence` lies outside (0, 1).
    """
    samples = [np.asarray(sample, dtype=np.float64) for sample in strata]
    if not samples or any(not sample.size or not np.isfinite(sample).all() for sample in samples):
        raise ValueError("every condition must hold at least one finite value, but got none or one that is not.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"`0 < confidence < 1` must hold, but got {confidence=}.")
    function = _NAMED[statistic] if isinstance(statistic, str) else statistic
    generator = np.random.default_rng(seed)
    drawn = [
        function([sample[generator.integers(len(sample), size=len(sample))] for sample in samples])
        for _ in range(num_resamples)
    ]
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(function(samples), float(low), float(high), min(len(sample) for sample in samples))


def _mean_of_means(samples: Sequence[Floats]) -> float:
    return float(np.mean([sample.mean() for sample in samples]))


def _iqm_of_means(samples: Sequence[Floats]) -> float:
    means = np.sort([sample.mean() for sample in samples])
    cut = means.size // 4
    return float(means[cut : means.size - cut].mean())


_NAMED: dict[str, Statistic] = {"mean": _mean_of_means, "iqm": _iqm_of_means}
