"""Training curves over seeds, worked by hand."""

from math import nan

import pytest

from sweeps.analysis.curves import training_curves
from sweeps.records import ResultRow


def row(seed, iteration, returns=(), costs=None, *, trial=0, **metrics):
    return ResultRow(trial, seed, iteration, 10 * iteration, 0.0, 1, metrics, tuple(returns), costs or {})


def curve(curves, quantity, trial=0):
    return next(item for item in curves if item.quantity == quantity and item.trial == trial)


def test_a_point_is_the_mean_over_seeds_of_the_means_over_episodes():
    # Seed 0: (1 + 3) / 2 = 2; seed 1: 8. Mean 5, not (1 + 3 + 8) / 3. s = 6 / √2, half width 12.7062 · 6 / 2.
    result = curve(training_curves([row(0, 1, [1, 3]), row(1, 1, [8])]), "return")
    assert result.env_steps == (10,)
    assert result.values[0].mean == 5.0
    assert result.values[0].high - 5.0 == pytest.approx(12.7062 * 3, rel=1e-4)


def test_a_seed_without_a_finished_episode_is_left_out_of_that_iteration():
    rows = [row(0, 1, [2], {"cost": (4.0,)}), row(1, 1, [], {"cost": ()}), row(0, 2, [3]), row(1, 2, [5])]
    curves = training_curves(rows)
    assert [(v.mean, v.num_seeds) for v in curve(curves, "return").values] == [(2.0, 1), (4.0, 2)]
    assert [(v.mean, v.num_seeds) for v in curve(curves, "cost/cost").values] == [(4.0, 1)]


def test_quantities_come_as_return_costs_multipliers_and_trials_apart():
    metrics = {"multiplier/value/b": 0.5, "multiplier/value/a": 0.25, "multiplier/error/a": 9.0}
    rows = [row(0, 1, [1], {"b": (1.0,), "a": (2.0,)}, trial=1, **metrics), row(0, 1, [7])]
    names = [(item.trial, item.quantity) for item in training_curves(rows)]
    expected = ["return", "cost/a", "cost/b", "multiplier/a", "multiplier/b"]
    assert names == [(0, "return"), *((1, name) for name in expected)]


def test_points_rise_in_env_steps_and_numbers_that_are_not_finite_are_left_out():
    rows = [row(0, 3, [3]), row(0, 1, [1], **{"multiplier/value": nan}), row(0, 2, [nan])]
    curves = training_curves(rows)
    assert curve(curves, "return").env_steps == (10, 30)
    assert [item.quantity for item in curves] == ["return"]


def test_no_rows_make_no_curves():
    assert training_curves([]) == []
