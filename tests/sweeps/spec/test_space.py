"""Grids, Optuna's distributions and the identity of a trial."""

from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.errors import SpecError
from sweeps.spec import Arm, StudySpec
from sweeps.spec.search import Choices, OptunaSearch, Range
from sweeps.spec.space import distributions, known_points, num_trials, trial_key


def arm(lagrangian: dict[str, Any], search: dict[str, Any] | None) -> Arm:
    spec = StudySpec.model_validate(
        {
            "name": "s",
            "task": "Circle1",
            "cost_limit": 25.0,
            "env_steps": 40_000,
            "seeds": 2,
            "arms": {"a": {"lagrangian": lagrangian, "search": search}},
        }
    )
    return spec.arms["a"]


def optuna_search(space: dict[str, Any], trials: int = 5) -> OptunaSearch:
    search = arm({"update": "pid"}, {"kind": "optuna", "trials": trials, "space": space}).search
    assert isinstance(search, OptunaSearch)
    return search


def test_a_grid_is_the_product_of_its_axes_the_last_varying_fastest():
    grid = arm({"update": "fixed"}, {"kind": "grid", "multiplier": [0, 0.5], "cost_limit": [10, 20, 30]})
    assert known_points(grid) == [
        {"multiplier": multiplier, "cost_limit": limit} for multiplier in (0.0, 0.5) for limit in (10.0, 20.0, 30.0)
    ]
    assert num_trials(grid) == 2 * 3


def test_an_arm_without_a_search_is_one_trial():
    assert known_points(arm({"update": "ga"}, None)) == [{}]
    assert num_trials(arm({"update": "ga"}, None)) == 1


def test_an_arm_that_optuna_searches_has_its_number_of_trials_and_the_points_that_are_enqueued():
    search = {"kind": "optuna", "trials": 7, "space": {"kp": {"low": 0, "high": 1}, "ki": {"low": 0, "high": 1}}}
    assert num_trials(arm({"update": "pid"}, search)) == 7
    assert known_points(arm({"update": "pid"}, search)) == []
    known = arm({"update": "pid"}, {**search, "enqueue": [{"ki": 0, "kp": 1}, {"kp": 0.5, "ki": 0.5}]})
    assert known_points(known) == [{"kp": 1.0, "ki": 0.0}, {"kp": 0.5, "ki": 0.5}]
    assert list(known_points(known)[0]) == ["kp", "ki"]
    assert num_trials(known) == 7


def test_an_adaptive_profile_has_its_trials_at_most_and_no_points():
    adaptive = arm({"update": "fixed"}, {"kind": "adaptive_profile", "multiplier": {"low": 0.0, "high": 2.0}})
    assert (num_trials(adaptive), known_points(adaptive)) == (8, [])


def test_a_space_becomes_optunas_distributions_in_the_order_of_the_file():
    space = {
        "ki": {"low": 1e-5, "high": 0.1, "log": True},
        "kp": {"low": 0, "high": 1, "step": 0.25},
        "kd": {"low": 0, "high": 1},
        "delay": {"low": 1, "high": 10, "step": 3},
        "minibatch_size": {"low": 32, "high": 256, "log": True},
        "form": {"choices": ["omnisafe", "stooke"]},
        "sum_norm": {"choices": [True, False]},
    }
    found = distributions(optuna_search(space))
    assert found == {
        "ki": FloatDistribution(1e-5, 0.1, log=True),
        "kp": FloatDistribution(0.0, 1.0, step=0.25),
        "kd": FloatDistribution(0.0, 1.0),
        "delay": IntDistribution(1, 10, step=3),
        "minibatch_size": IntDistribution(32, 256, log=True),
        "form": CategoricalDistribution(("omnisafe", "stooke")),
        "sum_norm": CategoricalDistribution((True, False)),
    }
    assert list(found) == list(space)


def test_both_ends_of_every_range_can_be_suggested():
    found = distributions(
        optuna_search({"delay": {"low": 1, "high": 10, "step": 3}, "kp": {"low": 0, "high": 1, "step": 0.1}})
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    suggested = [study.ask(found).params for _ in range(200)]
    assert {params["delay"] for params in suggested} == {1, 4, 7, 10}
    kps = {round(params["kp"], 6) for params in suggested}
    assert {min(kps), max(kps), len(kps)} == {0.0, 1.0, 11}


def test_a_range_of_no_type_is_refused():
    search = OptunaSearch(trials=1, space={"kp": Range(low=0.0, high=1.0)})
    with pytest.raises(SpecError, match="no type"):
        distributions(search)
    assert distributions(OptunaSearch(trials=1, space={"kp": Choices(choices=(1,))})) == {
        "kp": CategoricalDistribution((1,))
    }


def test_what_optuna_suggests_resolves_to_a_run():
    space = {"kp": {"low": 1e-4, "high": 1, "log": True}, "num_envs": {"choices": [5, 10]}}
    spec = StudySpec.model_validate(
        {
            "name": "s",
            "task": "Circle1",
            "cost_limit": 25.0,
            "env_steps": 40_000,
            "seeds": 2,
            "lagrangian": {"update": "pid"},
            "search": {"kind": "optuna", "trials": 3, "space": space},
        }
    )
    search = spec.arms["pid"].search
    assert isinstance(search, OptunaSearch)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        params = study.ask(distributions(search)).params
        run = spec.resolve("pid", params)
        assert (run.lagrangian.model_dump()["kp"], run.parameters.num_envs) == (params["kp"], params["num_envs"])


def test_a_key_is_the_same_however_the_configuration_was_written():
    assert trial_key("a", {"x": 1, "y": "b"}) == trial_key("a", {"y": "b", "x": 1.0}) == 'a:{"x":1,"y":"b"}'
    assert trial_key("a", {"x": -0.0}) == trial_key("a", {"x": 0})
    assert trial_key("a", {"x": (8, 8)}) == trial_key("a", {"x": [8, 8]})
    assert trial_key("a", {}) == "a:{}"


def test_different_configurations_have_different_keys():
    keys = [
        trial_key(name, params)
        for name, params in [
            ("a", {}),
            ("b", {}),
            ("a", {"x": 0.1}),
            ("a", {"x": 0.1 + 2e-17 * 10}),  # the next but few float64
            ("a", {"y": 0.1}),
            ("a", {"x": True}),
            ("a", {"x": 1}),
            ("a", {"x": "1"}),
        ]
    ]
    assert len(set(keys)) == len(keys)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_keys_are_equal_exactly_where_the_numbers_are(one: float, other: float):
    assert (trial_key("a", {"x": one}) == trial_key("a", {"x": other})) == (one == other)


def test_the_keys_of_a_grid_are_distinct():
    grid = arm({"update": "fixed"}, {"kind": "grid", "multiplier": "paper", "num_envs": [1, 2, 4]})
    keys = {trial_key("a", point) for point in known_points(grid)}
    assert len(keys) == 25 * 3
