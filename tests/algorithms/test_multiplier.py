import math

import numpy as np
import pytest
import torch

from algorithms.multiplier import Multipliers
from algorithms.parameters import PID, FixedMultiplier, GradientAscent
from algorithms.rollout import Episodes


def episodes(*costs_by_seed: list[float]) -> Episodes:
    """Episodes of several seeds with one cost each."""
    index = [seed for seed, costs in enumerate(costs_by_seed) for _ in costs]
    costs = np.array([cost for costs in costs_by_seed for cost in costs])
    return Episodes(np.array(index, dtype=np.int64), np.zeros(len(index)), costs[:, None])


def test_the_cost_signal_is_the_mean_of_the_episodes_of_the_iteration() -> None:
    multipliers = Multipliers(GradientAscent(dual_optimizer="sgd", lr=0.1, init=1.0), {"cost": 25.0}, 2)
    multipliers.update(episodes([20.0, 40.0], [25.0]))
    # Seed 0: 1 + 0.1 · (30 − 25) = 1.5; seed 1 is exactly at its limit.
    torch.testing.assert_close(multipliers.value, torch.tensor([[1.5], [1.0]]))
    multipliers.update(episodes([25.0], [15.0]))
    # The episodes of before count no more: seed 0 rests, seed 1 falls by 0.1 · 10 to 0.
    torch.testing.assert_close(multipliers.value, torch.tensor([[1.5], [0.0]]))


def test_a_window_reaches_back_over_the_last_episodes() -> None:
    multipliers = Multipliers(GradientAscent(dual_optimizer="sgd", lr=0.1, init=1.0), {"cost": 25.0}, 1, cost_window=3)
    multipliers.update(episodes([10.0, 20.0]))
    multipliers.update(episodes([30.0, 40.0]))
    # 1 + 0.1 · (15 − 25) = 0, then mean(20, 30, 40) = 30: 0.1 · 5 = 0.5.
    torch.testing.assert_close(multipliers.value, torch.tensor([[0.5]]))


def test_a_seed_without_an_episode_keeps_its_multiplier_and_its_memory() -> None:
    among, alone = (Multipliers(PID(), {"cost": 25.0}, n) for n in (2, 1))
    for costs in ([60.0], [], [55.0], [48.0]):
        among.update(episodes([30.0], costs))
        alone.update(episodes(costs))
    assert torch.equal(among.value[1:], alone.value)
    assert alone.value > 0


def test_before_any_episode_the_error_is_unknown() -> None:
    multipliers = Multipliers(GradientAscent(init=0.3), {"cost": 25.0}, 1)
    multipliers.update(episodes([]))
    terms = multipliers.terms()
    assert terms["value"].item() == pytest.approx(0.3)
    assert math.isnan(terms["error"].item())


def test_costs_have_their_own_limits_and_multipliers() -> None:
    rule = GradientAscent(dual_optimizer="sgd", lr=1.0, init=0.0)
    multipliers = Multipliers(rule, {"hazards": 1.0, "vases": 5.0}, 1)
    multipliers.update(Episodes(np.array([0]), np.zeros(1), np.array([[3.0, 6.5]])))
    torch.testing.assert_close(multipliers.value, torch.tensor([[2.0, 1.5]]))
    torch.testing.assert_close(multipliers.terms()["error"], torch.tensor([[2.0, 1.5]]))


@pytest.mark.parametrize("parameters", [FixedMultiplier(multiplier=0.7), GradientAscent(), PID(kd=0.3)])
def test_saved_and_restored_it_goes_on_bit_for_bit(parameters: FixedMultiplier | GradientAscent | PID) -> None:
    straight = Multipliers(parameters, {"cost": 25.0}, 2, cost_window=5)
    for costs in (60.0, 41.0, 33.0):
        straight.update(episodes([costs], [costs / 2, costs]))
    resumed = Multipliers(parameters, {"cost": 25.0}, 2, cost_window=5)
    resumed.set_state(straight.get_state())
    for costs in (27.0, 22.0):
        for multipliers in (straight, resumed):
            multipliers.update(episodes([costs], []))
    for name, term in straight.terms().items():
        assert torch.equal(term, resumed.terms()[name]), name


def test_a_saved_state_is_no_view_of_the_running_one() -> None:
    multipliers = Multipliers(GradientAscent(), {"cost": 25.0}, 1)
    multipliers.update(episodes([60.0]))
    saved, before = multipliers.get_state(), multipliers.value.clone()
    multipliers.update(episodes([60.0]))
    multipliers.set_state(saved)
    assert torch.equal(multipliers.value, before)
