import numpy as np
import pytest

from algorithms.normalizer import Normalizer, merge, no_moments


@pytest.fixture
def observations() -> np.ndarray:
    """`[5, 2, 7, 3]`: five steps of two seeds, whose statistics differ."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 2, 7, 3)) * np.array([1.0, 10.0]).reshape(1, 2, 1, 1) + 4.0


def test_statistics_are_those_of_everything_seen(observations: np.ndarray) -> None:
    normalizer = Normalizer(2, 3)
    for step in observations:
        normalizer.observe(step)
    together = observations.transpose(1, 0, 2, 3).reshape(2, -1, 3)
    np.testing.assert_allclose(normalizer.moments.number, [35.0, 35.0])
    np.testing.assert_allclose(normalizer.moments.mean, together.mean(1), rtol=1e-12)
    np.testing.assert_allclose(normalizer.moments.squares / 35.0, together.var(1), rtol=1e-12)


def test_scales_by_the_seeds_own_mean_and_standard_deviation(observations: np.ndarray) -> None:
    normalizer = Normalizer(2, 3)
    normalizer.observe(observations[0])
    mean, std = observations[0].mean(1, keepdims=True), observations[0].std(1, keepdims=True)
    expected = (observations[0] - mean) / std
    np.testing.assert_allclose(normalizer.normalize(observations[0]), expected, atol=1e-6)


def test_clips_at_five_standard_deviations() -> None:
    normalizer = Normalizer(1, 1)
    normalizer.observe(np.array([[[-1.0], [1.0]]]))  # mean 0, std 1
    np.testing.assert_array_equal(normalizer.normalize(np.array([[[7.0], [-9.0], [3.0]]])).ravel(), [5.0, -5.0, 3.0])


def test_a_constant_entry_is_divided_by_a_hundredth_at_most() -> None:
    normalizer = Normalizer(1, 1)
    normalizer.observe(np.full((1, 4, 1), 2.0))
    # (2.01 − 2) / 0.01 = 1: without the floor this would be infinite.
    np.testing.assert_allclose(normalizer.normalize(np.array([[[2.01]]])), 1.0, rtol=1e-5)


def test_disabled_it_passes_observations_through(observations: np.ndarray) -> None:
    normalizer = Normalizer(2, 3, enabled=False)
    normalizer.observe(observations[0])
    np.testing.assert_array_equal(normalizer.normalize(100.0 * observations[1]), np.float32(100.0 * observations[1]))


def test_what_runners_saw_apart_merges_into_what_one_would_have_seen(observations: np.ndarray) -> None:
    together, apart = Normalizer(2, 3), [Normalizer(2, 3), Normalizer(2, 3)]
    for step in observations:
        together.observe(step)
        apart[0].observe(step[:, :3])
        apart[1].observe(step[:, 3:])
    merged = no_moments(2, 3)
    for runner in apart:
        merged = merge(merged, runner.recent)
    for got, expected in zip(merged, together.moments, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_recent_statistics_begin_anew_with_a_batch(observations: np.ndarray) -> None:
    normalizer = Normalizer(2, 3)
    normalizer.observe(observations[0])
    before = normalizer.moments
    normalizer.begin_batch()
    normalizer.observe(observations[1])
    np.testing.assert_allclose(normalizer.recent.number, [7.0, 7.0])
    np.testing.assert_allclose(merge(before, normalizer.recent).mean, normalizer.moments.mean, rtol=1e-12)
