"""Trials as a table, and the best of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeps.records import Interval, State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.objectives import Objective

if TYPE_CHECKING:  # half a second of imports that a status does not need
    import pandas as pd


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """The complete, feasible trial with the highest mean return, the first of equals, or None.

    Args:
        trials: In the order of their numbers.
    """
    candidates = [trial for trial in trials if trial.state is State.COMPLETE and trial.feasible]
    return max(candidates, key=_mean_return, default=None)


def to_dataframe(trials: Sequence[Trial], spec: StudySpec) -> "pd.DataFrame":
    """One row a trial.

    Args:
        trials: The trials, with their seed runs.
        spec: Their study.

    Returns:
        Columns `number`, `arm`, one for each searched parameter, `state`, `return`, `return_low`, `return_high`, the
        same of each cost and of each of `objectives_beside`, `feasible`, `failure`, `continued`, `retest_of` (a trial's
        number), `seeds` and `seeds_stopped`; low and high are the ends of the 95 % interval over seeds.
    """
    import pandas as pd

    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = zip(trials, objectives_beside(spec, trials), strict=True)
    table = pd.DataFrame([_row(trial, params, list(spec.cost_limits), objectives) for trial, objectives in rows])
    return table.astype({"retest_of": "Int64"}) if trials else table


def objectives_beside(spec: StudySpec, trials: Iterable[Trial]) -> list[dict[str, Interval | None]]:
    """What a study's search looks at beside mean return and mean cost, which every table shows.

    Args:
        spec: The study.
        trials: Its trials, with their seed runs.

    Returns:
        For each trial the study's other objectives by name, with how they are aggregated unless by the mean; None where
        a seed leaves one undefined.
    """
    always: set[Objective] = {"return", "cost"} if len(spec.cost_limits) == 1 else {"return"}
    names: list[Objective] = [name for name in spec.objectives if spec.aggregate != "mean" or name not in always]
    if not names:
        return [{} for _ in trials]
    from sweeps.analysis.objectives import judge  # a second of imports that most studies do not need

    how = "" if spec.aggregate == "mean" else f" ({_how(spec)})"
    judged = [judge(trial, spec.cost_limits, names, aggregate=spec.aggregate) for trial in trials]
    return [{f"{name}{how}": None if one is None else one.objectives[name] for name in names} for one in judged]


def _how(spec: StudySpec) -> str:
    return spec.aggregate if isinstance(spec.aggregate, str) else f"quantile {spec.aggregate.quantile:g}"


def _mean_return(trial: Trial) -> float:
    assert trial.mean_return is not None
    return trial.mean_return.mean


def _row(
    trial: Trial, params: Sequence[str], costs: Sequence[str], objectives: Mapping[str, Interval | None]
) -> dict[str, Any]:
    row: dict[str, Any] = {"number": trial.number, "arm": trial.arm}
    row |= {name: trial.params.get(name) for name in params}
    row["state"] = trial.state.value
    row |= _ends("return", trial.mean_return)
    for name in costs:
        row |= _ends(name, (trial.mean_cost or {}).get(name))
    for name, objective in objectives.items():
        row |= _ends(name, objective)
    row |= {"feasible": trial.feasible, "failure": trial.failure, "continued": trial.continued}
    stopped = len(trial.stopped_seeds)
    return row | {"retest_of": trial.retest_of, "seeds": len(trial.seed_runs), "seeds_stopped": stopped}


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
