"""Causes that are named, each from the smallest history that shows it."""

import numpy as np
import pytest

from algorithms.functional.findings import findings

K = 40
OVER, UNDER = np.full(K, 60.0), np.full(K, 20.0)


def codes(multiplier: object, cost: object, **options: object) -> list[str]:
    return [finding.code for finding in findings(multiplier, cost, 25.0, **options)]  # pyright: ignore


def test_gains_of_1e_minus_4_are_too_small_for_a_short_budget_and_not_for_a_long_one():
    # 0.003 an iteration: 0.12 after 40, 0.003·160 = 0.48 after 160, 1.5 after 500.
    rising = 0.003 * np.arange(1, K + 1)
    assert codes(rising, OVER) == ["gains_too_small"]
    assert codes(rising, OVER, iterations=160) == ["gains_too_small"]
    assert "ends the budget at 0.48:" in findings(rising, OVER, 25.0, iterations=160)[0].message
    assert codes(rising, OVER, iterations=500) == ["limit_never_reached"]
    # K = 1e-4 on Goal1: 1.5 after all 500 iterations, half of it from their second half, where more than 4 is needed.
    goal = codes(0.003 * np.arange(1, 501), np.full(500, 60.0))
    assert goal == ["gains_too_small"]
    settled = np.minimum(0.03 * np.arange(1, 501), 1.5)  # came there early and stays: the gains are not the cause
    assert codes(settled, np.full(500, 60.0)) == ["limit_never_reached"]


def test_an_untrained_policy_within_the_limit_has_not_reached_it():
    rising = 0.003 * np.arange(1, 501)
    assert codes(rising[:100], np.r_[9.3, np.full(99, 60.0)]) == ["gains_too_small"]
    # 1.5 is above the 0.5 that is called weak.
    level = np.full(500, 1.5)
    assert codes(level, np.r_[9.3, np.full(499, 60.0)]) == ["limit_never_reached"]
    assert "lowest cost 60" in findings(level, np.r_[9.3, np.full(499, 60.0)], 25.0)[0].message
    assert codes(np.linspace(0, 40, 500), np.r_[9.3, 12.0, np.full(498, 60.0)]) == ["infeasible_limit"]
    # Within the limit again at the end: it was reached.
    assert codes(rising[:40], np.r_[np.full(14, 9.3), np.full(25, 60.0), 20.0]) == []
    # Too few iterations over the limit to say that it is never reached.
    assert codes(np.ones(K), np.r_[np.full(K - 5, 9.3), np.full(5, 60.0)]) == []


def test_a_large_multiplier_and_a_cost_that_no_longer_falls_mean_an_infeasible_limit():
    rising = np.linspace(0, 40, K)
    assert codes(rising, OVER) == ["infeasible_limit"]
    assert codes(rising, np.linspace(60, 30, K)) == ["limit_never_reached"]
    assert codes(np.linspace(0, 8, K), OVER) == ["limit_never_reached"]


def test_a_multiplier_at_its_cap_is_named_whether_the_limit_was_reached_or_not():
    capped = np.minimum(0.1 * np.arange(K), 2.0)
    assert codes(capped, OVER, multiplier_max=2.0) == ["at_cap"]
    assert (
        "raise penalty_max" in findings(capped, OVER, 25.0, multiplier_max=2.0, remedy="raise penalty_max")[0].message
    )
    assert codes(capped, np.r_[OVER[1:], 20.0], multiplier_max=2.0) == ["at_cap"]
    assert codes(capped, np.r_[OVER[1:], 20.0]) == []


def test_a_multiplier_at_zero_is_a_slack_limit_or_stuck():
    assert codes(np.zeros(K), UNDER) == ["slack_limit"]
    assert codes(np.zeros(K), np.r_[OVER[:20], UNDER[:20]]) == ["stuck_at_zero"]
    assert codes(np.r_[np.zeros(K - 5), np.ones(5)], UNDER) == []


def test_a_multiplier_that_holds_the_cost_around_its_limit_has_no_finding():
    swing = np.sin(np.arange(K))
    assert codes(1 + 0.1 * swing, 25 + 5 * swing) == []


def test_the_limit_may_move():
    assert findings(np.ones(K), np.linspace(60, 30, K), np.linspace(61, 31, K)) == []


def test_a_short_history_says_nothing_and_two_lengths_are_refused():
    assert codes(np.zeros(9), OVER[:9]) == []
    with pytest.raises(ValueError, match="one length, but got 40 and 3"):
        findings(np.zeros(K), [1.0, 2.0, 3.0], 25.0)
