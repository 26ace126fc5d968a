"""Statistics over seeds against closed forms."""

from functools import partial
from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeps.analysis.statistics import bootstrap_interval, interquartile_mean, t_interval
from sweeps.records import Interval

samples = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)


def test_the_t_interval_of_two_values_has_a_closed_form():
    # One degree of freedom is Cauchy: t(0.975, 1) = tan(0.475 π) = 12.7062. s = |b − a| / √2, so that the half width is
    # 12.7062 · |b − a| / 2: for 0 and 2 it is 12.7062.
    result = t_interval([0.0, 2.0])
    assert result.mean == 1.0
    assert result.high - 1.0 == pytest.approx(np.tan(0.475 * np.pi))
    assert 1.0 - result.low == pytest.approx(12.7062, abs=1e-4)


def test_the_t_interval_of_three_values_has_a_closed_form():
    # Two degrees of freedom: t(p, 2) = (2p − 1) / √(2p (1 − p)); at 0.975: 0.95 / √(1.95 · 0.025) = 4.302653.
    # 1, 4, 7: s = 3, half width 4.302653 · 3 / √3 = 7.452413.
    quantile = 0.95 / sqrt(1.95 * 0.025)
    assert t_interval([1.0, 4.0, 7.0]) == Interval(
        4.0, pytest.approx(4 - quantile * sqrt(3)), pytest.approx(4 + quantile * sqrt(3)), 3
    )


def test_the_t_interval_of_many_values_is_the_normal_one():
    values = np.tile([-1.0, 1.0], 50_000)  # s = 1 but for 1e-5, √n = 316.23; 1.959964 / 316.23
    assert t_interval(values.tolist()).high == pytest.approx(1.959964 / sqrt(100_000), rel=1e-4)


def test_another_confidence_takes_another_quantile():
    # tan(0.25 π) = 1 at 50 %: half width |b − a| / 2.
    assert t_interval([0.0, 2.0], confidence=0.5).high == pytest.approx(2.0)


@given(samples, st.floats(-1e3, 1e3))
def test_the_t_interval_moves_with_the_values_and_mirrors_with_their_sign(values, shift):
    base, moved = t_interval(values), t_interval([value + shift for value in values])
    mirrored = t_interval([-value for value in values])
    assert moved.low == pytest.approx(base.low + shift, rel=1e-9, abs=1e-4)
    assert mirrored.high == pytest.approx(-base.low, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("function", [t_interval, bootstrap_interval])
def test_one_seed_has_no_spread(function):
    assert function([3.5]) == Interval(3.5, 3.5, 3.5, 1)


@pytest.mark.parametrize("function", [t_interval, bootstrap_interval, interquartile_mean])
def test_what_is_no_sample_is_refused(function):
    with pytest.raises(ValueError, match="`len"):
        function([])
    with pytest.raises(ValueError, match="must be finite"):
        function([1.0, nan])


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0])
def test_a_confidence_outside_its_range_is_refused(confidence):
    with pytest.raises(ValueError, match="`0 < confidence < 1`"):
        t_interval([1.0, 2.0], confidence)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    # 8 values: 2 leave at each end; (3 + 4 + 5 + 6) / 4 = 4.5 whatever the ends are.
    assert interquartile_mean([1000.0, 3.0, 4.0, -50.0, 5.0, 6.0, 999.0, -60.0]) == 4.5
    # 5 values: ⌊5 / 4⌋ = 1 leaves; (2 + 3 + 7) / 3 = 4.
    assert interquartile_mean([2.0, 100.0, 3.0, 0.0, 7.0]) == 4.0
    assert interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # ⌊3 / 4⌋ = 0: the plain mean


@given(samples)
def test_the_interquartile_mean_lies_between_the_values_that_it_keeps(values):
    trimmed = sorted(values)[len(values) // 4 : len(values) - len(values) // 4]
    result = interquartile_mean(values)
    assert min(trimmed) - 1e-6 <= result <= max(trimmed) + 1e-6
    assert result == pytest.approx(np.mean(trimmed), rel=1e-9, abs=1e-6)


def test_the_bootstrap_of_two_values_has_known_quantiles():
    # Draws of two out of {0, 2} have means 0, 1, 2 with chances ¼, ½, ¼: the 2.5 % and 97.5 % quantiles are 0 and 2,
    # the 30 % and 70 % quantiles both 1.
    assert bootstrap_interval([0.0, 2.0]) == Interval(1.0, 0.0, 2.0, 2)
    assert bootstrap_interval([0.0, 2.0], confidence=0.4) == Interval(1.0, 1.0, 1.0, 2)


def test_the_bootstrap_of_many_values_is_the_normal_one():
    # 400 values of standard deviation 1: half width 1.96 / 20 = 0.098, with some bootstrap noise.
    values = np.random.default_rng(0).standard_normal(400)
    result = bootstrap_interval(((values - values.mean()) / values.std()).tolist())
    assert (result.high - result.low) / 2 == pytest.approx(0.098, rel=0.06)


def test_the_bootstrap_of_the_interquartile_mean_is_that_of_that_statistic():
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1e6]
    result = bootstrap_interval(values, "iqm")
    assert result.mean == 3.5  # 2 … 5
    assert 0.0 <= result.low <= 3.5 <= result.high
    assert bootstrap_interval(values, "mean").mean == pytest.approx(np.mean(values))


@pytest.mark.parametrize(
    ("statistic", "function"),
    [
        ("mean", np.mean),
        ("iqm", partial(stats.trim_mean, proportiontocut=0.25)),
        *((share, partial(np.quantile, q=share)) for share in (0.0, 0.3, 0.9, 1.0)),
    ],
)
@pytest.mark.parametrize("size", [2, 3, 5, 8, 33])
def test_the_bootstrap_is_that_of_scipy(statistic, function, size):
    sample = np.sort(np.random.default_rng(size).normal(50.0, 20.0, size))  # ours draws from the sorted values
    result = bootstrap_interval(sample[::-1].tolist(), statistic, confidence=0.9, num_resamples=500, seed=7)

    generator = np.random.default_rng(7)
    known = stats.bootstrap(
        (sample,), function, n_resamples=500, confidence_level=0.9, method="percentile", rng=generator
    ).confidence_interval
    assert (result.low, result.high) == pytest.approx((known.low, known.high), rel=1e-12)
    assert result.mean == pytest.approx(function(sample), rel=1e-12)


def test_the_bootstrap_repeats_with_its_seed():
    values = [1.0, 5.0, 2.0, 8.0, 3.0]
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, num_resamples=20, seed=3) != bootstrap_interval(values, num_resamples=20, seed=4)
