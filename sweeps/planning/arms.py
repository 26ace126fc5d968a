"""What each arm of a study will do: its configurations, or typical ones where results decide, and their price."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.planning.speed import Speed, trained_steps
from sweeps.spec import Arm, RunSpec, StudySpec
from sweeps.spec.dimensions import active_names
from sweeps.spec.search import AdaptiveProfile, Choices, OptunaSearch, Range
from sweeps.spec.space import known_points


@dataclass(frozen=True)
class ArmPlan:
    """What an arm will do, or the trials that run again on fresh seeds once all arms have ended.

    Attributes:
        name: The arm, or `retest`.
        update: Its multiplier update.
        search: How its trials are chosen, for a reader.
        trials: Number of trials.
        seeds: Number of seeds of each.
        env_steps: Env steps of all its trials and seeds.
        cpu_s: Core seconds of all its trials, or None without a speed.
    """

    name: str
    update: str
    search: str
    trials: int
    seeds: int
    env_steps: int
    cpu_s: float | None


def planned_runs(spec: StudySpec, arm: str) -> list[RunSpec]:
    """The configurations that an arm will run; of a search as many of a typical one.

    Args:
        spec: The study.
        arm: Name of the arm.

    Returns:
        One a trial.
    """
    search = spec.arms[arm].search
    if isinstance(search, OptunaSearch):
        return [spec.resolve(arm, _typical(search.space))] * search.trials
    if isinstance(search, AdaptiveProfile):
        middle = (search.multiplier.low + search.multiplier.high) / 2
        return [spec.resolve(arm, {"multiplier": middle})] * search.trials
    return [spec.resolve(arm, point) for point in known_points(spec.arms[arm])]


def plan_arm(spec: StudySpec, name: str, runs: list[RunSpec], seconds: list[float] | None) -> ArmPlan:
    """Plans an arm.

    Args:
        spec: The study.
        name: Name of the arm.
        runs: What `planned_runs` gives for it.
        seconds: Duration of each, or None without a speed.
    """
    arm = spec.arms[name]
    return ArmPlan(
        name=name,
        update=arm.lagrangian.update,
        search=_describe_search(arm),
        trials=len(runs),
        seeds=len(spec.seed_list),
        env_steps=sum(trained_steps(run) for run in runs) * len(spec.seed_list),
        cpu_s=None if seconds is None else sum(seconds),
    )


def plan_retests(spec: StudySpec, runs: Sequence[RunSpec], speed: Speed | None) -> ArmPlan | None:
    """Plans the best trials' runs on fresh seeds as so many of the dearest: nobody knows which will be best.

    Args:
        spec: The study.
        runs: Those of all its arms.
        speed: How fast a trial runs, or None.

    Returns:
        All of them together, or None where nothing runs again.
    """
    if spec.retest is None:
        return None
    trials, seeds = min(spec.retest.top, len(runs)), spec.retest.seeds
    return ArmPlan(
        name="retest",
        update="",
        search="the best on fresh seeds, at most",
        trials=trials,
        seeds=seeds,
        env_steps=trials * seeds * max(trained_steps(run) for run in runs),
        cpu_s=None if speed is None else trials * max(speed.trial_seconds(run, seeds) for run in runs),
    )


def _describe_search(arm: Arm) -> str:
    if arm.search is None:
        return "one configuration"
    if isinstance(arm.search, OptunaSearch):
        return f"{arm.search.sampler}: {', '.join(arm.search.space)}"
    if isinstance(arm.search, AdaptiveProfile):
        return f"adaptive profile: {arm.search.multiplier.low:g} … {arm.search.multiplier.high:g} multiplier, at most"
    return "grid: " + " × ".join(f"{len(values)} {name}" for name, values in arm.search.axes.items())


def _typical(space: Mapping[str, Range | Choices]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, where in space.items():
        params[name] = _middle(where)
        if name not in active_names(space, params):
            del params[name]
    return params


def _middle(where: Range | Choices) -> Any:
    if isinstance(where, Choices):
        return where.choices[len(where.choices) // 2]
    if where.step is not None:
        return where.low + where.step * (round((where.high - where.low) / where.step) // 2)
    middle = math.sqrt(where.low * where.high) if where.log else (where.low + where.high) / 2
    return round(middle) if where.type == "int" else middle
