"""Finished studies of which a formula says what every trial reached, for tests of figures and tables."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.analysis.summary import feasible, interval, summarize_seed
from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.search import OptunaSearch
from sweeps.spec.space import known_points
from sweeps.tracking.events import RowAdded, StudyStarted
from sweeps.tracking.spool import Spool

ITERATIONS = 10
STEPS = 4_000

Outcome = Callable[[str, dict[str, Any]], tuple[float, float]]
"""Arm and parameters → final return and cost; seed s adds s to both, each iteration before the last scales them."""


@dataclass
class FinishedStudy:
    spec: StudySpec
    trials: list[Trial]
    folder: Path


def finished_study(
    folder: Path,
    arms: dict[str, Any],
    outcome: Outcome,
    *,
    name: str = "made-up",
    suggested: dict[str, list[dict[str, Any]]] | None = None,
    state: Callable[[int], State] = lambda number: State.COMPLETE,
    **settings: Any,
) -> FinishedStudy:
    values = {"name": name, "task": "Circle1", "cost_limit": 50.0, "env_steps": ITERATIONS * STEPS, "seeds": 3}
    values |= {"hyperparameters": {"preset": "desk"}, "arms": arms} | settings
    spec = StudySpec.model_validate(values)
    home = folder / "studies" / name
    spool = Spool(home / "spool.jsonl")
    tags = {"lagsweep.git_commit": "c0ffee", "lagsweep.version.torch": "9.9"}
    spool.append([StudyStarted(time=1.0, study=name, spec_yaml=spec.to_yaml(), tags=tags)])
    trials: list[Trial] = []
    for arm, content in spec.arms.items():
        is_open = content.search is None or isinstance(content.search, OptunaSearch)
        points = (suggested or {}).get(arm, [{}]) if is_open else known_points(content)
        for params in points:
            trials.append(_trial(len(trials), arm, params, spec, spool, outcome, state(len(trials))))
    spool.close()
    return FinishedStudy(spec, trials, home)


def _trial(
    number: int, arm: str, params: dict[str, Any], spec: StudySpec, spool: Spool, outcome: Outcome, state: State
) -> Trial:
    runs: list[SeedRun] = []
    last = ITERATIONS if state is State.COMPLETE else ITERATIONS // 2
    value, cost = outcome(arm, params)
    for seed in spec.seed_list:
        rows = [_row(number, seed, k, value + seed, cost + seed, params) for k in range(1, last + 1)]
        spool.append([RowAdded(row=row) for row in rows])
        done = summarize_seed(rows)
        runs.append(
            SeedRun(seed, state, done.env_steps, done.iterations, done.mean_return, done.mean_cost, done.multiplier)
        )
    if state is not State.COMPLETE:
        return Trial(number, str(number), arm, params, state, tuple(runs), failure="RuntimeError: lost")
    costs = {"cost": interval([run.mean_cost["cost"] for run in runs if run.mean_cost])}
    mean = interval([run.mean_return for run in runs if run.mean_return is not None])
    limits = dict(spec.resolve(arm, params).cost_limits)
    return Trial(number, str(number), arm, params, state, tuple(runs), mean, costs, feasible(costs, limits))


def _row(number: int, seed: int, k: int, value: float, cost: float, params: dict[str, Any]) -> ResultRow:
    """Return rises to its final value, cost falls to it."""
    share = k / ITERATIONS
    multiplier = params.get("multiplier", 0.1 * k)
    returns, costs = (value * share,), {"cost": (cost * (2.0 - share),)}
    return ResultRow(number, seed, k, STEPS * k, float(k), 1, {"multiplier/value": multiplier}, returns, costs)
