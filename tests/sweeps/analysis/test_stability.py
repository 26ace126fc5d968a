"""The measures of Table 1: each variant on curves that tell them apart."""

import numpy as np
import pytest

from sweeps.analysis.stability import stability

NAN = np.nan


def test_violations_count_after_the_limit_was_first_reached():
    # t₀ is index 2 (cost 20 ≤ 25); after it 30 > 25, 25 = 25, 40 > 25, 10: V = 2/4, magnitude (5 + 0 + 15 + 0)/4.
    found = stability([[1, 2, 3, 9, 4, 9, 2]], [[90, 60, 20, 30, 25, 40, 10]], 25.0)
    assert found.violation_share == 0.5
    assert found.violation_magnitude == 5.0
    assert found.reached_at == 2
    assert found.best_return == 4.0  # at costs 20, 25 and 10; not the 9 above the limit


def test_a_limit_that_is_never_reached_is_undefined():
    found = stability([[1, 2]], [[90, 60]], 25.0)
    assert (found.best_return, found.violation_share, found.violation_magnitude, found.reached_at) == (None,) * 4


def test_a_limit_reached_at_the_last_iteration_has_no_later_one():
    found = stability([[1, 2]], [[90, 20]], 25.0)
    assert (found.best_return, found.violation_share, found.violation_magnitude, found.reached_at) == (2, None, None, 1)


def test_the_mean_over_seeds_and_each_seed_tell_apart():
    returns, costs = [[1.0, 8.0, 2.0], [1.0, 2.0, 6.0]], [[20.0, 30.0, 10.0], [80.0, 10.0, 60.0]]
    # Mean: costs 50, 20, 35; t₀ = 1, return 5, then 35 > 25.
    mean = stability(returns, costs, 25.0)
    assert (mean.best_return, mean.violation_share, mean.violation_magnitude, mean.reached_at) == (5.0, 1.0, 10.0, 1)
    # Seed 0: t₀ = 0, best 2, V = 1/2, magnitude 5/2. Seed 1: t₀ = 1, best 2, V = 1, magnitude 35.
    each = stability(returns, costs, 25.0, aggregate="per_seed")
    assert (each.best_return, each.violation_share, each.violation_magnitude) == (2.0, 0.75, 18.75)
    assert (each.reached_at, each.num_seeds) == (1, 2)


def test_seeds_that_never_reach_the_limit_are_left_out_and_counted():
    found = stability([[3.0, 4.0], [1.0, 1.0]], [[20.0, 10.0], [90.0, 90.0]], 25.0, aggregate="per_seed")
    assert (found.best_return, found.num_seeds) == (4.0, 1)
    assert stability([[1.0]], [[90.0]], 25.0, aggregate="per_seed").num_seeds == 0


def test_iterations_without_an_episode_do_not_count():
    found = stability([[NAN, 1.0, NAN, 2.0]], [[NAN, 20.0, NAN, 30.0]], 25.0)
    assert (found.violation_share, found.reached_at) == (1.0, 1)
    # A seed without an episode does not count in that iteration's mean: 20, not 10 or NaN.
    assert stability([[NAN, 1.0], [4.0, 1.0]], [[NAN, 90.0], [20.0, 90.0]], 25.0).best_return == 4.0


def test_smoothing_removes_single_dips_below_the_limit():
    costs = [[60.0, 60.0, 20.0, 60.0, 60.0, 60.0, 60.0]]
    assert stability(np.zeros((1, 7)), costs, 25.0).reached_at == 2
    assert stability(np.zeros((1, 7)), costs, 25.0, smoothing=1.0).reached_at is None
    # LOWESS leaves a line alone, so that both agree on one.
    line = [[float(value) for value in range(40, 0, -4)]]
    raw, smooth = (stability(line, line, 25.0, smoothing=s) for s in (None, 0.5))
    assert smooth.best_return == pytest.approx(raw.best_return)
    assert smooth.reached_at == raw.reached_at


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\[S, K\]"):
        stability([[1.0]], [[1.0, 2.0]], 25.0)
    with pytest.raises(ValueError, match=r"\[S, K\]"):
        stability([1.0], [1.0], 25.0)
