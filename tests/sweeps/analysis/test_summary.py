"""Numbers of a seed run and a trial, worked by hand."""

import pytest

from sweeps.analysis.summary import SeedSummary, feasible, interval, named_metrics, summarize_seed
from sweeps.records import Interval, ResultRow


def row(iteration, returns=(), costs=None, *, seed=0, trial=0, metrics=None):
    costs = {"cost": tuple(costs or ())} if not isinstance(costs, dict) else costs
    return ResultRow(trial, seed, iteration, 100 * iteration, 1e9 + iteration, 1, metrics or {}, tuple(returns), costs)


def test_takes_the_episodes_of_the_last_twentieth_of_the_iterations():
    # 40 iterations: the last 5 % are the iterations 39 and 40. Return (39 + 40) / 2, cost (78 + 80) / 2.
    rows = [row(i, [float(i)], [2.0 * i]) for i in range(1, 41)]
    summary = summarize_seed(rows)
    assert summary == SeedSummary(39.5, {"cost": 79.0}, 2, 40, 4000, {})


@pytest.mark.parametrize(("iterations", "episodes"), [(1, 1), (19, 1), (20, 1), (21, 2), (40, 2), (41, 3)])
def test_the_window_is_rounded_up_to_whole_iterations(iterations, episodes):
    assert summarize_seed([row(i, [0.0], [0.0]) for i in range(1, iterations + 1)]).num_episodes == episodes


def test_counts_each_episode_once_whichever_iteration_it_finished_in():
    # Last 2 of 40 iterations: three episodes in one and one in the other; (1 + 2 + 3 + 10) / 4 = 4, not (2 + 10) / 2.
    rows = [row(i) for i in range(1, 39)] + [row(39, [1, 2, 3], [4, 5, 6]), row(40, [10], [1])]
    summary = summarize_seed(rows)
    assert summary.mean_return == 4.0
    assert summary.mean_cost == {"cost": 4.0}


def test_reaches_back_to_the_last_iteration_in_which_an_episode_finished():
    rows = [row(1, [5.0], [9.0]), row(2, [7.0], [3.0]), row(3), row(4)]
    summary = summarize_seed(rows)
    assert (summary.mean_return, summary.mean_cost, summary.num_episodes) == (7.0, {"cost": 3.0}, 1)
    assert (summary.iterations, summary.env_steps) == (4, 400)


def test_the_order_of_rows_does_not_matter():
    rows = [row(i, [float(i)], [0.0], metrics={"multiplier/value": i / 10}) for i in range(1, 31)]
    assert summarize_seed(rows[::-1]) == summarize_seed(rows)
    assert summarize_seed(rows[::-1]).multiplier == {"cost": 3.0}


def test_a_seed_without_a_finished_episode_has_neither_return_nor_cost():
    summary = summarize_seed([row(1, metrics={"multiplier/value": 0.25}), row(2, metrics={"multiplier/value": 0.5})])
    assert summary == SeedSummary(None, None, 0, 2, 200, {"cost": 0.5})


def test_a_seed_without_rows_stands_at_the_start():
    assert summarize_seed([]) == SeedSummary(None, None, 0, 0, 0, {})


def test_several_costs_are_kept_apart_by_name():
    metrics = {"multiplier/value/hazards": 0.5, "multiplier/value/vases": 0.0, "multiplier/error/vases": -1.0}
    rows = [row(1, [1.0, 3.0], {"hazards": (4.0, 6.0), "vases": (0.0, 1.0)}, metrics=metrics)]
    summary = summarize_seed(rows)
    assert summary.mean_cost == {"hazards": 5.0, "vases": 0.5}
    assert summary.multiplier == {"hazards": 0.5, "vases": 0.0}


def test_rows_of_two_seeds_are_refused():
    with pytest.raises(ValueError, match=r"one \(trial, seed\).*\(0, 0\), \(0, 1\)"):
        summarize_seed([row(1), row(1, seed=1)])


def test_the_interval_over_seeds_is_students():
    # 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.302653; half width 4.302653 / √3 = 2.484138.
    result = interval([1.0, 2.0, 3.0])
    assert result == Interval(2.0, pytest.approx(2 - 2.4841377), pytest.approx(2 + 2.4841377), 3)


def test_feasible_means_that_every_constraint_holds_with_equality_allowed():
    cost = {"hazards": Interval(25.0, 20.0, 30.0, 3), "vases": Interval(4.0, 3.0, 5.0, 3)}
    assert feasible(cost, {"hazards": 25.0, "vases": 5.0})
    assert not feasible(cost, {"hazards": 24.9, "vases": 5.0})
    assert not feasible(cost, {"hazards": 25.0, "vases": 3.9})
    assert feasible(cost, {"vases": 5.0})


def test_a_constraint_without_a_cost_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\['gremlins'\] has none; known costs: \['cost'\]"):
        feasible({"cost": Interval(1.0, 1.0, 1.0, 1)}, {"gremlins": 5.0})


def test_a_metric_whose_name_only_starts_alike_is_no_constraint():
    assert named_metrics({"train/cost": 1.0, "train/costs": 2.0}, "train/cost") == {"cost": 1.0}
