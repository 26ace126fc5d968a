"""Objectives against worked runs, their aggregates, and what a trial amounts to."""

import pytest

from sweeps.analysis.objectives import aggregated, judge, measure_seed
from sweeps.records import Interval, ResultRow, SeedRun, State, Trial
from sweeps.spec.objectives import DIRECTIONS, Aggregate, CostBound, Objective, Quantile

LIMIT = {"cost": 25.0}


def rows_of(returns: list[float], costs: list[float], multipliers: list[float] | None = None) -> list[ResultRow]:
    """Iterations of 100 env steps with two episodes each, around the given means."""
    return [
        ResultRow(
            *(0, 0, index + 1, 100 * (index + 1), 0.0, 1),
            metrics={"multiplier/value": (multipliers or [0.0] * len(returns))[index]},
            episode_returns=(mean_return - 1.0, mean_return + 1.0),
            episode_costs={"cost": (cost - 2.0, cost + 2.0)},
        )
        for index, (mean_return, cost) in enumerate(zip(returns, costs, strict=True))
    ]


def test_the_measures_of_a_worked_run():
    # Feasible at iterations 2, 4, 5; t₀ = 2. After it 3, 4, 5: one of three breaks the limit, by 10: mean 10 / 3.
    rows = rows_of([9.0, 4.0, 8.0, 6.0, 5.0], [60.0, 25.0, 35.0, 20.0, 24.0], [0.0, 1.0, 0.5, 0.5, 2.0])
    measured = measure_seed(rows, LIMIT)
    assert measured == {
        "violation_rate": pytest.approx(1 / 3),
        "violation_magnitude": pytest.approx(10 / 3),
        "oscillation": pytest.approx((1.0 + 0.5 + 0.0 + 1.5) / 4),
        "best_feasible_return": 6.0,
        "time_to_feasible": 200.0,
        "feasible_return_area": pytest.approx((4.0 + 6.0 + 5.0) / 5),
    }
    assert measured == measure_seed(rows[::-1], LIMIT)


def test_a_run_that_never_reaches_its_limit_violates_all_the_time():
    measured = measure_seed(rows_of([1.0, 2.0], [30.0, 40.0]), LIMIT)
    assert "best_feasible_return" not in measured
    # Excesses of 5 and 15; it takes the whole run.
    assert (measured["violation_rate"], measured["violation_magnitude"]) == (1.0, 10.0)
    assert (measured["time_to_feasible"], measured["feasible_return_area"]) == (200.0, 0.0)


def test_a_run_that_reaches_its_limit_last_has_no_rate():
    measured = measure_seed(rows_of([1.0, 2.0], [30.0, 20.0]), LIMIT)
    assert not {"violation_rate", "violation_magnitude"} & set(measured)
    assert measured["best_feasible_return"] == 2.0


def test_iterations_without_an_episode_do_not_count():
    rows = rows_of([1.0, 2.0, 3.0], [20.0, 30.0, 20.0])
    silent = ResultRow(0, 0, 4, 400, 0.0, 1, metrics={"multiplier/value": 9.0})
    assert measure_seed([*rows, silent], LIMIT) == measure_seed(rows, LIMIT)
    assert measure_seed([silent], LIMIT) == {}


def test_every_limit_must_be_kept_at_once():
    rows = [
        ResultRow(
            *(0, 0, index + 1, 100, 0.0, 1), metrics={}, episode_returns=(1.0,), episode_costs={"a": (a,), "b": (b,)}
        )
        for index, (a, b) in enumerate([(1.0, 1.0), (1.0, 9.0), (4.0, 9.0), (1.0, 1.0)])
    ]
    measured = measure_seed(rows, {"a": 2.0, "b": 3.0})
    # After the first: 9 − 3 = 6; max(4 − 2, 9 − 3) = 6; kept.
    assert measured["violation_rate"] == pytest.approx(2 / 3)
    assert measured["violation_magnitude"] == pytest.approx(12 / 3)


def trial_of(returns: list[float], costs: list[float], **measures: list[float]) -> Trial:
    runs = tuple(
        SeedRun(
            *(seed, State.COMPLETE),
            mean_return=returns[seed],
            mean_cost={"cost": costs[seed]},
            measures={name: values[seed] for name, values in measures.items() if seed < len(values)},
        )
        for seed in range(len(returns))
    )
    return Trial(0, "a:{}", "a", {}, State.COMPLETE, runs)


def test_the_aggregates_of_a_worked_sample():
    values = [4.0, 1.0, 2.0, 9.0]
    assert aggregated(values, "mean", "maximize").mean == 4.0
    assert aggregated(values, "iqm", "maximize").mean == 3.0  # of 2 and 4
    assert aggregated(values, "worst", "maximize").mean == 1.0
    assert aggregated(values, "worst", "minimize").mean == 9.0
    # A quarter from the worst, between order statistics as numpy does: 1 + 0.75 · 1, and 9 − 0.75 · 5.
    assert aggregated(values, Quantile(quantile=0.25), "maximize").mean == pytest.approx(1.75)
    assert aggregated(values, Quantile(quantile=0.25), "minimize").mean == pytest.approx(5.25)


