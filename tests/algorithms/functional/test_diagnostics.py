"""Diagnostics of a multiplier against closed forms."""

import math

import numpy as np
import pytest

from algorithms.functional.diagnostics import damping_ratio, dominant_period, phase_lag, saturation, total_variation

K = np.arange(400)


def wave(period: float, *, phase: float = 0.0, decay: float = 0.0) -> np.ndarray:
    return np.exp(-decay * K) * np.sin(2 * np.pi * K / period - phase)


def test_saturation_counts_the_iterations_at_each_bound():
    # λ at 0 in two of five iterations, at the cap 2 in one.
    assert saturation([0.0, 0.0, 1.0, 2.0, 1.9], 2.0) == (0.4, 0.2)
    assert saturation([0.0, 2.0]) == (0.5, 0.0)


def test_the_total_variation_of_a_wave_is_four_amplitudes_a_period():
    # 400 / 20 = 20 periods of amplitude 3 whose extremes are samples (5 divides 20): 20·4·3, less the last step
    # from sin(2π·399/20) to 0, 3·sin(2π/20).
    assert total_variation(3 * wave(20)) == pytest.approx(240 - 3 * math.sin(2 * math.pi / 20))
    assert total_variation([1.0]) == 0.0


@pytest.mark.parametrize("period", [5.3, 20.0, 37.7, 120.0])
def test_the_dominant_period_of_a_wave_is_its_own_whatever_its_offset_trend_and_phase(period: float):
    assert dominant_period(7 + 0.05 * K + wave(period, phase=1.0)) == pytest.approx(period, rel=0.02)


def test_the_stronger_of_two_waves_dominates():
    assert dominant_period(2 * wave(50) + wave(11)) == pytest.approx(50, rel=0.02)
    assert dominant_period(wave(50) + 2 * wave(11)) == pytest.approx(11, rel=0.02)


@pytest.mark.parametrize("series", [np.ones(50), np.linspace(0, 3, 50), 1 - np.exp(-K / 60), [1.0, 2.0, 1.0], [3.0]])
def test_a_constant_a_line_a_relaxation_and_a_short_series_have_no_period(series: np.ndarray):
    assert math.isnan(dominant_period(series))


@pytest.mark.parametrize("degrees", [-120, -30, 0, 45, 90, 150])
def test_the_phase_lag_of_two_waves_is_their_phase_difference(degrees: float):
    cost = 30 + 10 * wave(25)
    multiplier = 2 + 0.001 * K + 0.3 * wave(25, phase=math.radians(degrees))
    assert phase_lag(multiplier, cost) == pytest.approx(degrees, abs=2)


def test_an_integrator_lags_by_ninety_degrees():
    cost = wave(40)
    assert phase_lag(np.cumsum(cost), cost) == pytest.approx(90, abs=6)  # the sum leads by half a step: 4.5°


def test_there_is_no_phase_lag_of_a_multiplier_that_rests():
    assert math.isnan(phase_lag(np.zeros(400), wave(40)))


@pytest.mark.parametrize("zeta", [-0.02, 0.0, 0.05, 0.2])
def test_the_damping_ratio_of_a_damped_wave_is_its_own(zeta: float):
    # ζ = σ / √(σ² + ω²), so σ = ω ζ / √(1 − ζ²).
    omega = 2 * np.pi / 40
    decay = omega * zeta / math.sqrt(1 - zeta**2)
    assert damping_ratio(5 + wave(40, decay=decay)) == pytest.approx(zeta, abs=0.005)


def test_reversals_within_the_noise_are_no_turning_points():
    noise = 0.02 * np.random.default_rng(0).standard_normal(400)
    assert damping_ratio(wave(40) + noise) == pytest.approx(0.0, abs=0.005)
    assert abs(damping_ratio(wave(40, decay=0.02) + noise, noise=0.0) - 0.126) > 0.02


@pytest.mark.parametrize("series", [np.linspace(0, 3, 50), np.ones(9), 1 - np.exp(-K / 60), [0.0, 1.0, 0.5]])
def test_a_series_without_an_oscillation_has_no_damping_ratio(series: np.ndarray):
    assert math.isnan(damping_ratio(series))


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, math.nan]])
def test_what_is_no_series_is_refused(bad: list[float]):
    for measure in (saturation, total_variation, dominant_period, damping_ratio):
        with pytest.raises(ValueError, match="must be finite `\\[K\\]` with K ≥ 1"):
            measure(bad)


def test_series_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="one length, but got 3 and 4"):
        phase_lag([1.0] * 3, [1.0] * 4)
