"""Whether a multiplier network's λ(s) is well calibrated: as a multiplier, as a forecast of cost, and over time.

Axes: S seeds, T steps, E environments, I iterations, P probe states. Every measure is ours or standard; the paper's own
(arXiv 2605.00667 speaks of "well-calibrated multipliers for risk identification") are not known to us.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from algorithms.functional.diagnostics import dominant_period, total_variation
from sweeps.calibration_record import CalibrationRecord

RISK_STEPS = 25
"""H: λ(s) is judged by whether any cost comes within so many steps."""

BINS = 10
"""Quantile bins of λ in the reliability curve."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How one seed's multiplier network is calibrated; NaN where the states seen do not show it.

    Attributes:
        seed: The seed.
        multiplier: Mean λ(s) over the states visited.
        spread: Standard deviation of λ(s) over them; a flat field does not oscillate either.
        slackness: Mean |λ g|, complementary slackness: 0 where each state has g = 0 or λ = 0.
        feasible_multiplier: Mean λ where g < 0, which should be 0.
        violation: Mean max(0, g).
        at_cap: Share of states at λ_max.
        auroc: Chance that a state with cost within H steps has the larger λ; 0.5 is a guess.
        auprc: Average precision of the same; a guess has `base_rate`.
        base_rate: Share of states with cost within H steps.
        variation: Mean way of λ per iteration at the probe states, as a share of its mean there.
        period: Median dominant period of λ at the probe states, iterations.
        bins: `[B, 2]`; of each quantile bin of λ its mean and the mean realized discounted cost.
    """

    seed: int
    multiplier: float
    spread: float
    slackness: float
    feasible_multiplier: float
    violation: float
    at_cap: float
    auroc: float
    auprc: float
    base_rate: float
    variation: float
    period: float
    bins: Floats


def calibrations(record: CalibrationRecord) -> list[Calibration]:
    """Measures every seed of a trial.

    Args:
        record: What the trial recorded.

    Returns:
        One for each seed, in the order of the record.
    """
    return [_of_seed(record, index) for index in range(len(record.seeds))]


def _of_seed(record: CalibrationRecord, index: int) -> Calibration:
    value, violation = record.multiplier[index].astype(np.float64), record.violation[index].astype(np.float64)
    cost, ended = record.cost[index].astype(np.float64), record.ended[index]
    whole = whole_windows(ended, RISK_STEPS)
    risky = (discounted_ahead(cost > 0.0, RISK_STEPS, 1.0) > 0.0)[whole]
    feasible = violation < 0.0
    variation, period = _oscillation(record.probes[index].astype(np.float64))
    return Calibration(
        seed=int(record.seeds[index]),
        multiplier=float(value.mean()),
        spread=float(value.std()),
        slackness=float(np.abs(value * violation).mean()),
        feasible_multiplier=float(value[feasible].mean()) if feasible.any() else float("nan"),
        violation=float(violation.clip(min=0.0).mean()),
        at_cap=float((value >= record.multiplier_max * (1.0 - 1e-4)).mean()),
        auroc=auroc(value[whole], risky),
        auprc=auprc(value[whole], risky),
        base_rate=float(risky.mean()) if risky.size else float("nan"),
        variation=variation,
        period=period,
        bins=reliability(value, cost, ended, record.discount),
    )


def _oscillation(probes: Floats) -> tuple[float, float]:
    if len(probes) < 3:
        return float("nan"), float("nan")
    ways = [total_variation(series) / (len(probes) - 1) for series in probes.T]
    periods = np.array([dominant_period(series) for series in probes.T])
    level = probes.mean()
    share = float(np.mean(ways) / level) if level > 0.0 else float("nan")
    finite = periods[np.isfinite(periods)]
    return share, float(np.median(finite)) if finite.size else float("nan")


def discounted_ahead(signal: NDArray[Any], steps: int, discount: float) -> Floats:
    """Sums a signal over the next steps, this one included: Σ_{u < H} γ^u x_{t+u}; what is beyond the end counts 0.

    Args:
        signal: `[T, E]`; x.
        steps: H ≥ 1.
        discount: γ in [0, 1].

    Returns:
        `[T, E]` float64.
    """
    total = np.zeros(signal.shape)
    for ahead in range(min(steps, len(signal))):
        total[: len(signal) - ahead] += discount**ahead * signal[ahead:]
    return total


def whole_windows(ended: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Which steps have H − 1 more of the same episode after them, all recorded.

    Args:
        ended: `[T, E]`; where the episode ends with this step.
        steps: H ≥ 1.

    Returns:
        `[T, E]` bool.
    """
    cut = discounted_ahead(ended, steps - 1, 1.0) > 0.0 if steps > 1 else np.zeros(ended.shape, dtype=np.bool_)
    cut[max(len(ended) - steps + 1, 0) :] = True
    return ~cut


def auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Computes the area under the ROC curve: P(score of a positive > of a negative) + ½ P(equal).

    Args:
        score: `[n]`.
        positive: `[n]` bool.

    Returns:
        In [0, 1]; NaN without a positive or without a negative.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = float(rankdata(score)[positive].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def auprc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Computes the average precision: Σ over falling thresholds of (rise of recall) × precision; ties enter at once.

    Args:
        score: `[n]`.
        positive: `[n]` bool.

    Returns:
        In [0, 1]; NaN without a positive.
    """
    positives = int(positive.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0.0, True)
    found = np.cumsum(positive[order])[last_of_tie]
    taken = np.flatnonzero(last_of_tie) + 1
    return float((np.diff(found, prepend=0) * (found / taken)).sum() / positives)


def reliability(value: Floats, cost: Floats, ended: NDArray[np.bool_], discount: float) -> Floats:
    """Compares λ with the cost that came: quantile bins of λ against the mean realized discounted cost.

    The sum reaches 1 / (1 − γ) steps ahead; states whose episode or record ends before are left out.

    Args:
        value: `[T, E]`; λ(s).
        cost: `[T, E]`; cost of each step.
        ended: `[T, E]`; where the episode ends with this step.
        discount: γ in [0, 1).

    Returns:
        `[B, 2]`; mean λ and mean realized discounted cost of each bin by rising λ, B ≤ 10; empty if no state is left.
    """
    steps = max(round(1.0 / (1.0 - discount)), 1)
    whole = whole_windows(ended, steps)
    if not whole.any():
        return np.empty((0, 2))
    came = discounted_ahead(cost, steps, discount)[whole]
    order = np.argsort(value[whole], kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    mean_of = partial(np.mean, dtype=np.float64)
    return np.array([[mean_of(value[whole][part]), mean_of(came[part])] for part in parts])
