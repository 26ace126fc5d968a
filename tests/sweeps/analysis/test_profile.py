"""λ-profiles: where the cost meets the limit, and which trials make the figure."""

from math import exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis.lambda_star import coordinate, lambda_star
from sweeps.analysis.profile import excess, profile_of
from sweeps.records import Interval, SeedRun, State, Trial
from sweeps.spec import StudySpec


def study(arms=None, cost_limit=50.0):
    arms = arms or {
        "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0, 1, 2]}},
        "ga": {"lagrangian": {"update": "ga"}},
    }
    return StudySpec.model_validate(
        {"name": "s", "task": "Circle1", "cost_limit": cost_limit, "env_steps": 20_000, "seeds": 2, "arms": arms}
    )


def trial(number, arm, params, value, cost, limit=50.0, *, state=State.COMPLETE, multiplier=0.0):
    if state is not State.COMPLETE:
        return Trial(number, str(number), arm, params, state)
    costs = cost if isinstance(cost, dict) else {"cost": cost}
    runs = tuple(SeedRun(s, state, multiplier=dict.fromkeys(costs, multiplier + s)) for s in range(2))
    interval = {name: Interval(mean, mean - 1, mean + 1, 2) for name, mean in costs.items()}
    feasible = all(mean <= limit for mean in costs.values())
    return Trial(number, str(number), arm, params, state, runs, Interval(value, value, value, 2), interval, feasible)


def test_the_limit_is_met_on_a_line_in_the_logarithm_of_the_multiplier():
    # Between λ = 1 (cost 80) and λ = 4 (cost 40) the limit 60 is half way: ln λ = ½ ln 4, λ = 2.
    assert lambda_star([0.5, 1.0, 4.0], [90.0, 80.0, 40.0], 60.0) == pytest.approx(2.0)
    # A quarter of the way down, 70: ln λ = ¼ ln 4, λ = √2.
    assert lambda_star([0.5, 1.0, 4.0], [90.0, 80.0, 40.0], 70.0) == pytest.approx(sqrt(2.0))


def test_below_the_smallest_positive_multiplier_the_line_is_straight_in_the_multiplier():
    # From λ = 0 (cost 100) to λ = 0.2 (cost 50): the limit 60 is 4/5 of the way, λ = 0.16.
    assert lambda_star([0.0, 0.2, 1.0], [100.0, 50.0, 10.0], 60.0) == pytest.approx(0.16)


def test_the_order_of_the_grid_does_not_matter():
    assert lambda_star([4.0, 0.5, 1.0], [40.0, 90.0, 80.0], 60.0) == pytest.approx(2.0)


def test_costs_that_rise_by_noise_are_levelled():
    # 30 and 50 at λ = 2 and 4 become 40 twice; with 80 at λ = 1 the limit 60 is half way to λ = 2: λ = √2.
    assert lambda_star([1.0, 2.0, 4.0, 8.0], [80.0, 30.0, 50.0, 10.0], 60.0) == pytest.approx(sqrt(2.0))
    # The limit 40 is met where the level begins, at λ = 2, although 50 was measured at λ = 4.
    assert lambda_star([1.0, 2.0, 4.0, 8.0], [80.0, 30.0, 50.0, 10.0], 40.0) == pytest.approx(2.0)


def test_a_slack_constraint_needs_no_multiplier():
    assert lambda_star([0.0, 1.0], [20.0, 10.0], 25.0) == 0.0
    assert lambda_star([0.0, 1.0], [25.0, 10.0], 25.0) == 0.0


def test_a_grid_that_does_not_cross_the_limit_says_nothing():
    assert lambda_star([0.0, 1.0, 2.0], [90.0, 80.0, 70.0], 60.0) is None
    assert lambda_star([0.5, 1.0], [50.0, 40.0], 60.0) is None
    assert lambda_star([0.0], [90.0], 60.0) is None


def test_a_point_on_the_limit_is_the_answer():
    assert lambda_star([0.0, 0.5, 1.0], [90.0, 60.0, 30.0], 60.0) == pytest.approx(0.5)


def test_what_is_no_grid_is_refused():
    for multipliers, costs in (([], []), ([1.0], [1.0, 2.0]), ([-1.0], [1.0])):
        with pytest.raises(ValueError, match="must hold"):
            lambda_star(multipliers, costs, 1.0)


@given(rate=st.floats(0.2, 3.0), limit=st.floats(30.0, 95.0))
def test_finds_the_multiplier_of_a_known_curve(rate, limit):
    # cost(λ) = 100 − 20 rate ln(λ / 0.01) on a fine grid: λ* = 0.01 exp((100 − limit) / (20 rate)), inside the grid.
    grid = [0.01 * exp(0.05 * i) for i in range(400)]
    costs = [100.0 - 20.0 * rate * log(value / 0.01) for value in grid]
    star = 0.01 * exp((100.0 - limit) / (20.0 * rate))
    result = lambda_star(grid, costs, limit)
    assert result == pytest.approx(star, rel=1e-6) if star < grid[-1] else result is None


