"""The best trials: feasible, undominated, on fresh seeds where there are any."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis import objectives
from sweeps.analysis.best import best_trials, candidates, to_retest
from sweeps.records import Interval, SeedRun, State, Trial
from sweeps.spec import StudySpec


def spec_of(**changes: Any) -> StudySpec:
    search = {"kind": "optuna", "trials": 9, "space": {"kp": {"low": 0.0, "high": 1.0}}}
    search |= {"objectives": changes.pop("objectives", {"return": "maximize"})}
    data = {"name": "s", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 40_000, "seeds": 2}
    return StudySpec.model_validate({**data, "lagrangian": {"update": "pid"}, "search": search, **changes})


def trial(number: int, mean_return: float, cost: float = 10.0, rate: float = 0.0, **changes: Any) -> Trial:
    state = changes.pop("state", State.COMPLETE)
    run = SeedRun(0, state, mean_return=mean_return, mean_cost={"cost": cost}, measures={"violation_rate": rate})
    changes |= {"mean_cost": {"cost": Interval(cost, cost, cost, 1)}}
    return Trial(number, f"pid:{number}", "pid", {"kp": 0.1}, state, (run,), **changes)


BOTH = {"return": "maximize", "violation_rate": "minimize"}


def numbers(trials: list[Trial]) -> list[int]:
    return [trial.number for trial in trials]


def test_the_best_is_feasible_and_complete():
    trials = [trial(0, 9.0, cost=12.5), trial(1, 8.0, state=State.PRUNED), trial(2, 5.0), trial(3, 7.0, cost=12.0)]
    assert numbers(best_trials(spec_of(), trials)) == [3]
    assert best_trials(spec_of(), trials[:2]) == []


def test_a_trial_whose_objective_is_undefined_is_never_the_best():
    run = SeedRun(0, State.COMPLETE, mean_return=9.0, mean_cost={"cost": 1.0}, measures={})
    without_rate = Trial(0, "0", "pid", {"kp": 0.1}, State.COMPLETE, (run,))
    assert numbers(best_trials(spec_of(objectives=BOTH), [without_rate, trial(1, 2.0)])) == [1]


def test_several_objectives_have_a_front_best_in_the_first_one_first():
    trials = [trial(0, 5.0, rate=0.1), trial(1, 9.0, rate=0.5), trial(2, 4.0, rate=0.2), trial(3, 7.0, rate=0.3)]
    trials.append(trial(4, 99.0, cost=13.0, rate=0.0))
    assert numbers(best_trials(spec_of(objectives=BOTH), trials)) == [1, 3, 0]


def test_a_study_ranks_by_the_aggregate_that_it_asks_for():
    def of(number: int, returns: list[float]) -> Trial:
        runs = [SeedRun(s, State.COMPLETE, mean_return=r, mean_cost={"cost": 1.0}) for s, r in enumerate(returns)]
        return Trial(number, str(number), "pid", {"kp": 0.1}, State.COMPLETE, tuple(runs))

    trials = [of(0, [9.0, 1.0]), of(1, [4.0, 4.0])]
    assert numbers(best_trials(spec_of(), trials)) == [0]
    assert numbers(best_trials(spec_of(aggregate="worst"), trials)) == [1]


@pytest.mark.parametrize("how", ["iqm", "worst", {"quantile": 0.25}])
def test_ranking_draws_no_bootstrap(how: Any, monkeypatch: pytest.MonkeyPatch):
    def drawn(*_: Any) -> None:
        pytest.fail("5 ms a trial, with 10 000 trials a minute")

    monkeypatch.setattr(objectives, "bootstrap_interval", drawn)
    trials = [trial(0, 9.0), trial(1, 8.0)]
    assert numbers(best_trials(spec_of(aggregate=how, objectives=BOTH), trials)) == [0]


def test_retests_replace_the_results_that_they_repeat():
    trials = [trial(0, 9.0), trial(1, 8.0), trial(2, 3.0, retest_of=0), trial(3, 5.0, retest_of=1)]
    assert numbers(best_trials(spec_of(retest={"top": 2, "seeds": 1}), trials)) == [3]


def test_candidates_of_a_deployment_are_the_best_feasible_trials_and_then_the_nearest_to_their_limits():
    trials = [trial(0, 5.0), trial(1, 99.0, cost=30.0), trial(2, 7.0), trial(3, 1.0, cost=12.6), trial(4, 8.0)]
    trials.append(trial(5, 9.0, state=State.PRUNED))
    # The limit is 12: trials 4, 2 and 0 keep it; trial 3 exceeds it by 0.6, trial 1 by 18.
    assert numbers(candidates(spec_of(), trials, 9)) == [4, 2, 0, 3, 1]
    assert numbers(candidates(spec_of(), trials, 3)) == [4, 2, 0]
    front = [trial(0, 5.0, rate=0.1), trial(1, 9.0, rate=0.5), trial(2, 4.0, rate=0.2)]
    assert numbers(candidates(spec_of(objectives=BOTH), front, 9)) == [1, 0, 2]
    retested = [*trials, trial(6, 3.0, retest_of=2), trial(7, 2.0, retest_of=4)]
    assert numbers(candidates(spec_of(retest={"top": 2, "seeds": 1}), retested, 9)) == [6, 7]


def test_the_best_are_run_again_once_all_others_have_ended():
    spec = spec_of(retest={"top": 2, "seeds": 4})
    trials = [trial(0, 5.0), trial(1, 9.0), trial(2, 7.0), trial(3, 99.0, cost=13.0)]
    assert numbers(to_retest(spec, trials)) == [1, 2]
    assert to_retest(spec, [*trials, trial(4, 1.0, state=State.RUNNING)]) == []
    assert numbers(to_retest(spec, [*trials, trial(4, 1.0, retest_of=1, state=State.WAITING)])) == [2]
    assert to_retest(spec_of(), trials) == []


def test_of_several_objectives_the_front_is_run_again_first_and_then_the_next_front():
    spec = spec_of(objectives=BOTH, retest={"top": 3, "seeds": 4})
    trials = [trial(0, 5.0, rate=0.1), trial(1, 9.0, rate=0.5), trial(2, 4.0, rate=0.2), trial(3, 3.0, rate=0.9)]
    assert numbers(to_retest(spec, trials)) == [1, 0, 2]


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 24), st.floats(0, 1)), max_size=12))
def test_no_infeasible_and_no_beaten_trial_is_ever_among_the_best(values: list[tuple[float, float, float]]):
    trials = [trial(n, *value) for n, value in enumerate(values)]
    best = set(numbers(best_trials(spec_of(objectives=BOTH), trials)))
    feasible = [n for n, (_, cost, _) in enumerate(values) if cost <= 12.0]
    assert best <= set(feasible)
    assert bool(best) == bool(feasible)
    for n in feasible:
        beaten = any(
            values[m][0] >= values[n][0]
            and values[m][2] <= values[n][2]
            and (values[m][0], values[m][2]) != (values[n][0], values[n][2])
            for m in feasible
        )
        assert (n in best) == (not beaten)


def test_equals_are_all_among_the_best():
    assert numbers(best_trials(spec_of(), [trial(0, 5.0), trial(1, 5.0)])) == [0, 1]
