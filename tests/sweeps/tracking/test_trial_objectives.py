"""Which objectives MLflow shows of a trial, and how many keys they may take."""

import pytest

from sweeps.records import Interval, SeedRun, State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.objectives import DIRECTIONS
from sweeps.tracking.run_content import seed_metrics, trial_metrics
from sweeps.tracking.trial_objectives import trial_objectives

SPEC = StudySpec.model_validate(
    {
        "name": "study",
        "task": "Circle1",
        "cost_limit": 25.0,
        "env_steps": 100_000,
        "seeds": 2,
        "aggregate": "worst",
        "lagrangian": {"update": "pid"},
        "search": {
            "kind": "optuna",
            "trials": 4,
            "objectives": {"oscillation": "minimize", "violation_rate": "minimize"},
            "space": {"kp": {"low": 0.01, "high": 1.0, "log": True}},
        },
    }
)
MEASURES = [{"violation_rate": 0.25, "oscillation": 0.5}, {"violation_rate": 0.75, "oscillation": 0.1}]


def complete(**changes):
    runs = tuple(
        SeedRun(seed, State.COMPLETE, 300, 3, 10.0 + seed, {"cost": 20.0 - seed}, measures=MEASURES[seed])
        for seed in range(2)
    )
    mean = {"mean_return": Interval(10.5, 9.0, 12.0, 2), "mean_cost": {"cost": Interval(19.5, 18.0, 21.0, 2)}}
    arm = next(iter(SPEC.arms))
    return Trial(0, "k", arm, {"kp": 0.1}, State.COMPLETE, runs, **mean | changes)


def test_the_study_s_objectives_come_first_and_are_aggregated_as_it_says():
    objectives = trial_objectives(SPEC, complete())
    # The worst of both seeds: the larger rate, oscillation and cost, the smaller return.
    found = {name: value.mean for name, value in objectives.items()}
    assert found == {"oscillation": 0.5, "violation_rate": 0.75, "return": 10.0, "cost": 20.0}
    assert list(objectives)[:2] == ["oscillation", "violation_rate"]


def test_a_trial_that_was_not_completed_has_none():
    assert trial_objectives(SPEC, complete(mean_return=None)) == {}


@pytest.mark.parametrize(("constraints", "shown"), [(1, 8), (4, 8), (5, 7)])
def test_a_trial_takes_forty_keys_at_most(constraints, shown):
    one = Interval(1.0, 0.5, 1.5, 2)
    trial = complete(mean_cost={f"cost_{index}": one for index in range(constraints)})
    metrics = trial_metrics(trial, dict.fromkeys(DIRECTIONS, one))
    # final/return with its ends and final/seeds: 4; 3 a constraint; 3 an objective: 4 + 15 + 21 = 40.
    assert len(metrics) == 4 + 3 * constraints + 3 * shown <= 40
    assert (metrics["objective/return"], metrics["objective/return_low"], metrics["objective/return_high"]) == (
        1.0,
        0.5,
        1.5,
    )


@pytest.mark.parametrize("constraints", [1, 3])
def test_a_seed_shows_how_its_multipliers_moved_beside_its_curves(constraints):
    costs = {f"cost_{index}": 20.0 for index in range(constraints)}
    measures = ("at_zero", "at_cap", "total_variation", "dominant_period", "damping_ratio", "phase_lag")
    moved = {f"multiplier/{name}/{cost}": 0.5 for cost in costs for name in measures}
    run = SeedRun(0, State.COMPLETE, 300, 3, 10.0, costs, measures={"oscillation": 0.1, **moved})
    shown = seed_metrics(run)
    # One return, a cost a constraint, and six measures a constraint: 1 + 1 + 6 = 8, and ten of 1 + 3 + 18 = 22.
    assert len(shown) == {1: 8, 3: 10}[constraints]
    assert shown["final/multiplier/at_zero/cost_0"] == 0.5
    assert not any("oscillation" in name for name in shown)  # the parent has the objectives
