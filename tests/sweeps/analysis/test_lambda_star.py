"""The interval of λ* against what its draws can be."""

import numpy as np
import pytest

from sweeps.analysis.lambda_star import lambda_star, lambda_star_interval


def test_one_seed_or_agreeing_seeds_have_a_point():
    assert lambda_star_interval([1.0, 4.0], [[80.0], [40.0]], 60.0).value == pytest.approx(2.0)
    found = lambda_star_interval([1.0, 4.0], [[80.0, 80.0], [40.0, 40.0]], 60.0)
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))
    assert (found.found, found.num_seeds) == (1.0, 2)


def drawn_ends(means: list[float], variances: tuple[float, float], sizes: list[int]) -> list[float]:
    """Quartiles of λ* of 60 between λ = 1 and 4 by a simulation of its own: S seeds, Student's t with 3 (S − 1)."""
    generator, errors = np.random.default_rng(7), []
    for variance, size in zip(variances, sizes, strict=True):
        errors.append(generator.standard_t(3 * (size - 1), size=50_000) * np.sqrt(variance / size))
    stars: list[float] = []
    for first, second in (np.array(means) + np.stack(errors, axis=1)).tolist():
        left, right = (first, second) if first > second else ((first + second) / 2,) * 2  # the nearest that falls
        stars.append(1.0 if left <= 60.0 else np.inf if right > 60.0 else 4.0 ** ((left - 60.0) / (left - right)))
    return np.quantile(stars, [0.25, 0.75], method="inverted_cdf").tolist()


@pytest.mark.parametrize(
    ("costs", "variances"),
    [
        ([[70.0, 90.0], [35.0, 45.0]], (200.0, 50.0)),  # spread that falls is taken as it is
        ([[60.0, 80.0], [15.0, 25.0]], (200.0, 50.0)),  # also where most of it stands beside the limit
        ([[75.0, 85.0], [30.0, 50.0]], (125.0, 125.0)),  # 50 and 200 rise: both become their mean
        # 100 of three seeds and 800 of two rise: (2 · 100 + 1 · 800) / 3 by their degrees of freedom.
        ([[70.0, 80.0, 90.0], [20.0, 60.0]], (1000 / 3, 1000 / 3)),
    ],
)
def test_the_ends_are_quantiles_of_drawn_profiles(costs: list[list[float]], variances: tuple[float, float]):
    found = lambda_star_interval([1.0, 4.0], costs, 60.0, confidence=0.5, num_draws=20_000)
    assert found is not None
    means = [float(np.mean(sample)) for sample in costs]
    assert found.value == pytest.approx(4.0 ** ((means[0] - 60.0) / (means[0] - means[1])))
    expected = drawn_ends(means, variances, [len(sample) for sample in costs])
    assert (found.low, found.high) == pytest.approx(expected, rel=0.03)


def test_multipliers_may_come_in_any_order():
    costs = {0.5: [90.0, 100.0], 1.0: [80.0, 70.0], 4.0: [40.0, 20.0]}
    swapped = {4.0: costs[4.0], 0.5: costs[0.5], 1.0: costs[1.0]}
    expected = lambda_star_interval(list(costs), list(costs.values()), 60.0)
    assert lambda_star_interval(list(swapped), list(swapped.values()), 60.0) == expected


def test_draws_that_the_grid_does_not_show_make_the_interval_open():
    # Means 100 and 50: with so much spread that many draws have a cost above 60 at the largest multiplier.
    found = lambda_star_interval([1.0, 4.0], [[80.0, 120.0], [30.0, 70.0]], 60.0)
    assert found is not None
    assert found.high == np.inf
    assert 0.4 < found.found < 0.8
    # Means 70 and 30: many have one below 60 at the smallest already, so that λ* lies below the grid, at most there.
    found = lambda_star_interval([1.0, 4.0], [[40.0, 100.0], [30.0, 30.0]], 60.0)
    assert found is not None
    assert found.low == 1.0
    # With λ = 0 in the grid it is 0: no multiplier is needed.
    found = lambda_star_interval([0.0, 4.0], [[40.0, 100.0], [30.0, 30.0]], 60.0)
    assert found is not None
    assert found.low == 0.0


def test_seeds_are_drawn_within_their_multiplier_whatever_the_order_and_number():
    costs = {0.5: [90.0, 100.0, 95.0], 1.0: [80.0, 70.0], 4.0: [40.0, 20.0, 30.0, 35.0]}
    found = lambda_star_interval(list(costs), list(costs.values()), 60.0)
    assert found.value == lambda_star(list(costs), [np.mean(sample) for sample in costs.values()], 60.0)
    assert found.low < found.value < found.high
    assert found.num_seeds == 2


def test_coverage_of_a_known_lambda_star():
    # True costs 100 − 20 ln λ with noise 5 over 10 seeds; λ* of 60 is e² = 7.389. 95 % intervals of 60 samples:
    # fewer than 52 hits (87 %) would be a fault.
    generator, grid = np.random.default_rng(1), np.array([1.0, 3.0, 9.0, 27.0])
    hits = 0
    for _ in range(60):
        costs = (100.0 - 20.0 * np.log(grid))[:, None] + generator.normal(0.0, 5.0, (4, 10))
        found = lambda_star_interval(grid.tolist(), costs.tolist(), 60.0, num_draws=200)
        hits += found.low <= np.e**2 <= found.high
    assert hits >= 52


def test_what_the_grid_does_not_show_at_all_is_none():
    assert lambda_star_interval([1.0, 2.0], [[90.0, 91.0], [80.0, 81.0]], 60.0) is None
    with pytest.raises(ValueError, match="at least one seed"):
        lambda_star_interval([1.0, 2.0], [[90.0], []], 60.0)