@given(st.floats(1e-3, 10.0))
def test_the_axis_is_smooth_and_rises(smallest):
    assert coordinate(0.0, smallest) == 0.0
    assert coordinate(smallest, smallest) == 1.0
    step = 1e-6 * smallest  # slopes on both sides of λ₁ are 1 / λ₁
    above = (coordinate(smallest + step, smallest) - 1.0) / step
    below = (1.0 - coordinate(smallest - step, smallest)) / step
    assert above * smallest == pytest.approx(1.0, rel=1e-4)
    assert below * smallest == pytest.approx(1.0, rel=1e-4)


def test_a_profile_has_the_complete_fixed_trials_by_multiplier_and_a_level_for_each_other_arm():
    trials = [
        trial(0, "fixed", {"multiplier": 2.0}, 10.0, 30.0),
        trial(1, "fixed", {"multiplier": 0.0}, 40.0, 90.0),
        trial(2, "fixed", {"multiplier": 1.0}, 0.0, 0.0, state=State.FAIL),
        trial(3, "ga", {}, 25.0, 55.0, multiplier=0.5),
    ]
    profile = profile_of(study(), trials)
    (series,) = profile.series
    assert [(point.trial, point.multiplier, point.feasible) for point in series.points] == [
        (1, 0.0, False),
        (0, 2.0, True),
    ]
    # From 90 at 0 to 30 at 2, linear: 50 is ⅔ of the way, λ* = 4/3.
    assert series.lambda_star.value == pytest.approx(4 / 3)
    (level,) = profile.levels
    assert (level.label, level.trial, level.feasible, level.mean_return.mean) == ("ga", 3, False, 25.0)
    assert level.multiplier["cost"].mean == pytest.approx(1.0)  # seeds end at 0.5 and 1.5
    assert profile.cost_limits == {"cost": 50.0}


def test_an_arm_with_several_trials_shows_its_best_feasible_one_or_the_nearest():
    trials = [trial(0, "pid", {"kp": 0.1}, 90.0, 80.0), trial(1, "pid", {"kp": 0.2}, 10.0, 40.0)]
    trials += [trial(2, "pid", {"kp": 0.3}, 20.0, 50.0)]
    arms = {"pid": {"lagrangian": {"update": "pid"}, "search": {"kind": "grid", "kp": [0.1, 0.2, 0.3]}}}
    assert profile_of(study(arms), trials).levels[0].label == "pid (trial 2)"
    infeasible = [trial(0, "pid", {"kp": 0.1}, 90.0, 80.0), trial(1, "pid", {"kp": 0.2}, 10.0, 60.0)]
    level = profile_of(study(arms), infeasible).levels[0]
    assert (level.trial, level.feasible) == (1, False)


def test_other_parameters_of_a_fixed_arm_make_series_of_their_own():
    search = {"kind": "grid", "multiplier": [0, 1], "actor_lr": [1e-3, 1e-4]}
    arms = {"fixed": {"lagrangian": {"update": "fixed"}, "search": search}}
    trials = [
        trial(2 * i + j, "fixed", {"multiplier": float(j), "actor_lr": rate}, 1.0, 90.0 - 60 * j)
        for i, rate in enumerate((1e-3, 1e-4))
        for j in range(2)
    ]
    series = profile_of(study(arms), trials).series
    assert [item.label for item in series] == ["fixed (actor_lr=0.001)", "fixed (actor_lr=0.0001)"]
    assert [len(item.points) for item in series] == [2, 2]


def test_with_several_constraints_all_must_hold_at_lambda_star():
    # hazards meet 50 at λ = 1, vases (80, 60, 50) at λ = 2: the larger one counts.
    rows = [(0.0, 90.0, 80.0), (1.0, 50.0, 60.0), (2.0, 20.0, 50.0)]
    trials = [
        trial(i, "fixed", {"multiplier": value}, 1.0, {"hazards": a, "vases": b})
        for i, (value, a, b) in enumerate(rows)
    ]
    spec = study(cost_limit={"hazards": 50.0, "vases": 50.0})
    assert profile_of(spec, trials).series[0].lambda_star.value == pytest.approx(2.0)
    assert profile_of(spec, trials[:2]).series[0].lambda_star is None  # vases never meet theirs


def test_the_excess_is_the_largest_share_of_a_limit():
    # (60 − 50) / 50 = 0.2 and (6 − 4) / 4 = 0.5; (40 − 50) / 50 = −0.2 and (1 − 4) / 4 = −0.75.
    limits = {"hazards": 50.0, "vases": 4.0}
    assert excess(trial(0, "ga", {}, 1.0, {"hazards": 60.0, "vases": 6.0}), limits) == pytest.approx(0.5)
    assert excess(trial(0, "ga", {}, 1.0, {"hazards": 40.0, "vases": 1.0}), limits) == pytest.approx(-0.2)


def test_a_study_without_complete_trials_has_an_empty_profile():
    profile = profile_of(study(), [trial(0, "ga", {}, 0, 0, state=State.RUNNING)])
    assert (profile.series, profile.levels) == ((), ())
