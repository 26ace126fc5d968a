"""The interval of λ* against what its draws can be."""

import numpy as np
import pytest

from sweeps.analysis.lambda_star import lambda_star, lambda_star_interval


def test_one_seed_or_agreeing_seeds_have_a_point():
    assert lambda_star_interval([1.0, 4.0], [[80.0], [40.0]], 60.0).value == pytest.approx(2.0)
    found = lambda_star_interval([1.0, 4.0], [[80.0, 80.0], [40.0, 40.0]], 60.0)
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))
    assert (found.found, found.num_seeds) == (1.0, 2)


def test_the_ends_are_those_of_the_extreme_draws():
    # At λ = 1 both seeds cost 80; at λ = 4 one costs 30, one 50: the mean is 30, 40 or 50 with 1/4, 1/2, 1/4.
    # 60 is then 2/5, 1/2 or 2/3 of the way in ln λ: λ = 4^0.4 … 4^(2/3).
    found = lambda_star_interval([1.0, 4.0], [[80.0, 80.0], [30.0, 50.0]], 60.0)
    assert (found.low, found.value, found.high) == pytest.approx((4**0.4, 2.0, 4 ** (2 / 3)))


def test_draws_that_the_grid_does_not_show_make_the_interval_open():
    # A quarter of the draws has cost 70 at the largest multiplier: λ* lies beyond the grid.
    found = lambda_star_interval([1.0, 4.0], [[80.0, 80.0], [30.0, 70.0]], 60.0)
    assert found.high == np.inf
    assert found.found == pytest.approx(0.75, abs=0.04)
    # A quarter has 40 at the smallest one already: λ* lies below the grid, at most there.
    found = lambda_star_interval([1.0, 4.0], [[40.0, 100.0], [30.0, 30.0]], 60.0)
    assert found.low == 1.0
    # With λ = 0 in the grid it is 0: no multiplier is needed.
    assert lambda_star_interval([0.0, 4.0], [[40.0, 100.0], [30.0, 30.0]], 60.0).low == 0.0


def test_seeds_are_drawn_within_their_multiplier_whatever_the_order_and_number():
    costs = {0.5: [90.0, 100.0, 95.0], 1.0: [80.0, 70.0], 4.0: [40.0, 20.0, 30.0, 35.0]}
    found = lambda_star_interval(list(costs), list(costs.values()), 60.0)
    assert found.value == lambda_star(list(costs), [np.mean(sample) for sample in costs.values()], 60.0)
    assert found.low < found.value < found.high
    assert found.num_seeds == 2


def test_coverage_of_a_known_lambda_star():
    # True costs 100 − 20 ln λ with noise 5 over 10 seeds; λ* of 60 is e² = 7.389. 95 % intervals of 60 samples:
    # fewer than 48 hits (80 %) would be a fault, since a percentile interval of 10 seeds covers about 90 %.
    generator, grid = np.random.default_rng(1), np.array([1.0, 3.0, 9.0, 27.0])
    hits = 0
    for _ in range(60):
        costs = (100.0 - 20.0 * np.log(grid))[:, None] + generator.normal(0.0, 5.0, (4, 10))
        found = lambda_star_interval(grid.tolist(), costs.tolist(), 60.0, num_resamples=200)
        hits += found.low <= np.e**2 <= found.high
    assert hits >= 48


def test_what_the_grid_does_not_show_at_all_is_none():
    assert lambda_star_interval([1.0, 2.0], [[90.0, 91.0], [80.0, 81.0]], 60.0) is None
    with pytest.raises(ValueError, match="at least one seed"):
        lambda_star_interval([1.0, 2.0], [[90.0], []], 60.0)