def test_intervals_hold_the_aggregate_and_that_of_the_worst_reaches_only_to_the_better_side():
    values = [4.0, 1.0, 2.0, 9.0, 5.0]
    for how in ("mean", "iqm", "worst", Quantile(quantile=0.5)):
        for direction in ("maximize", "minimize"):
            interval = aggregated(values, how, direction)
            assert interval.low <= interval.mean <= interval.high
    assert aggregated(values, "worst", "maximize").low == 1.0


def test_which_bound_must_be_kept_decides_about_feasibility():
    # Costs 20 and 28: mean 24; t-interval 24 ± 12.706 · 4 = −26.8 … 74.8.
    trial = trial_of([1.0, 1.0], [20.0, 28.0])
    violations = {}
    for bound in ("mean", "lower", "upper"):
        judgment = judge(trial, LIMIT, cost_bound=bound)
        assert judgment is not None
        violations[bound] = judgment.violations["cost"]
        assert judgment.feasible == (bound != "upper")
    assert violations == pytest.approx({"mean": -1.0, "lower": -1.0 - 50.824819, "upper": -1.0 + 50.824819})
    worst = judge(trial, LIMIT, aggregate="worst")
    assert worst is not None
    assert worst.violations == {"cost": 3.0}


@pytest.mark.parametrize("how", ["mean", "iqm", "worst", Quantile(quantile=0.25)])
@pytest.mark.parametrize("bound", ["mean", "lower", "upper"])
def test_a_judgment_without_intervals_decides_alike(how: Aggregate, bound: CostBound):
    trial = trial_of([4.0, 1.0, 2.0, 9.0, 5.0], [20.0, 28.0, 24.0, 31.0, 22.0], oscillation=[0.5, 0.2, 0.1, 0.4, 0.3])
    names: list[Objective] = ["return", "cost", "oscillation", "violation_rate"]

    told, bare = (judge(trial, LIMIT, names, aggregate=how, cost_bound=bound, intervals=each) for each in (True, False))

    assert told is not None
    assert bare is not None
    assert bare.violations == told.violations
    for name in names[:3]:
        with_interval, without = told.objectives[name], bare.objectives[name]
        assert with_interval is not None
        assert without == Interval(*[with_interval.mean] * 3, num_seeds=5)
    assert bare.objectives["violation_rate"] is None


def test_objectives_come_from_the_seeds_and_are_undefined_where_one_has_none():
    trial = trial_of([1.0, 3.0], [20.0, 22.0], oscillation=[0.5, 0.25], best_feasible_return=[7.0])
    judgment = judge(trial, LIMIT, list(DIRECTIONS))
    assert judgment is not None
    means = {name: None if value is None else value.mean for name, value in judgment.objectives.items()}
    assert means["return"] == 2.0
    assert means["cost"] == 21.0
    assert means["oscillation"] == 0.375
    assert means["best_feasible_return"] is None
    assert means["violation_rate"] is None


def test_a_trial_without_results_amounts_to_nothing_yet():
    assert judge(Trial(0, "", "a", {}, State.WAITING, (SeedRun(0, State.WAITING),)), LIMIT) is None


def test_a_cost_at_its_limit_keeps_it():
    judgment = judge(trial_of([1.0, 1.0], [24.0, 26.0]), LIMIT)
    assert judgment is not None
    assert judgment.violations == {"cost": 0.0}
    assert judgment.feasible


def test_the_cost_of_several_constraints_is_their_sum():
    run = SeedRun(0, State.COMPLETE, mean_return=1.0, mean_cost={"a": 3.0, "b": 4.5})
    judgment = judge(Trial(0, "a:{}", "a", {}, State.COMPLETE, (run,)), {"a": 5.0, "b": 5.0}, ["cost"])
    assert judgment is not None
    assert judgment.objectives["cost"] is not None
    assert judgment.objectives["cost"].mean == 7.5


def test_the_worst_seed_of_what_is_minimized_has_most_of_it():
    judgment = judge(
        trial_of([1.0, 3.0], [20.0, 22.0], oscillation=[0.5, 0.25]), LIMIT, list(DIRECTIONS), aggregate="worst"
    )
    assert judgment is not None
    worst = [judgment.objectives[name] for name in ("return", "cost", "oscillation")]
    assert [value and value.mean for value in worst] == [1.0, 22.0, 0.5]


def test_of_several_multipliers_the_one_that_moves_most_oscillates():
    rows = [
        ResultRow(
            *(0, 0, index + 1, 100, 0.0, 1),
            metrics={"multiplier/value/a": calm, "multiplier/value/b": restless},
            episode_returns=(1.0,),
            episode_costs={"a": (1.0,), "b": (1.0,)},
        )
        for index, (calm, restless) in enumerate([(1.0, 0.0), (1.5, 4.0), (1.0, 1.0)])
    ]
    # (|4 − 0| + |1 − 4|) / 2 of b; a moves by 0.5 twice.
    assert measure_seed(rows, {"a": 2.0, "b": 2.0})["oscillation"] == 3.5
