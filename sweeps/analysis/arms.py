"""Arms against each other: the leader of each, paired by seed, with adjusted p-values."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.comparison import Difference, difference, holm, probability_of_improvement
from sweeps.analysis.profile import seed_values
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.records import Trial


@dataclass(frozen=True)
class Contrast:
    """One contestant against another.

    Attributes:
        first: What the one is called.
        second: What the other is called.
        returns: Difference of their returns, first − second.
        costs: Cost name → difference of that cost.
        improvement: Probability that a seed of the first has a higher return than one of the second.
        p_return: Two-sided p-value of the returns, adjusted for all pairs (Holm).
        p_costs: Cost name → p-value, adjusted likewise.
    """

    first: str
    second: str
    returns: Difference
    costs: dict[str, Difference]
    improvement: float
    p_return: float
    p_costs: dict[str, float]


def contrasts(contestants: Mapping[str, Trial], costs: Sequence[str]) -> list[Contrast]:
    """Compares every pair of complete trials.

    Args:
        contestants: What each is called → the trial; each with a seed's return and costs at least.
        costs: Names of the constraints to compare.

    Returns:
        One a pair, in the order of `contestants`; p-values of a quantity are adjusted over all pairs.
    """
    pairs = list(itertools.combinations(contestants, 2))
    samples = {name: seed_values(trial) for name, trial in contestants.items()}
    of_cost = {c: {name: seed_values(trial, c) for name, trial in contestants.items()} for c in costs}
    returns = [difference(samples[a], samples[b]) for a, b in pairs]
    differences = {c: [difference(values[a], values[b]) for a, b in pairs] for c, values in of_cost.items()}
    adjusted = holm([found.p_value for found in returns])
    adjusted_costs = {c: holm([found.p_value for found in found_all]) for c, found_all in differences.items()}
    return [
        Contrast(
            a,
            b,
            returns[index],
            {c: found[index] for c, found in differences.items()},
            probability_of_improvement(list(samples[a].values()), list(samples[b].values())),
            adjusted[index],
            {c: values[index] for c, values in adjusted_costs.items()},
        )
        for index, (a, b) in enumerate(pairs)
    ]


def contrasts_table(found: Sequence[Contrast]) -> TextTable:
    """Comparisons as a table.

    Args:
        found: The comparisons, at least one.

    Returns:
        One row a pair.
    """
    costs = list(found[0].costs)
    header = ["first", "second", "Δ return", "p", "P(first better)"]
    for cost in costs:
        header += [f"Δ {cost}", f"p ({cost})"]
    return TextTable(
        name="comparison",
        title="Pairwise differences",
        header=(*header, "seeds"),
        rows=tuple(_row(contrast) for contrast in found),
        note="First − second: mean with a 95 % t-interval over seeds, paired where both have the seed (else Welch's). "
        "p: two-sided t-test, adjusted by Holm over all pairs of a quantity. P(first better): share of pairs of seeds "
        "in which the first has the higher return, ties counting half.",
    )


def _row(contrast: Contrast) -> tuple[str, ...]:
    cells = [contrast.first, contrast.second, format_interval(contrast.returns.value), _p(contrast.p_return)]
    cells.append(f"{contrast.improvement:.2f}")
    for cost, found in contrast.costs.items():
        cells += [format_interval(found.value), _p(contrast.p_costs[cost])]
    seeds = f"{contrast.returns.value.num_seeds} {'paired' if contrast.returns.paired else 'unpaired'}"
    return (*cells, seeds)


def _p(value: float) -> str:
    return "–" if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
