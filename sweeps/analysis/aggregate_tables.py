"""Robust aggregates over seeds, beside the means with t-intervals: interquartile means with bootstrap intervals."""

from collections.abc import Iterator

from sweeps.analysis.comparison import stratified_bootstrap
from sweeps.analysis.profile import seed_values
from sweeps.analysis.results import Results
from sweeps.analysis.statistics import bootstrap_interval
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.records import Trial


def robust_table(results: Results) -> TextTable | None:
    """The interquartile mean over seeds of every complete trial.

    Args:
        results: The study.

    Returns:
        The table; None with fewer than two seeds, of which there is no interval.
    """
    trials = [trial for trial in results.complete if len(seed_values(trial)) > 1]
    if not trials:
        return None
    costs = list(results.spec.cost_limits)
    rows = [
        (
            str(trial.number),
            results.label(trial),
            *(_interquartile(trial, name) for name in (None, *costs)),
            str(len(seed_values(trial))),
        )
        for trial in trials
    ]
    return TextTable(
        name="robust",
        title="Interquartile means over seeds",
        header=("trial", "configuration", "return", *("cost" if n == "cost" else f"cost {n}" for n in costs), "seeds"),
        rows=tuple(rows),
        note="IQM: mean over seeds without the ⌊S/4⌋ lowest and highest, so that below four seeds it is the mean. "
        "Brackets: 95 % percentile bootstrap, 2000 draws of S seeds with replacement; too narrow below about ten "
        "seeds, where the t-intervals above are to be preferred. Agarwal et al. (2021).",
    )


def _interquartile(trial: Trial, cost: str | None) -> str:
    return format_interval(bootstrap_interval(list(seed_values(trial, cost).values()), "iqm"))


def conditions_table(results: Results) -> TextTable | None:
    """What an arm gives over all its trials: what its choice of parameters, or of limits, leaves to chance.

    Args:
        results: The study.

    Returns:
        The table; None without an arm of two complete trials with two seeds.
    """
    rows = list(_condition_rows(results))
    if not rows:
        return None
    costs = list(results.spec.cost_limits)
    return TextTable(
        name="conditions",
        title="Arms over all their trials",
        header=("arm", "trials", "return", *("D_norm" if n == "cost" else f"D_norm {n}" for n in costs)),
        rows=tuple(rows),
        note="IQM over conditions: each trial's mean over seeds, then the mean of the middle half ⌊n/4⌋ … ⌈3n/4⌉ of "
        "the n trials. Brackets: 95 % stratified bootstrap, 2000 draws of the seeds within each trial. D_norm: (mean "
        "cost − limit) / limit, at each trial's own limit. Agarwal et al. (2021); arXiv 2609.15315.",
    )


def _condition_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for arm in results.spec.arms:
        trials = [trial for trial in results.complete if trial.arm == arm and len(seed_values(trial)) > 1]
        if len(trials) < 2:
            continue
        returns = [list(seed_values(trial).values()) for trial in trials]
        cells = [format_interval(stratified_bootstrap(returns))]
        for cost in results.spec.cost_limits:
            limits = [results.limits(trial)[cost] for trial in trials]
            if min(limits) > 0.0:
                excess = [
                    [(value - limit) / limit for value in seed_values(trial, cost).values()]
                    for trial, limit in zip(trials, limits, strict=True)
                ]
                cells.append(format_interval(stratified_bootstrap(excess)))
            else:
                cells.append("–")
        yield arm, str(len(trials)), *cells
