"""Fronts and cost limits by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis.cost_limits import CUSTOMARY, recommended_limits
from sweeps.analysis.fronts import (
    front,
    limit_at_price,
    price_of_safety,
    restrictiveness,
    signed_distance,
)

# Costs and returns of six multipliers. Corners of the hull: (10, 0), (20, 6), (60, 14); (40, 9) lies below the line
# from (20, 6) to (60, 14), which is 10 there; (30, 5) is beaten by (20, 6), (80, 12) by (60, 14).
COSTS, RETURNS = [80.0, 60.0, 40.0, 30.0, 20.0, 10.0], [12.0, 14.0, 9.0, 5.0, 6.0, 0.0]


def test_the_hull_by_hand():
    hull = front(COSTS, RETURNS)
    assert hull.costs.tolist() == [10.0, 20.0, 60.0]
    assert hull.returns.tolist() == [0.0, 6.0, 14.0]
    assert [hull.best_return(c) for c in (9.0, 10.0, 15.0, 40.0, 60.0, 99.0)] == pytest.approx(
        [math.nan, 0.0, 3.0, 10.0, 14.0, 14.0], nan_ok=True
    )


def test_the_running_maximum_by_hand():
    stairs = front(COSTS, RETURNS, "running_maximum")
    assert stairs.costs.tolist() == [10.0, 20.0, 40.0, 60.0]
    assert [stairs.best_return(c) for c in (19.9, 20.0, 39.0, 40.0, 99.0)] == [0.0, 6.0, 6.0, 9.0, 14.0]
    assert math.isnan(stairs.best_return(9.0))


def test_of_equal_costs_the_best_return_counts():
    stairs = front([20.0, 0.0, 20.0], [5.0, 0.0, 8.0], "running_maximum")
    assert stairs.costs.tolist() == [0.0, 20.0]
    assert stairs.returns.tolist() == [0.0, 8.0]


def test_the_slope_is_that_of_the_piece_to_the_left():
    hull = front(COSTS, RETURNS)
    assert [hull.slope(c) for c in (15.0, 20.0, 20.1, 60.0, 61.0)] == pytest.approx([0.6, 0.6, 0.2, 0.2, 0.0])
    assert math.isnan(hull.slope(10.0))
    with pytest.raises(ValueError, match="hull"):
        front(COSTS, RETURNS, "running_maximum").slope(20.0)


def test_the_distance_is_taken_at_the_runs_own_cost():
    hull = front(COSTS, RETURNS)
    assert signed_distance(hull, 40.0, 11.5) == pytest.approx(1.5)
    assert signed_distance(hull, 15.0, 1.0) == pytest.approx(-2.0)
    assert math.isnan(signed_distance(hull, 5.0, 1.0))


def test_restrictiveness_and_price_of_safety():
    hull = front(COSTS, RETURNS)
    # c_max = 80 is that of the largest cost, beaten or not: (80 − 45) / 70.
    assert restrictiveness(hull, 45.0) == pytest.approx(0.5)
    assert restrictiveness(hull, 3.0) > 1.0
    # R*(40) = 10 of 0 … 14.
    assert price_of_safety(hull, 40.0) == pytest.approx(1.0 - 10.0 / 14.0)
    assert price_of_safety(hull, 80.0) == 0.0
    raised = front(COSTS, [value + 100.0 for value in RETURNS])  # a share of the range, not of the return
    assert price_of_safety(raised, 40.0) == pytest.approx(1.0 - 10.0 / 14.0)
    assert math.isnan(price_of_safety(hull, 5.0))
    assert math.isnan(restrictiveness(front([5.0], [1.0]), 5.0))
    assert math.isnan(price_of_safety(front([5.0], [1.0]), 5.0))


def test_the_limit_at_a_price_inverts_the_price():
    hull = front(COSTS, RETURNS)
    for price in (0.1, 0.5, 0.9, 1.0):
        assert price_of_safety(hull, limit_at_price(hull, price)) == pytest.approx(price)
    # R = 7 on the piece from (20, 6) by 0.2: 20 + 1/0.2.
    assert limit_at_price(hull, 0.5) == pytest.approx(25.0)
    with pytest.raises(ValueError, match="price"):
        limit_at_price(hull, 1.1)


points = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)


@given(points)
def test_no_point_lies_above_a_front_and_every_corner_is_a_point(drawn):
    costs, returns = [float(c) for c, _ in drawn], [float(r) for _, r in drawn]
    for kind in ("hull", "running_maximum"):
        built = front(costs, returns, kind)
        assert all(signed_distance(built, c, r) <= 1e-9 for c, r in zip(costs, returns, strict=True))
        assert set(zip(built.costs, built.returns, strict=True)) <= set(zip(costs, returns, strict=True))
    hull, stairs = front(costs, returns), front(costs, returns, "running_maximum")
    assert all(hull.best_return(c) >= stairs.best_return(c) for c in costs)
    slopes = [hull.slope(c) for c in hull.costs[1:]]
    assert slopes == sorted(slopes, reverse=True)


def test_limits_for_each_regime():
    advice = {a.regime: a for a in recommended_limits([[c] for c in COSTS], [[r] for r in RETURNS])}
    # R = 14 · (0.9, 0.5, 0.1) = 12.6, 7, 1.4: 20 + 6.6/0.2, 20 + 1/0.2, 10 + 1.4/0.6.
    assert advice["loose"].limit == pytest.approx(53.0)
    assert advice["moderate"].limit == pytest.approx(25.0)
    assert advice["tight"].limit == pytest.approx(10.0 + 1.4 / 0.6)
    assert advice["customary"].limit == CUSTOMARY
    assert [a.refused for a in advice.values()] == [None] * 4
    assert advice["tight"].slope.mean == pytest.approx(0.6)
    assert advice["moderate"].restrictiveness == pytest.approx(55 / 70)


def test_a_limit_that_nothing_reached_is_refused():
    advice = {a.regime: a for a in recommended_limits([[90.0], [50.0]], [[9.0], [1.0]])}
    assert advice["customary"].refused == "infeasible: no multiplier reached a cost below 50"
    assert advice["loose"].refused is None


def test_a_limit_is_refused_where_the_return_may_not_depend_on_it():
    costs = [[20.0, 20.0], [60.0, 60.0]]
    sure = recommended_limits(costs, [[1.0, 1.0], [9.0, 9.0]])
    unsure = recommended_limits(costs, [[1.0, 9.0], [2.0, 10.0]])
    assert all(a.refused is None for a in sure)
    assert all("dR*/dd includes 0" in a.refused for a in unsure)


def test_where_cost_buys_nothing_no_limit_is_recommended():
    assert recommended_limits([[10.0], [50.0]], [[3.0], [3.0]]) == []
    with pytest.raises(ValueError, match="same seeds"):
        recommended_limits([[1.0, 2.0]], [[1.0]])
    with pytest.raises(ValueError, match="finite"):
        front([], [])
