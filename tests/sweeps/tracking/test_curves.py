"""Which points of a run are drawn."""

from itertools import pairwise

import pytest

from sweeps.records import ResultRow
from sweeps.tracking.curves import Curves
from sweeps.tracking.events import StudyStarted


def rows(first, last, steps_per_iteration=10, seed=0):
    return [ResultRow(0, seed, i, steps_per_iteration * i, 0.0, 1, {}) for i in range(first, last + 1)]


def started(env_steps):
    return StudyStarted(time=0.0, study="demo", spec_yaml="", tags={}, env_steps=env_steps)


def drawn(curves, rows):
    return [row.iteration for row in rows if curves.draws(row)]


def test_short_runs_are_drawn_whole():
    curves = Curves()
    curves.start(started(10_000))
    assert drawn(curves, rows(1, 1000)) == list(range(1, 1001))


def test_long_runs_are_drawn_evenly_with_their_last_point():
    curves = Curves()
    curves.start(started(10 * 4999))
    # 4999 iterations, 1000 points: every ⌈4.999⌉ = 5th, and the last, which is no multiple of 5.
    points = drawn(curves, rows(1, 4999))
    assert points == [*range(5, 4999, 5), 4999]


def test_a_study_that_is_extended_again_and_again_keeps_within_the_limit():
    curves, points, last = Curves(), [], 0
    for budget in (10_000, 20_000, 40_000, 80_000, 160_000):
        curves.start(started(10 * budget))
        new = drawn(curves, rows(last + 1, budget))
        assert len(new) > 20
        assert new[-1] == budget
        assert len({b - a for a, b in pairwise(new[:-1])}) == 1  # evenly
        points, last = points + new, budget
    assert len(points) <= 2000


def test_seeds_are_thinned_apart():
    curves = Curves()
    curves.start(started(10 * 3000))
    mixed = [row for pair in zip(rows(1, 9), rows(1, 9, seed=1), strict=True) for row in pair]
    assert drawn(curves, mixed) == [3, 3, 6, 6, 9, 9]


def test_a_driver_that_goes_on_draws_the_same_points():
    whole, resumed = Curves(), Curves()
    whole.start(started(10 * 3000))
    resumed.start(started(10 * 3000))
    points = drawn(resumed, rows(1, 1000))
    resumed.start(started(10 * 3000))
    assert points + drawn(resumed, rows(1001, 3000)) == drawn(whole, rows(1, 3000))


def test_without_a_budget_the_limit_holds():
    assert drawn(Curves(), rows(1, 2500)) == list(range(1, 2001))


def keys_drawn(rows):
    curves = Curves()
    return set().union(*(curves.drawn(row).metrics for row in rows))


def several_costs(names, iterations=3):
    """Rows as several constraints give them: no episode ends in the first iteration."""
    of_cost = (
        "multiplier/value",
        "multiplier/error",
        "multiplier/p",
        "multiplier/i",
        "multiplier/d",
        "loss/cost_value",
    )
    others = [*(f"loss/{index}" for index in range(12)), "loss/kl", "train/episodes"]
    first = dict.fromkeys((*others, *(f"{key}/{name}" for name in names for key in of_cost)), 1.0)
    ended = {"train/return": 1.0, "train/violation_rate": 0.5} | {f"train/cost/{name}": 1.0 for name in names}
    costs = dict.fromkeys(names, (1.0,))
    return [
        ResultRow(0, 0, i, 10 * i, 0.0, 1, first | (ended if i > 1 else {}), episode_costs=costs)
        for i in range(1, iterations + 1)
    ]


@pytest.mark.parametrize("count", [1, 3, 8, 12])
def test_the_return_and_each_cost_and_multiplier_are_drawn_however_many_the_keys_are(count):
    names = [f"cost_{index}" for index in range(count)] if count > 1 else ["cost"]
    drawn = keys_drawn(several_costs(names))
    # 40 keys, less the final ones of a seed: ten, or its return and each cost where these are more.
    assert len(drawn) == min(40 - max(10, 1 + count), 14 + 2 + 7 * count)
    assert drawn >= {"train/return", "train/violation_rate"}
    assert drawn >= {f"{key}/{name}" for key in ("train/cost", "multiplier/value") for name in names}


def test_a_key_that_is_drawn_once_is_drawn_to_the_end():
    curves = Curves()
    drawn = [set(curves.drawn(row).metrics) for row in several_costs(["a", "b", "c"])]
    assert drawn[0] < drawn[1] == drawn[2]


def test_few_keys_are_all_drawn_from_the_first_row_on():
    row = ResultRow(0, 0, 1, 10, 0.0, 1, {f"loss/{index}": 1.0 for index in range(30)})
    assert Curves().drawn(row) == row
