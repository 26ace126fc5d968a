"""Comparisons against closed forms, SciPy's own tests and hand-worked numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from sweeps.analysis.comparison import difference, holm, probability_of_improvement, stratified_bootstrap


def test_common_seeds_are_subtracted_from_each_other():
    # δ = 2, 3, 4: mean 3, s = 1, half width t(0.975, 2) · 1/√3 = 4.302653 / 1.732051 = 2.484138.
    found = difference({0: 3.0, 1: 5.0, 2: 7.0, 9: 100.0}, {0: 1.0, 1: 2.0, 2: 3.0, 5: -100.0})
    assert (found.value.mean, found.value.low, found.value.high) == pytest.approx((3.0, 0.515862, 5.484138), abs=1e-6)
    assert (found.paired, found.value.num_seeds) == (True, 3)
    assert found.p_value == pytest.approx(stats.ttest_rel([3.0, 5.0, 7.0], [1.0, 2.0, 3.0]).pvalue)


def test_pairing_removes_what_a_seed_does_to_both():
    x = {seed: 10.0 * seed + 1.0 + 0.01 * (-1) ** seed for seed in range(6)}
    y = {seed: 10.0 * seed for seed in range(6)}
    assert difference(x, y).p_value < 1e-6
    assert difference(x, {seed + 50: value for seed, value in y.items()}).p_value > 0.9


def test_without_common_seeds_it_is_welchs_test():
    x, y = [1.0, 2.0, 4.0, 8.0], [0.0, 5.0, 6.0]
    found = difference(dict(enumerate(x)), {seed + 10: value for seed, value in enumerate(y)})
    theirs = stats.ttest_ind(x, y, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert (found.value.low, found.value.high) == pytest.approx((interval.low, interval.high))
    assert (found.paired, found.value.num_seeds) == (False, 3)


def test_one_seed_each_has_a_difference_but_no_certainty():
    found = difference({0: 3.0}, {0: 1.0})
    assert (found.value.mean, found.value.low, found.value.high) == (2.0, 2.0, 2.0)
    assert math.isnan(found.p_value)


def test_differences_that_never_vary_are_certain():
    assert difference({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}).p_value == 1.0
    assert difference({0: 2.0, 1: 3.0}, {0: 1.0, 1: 2.0}).p_value == 0.0
    assert difference({0: 2.0, 1: 2.0}, {5: 1.0, 6: 1.0}).p_value == 0.0


def test_the_probability_of_improvement_counts_pairs():
    # Of 3 · 2 pairs 1 > none; 4 > 3; 5 > 3, 5 = 5: (0 + 1 + 1.5) / 6.
    assert probability_of_improvement([1.0, 4.0, 5.0], [3.0, 5.0]) == pytest.approx(2.5 / 6.0)
    assert probability_of_improvement([3.0, 5.0], [1.0, 4.0, 5.0]) == pytest.approx(3.5 / 6.0)
    assert probability_of_improvement([9.0], [1.0, 2.0]) == 1.0


def test_holm_against_the_worked_example():
    # Sorted .005, .011, .02, .04, .13 times 5, 4, 3, 2, 1: .025, .044, .06, .08, .13.
    assert holm([0.04, 0.005, 0.13, 0.011, 0.02]) == pytest.approx([0.08, 0.025, 0.13, 0.044, 0.06])
    # Never below an earlier one, never above 1: 2 · .5 = 1, then max(1, .6).
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_leaves_out_what_was_not_compared():
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)


def test_the_bootstrap_of_one_condition_has_the_spread_of_a_mean():
    # The resampled mean has standard deviation σ_n / √n = √(8.25) / √10 and is near normal.
    sample = np.arange(10.0)
    found = stratified_bootstrap([sample], "mean")
    error = math.sqrt(8.25 / 10.0)
    assert found.mean == 4.5
    assert (found.low, found.high) == pytest.approx((4.5 - 1.96 * error, 4.5 + 1.96 * error), abs=0.12)


def test_every_draw_has_every_condition():
    # Constant conditions: however they are drawn, the mean over conditions is (0 + 10 + 50) / 3.
    found = stratified_bootstrap([[0.0, 0.0], [10.0] * 5, [50.0]], "mean")
    assert (found.mean, found.low, found.high, found.num_seeds) == (20.0, 20.0, 20.0, 1)


def test_the_interquartile_mean_is_over_conditions():
    # lo = ⌊4/4⌋ = 1, hi = ⌈3⌉ = 3 of the sorted condition means 0, 1, 2, 300.
    assert stratified_bootstrap([[0.0], [300.0], [1.0], [2.0]]).mean == 1.5
    assert stratified_bootstrap([[0.0, 600.0], [2.0, 2.0]], "iqm").mean == 151.0  # two conditions: nothing is cut


def test_the_same_seed_gives_the_same_interval_and_confidence_its_width():
    sample = [[1.0, 5.0, 2.0, 8.0], [0.0, 3.0, 1.0]]
    assert stratified_bootstrap(sample) == stratified_bootstrap(sample)
    assert stratified_bootstrap(sample, seed=1) != stratified_bootstrap(sample)
    narrow, wide = stratified_bootstrap(sample, "mean", 0.5), stratified_bootstrap(sample, "mean", 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_function_of_the_samples_can_be_bootstrapped():
    found = stratified_bootstrap([[1.0, 3.0], [7.0]], lambda samples: float(samples[1].max() - samples[0].min()))
    assert found.mean == 6.0
    assert (found.low, found.high) == (4.0, 6.0)


@pytest.mark.parametrize("nonsense", [[], [[]], [[1.0], [math.nan]]])
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="finite"):
        stratified_bootstrap(nonsense)
    with pytest.raises(ValueError, match="confidence"):
        stratified_bootstrap([[1.0]], confidence=1.0)
    with pytest.raises(ValueError, match="p <= 1"):
        holm([1.5])
    with pytest.raises(ValueError, match="finite"):
        probability_of_improvement([], [1.0])
