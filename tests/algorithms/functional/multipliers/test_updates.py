"""Properties that every update shares."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.functional.multipliers.state import select_seeds
from algorithms.functional.multipliers.updates import UPDATES, start_multiplier, step_multiplier

ADAPTIVE = [
    ("ga", {"dual_optimizer": "sgd"}),
    ("ga", {"dual_optimizer": "adam"}),
    ("pid", {"form": "omnisafe"}),
    ("pid", {"form": "omnisafe", "sum_norm": False, "diff_norm": True}),
    ("pid", {"form": "omnisafe", "sum_norm": False, "penalty_max": 3.0}),
    ("pid", {"form": "stooke"}),
    ("nupi", {"nu": 0.5}),
    ("adrc", {}),
    ("adrc", {"transient_rate": 0.0}),
    ("augmented_lagrangian", {"penalty_growth": 1.5, "penalty_cap": 0.3}),
]
EVERY = [*ADAPTIVE, ("fixed", {"multiplier": 0.7})]
costs_of_two = st.lists(st.tuples(*[st.floats(0.0, 1e4)] * 2), min_size=1, max_size=12)
every_update = pytest.mark.parametrize(("update", "parameters"), EVERY, ids=str)
adaptive_update = pytest.mark.parametrize(("update", "parameters"), ADAPTIVE, ids=str)


def trace(update: str, parameters: dict[str, Any], costs: list[Any], limit: Any = 25.0) -> torch.Tensor:
    rows = torch.tensor(costs, dtype=torch.float64).reshape(len(costs), -1, 1)
    state = start_multiplier(update, (rows.shape[1], 1), parameters, dtype=torch.float64)
    values = [state.multiplier]
    for cost in rows:
        state = step_multiplier(update, state, cost, limit, parameters)
        assert all(bool(field.isfinite().all()) for field in (*state[:-1], *state.rule))
        values.append(state.multiplier)
    return torch.stack(values).squeeze(-1)


@every_update
@settings(deadline=None, max_examples=40)
@given(costs=costs_of_two, limit=st.floats(0.0, 1e3))
def test_lambda_is_finite_and_never_negative(update: str, parameters: dict[str, Any], costs: list[Any], limit: float):
    values = trace(update, parameters, costs, limit)
    assert bool(values.isfinite().all())
    assert values.min().item() >= 0.0


@adaptive_update
@settings(deadline=None, max_examples=40)
@given(costs=costs_of_two, cap=st.floats(0.01, 5.0))
def test_lambda_does_not_pass_its_cap(update: str, parameters: dict[str, Any], costs: list[Any], cap: float):
    assert trace(update, {**parameters, "multiplier_max": cap}, costs).max().item() <= cap


@every_update
@settings(deadline=None, max_examples=20)
@given(costs=costs_of_two)
def test_seeds_do_not_mix(update: str, parameters: dict[str, Any], costs: list[Any]):
    together = trace(update, parameters, costs)
    for seed in range(2):
        assert torch.equal(together[:, seed], trace(update, parameters, [row[seed] for row in costs])[:, 0])


@adaptive_update
@settings(deadline=None, max_examples=30)
@given(error=st.floats(0.1, 100.0))
def test_a_first_violation_raises_lambda_and_a_first_slack_does_not(
    update: str, parameters: dict[str, Any], error: float
):
    # From λ = 0 (a derivative that starts from a cost of 0 would raise λ on slack costs too: K_D = 0).
    start = {**parameters, "init": 0.0, "kd": 0.0}
    assert trace(update, start, [25.0 + error])[-1].item() > 0.0
    assert trace(update, start, [25.0 - min(error, 25.0)])[-1].item() == 0.0


@adaptive_update
@settings(deadline=None, max_examples=30)
@given(limit=st.floats(0.0, 1e3), init=st.floats(0.0, 1.0), iterations=st.integers(1, 8))
def test_a_cost_at_its_limit_moves_a_rested_lambda_nowhere(
    update: str, parameters: dict[str, Any], limit: float, init: float, iterations: int
):
    # Stooke's λ is the controller's output, and its integral starts at 0.
    rest = 0.0 if parameters.get("form") == "stooke" else init
    rested = trace(update, {**parameters, "init": init, "kd": 0.0}, [limit] * iterations, limit)[1:]
    torch.testing.assert_close(rested, torch.full_like(rested, rest), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("update", "parameters"),
    [
        ("ga", {"dual_optimizer": "sgd"}),
        ("pid", {"form": "omnisafe", "kp": 0.0, "kd": 0.0}),
        ("pid", {"form": "stooke", "kp": 0.0, "kd": 0.0}),
        ("nupi", {"kp": 0.0}),
        ("augmented_lagrangian", {"penalty": 0.0}),
    ],
    ids=str,
)
@settings(deadline=None, max_examples=60)
@given(costs=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8), limit=st.floats(1.0, 99.0))
def test_an_integrator_rises_iff_the_cost_exceeds_its_limit_and_falls_iff_it_is_below(
    update: str, parameters: dict[str, Any], costs: list[float], limit: float
):
    values = trace(update, {**parameters, "init": 0.0}, costs, limit).squeeze(1)
    for cost, before, after in zip(costs, values[:-1], values[1:], strict=True):
        if abs(cost - limit) > 1e-6:  # a smaller step may vanish in λ's last bit
            assert bool(after > before) == (cost > limit)
            assert bool(after < before) == (cost < limit and bool(before > 0.0))


@adaptive_update
@settings(deadline=None, max_examples=60)
@given(
    costs=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8),
    last=st.floats(0.0, 100.0),
    more=st.floats(0.01, 100.0),
)
def test_after_any_history_a_higher_cost_gives_a_higher_lambda(
    update: str, parameters: dict[str, Any], costs: list[float], last: float, more: float
):
    if parameters.get("dual_optimizer") == "adam":
        return  # its second moment may shorten the step of a greater error
    low, high = (trace(update, parameters, [*costs, cost])[-1].item() for cost in (last, last + more))
    cap = 1.0 if parameters.get("diff_norm") else parameters.get("penalty_max", float("inf"))
    assert high >= low
    if low < cap and high > 0.0:  # else both are projected
        assert high > low


@adaptive_update
def test_a_lasting_violation_drives_lambda_up_and_lasting_slack_to_zero(update: str, parameters: dict[str, Any]):
    violated = trace(update, parameters, [60.0] * 60)
    assert violated[-1].item() > violated[0].item() + 0.5
    assert trace(update, parameters, [60.0] * 5 + [0.0] * 200)[-1].item() == 0.0


@every_update
def test_a_cost_that_is_not_finite_is_refused_by_seed_and_cost(update: str, parameters: dict[str, Any]):
    state = start_multiplier(update, (2, 3), parameters)
    cost = torch.zeros(2, 3)
    cost[1, 2] = float("nan")
    with pytest.raises(ValueError, match="seed index 1, cost index 2 has cost nan"):
        step_multiplier(update, state, cost, 25.0, parameters)


@every_update
def test_a_state_continues_bit_for_bit_from_a_copy(update: str, parameters: dict[str, Any]):
    state = start_multiplier(update, (1, 1), parameters)
    costs = [60.0, 10.0, 35.0, 22.0]
    for cost in costs:
        state = step_multiplier(update, state, torch.full((1, 1), cost), 25.0, parameters)
    arrays = [field.numpy().copy() for field in state.rule]
    rule = type(state.rule)(*(torch.from_numpy(array) for array in arrays))
    copy = state._replace(rule=rule, **{name: getattr(state, name).clone() for name in state._fields[:-1]})
    for cost in reversed(costs):
        state = step_multiplier(update, state, torch.full((1, 1), cost), 25.0, parameters)
        copy = step_multiplier(update, copy, torch.full((1, 1), cost), 25.0, parameters)
        assert torch.equal(state.multiplier, copy.multiplier)


@every_update
def test_a_seed_left_out_keeps_every_field(update: str, parameters: dict[str, Any]):
    state = start_multiplier(update, (2, 1), parameters)
    stepped = step_multiplier(update, state, torch.full((2, 1), 60.0), 25.0, parameters)
    mixed = select_seeds(torch.tensor([False, True]), stepped, state)
    for before, after, kept in zip(
        (*state[:-1], *state.rule), (*stepped[:-1], *stepped.rule), (*mixed[:-1], *mixed.rule), strict=True
    ):
        assert torch.equal(kept[0], before[0])
        assert torch.equal(kept[1], after[1])


@adaptive_update
def test_every_update_takes_the_schedules_options(update: str, parameters: dict[str, Any]):
    late = trace(update, {**parameters, "warmup_iterations": 3, "init": 0.25}, [60.0] * 5)
    assert late[:4].squeeze(1).tolist() == [0.25] * 4
    assert late[4].item() != 0.25


def plant(update: str, parameters: dict[str, Any], highest: float, iterations: int = 1200) -> tuple[float, float]:
    """Closes the loop over a cost that relaxes towards highest / (1 + λ)."""
    state = start_multiplier(update, (1, 1), parameters, dtype=torch.float64)
    cost = torch.full((1, 1), highest, dtype=torch.float64)
    for _ in range(iterations):
        state = step_multiplier(update, state, cost, 25.0, parameters)
        cost = cost + 0.05 * (highest / (1.0 + state.multiplier) - cost)
    return state.multiplier.item(), cost.item()


@adaptive_update
def test_every_update_finds_the_multiplier_of_a_plant_whose_constraint_binds(update: str, parameters: dict[str, Any]):
    # 60 / (1 + λ*) = 25: λ* = 1.4; with λ capped at 1 by diff_norm, 45 / (1 + λ*) = 25: λ* = 0.8.
    highest = 45.0 if parameters.get("diff_norm") else 60.0
    multiplier, cost = plant(update, parameters, highest)
    assert multiplier == pytest.approx(highest / 25.0 - 1.0, rel=0.02)
    assert cost == pytest.approx(25.0, rel=0.02)


@adaptive_update
def test_every_update_leaves_a_slack_constraint_alone(update: str, parameters: dict[str, Any]):
    multiplier, cost = plant(update, parameters, highest=20.0)
    assert multiplier == 0.0
    assert cost == pytest.approx(20.0)


def test_every_update_has_its_row_here():
    assert {update for update, _ in EVERY} == set(UPDATES)
