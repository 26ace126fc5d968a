"""Who is stopped on a rung, and who never is."""

import pytest

from sweeps.records import Interval
from sweeps.running.rungs import Standing, reason_to_stop
from sweeps.spec.limits import Stopping

ASHA = Stopping(rule="asha", min_trials=3)
MEDIAN = Stopping(rule="median", min_trials=3)
LIMITS = {"cost": 25.0}


def standing(mean_return: float, cost: float, half: float = 1.0) -> Standing:
    return Standing(
        Interval(mean_return, mean_return - half, mean_return + half, 3),
        {"cost": Interval(cost, cost - half, cost + half, 3)},
        LIMITS,
    )


def test_the_rungs_of_the_two_rules():
    assert ASHA.rungs == (0.2, 0.6, 0.7)
    assert MEDIAN.rungs == (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def test_no_cost_stops_a_trial_early():
    assert reason_to_stop(ASHA, 0.2, standing(1.0, 400.0), []) is None
    assert reason_to_stop(MEDIAN, 0.6, standing(1.0, 400.0), []) is None


def test_a_cost_whose_interval_lies_above_its_limit_stops_late():
    reason = reason_to_stop(ASHA, 0.7, standing(1.0, 26.5), [])
    assert reason == "after 70% of its budget cost 26.5 [25.5, 27.5] lies above the limit 25"
    assert reason_to_stop(ASHA, 0.7, standing(1.0, 25.9), []) is None  # its interval holds the limit


@pytest.mark.parametrize("stopping", [ASHA, MEDIAN])
def test_who_pays_for_safety_is_not_compared_with_those_who_do_not(stopping: Stopping):
    reckless = [standing(90.0 + n, 300.0) for n in range(9)]
    assert reason_to_stop(stopping, 0.2, standing(5.0, 10.0), reckless) is None


def test_asha_lets_the_best_third_of_the_feasible_pass():
    peers = [standing(value, 20.0) for value in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)]
    # The best 6 // 3 = 2 are 60 and 50: an interval up to 49.9 lies below 50, one up to 50 does not.
    reason = reason_to_stop(ASHA, 0.2, standing(48.9, 20.0), peers)
    assert reason == "after 20% of its budget return 48.9 [47.9, 49.9] lies below 50, the best 2 of 6 feasible trials"
    assert reason_to_stop(ASHA, 0.2, standing(49.0, 20.0), peers) is None


def test_the_median_rule_compares_with_the_median_of_the_feasible():
    peers = [*(standing(value, 20.0) for value in (10.0, 20.0, 60.0)), standing(99.0, 26.0)]
    assert reason_to_stop(MEDIAN, 0.5, standing(18.9, 30.0), peers) is not None
    assert reason_to_stop(MEDIAN, 0.5, standing(19.0, 30.0), peers) is None


def test_few_feasible_trials_stop_nobody():
    peers = [standing(90.0, 20.0), standing(95.0, 20.0), standing(99.0, 26.0)]
    assert reason_to_stop(ASHA, 0.2, standing(1.0, 20.0), peers) is None


def test_late_an_interval_below_that_of_the_best_feasible_stops():
    peers = [standing(value, 20.0) for value in (10.0, 20.0, 60.0)]
    # The median is 20; late the best feasible counts, whose interval begins at 59.
    assert reason_to_stop(MEDIAN, 0.6, standing(50.0, 20.0), peers) is None
    reason = reason_to_stop(MEDIAN, 0.7, standing(50.0, 20.0), peers)
    assert reason is not None
    assert reason.endswith("lies below 59, the interval of the best feasible trial")
    assert reason_to_stop(MEDIAN, 0.7, standing(58.5, 20.0), peers) is None
