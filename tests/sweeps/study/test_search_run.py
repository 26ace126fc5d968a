"""Whole studies on an analytic task: searches, stopped trials, budgets, retests and failures alike, on a real Ray."""

from pathlib import Path
from typing import Any

import pytest

from sweeps.analysis.statistics import t_interval
from sweeps.errors import FailedTrialsError
from sweeps.records import ResultRow, State
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from sweeps.tracking.spool import read_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray"), pytest.mark.timeout(600)]


def run(folder: Path, env_steps: int = 8_000, **changes: Any) -> Study:
    data = {"name": "s", "task": "analytic/bandit", "cost_limit": 7.5, "env_steps": env_steps, "seeds": 3}
    data |= {"hyperparameters": {"preset": "smoke", "steps_per_iteration": 400, "actor_lr": 0.01, "critic_lr": 0.01}}
    study = create_study(StudySpec.model_validate(data | changes), folder)
    study.run(max_concurrent=1, progress=False)
    return study


def test_a_trial_that_breaks_its_limit_late_is_stopped_with_its_reason(tmp_path: Path) -> None:
    # Without a multiplier the cost is about 13 with intervals of ± 2; with λ = 2 about 4: neither is near 7.5.
    study = run(
        tmp_path,
        lagrangian={"update": "fixed"},
        search={"kind": "grid", "multiplier": [0.0, 2.0]},
        stopping={"rule": "median"},
    )
    free, dear = study.trials
    assert (free.state, dear.state) == (State.PRUNED, State.COMPLETE)
    assert free.failure is not None
    assert free.failure.startswith("after 70% of its budget cost ")
    assert "lies above the limit 7.5" in free.failure
    assert all(run.state is State.PRUNED and run.env_steps == 6_000 for run in free.seed_runs)  # one after 5,600
    assert all(run.rungs is not None and "0.7" in run.rungs for run in free.seed_runs)
    assert study.best_trial.number == dear.number
    assert study.status().is_finished


def test_a_seed_that_breaks_the_limit_late_is_stopped_and_its_siblings_come_out_the_same(tmp_path: Path) -> None:
    settings = {"lagrangian": {"update": "fixed", "multiplier": 0.7}, "aggregate": "mean"}
    whole = run(tmp_path / "whole", **settings)
    at_rung = [row for row in rows_of(whole) if row.iteration == 14]  # 5,600 of 8,000 steps; its window is itself
    intervals = {row.seed: t_interval(row.episode_costs["cost"]) for row in at_rung}
    worst = max(intervals, key=lambda seed: intervals[seed].low)
    # A fixed multiplier does not look at the limit: the second study is the first one until a seed is stopped.
    limit = intervals[worst].low - 1e-6
    assert all(intervals[seed].low <= limit for seed in intervals if seed != worst)
    assert t_interval([interval.mean for interval in intervals.values()]).low <= limit  # the trial goes on

    study = run(tmp_path / "stopped", cost_limit=limit, stopping={"rule": "asha", "seeds": True}, **settings)

    (trial,) = study.trials
    others = [run for run in trial.seed_runs if run.seed != worst]
    assert trial.state is State.COMPLETE
    assert trial.stopped_seeds == (worst,)
    stopped = trial.seed_runs[worst]
    assert stopped.failure is not None
    assert stopped.failure.startswith("after 70% of its budget cost ")
    assert (stopped.iterations, [run.iterations for run in others]) == (15, [20, 20])  # one after the rung
    siblings = [numbers(row) for row in rows_of(whole) if row.seed != worst]
    assert [numbers(row) for row in rows_of(study) if row.seed != worst] == siblings
    assert trial.mean_return == t_interval([run.mean_return or 0.0 for run in trial.seed_runs])  # with the stopped one
    executions = [(execution.seeds, state) for execution, state, _ in study._ledger.executions(1)]
    assert executions == [((0, 1, 2), State.PRUNED), ((0, 1, 2), State.COMPLETE)]
    policy = study.folder / "policy"
    assert policy.is_dir() == bool(trial.feasible)


def rows_of(study: Study) -> list[ResultRow]:
    return sorted(read_rows(study.folder / "spool.jsonl"), key=lambda row: (row.seed, row.iteration))


def numbers(row: ResultRow) -> tuple[Any, ...]:
    """What training is made of; whatever changes a network shows in the episodes, to the last bit."""
    return row.seed, row.iteration, row.metrics["multiplier/value"], row.episode_returns, row.episode_costs


def test_a_spent_budget_ends_a_study_that_a_larger_one_continues(tmp_path: Path) -> None:
    settings = {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 0.5, 1.0, 2.0]}}
    study = run(tmp_path, env_steps=2_000, budget={"trials": 2}, **settings)
    assert [trial.state for trial in study.trials] == [State.COMPLETE] * 2 + [State.WAITING] * 2
    assert not study.status().is_finished

    data = study.spec.model_dump(mode="json", exclude_none=True) | {"budget": {"trials": 3}}
    study.become(StudySpec.model_validate(data))
    study.run(max_concurrent=1, progress=False)
    assert [trial.state for trial in study.trials] == [State.COMPLETE] * 3 + [State.WAITING]


def test_searches_end_by_themselves_and_the_best_are_reported_on_fresh_seeds(tmp_path: Path) -> None:
    profile = {"kind": "adaptive_profile", "multiplier": {"high": 2.0}, "trials": 4}
    gains = {
        "kind": "optuna",
        "sampler": "cmaes",
        "trials": 4,
        "space": {"lr": {"low": 0.05, "high": 1.0, "log": True}},
    }
    gains |= {"objectives": {"best_feasible_return": "maximize"}, "enqueue": [{"lr": 0.1}]}
    study = run(
        tmp_path,
        env_steps=2_000,
        arms={
            "fixed": {"lagrangian": {"update": "fixed"}, "search": profile},
            "ga": {"lagrangian": {"update": "ga"}, "search": gains},
        },
        retest={"top": 2, "seeds": 2},
    )
    trials = study.trials
    assert [trial.state for trial in trials] == [State.COMPLETE] * len(trials)
    assert next(trial.params for trial in trials if trial.arm == "ga") == {"lr": 0.1}
    originals = [trial for trial in trials if trial.retest_of is None]
    retests = [trial for trial in trials if trial.retest_of is not None]
    assert [trial.arm for trial in originals].count("fixed") == 4
    assert [trial.arm for trial in originals].count("ga") == 4
    assert len(retests) == 2
    assert all([run.seed for run in trial.seed_runs] == [1_000_000, 1_000_001] for trial in retests)
    assert study.best_trial.retest_of is not None
    assert study.status().is_finished


def test_failures_alike_end_a_study(tmp_path: Path) -> None:
    rates = [1e30, 2e30, 3e30, 4e30, 5e30]  # the first step leaves no finite parameter
    with pytest.raises(FailedTrialsError, match="3 of 3 trials failed alike: NonFiniteError"):
        run(tmp_path, lagrangian={"update": "fixed"}, search={"kind": "grid", "actor_lr": rates})
