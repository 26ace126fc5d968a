"""Which points of a run are drawn."""

from itertools import pairwise

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
