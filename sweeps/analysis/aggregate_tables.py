"""Robust aggregates over seeds, beside the means with t-intervals: interquartile means with bootstrap intervals."""

from collections.abc import Iterator, Sequence

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
            excess = [_excess(results, trial, cost) for trial in trials]
            cells.append(format_interval(stratified_bootstrap(excess)) if all(excess) else "–")
        yield arm, str(len(trials)), *cells


def updates_table(contestants: Sequence[tuple[str, Results, Trial]]) -> TextTable | None:
    """How each multiplier update keeps its limits over several tasks or limits.

    Args:
        contestants: Label, study and trial of each; of one update, task and limit the first counts.

    Returns:
        The table; None where no update has two of them.
    """
    by_update: dict[str, dict[tuple[object, ...], list[float]]] = {}
    for _, results, trial in contestants:
        for cost, limit in results.limits(trial).items():
            if excess := _excess(results, trial, cost):
                condition = (results.spec.task, cost, limit)
                by_update.setdefault(results.run(trial).lagrangian.update, {}).setdefault(condition, excess)
    several = {update: found for update, found in by_update.items() if len(found) > 1}
    if not several:
        return None
    rows = [(name, str(len(found)), format_interval(stratified_bootstrap([*found.values()])))
            for name, found in several.items()]  # fmt: skip
    return TextTable(
        name="updates",
        title="Updates over tasks and limits",
        header=("update", "conditions", "D_norm"),
        rows=tuple(rows),
        note="D_norm: (mean cost − limit) / limit; IQM over conditions, each a task, cost and limit, with a 95 % "
        "stratified bootstrap: 2000 draws of the seeds within each. Agarwal et al. (2021); arXiv 2609.15315.",
    )


def _excess(results: Results, trial: Trial, cost: str) -> list[float]:
    """(c − d) / d of each seed; empty where the limit is 0."""
    limit = results.limits(trial)[cost]
    return [(value - limit) / limit for value in seed_values(trial, cost).values()] if limit > 0.0 else []
