"""Table 1 of Spoor et al. (2025) in its own form: per task and update the best return and the cost violations."""

from collections.abc import Sequence

from sweeps.analysis.results import Results
from sweeps.analysis.study_tables import held
from sweeps.analysis.text_table import TextTable
from sweeps.records import Trial


def table_one(entries: Sequence[tuple[str, Results, Trial]]) -> TextTable | None:
    """Tables how updates held their limits, one row a task and two columns an update.

    Args:
        entries: Trials with their studies, by what they are called; those of fixed multipliers are left out. They are
            called by their updates where no task has one of them twice.

    Returns:
        The table, of each trial's first cost; None where no trial moves its multiplier.
    """
    moving = [(name, results, trial) for name, results, trial in entries if trial.number not in results.fixed]
    if not moving:
        return None
    by_update = {(_task(results, trial), _update(results, trial)) for _, results, trial in moving}
    if len(by_update) == len(moving):
        moving = [(_update(results, trial), results, trial) for _, results, trial in moving]
    updates = list(dict.fromkeys(name for name, _, _ in moving))
    cells = {(_task(results, trial), name): _cells(results, trial) for name, results, trial in moving}
    tasks = list(dict.fromkeys(task for task, _ in cells))
    header = [name for update in updates for name in (f"{update} best return", f"{update} cost violations")]
    return TextTable(
        name="table-1",
        title="Best return and cost violations",
        header=("task", *header),
        rows=tuple((task, *(c for u in updates for c in cells.get((task, u), ("", "")))) for task in tasks),
        note="Cost violations: share of iterations above the limit after the first one within it. On the mean over "
        "seeds, not smoothed. A dash: the limit was never reached.",
    )


def limits_in_words(results: Results, trial: Trial) -> str:
    """A trial's own limits, as in `cost ≤ 25`.

    Args:
        results: Its study.
        trial: The trial.
    """
    return ", ".join(f"{name} ≤ {limit:g}" for name, limit in results.limits(trial).items())


def _task(results: Results, trial: Trial) -> str:
    return f"{results.spec.task} ({limits_in_words(results, trial)})"


def _update(results: Results, trial: Trial) -> str:
    return results.run(trial).lagrangian.update


def _cells(results: Results, trial: Trial) -> tuple[str, str]:
    found = held(results, trial, next(iter(results.spec.cost_limits)), "seed_mean", None)
    best = "–" if found.best_return is None else f"{found.best_return:.2f}"
    return best, "–" if found.violation_share is None else f"{100.0 * found.violation_share:.1f} %"
