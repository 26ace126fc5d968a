"""Which trial a study wants next, and how many it still wants, from the ledger's trials alone."""

from typing import Any

from sweeps.records import Interval, SeedRun, State, Trial
from sweeps.running.outstanding import num_to_retest, num_to_suggest
from sweeps.running.suggestions import next_suggestion
from sweeps.spec import StudySpec

PROFILE = {
    "lagrangian": {"update": "fixed"},
    "search": {"kind": "adaptive_profile", "multiplier": {"high": 2.0}, "trials": 4, "tolerance": 1e-9},
}
GAINS = {
    "lagrangian": {"update": "pid"},
    "search": {"kind": "optuna", "sampler": "random", "trials": 2, "space": {"kp": {"low": 0.01, "high": 1.0}}},
}


def spec_of(arms: dict[str, Any], **changes: Any) -> StudySpec:
    data = {"name": "s", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 40_000, "seeds": 1, "arms": arms}
    return StudySpec.model_validate(data | changes)


def trial(number: int, arm: str, value: float, state: State = State.COMPLETE, **changes: Any) -> Trial:
    """A trial with return 5 and cost 10, which keeps its limit."""
    name = "multiplier" if arm == "fixed" else "kp"
    run = SeedRun(0, state, mean_return=5.0, mean_cost={"cost": 10.0}) if state.is_finished else SeedRun(0, state)
    mean = Interval(5.0, 5.0, 5.0, 1) if state.is_finished else None
    return Trial(number, f"{arm}:{value}", arm, {name: value}, state, (run,), mean_return=mean, **changes)


def test_arms_search_one_after_the_other_and_an_adaptive_one_waits_for_its_own_points() -> None:
    spec = spec_of({"fixed": PROFILE, "pid": GAINS})
    points = [trial(n, "fixed", value) for n, value in enumerate((0.0, 2.0, 0.2))]
    first = next_suggestion(spec, points[:1])
    assert first is not None
    assert (first.arm, first.params) == ("fixed", {"multiplier": 2.0})
    assert next_suggestion(spec, [*points, trial(3, "fixed", 1.0, State.RUNNING)]) is None
    after = next_suggestion(spec, [*points, trial(3, "fixed", 1.0)])
    assert after is not None
    assert (after.arm, after.retest_of) == ("pid", None)


def test_a_search_ends_with_its_trials_and_retests_do_not_count() -> None:
    spec = spec_of({"pid": GAINS}, retest={"top": 1, "seeds": 2})
    two = [trial(0, "pid", 0.1), trial(1, "pid", 0.2)]
    retest = next_suggestion(spec, two)
    assert retest is not None
    assert (retest.retest_of, retest.params, retest.key) == (0, {"kp": 0.1}, "pid:0.1 retest")
    assert next_suggestion(spec, [two[0], trial(1, "pid", 0.2, State.RUNNING)]) is None  # the best are not known yet
    done = [*two, trial(2, "pid", 0.1, retest_of=0)]
    assert next_suggestion(spec, done) is None
    larger = spec_of({"pid": GAINS | {"search": GAINS["search"] | {"trials": 3}}}, retest={"top": 1, "seeds": 2})
    more = next_suggestion(larger, done)
    assert more is not None
    assert more.retest_of is None


def test_the_number_decides_about_a_suggestion() -> None:
    spec = spec_of({"pid": GAINS})
    first, second = next_suggestion(spec, []), next_suggestion(spec, [trial(0, "pid", 0.1)])
    assert first is not None
    assert second is not None
    assert first.params != second.params
    assert next_suggestion(spec, []) == first


def test_a_configuration_that_comes_again_gets_a_key_of_its_own() -> None:
    search = GAINS["search"] | {"space": {"kp": {"choices": [0.5]}}}
    spec = spec_of({"pid": GAINS | {"search": search}})
    first = next_suggestion(spec, [])
    assert first is not None
    known = Trial(0, first.key, "pid", {"kp": 0.5}, State.RUNNING)
    again = next_suggestion(spec, [known])
    assert again is not None
    assert again.key == f"{first.key} #2"


def test_what_is_still_wanted_counts_points_trials_and_retests() -> None:
    spec = spec_of({"fixed": PROFILE, "pid": GAINS})
    retesting = spec_of({"fixed": PROFILE, "pid": GAINS}, retest={"top": 3, "seeds": 2})
    assert (num_to_suggest(retesting, []), num_to_retest(retesting, [])) == (4 + 2, 3)
    trials = [trial(0, "fixed", 0.0), trial(1, "pid", 0.1)]
    assert (num_to_suggest(retesting, trials), num_to_retest(retesting, trials)) == (3 + 1, 3)
    all_done = [trial(n, "fixed", value) for n, value in enumerate((0.0, 0.2, 1.0, 2.0))]
    all_done += [trial(4, "pid", 0.1), trial(5, "pid", 0.2)]
    assert (num_to_suggest(spec, all_done), num_to_retest(spec, all_done)) == (0, 0)
    running = [*all_done[:5], trial(5, "pid", 0.2, State.RUNNING)]
    assert num_to_retest(retesting, running) == 3
    one_retested = [*all_done, trial(6, "fixed", 0.0, retest_of=0)]  # of equals the first three
    assert num_to_retest(retesting, one_retested) == 2


def test_a_profile_that_is_precise_wants_no_more_once_its_points_have_ended() -> None:
    search = PROFILE["search"] | {"trials": 20, "tolerance": 100.0, "gap": 10.0}
    spec = spec_of({"fixed": PROFILE | {"search": search}}, seeds=2)

    def point(number: int, multiplier: float, cost: float, state: State = State.COMPLETE) -> Trial:
        runs = tuple(SeedRun(seed, state, mean_return=1.0, mean_cost={"cost": cost + seed}) for seed in (0, 1))
        mean = Interval(1.0, 1.0, 1.0, 2)
        params = {"multiplier": multiplier}
        return Trial(number, f"fixed:{multiplier}", "fixed", params, state, runs, mean_return=mean)

    points = [point(0, 0.0, 40.0), point(1, 2.0, 1.0), point(2, 0.2, 11.0)]
    assert num_to_suggest(spec, points) == 0
    assert next_suggestion(spec, points) is None
    assert num_to_suggest(spec, [*points, point(3, 0.1, 15.0, State.RUNNING)]) == 16


def test_a_point_that_was_stopped_takes_its_place_and_tells_no_cost() -> None:
    spec = spec_of({"fixed": PROFILE | {"search": PROFILE["search"] | {"trials": 9}}})
    crossing = [trial(n, "fixed", value) for n, value in enumerate((0.0, 2.0, 0.2))]
    runs = (SeedRun(0, State.PRUNED, mean_return=5.0, mean_cost={"cost": 90.0}),)
    mean = Interval(5.0, 5.0, 5.0, 1)

    def after(state: State) -> dict[str, Any]:
        last = Trial(3, "fixed:1.0", "fixed", {"multiplier": 1.0}, state, runs, mean_return=mean)
        found = next_suggestion(spec, [*crossing, last])
        assert found is not None
        return found.params

    assert after(State.PRUNED) == after(State.FAIL)
    assert after(State.PRUNED) != after(State.COMPLETE)
