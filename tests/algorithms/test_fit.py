"""What an algorithm and a multiplier update must have in common."""

import pytest

from algorithms.fit import find_multiplier_misfit
from algorithms.parameters import PID, FixedMultiplier, GradientAscent, NetworkMultiplier, PPOParameters, SACParameters

NETWORK = NetworkMultiplier()


def test_scalar_updates_fit_every_algorithm():
    assert find_multiplier_misfit(PPOParameters(), GradientAscent(), 2, None) is None
    assert find_multiplier_misfit(SACParameters(), GradientAscent(), 2, None) is None


def test_a_scalar_multiplier_starts_at_most_at_its_cap():
    for update in (GradientAscent(init=5.0, multiplier_max=1.0), PID(init=5.0, multiplier_max=1.0)):
        misfit = find_multiplier_misfit(PPOParameters(), update, 1, None)
        assert misfit is not None
        assert (misfit.name, misfit.rule) == ("init", "`init <= multiplier_max` must hold, but got 5.0 and 1.0.")
    assert find_multiplier_misfit(PPOParameters(), GradientAscent(init=1.0, multiplier_max=1.0), 1, None) is None
    assert find_multiplier_misfit(PPOParameters(), FixedMultiplier(multiplier=5.0), 1, None) is None


def test_a_network_fits_sac_with_one_constraint_and_episodes_of_known_length():
    assert find_multiplier_misfit(SACParameters(), NETWORK, 1, 500) is None


@pytest.mark.parametrize(
    ("parameters", "multiplier", "num_costs", "horizon", "name", "rule"),
    [
        (SACParameters(), NetworkMultiplier(init=2.0, multiplier_max=2.0), 1, 500, "init", "but got 2.0 and 2.0"),
        (PPOParameters(), NETWORK, 1, 500, "update", "PPO has no Q_c"),
        (SACParameters(), NETWORK, 2, 500, "update", "one constraint, but got 2 cost limits"),
        (SACParameters(), NETWORK, 1, None, "state_limit", "episodes have no fixed length"),
    ],
)
def test_what_a_network_cannot_have_is_named(
    parameters: PPOParameters | SACParameters,
    multiplier: NetworkMultiplier,
    num_costs: int,
    horizon: int | None,
    name: str,
    rule: str,
):
    misfit = find_multiplier_misfit(parameters, multiplier, num_costs, horizon)
    assert misfit is not None
    assert misfit.name == name
    assert rule in misfit.rule


def test_a_given_state_limit_or_another_constraint_needs_no_horizon():
    assert find_multiplier_misfit(SACParameters(), NetworkMultiplier(state_limit=2.5), 1, None) is None
    assert find_multiplier_misfit(SACParameters(), NetworkMultiplier(constraint="feasibility"), 1, None) is None
