"""Smoothed cost, warm-up, slower updates and moving limits, around gradient ascent."""

from functools import partial
from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.gradient_ascent import ga_start, ga_step
from algorithms.functional.multipliers.schedule import ScheduledState, scheduled_start, scheduled_step

STEP = partial(ga_step, lr=0.1, dual_optimizer="sgd")


def run(costs: tuple[float, ...], limit: float = 20.0, **options: Any) -> list[ScheduledState]:
    state = scheduled_start(ga_start((1, 1), init=0.0, dtype=torch.float64))
    states: list[ScheduledState] = []
    for cost in costs:
        state = scheduled_step(STEP, state, torch.full((1, 1), cost), limit, **options)
        states.append(state)
    return states


def multipliers(costs: tuple[float, ...], **options: Any) -> list[float]:
    return [state.multiplier.item() for state in run(costs, **options)]


def test_without_options_it_is_the_update_itself():
    # λ ← λ + 0.1 e: e = 10, 20, −5.
    assert multipliers((30.0, 40.0, 15.0)) == pytest.approx([1.0, 3.0, 2.5])


def test_the_smoothed_cost_starts_at_the_first_cost():
    # a = 0.75: J̄ = 30, 0.75·30 + 0.25·50 = 35, 0.75·35 + 0.25·15 = 30; e = 10, 15, 10.
    states = run((30.0, 50.0, 15.0), cost_ema=0.75)
    assert [state.signal.item() for state in states] == pytest.approx([30.0, 35.0, 30.0])
    assert [state.multiplier.item() for state in states] == pytest.approx([1.0, 2.5, 3.5])


def test_lambda_rests_during_warm_up_while_the_cost_is_smoothed():
    # J̄ = 30, 35, 30: only the last one counts, e = 10.
    assert multipliers((30.0, 50.0, 15.0), warmup_iterations=2, cost_ema=0.75) == pytest.approx([0.0, 0.0, 1.0])


def test_a_step_is_due_every_n_iterations_after_warm_up():
    # Steps at iterations 1 and 4, e = 10 at each.
    assert multipliers((30.0,) * 6, warmup_iterations=1, update_every=3) == pytest.approx([0, 1, 1, 1, 2, 2])


def test_a_step_schedule_switches_the_limit_once():
    # Limits 40, 40, 20, 20 with cost 50: e = 10, 10, 30, 30.
    states = run((50.0,) * 4, limit_start=40.0, limit_shape="step", limit_iterations=2)
    assert [state.limit.item() for state in states] == [40.0, 40.0, 20.0, 20.0]
    assert [state.multiplier.item() for state in states] == pytest.approx([1.0, 2.0, 5.0, 8.0])


def test_a_linear_schedule_leads_to_the_limit_and_stays_there():
    states = run((50.0,) * 6, limit_start=40.0, limit_shape="linear", limit_iterations=4)
    assert [state.limit.item() for state in states] == [40.0, 35.0, 30.0, 25.0, 20.0, 20.0]


def test_the_limit_that_held_is_the_constant_one_without_a_schedule():
    assert [state.limit.item() for state in run((50.0, 50.0))] == [20.0, 20.0]


def test_every_seed_may_have_its_own_options():
    options = {
        "cost_ema": ([0.0], [0.5]), "warmup_iterations": ([0], [2]), "update_every": ([2], [1]),
        "limit_start": ([40.0], [10.0]), "limit_iterations": ([3], [5]),
    }  # fmt: skip
    columns = {name: torch.tensor(values) for name, values in options.items()}
    state = scheduled_start(ga_start((2, 1), init=0.0, dtype=torch.float64))
    costs = (30.0, 50.0, 15.0, 60.0, 22.0, 41.0)
    together: list[list[float]] = []
    for cost in costs:
        state = scheduled_step(STEP, state, torch.full((2, 1), cost), 20.0, limit_shape="linear", **columns)  # pyright: ignore
        together.append(state.multiplier.squeeze(1).tolist())
    for seed in range(2):
        own = {name: values[seed][0] for name, values in options.items()}
        assert [row[seed] for row in together] == pytest.approx(multipliers(costs, limit_shape="linear", **own))


def test_a_cost_that_is_not_finite_is_refused_even_when_no_step_is_due():
    with pytest.raises(ValueError, match="seed index 0, cost index 0 has cost nan"):
        run((float("nan"),), warmup_iterations=5)


def test_a_cost_without_the_axis_of_seeds_is_refused():
    state = scheduled_start(ga_start((3, 2)))
    with pytest.raises(ValueError, match=r"\[S, m\] = \[3, 2\], but got \[2\]"):
        scheduled_step(STEP, state, torch.zeros(2), 20.0)


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="must be step or linear, but got 'cosine'"):
        run((50.0,), limit_start=40.0, limit_shape="cosine")
