"""State-wise constraints against hand-worked numbers and against what their fixed points must be."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from algorithms.functional.constraints import (
    feasibility_target,
    reachability_target,
    statewise_limit,
)
from algorithms.functional.soft_actor_critic import cost_targets


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


NEVER, LAST = torch.tensor([False, False, False]), torch.tensor([True, True, True])


def test_the_limit_of_a_state_is_the_discounted_sum_at_the_episodes_rate():
    # 25 per 1000 steps: 0.025 / 0.01 = 2.5; Circle's 500 steps: 5.
    assert statewise_limit(25.0, 1000, 0.99) == pytest.approx(2.5)
    assert statewise_limit(25.0, 500, 0.99) == pytest.approx(5.0)


@pytest.mark.parametrize(("horizon", "discount"), [(0, 0.9), (10, 1.0), (10, -0.1)])
def test_a_limit_without_a_horizon_or_a_discounted_sum_is_refused(horizon: int, discount: float):
    with pytest.raises(ValueError, match="`horizon >= 1` and `0 <= discount < 1` must hold"):
        statewise_limit(25.0, horizon, discount)


def test_feasibilities_equal_hand_worked_targets():
    # A violation now is 1 whatever follows, also one that costs 3; half a cost: 0.5 + 0.5·0.9·0.4 = 0.68; 0.9·0.4.
    cost, later = numbers(3, 0.5, 0), numbers(0.4, 0.4, 0.4)
    assert feasibility_target(cost, later, NEVER, discount=0.9).tolist() == pytest.approx([1.0, 0.68, 0.36])
    assert feasibility_target(cost, later, LAST, discount=0.9).tolist() == [1.0, 0.5, 0.0]
    # A critic beyond [0, 1] does not carry the target there.
    assert feasibility_target(numbers(0, 0, 0), numbers(5, -5, 1), NEVER, discount=0.9).tolist() == [1.0, 0.0, 0.9]


def test_reachabilities_equal_hand_worked_targets():
    # h = c − 0.5. γ = 0.9: 0.1·0.5 + 0.9·max(0.5, 0.2) = 0.5; 0.1·(−0.5) + 0.9·0.2 = 0.13;
    # 0.1·(−0.5) + 0.9·max(−0.5, −0.8) = −0.5. At the end it is h.
    cost, later = numbers(1, 0, 0), numbers(0.2, 0.2, -0.8)
    target = reachability_target(cost, later, NEVER, discount=0.9, cost_threshold=0.5)
    assert target.tolist() == pytest.approx([0.5, 0.13, -0.5])
    target = reachability_target(cost, later, LAST, discount=0.9, cost_threshold=0.5)
    assert target.tolist() == pytest.approx([0.5, -0.5, -0.5])


def on_a_path(costs: list[float], target: Callable[[Tensor, Tensor, Tensor], Tensor]) -> list[float]:
    """The value along a path of steps that ends with its last one."""
    values, later = [], torch.zeros(1, dtype=torch.float64)
    for index in range(len(costs) - 1, -1, -1):
        later = target(numbers(costs[index]), later, torch.tensor([index == len(costs) - 1]))
        values.insert(0, later.item())
    return values


def test_on_a_path_feasibility_is_the_discount_to_the_number_of_steps_until_the_first_violation():
    values = on_a_path([0, 0, 1, 0, 1, 0], lambda c, v, t: feasibility_target(c, v, t, discount=0.9))
    assert values == pytest.approx([0.81, 0.9, 1.0, 0.9, 1.0, 0.0])


def test_on_a_path_reachability_is_positive_exactly_where_a_near_violation_lies_ahead():
    values = on_a_path(
        [0, 0, 1, 0, 0, 0],
        lambda c, v, t: reachability_target(c, v, t, discount=0.9, cost_threshold=0.5),
    )
    assert [value > 0 for value in values] == [True, True, True, False, False, False]
    assert values[3:] == pytest.approx([-0.5] * 3)


def test_on_an_endless_path_at_the_limits_rate_the_cost_value_is_the_limit_of_the_state():
    value = numbers(0)
    for _ in range(4000):
        value = cost_targets(numbers(25 / 500), torch.tensor(False), value, cost_gamma=0.99)
    assert value.item() == pytest.approx(statewise_limit(25.0, 500, 0.99), rel=1e-9)
