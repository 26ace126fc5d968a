"""Safety measures: hand-worked numbers at and around every threshold."""

import math

import pytest
from scipy import stats

from sweeps.analysis.safety import (
    feasibility_probability,
    feasible_share,
    normalized_excess,
    normalized_violation,
    safety,
    safety_tier,
    violation_share,
)
from sweeps.analysis.statistics import t_interval


def test_an_episode_at_the_limit_does_not_violate_it():
    assert violation_share([25.0, 25.1, 0.0, 24.9, 100.0], 25.0) == pytest.approx(2 / 5)
    assert violation_share([0.0, 1.0], 0.0) == 0.5


def test_the_excess_is_a_share_of_the_limit():
    assert normalized_excess([20.0, 60.0], 20.0) == pytest.approx((40.0 - 20.0) / 20.0)
    assert normalized_excess([0.0], 20.0) == -1.0


def test_the_violation_counts_violating_episodes_alone():
    # 30 and 60 violate 20 by 10 and 40: (0.5 + 2) / 2; 20 and 5 do not.
    assert normalized_violation([30.0, 20.0, 60.0, 5.0], 20.0) == pytest.approx(1.25)
    assert normalized_violation([20.0, 5.0], 20.0) == 0.0


@pytest.mark.parametrize(
    ("share", "excess", "above", "tier"),
    [
        (0.0, 0.1, 0.0, 0),  # D_norm decides first
        (1.0, 1e-9, 9.0, 0),
        (0.0, 0.0, 0.0, 4),
        (0.0, -1.0, 0.0, 4),
        (0.1, -0.1, 0.1, 3),
        (0.1, -0.1, 0.11, 2),
        (0.11, -0.1, 0.1, 2),
        (0.5, 0.0, 3.0, 2),
        (0.51, 0.0, 3.0, 1),
    ],
)
def test_tiers_at_their_thresholds(share, excess, above, tier):
    assert safety_tier(share, excess, above) == tier


def test_a_condition_is_measured_per_seed_and_then_averaged():
    # Seed 0: V = 1/2, D = (30 − 20)/20 = 0.5, D⁺ = 2 (of 60 alone). Seed 1: V = 0, D = −0.5, D⁺ = 0.
    found = safety({0: [0.0, 60.0], 1: [10.0, 10.0, 10.0, 10.0]}, 20.0)
    assert (found.violation_share, found.excess, found.violation_excess) == pytest.approx((0.25, 0.0, 1.0))
    assert (found.tier, found.num_seeds, found.num_episodes) == (2, 2, 6)  # over all episodes V were 1/6


def test_a_limit_of_zero_has_shares_but_nothing_to_normalize_by():
    found = safety({0: [0.0, 1.0]}, 0.0)
    assert (found.violation_share, found.tier) == (0.5, None)
    assert math.isnan(found.excess)
    with pytest.raises(ValueError, match="limit > 0"):
        normalized_excess([1.0], 0.0)
    with pytest.raises(ValueError, match="limit > 0"):
        normalized_violation([1.0], 0.0)


def test_feasibility_is_as_sure_as_the_upper_end_of_the_interval():
    costs = [18.0, 22.0, 27.0, 15.0]
    upper = t_interval(costs).high
    assert feasibility_probability(costs, upper) == pytest.approx(0.975)
    # mean 20.5, s² = 81/3 = 27, error √(27/4) = 2.598; (25 − 20.5)/2.598 = 1.732 in t with 3 degrees.
    assert feasibility_probability(costs, 25.0) == pytest.approx(stats.t(3).cdf(4.5 / math.sqrt(6.75)))


def test_feasibility_of_seeds_that_agree_is_certain():
    assert feasibility_probability([25.0], 25.0) == 1.0
    assert feasibility_probability([25.1], 25.0) == 0.0
    assert feasibility_probability([20.0, 20.0], 25.0) == 1.0


def test_the_feasible_share_counts_seeds():
    assert feasible_share([10.0, 25.0, 26.0, 90.0], 25.0) == 0.5


@pytest.mark.parametrize("costs", [[], [math.nan], [[1.0]]])
def test_nonsense_is_refused(costs):
    for function in (violation_share, normalized_excess, feasibility_probability, feasible_share):
        with pytest.raises(ValueError, match="finite"):
            function(costs, 25.0)
    with pytest.raises(ValueError, match="limit >= 0"):
        violation_share([1.0], -1.0)
    with pytest.raises(ValueError, match="at least one seed"):
        safety({}, 25.0)
