"""Robust aggregates over seeds, beside the means with t-intervals: interquartile means with bootstrap intervals."""

from collections.abc import Iterator, Mapping, Sequence

from sweeps.analysis.comparison import stratified_bootstrap
from sweeps.analysis.profile import seed_values
from sweeps.analysis.results import Results
from sweeps.analysis.statistics import bootstrap_interval
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.records import State, Trial


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

    A retest runs a chosen trial again and is no further condition: it is left out, as in λ-profiles. In place of its
    original it would correct the luck of the chosen trial alone, and so pull the middle of all down.

    Args:
        results: The study.

    Returns:
        The table; None without an arm of two complete trials with two seeds. Its note names the trials left out.
    """
    arms = {arm: [t for t in results.trials if t.arm == arm and t.retest_of is None] for arm in results.spec.arms}
    counted = {arm: [t for t in trials if _left_out(t) is None] for arm, trials in arms.items()}
    shown = [arm for arm, trials in counted.items() if len(trials) > 1]
    if not shown:
        return None
    costs = list(results.spec.cost_limits)
    fixed = [i for i, arm in enumerate(shown) if all(trial.number in results.fixed for trial in counted[arm])]
    return TextTable(
        name="conditions",
        title="Arms over all their trials",
        header=("arm", "trials", "return", *("D_norm" if n == "cost" else f"D_norm {n}" for n in costs)),
        rows=tuple(_condition_row(results, arm, counted[arm], len(arms[arm])) for arm in shown),
        note="IQM over conditions: each trial's mean over seeds, then the mean of the middle half ⌊n/4⌋ … ⌈3n/4⌉ of "
        f"the n trials. {_BOOTSTRAP} within each trial. D_norm: (mean cost − limit) / limit, at each trial's own "
        f"limit; – where a limit is 0. {''.join(_condition_remarks(results, arms, counted))}{_FIXED_ARM * bool(fixed)}"
        "Agarwal et al. (2021); arXiv 2609.15315.",
        faint=frozenset(fixed),
    )


_BOOTSTRAP = (
    "Brackets: 95 % stratified bootstrap, 2000 draws of the seeds; too narrow with few seeds (simulated, with four "
    "conditions and normal noise, they hold the truth in at most 75 % of cases with two seeds, 86 % with three), drawn"
)
_FIXED_ARM = "Faint: the middle of a grid of fixed λ, which no method chose; not to be compared with the updates. "


def _left_out(trial: Trial) -> str | None:
    """Why a trial does not count, None where it does."""
    if trial.state is not State.COMPLETE or trial.mean_return is None:
        return {State.PRUNED: "stopped early", State.FAIL: "failed"}.get(trial.state, trial.state.value)
    return None if len(seed_values(trial)) > 1 else "with fewer than two seeds"


def _condition_remarks(
    results: Results, arms: Mapping[str, Sequence[Trial]], counted: Mapping[str, Sequence[Trial]]
) -> Iterator[str]:
    """Which trials do not count and why: those that remain have ended well, and are no fair draw of all."""
    for arm, trials in arms.items():
        reasons: dict[str, list[int]] = {}
        for trial in trials:
            if reason := _left_out(trial):
                reasons.setdefault(reason, []).append(trial.number)
        if len(trials) > 1 and reasons:
            told = "; ".join(f"{why}: {', '.join(map(str, numbers))}" for why, numbers in reasons.items())
            yield f"Of {arm} {len(counted[arm])} of {len(trials)} trials count ({told}). "
    if again := [trial.number for trial in results.trials if trial.retest_of is not None]:
        yield f"Retests are no further conditions and left out: {', '.join(map(str, again))}. "


def _condition_row(results: Results, arm: str, trials: Sequence[Trial], number: int) -> tuple[str, ...]:
    cells = [format_interval(stratified_bootstrap([list(seed_values(trial).values()) for trial in trials]))]
    for cost in results.spec.cost_limits:
        excess = [_excess(results, trial, cost) for trial in trials]
        cells.append(format_interval(stratified_bootstrap(excess)) if all(excess) else "–")
    return arm, f"{len(trials)} of {number}", *cells


def updates_table(contestants: Sequence[tuple[str, Results, Trial]]) -> TextTable | None:
    """How each multiplier update keeps its limits over several tasks or limits.

    Args:
        contestants: Label, study and trial of each; of one update, task and limit the first counts.

    Returns:
        The table; None where no update has two of them. Its note names what is left out.
    """
    by_update: dict[str, dict[tuple[str, str, float], list[float]]] = {}
    left_out: list[str] = []
    for label, results, trial in contestants:
        update = results.run(trial).lagrangian.update
        for cost, limit in results.limits(trial).items():
            found, condition = by_update.setdefault(update, {}), (results.spec.task, cost, limit)
            excess = _excess(results, trial, cost)
            if excess and condition not in found:
                found[condition] = excess
            else:
                why = f"a second {update} there" if excess else "no share of a limit of 0" if not limit else "no seeds"
                left_out.append(f"{label} at {results.spec.task}, {cost} ≤ {limit:g} ({why})")
    several = {update: found for update, found in by_update.items() if len(found) > 1}
    if not several:
        return None
    left_out += [f"{update} (one condition)" for update, found in by_update.items() if len(found) == 1]
    missing = f"Left out: {'; '.join(left_out)}. " if left_out else ""
    intervals = {name: stratified_bootstrap([*found.values()]) for name, found in several.items()}
    return TextTable(
        name="updates",
        title="Updates over tasks and limits",
        header=("update", "conditions", "D_norm"),
        rows=tuple((name, str(len(several[name])), format_interval(each)) for name, each in intervals.items()),
        note="D_norm: (mean cost − limit) / limit; IQM over conditions, each a task, cost and limit. "
        f"{_BOOTSTRAP} within each. {_FIXED_UPDATE if 'fixed' in several else ''}"
        f"{missing}Agarwal et al. (2021); arXiv 2609.15315.",
        faint=frozenset(i for i, name in enumerate(several) if name == "fixed"),
    )


_FIXED_UPDATE = "Faint: a fixed λ is picked from its grid in hindsight for each condition, as no update is. "


def _excess(results: Results, trial: Trial, cost: str) -> list[float]:
    """(c − d) / d of each seed; empty where the limit is 0."""
    limit = results.limits(trial)[cost]
    return [(value - limit) / limit for value in seed_values(trial, cost).values()] if limit > 0.0 else []
