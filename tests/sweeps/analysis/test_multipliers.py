"""How a study's multipliers moved, from rows."""

import math

import numpy as np
import pytest

from sweeps.analysis.multipliers import finding_lines, measure_movement, movements
from sweeps.analysis.tables import movement_rows
from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.spec import StudySpec

ITERATIONS = 20


def make_spec(**lagrangian: object) -> StudySpec:
    arms = {"fixed": {"lagrangian": {"update": "fixed"}}, "ga": {"lagrangian": {"update": "ga", **lagrangian}}}
    return StudySpec.model_validate(
        {
            "name": "tiny",
            "task": "Circle1",
            "cost_limit": 25.0,
            "env_steps": ITERATIONS * 1000,
            "seeds": 2,
            "hyperparameters": {"steps_per_iteration": 1000},
            "arms": arms,
        }
    )


TRIALS = [
    Trial(n, str(n), arm, {}, State.COMPLETE, tuple(SeedRun(seed, State.COMPLETE) for seed in (0, 1)))
    for n, arm in enumerate(("fixed", "ga"))
]


def make_rows(multiplier: np.ndarray, cost: np.ndarray, seed: int = 0, trial: int = 1) -> list[ResultRow]:
    return [
        ResultRow(
            trial,
            seed,
            k + 1,
            1000 * (k + 1),
            0.0,
            1,
            {"multiplier/value": float(m), "train/cost": float(c), "multiplier/error": float(c) - 25.0},
        )
        for k, (m, c) in enumerate(zip(multiplier, cost, strict=True))
    ]


def test_every_seed_of_a_moving_update_is_measured_and_no_fixed_one() -> None:
    multiplier = np.linspace(0.0, 3.8, ITERATIONS)
    cost = np.where(np.arange(ITERATIONS) % 2, 20.0, 30.0)
    rows = [*make_rows(multiplier, cost), *make_rows(multiplier, cost, seed=1), *make_rows(multiplier, cost, trial=0)]
    moved = movements(make_spec(multiplier_max=1.0), TRIALS, rows)
    assert [(m.trial, m.seed, m.cost) for m in moved] == [(1, 0, "cost"), (1, 1, "cost")]
    # λ = 0, 0.2, …, 3.8: the first of twenty is 0, all from 1.0 on (15) stand at the cap.
    assert (moved[0].at_zero, moved[0].at_cap) == (1 / 20, 15 / 20)
    assert moved[0].total_variation == pytest.approx(3.8)


def test_a_cause_is_told_once_with_its_seeds() -> None:
    weak, over = np.full(ITERATIONS, 0.01), np.full(ITERATIONS, 60.0)
    rows = [*make_rows(weak, over), *make_rows(weak, over, seed=1)]
    (line,) = finding_lines(movements(make_spec(), TRIALS, rows), {1: "trial 1 (ga)"})
    assert line.startswith("trial 1 (ga), cost, seeds 0, 1: ")
    assert "raise the gains" in line


def test_numbers_that_differ_between_seeds_are_told_as_ranges() -> None:
    level, over = np.full(ITERATIONS, 1.9), np.full(ITERATIONS, 60.0)  # λ no longer rises: it is not said to
    rows = [*make_rows(level, over), *make_rows(level / 2.0, over - 10.5, seed=1)]
    (line,) = finding_lines(movements(make_spec(), TRIALS, rows), {1: "trial 1 (ga)"})
    assert line == (
        "trial 1 (ga), cost, seeds 0, 1: the cost never reached its limit; "
        "λ is 0.95 to 1.9 and the lowest cost 49.5 to 60: train longer, or raise the gains."
    )


def test_iterations_without_an_episode_do_not_count() -> None:
    rows = make_rows(np.linspace(0.0, 1.0, ITERATIONS), np.full(ITERATIONS, 60.0))
    silent = [row if row.iteration % 2 else ResultRow(1, 0, row.iteration, 0, 0.0, 1, {}) for row in rows]
    (movement,) = movements(make_spec(), TRIALS, silent)
    assert movement.total_variation == pytest.approx(18 / 19)  # the last of the kept ones is the nineteenth
    assert movements(make_spec(), TRIALS, silent[:18]) == []  # nine are too few to say anything


def test_what_a_series_does_not_show_is_left_empty() -> None:
    (movement,) = movements(make_spec(), TRIALS, make_rows(np.full(ITERATIONS, 1.0), np.full(ITERATIONS, 25.0)))
    assert math.isnan(movement.damping_ratio)
    assert movement_rows([movement])[0]["damping_ratio"] == ""


def test_a_seed_s_record_has_what_its_series_show_by_cost() -> None:
    multiplier = np.linspace(0.0, 3.8, ITERATIONS)
    rows = make_rows(multiplier, np.full(ITERATIONS, 60.0))
    spec = make_spec(multiplier_max=1.0)
    measured = measure_movement(rows[::-1], spec.resolve("ga", {}))
    # A straight line has no swings, so neither period, damping nor lag.
    assert measured == pytest.approx(
        {"multiplier/at_zero": 1 / 20, "multiplier/at_cap": 15 / 20, "multiplier/total_variation": 3.8}
    )
    assert measure_movement(rows, spec.resolve("fixed", {})) == {}


def test_costs_with_names_are_told_apart() -> None:
    angle = 2.0 * np.pi * np.arange(40) / 8.0  # a period of eight iterations
    rows = make_rows(1.0 + 0.5 * np.sin(angle), 25.0 + np.cos(angle))
    named = [
        ResultRow(1, 0, row.iteration, 0, 0.0, 1, {f"{key}/{name}": value for key, value in row.metrics.items()})
        for row in rows
        for name in ("hazards",)
    ]
    spec = make_spec().model_dump(mode="json", exclude_none=True) | {"cost_limit": {"hazards": 25.0, "gremlins": 1.0}}
    spec |= {"task": "SafetyPointGoal1-v0"}
    measured = measure_movement(named, StudySpec.model_validate(spec).resolve("ga", {}))
    assert all(key.endswith("/hazards") for key in measured)
    assert measured["multiplier/dominant_period/hazards"] == pytest.approx(8.0, rel=0.05)
    # λ ∝ sin follows cost ∝ cos by a quarter of a period, as an integrator does.
    assert measured["multiplier/phase_lag/hazards"] == pytest.approx(90.0, abs=5.0)
