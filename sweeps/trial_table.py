"""Trials as a table, and the best of them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sweeps.records import Interval, State, Trial

if TYPE_CHECKING:  # half a second of imports that a status does not need
    import pandas as pd


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """The complete, feasible trial with the highest mean return, the first of equals, or None.

    Args:
        trials: In the order of their numbers.
    """
    candidates = [trial for trial in trials if trial.state is State.COMPLETE and trial.feasible]
    return max(candidates, key=_mean_return, default=None)


def to_dataframe(trials: Sequence[Trial], costs: Sequence[str]) -> "pd.DataFrame":
    """One row a trial.

    Args:
        trials: The trials.
        costs: Names of the costs.

    Returns:
        Columns `number`, `arm`, one for each searched parameter, `state`, `return`, `return_low`, `return_high`,
        `<cost>`, `<cost>_low`, `<cost>_high` for each cost, `feasible`, `failure`, `continued`; low and high are the
        ends of the 95 % interval over seeds.
    """
    import pandas as pd

    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    return pd.DataFrame([_row(trial, params, costs) for trial in trials])


def _mean_return(trial: Trial) -> float:
    assert trial.mean_return is not None
    return trial.mean_return.mean


def _row(trial: Trial, params: Sequence[str], costs: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"number": trial.number, "arm": trial.arm}
    row |= {name: trial.params.get(name) for name in params}
    row["state"] = trial.state.value
    row |= _ends("return", trial.mean_return)
    for name in costs:
        row |= _ends(name, (trial.mean_cost or {}).get(name))
    return row | {"feasible": trial.feasible, "failure": trial.failure, "continued": trial.continued}


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
