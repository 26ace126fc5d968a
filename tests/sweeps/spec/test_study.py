"""What a study may say, what is filled in, and that it survives being written and read."""

import json
import math
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algorithms.parameters import (
    PID,
    FixedMultiplier,
    GradientAscent,
    MultiplierParameters,
    PPOParameters,
    SACParameters,
)
from environments.tasks import MULTIPLIER_GRIDS
from sweeps.errors import SpecError
from sweeps.spec import Arm, StudySpec
from sweeps.spec.presets import PPO_PRESETS, PPOHyperparameters, SACHyperparameters
from sweeps.spec.run import COST_LIMIT
from sweeps.spec.search import Choices, GridSearch, OptunaSearch, Range

BASE: dict[str, Any] = {"name": "s", "task": "Circle1", "cost_limit": 25.0, "env_steps": 40_000, "seeds": 2}


def study(**changes: Any) -> StudySpec:
    data = {**BASE, **changes}
    return StudySpec.model_validate(data if {"arms", "lagrangian"} & data.keys() else {**data, "lagrangian": GA})


GA = {"update": "ga"}
FIXED = {"update": "fixed"}
PID_ = {"update": "pid"}


def test_a_single_arm_at_the_top_level_bears_its_updates_name():
    single = study(lagrangian=FIXED, search={"kind": "grid", "multiplier": [0, 1]})
    named = study(arms={"fixed": {"lagrangian": FIXED, "search": {"kind": "grid", "multiplier": [0, 1]}}})
    assert single == named
    assert list(single.arms) == ["fixed"]
    assert single.sha256 == named.sha256


def test_a_single_arm_may_be_given_as_models_in_python():
    spec = study(lagrangian=PID(kp=0.5), search=GridSearch.model_validate({"kind": "grid", "ki": [0.1]}))
    assert spec.arms["pid"].lagrangian == PID(kp=0.5)


def test_a_number_of_seeds_stands_for_the_seeds_from_zero():
    assert study(seeds=3).seed_list == (0, 1, 2)
    assert study(seeds=(7, 2)).seed_list == (7, 2)


def test_a_single_limit_is_that_of_the_total_cost():
    assert study(cost_limit=5).cost_limits == {"cost": 5.0}
    assert study(cost_limit={"hazards": 1.0, "vases": 2}).cost_limits == {"hazards": 1.0, "vases": 2.0}


def test_the_preset_paper_is_table_a1_and_others_differ_only_where_stated():
    assert study().hyperparameters.to_parameters() == PPOParameters()
    for name, changes in PPO_PRESETS.items():
        expected = PPOParameters(**changes)
        assert study(hyperparameters={"preset": name}).hyperparameters.to_parameters() == expected


def test_the_preset_fac_is_that_of_its_published_code():
    """`train_scripts/train_script4fsac.py`: replay_starts, *_lr_schedule[0], gradient_clip_norm, max_buffer_size."""
    sac = study(algorithm="sac_lagrangian", hyperparameters={"preset": "fac"}).hyperparameters.to_parameters()
    assert isinstance(sac, SACParameters)
    assert (sac.learning_starts, sac.buffer_size, sac.batch_size, sac.policy_delay) == (3_000, 500_000, 256, 2)
    assert (sac.actor_lr, sac.critic_lr, sac.alpha_lr, sac.tau) == (3e-5, 8e-5, 8e-5, 0.005)
    assert (sac.auto_alpha, sac.alpha, sac.grad_clip, sac.hidden_sizes) == (True, 1.0, 10.0, (256, 256))


def test_a_given_hyperparameter_wins_over_the_preset():
    ppo = study(hyperparameters={"preset": "desk", "num_epochs": 3}).hyperparameters.to_parameters()
    assert isinstance(ppo, PPOParameters)
    assert (ppo.num_epochs, ppo.steps_per_iteration) == (3, 4_000)


def test_the_word_paper_is_the_published_grid_of_the_task():
    spec = study(task="Push1", lagrangian=FIXED, search={"kind": "grid", "multiplier": "paper"})
    search = spec.arms["fixed"].search
    assert isinstance(search, GridSearch)
    assert search.axes == {"multiplier": tuple(map(float, MULTIPLIER_GRIDS["Push1"]))}


def test_values_of_a_grid_take_the_type_of_their_name():
    spec = study(lagrangian=PID_, search={"kind": "grid", "kp": [0, 1], "delay": [2], "sum_norm": [True]})
    search = spec.arms["pid"].search
    assert isinstance(search, GridSearch)
    assert [type(values[0]) for values in search.axes.values()] == [float, int, bool]


def test_a_range_takes_the_type_of_its_name():
    space = {"kp": {"low": 0, "high": 1}, "delay": {"low": 1, "high": 7, "step": 2}}
    spec = study(lagrangian=PID_, search={"kind": "optuna", "trials": 1, "space": space})
    search = spec.arms["pid"].search
    assert isinstance(search, OptunaSearch)
    assert search.space["kp"] == Range(low=0.0, high=1.0, type="float")
    assert search.space["delay"] == Range(low=1, high=7, step=2, type="int")
    kp = search.space["kp"]
    assert isinstance(kp, Range)
    assert type(kp.low) is float


def test_resolve_puts_each_value_where_its_name_belongs():
    run = study(lagrangian=PID_, hyperparameters={"preset": "desk"}).resolve(
        "pid", {"kp": 2, "num_epochs": 3, "cost_limit": 7.0}
    )
    assert run.lagrangian == PID(kp=2.0)
    assert run.parameters == PPOParameters(steps_per_iteration=4_000, num_epochs=3)
    assert run.cost_limits == {"cost": 7.0}
    assert (run.task, run.algorithm, run.env_steps) == ("Circle1", "ppo_lagrangian", 40_000)


def test_resolve_without_parameters_is_the_arm_as_it_stands():
    run = study(lagrangian={"update": "fixed", "multiplier": 0.5}, cost_limit={"hazards": 3.0}).resolve("fixed", {})
    assert run.lagrangian == FixedMultiplier(multiplier=0.5)
    assert run.cost_limits == {"hazards": 3.0}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kp": 1.0}, "update `ga` has no `kp`"),
        ({"update": "pid"}, "`update` is an axis only of a grid at the top level"),
        ({"lr": -1.0}, "`lr > 0` must hold, but got -1.0"),
        ({"lr": "fast"}, "must be a number, but got 'fast'"),
        ({"num_epochs": True}, "must be an integer, but got True"),
        ({"cost_limit": -1.0}, "must hold, but got -1.0"),
        ({"cost_limit": math.inf}, "must be finite"),
        ({"num_envs": 7}, "`steps_per_iteration` must be a multiple of `num_envs`, but got 20000 and 7"),
        ({"steps_per_iteration": 50_000}, "`env_steps >= steps_per_iteration` must hold, but got 40000 < 50000"),
        ({"minibatch_size": 20_001}, "`minibatch_size <= steps_per_iteration` must hold"),
    ],
)
def test_resolve_refuses_what_an_arm_cannot_train(params: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message.replace("(", r"\(")):
        study(lagrangian=GA).resolve("ga", params)


def test_resolve_names_the_nearest_arm():
    with pytest.raises(SpecError) as caught:
        study(arms={"fixed": {"lagrangian": FIXED}, "ga": {"lagrangian": GA}}).resolve("fixd", {})
    assert caught.value.help == "did you mean `fixed`? known: fixed, ga"


def test_the_limits_of_several_costs_cannot_be_searched_at_once():
    with pytest.raises(SpecError, match="with one constraint only"):
        study(cost_limit={"hazards": 1.0, "vases": 1.0}).resolve("ga", {"cost_limit": 2.0})


def test_a_multiplier_network_is_refused_with_ppo_where_the_file_says_it():
    text = "name: x\ntask: Circle1\ncost_limit: 25.0\nenv_steps: 40000\nseeds: 1\nlagrangian: {update: network}\n"
    with pytest.raises(SpecError, match="PPO has no Q_c") as caught:
        StudySpec.from_text(text)
    assert caught.value.location is not None
    assert caught.value.location.line == 6


def test_no_two_searchable_names_are_the_same():
    updates = get_args(get_args(MultiplierParameters)[0])
    assert {GradientAscent, PID, FixedMultiplier} <= set(updates)
    others = {*PPOParameters.model_fields, *SACParameters.model_fields, COST_LIMIT, "kind", "preset"}
    for update in updates:
        assert not others & update.model_fields.keys(), update
    assert not {COST_LIMIT, "kind", "preset"} & {*PPOParameters.model_fields, *SACParameters.model_fields}
    assert PPOHyperparameters.model_fields.keys() - PPOParameters.model_fields.keys() == {"preset"}


@pytest.mark.parametrize("parameters", [PPOParameters(), SACParameters()], ids=["ppo", "sac"])
def test_every_field_of_an_arms_update_and_of_the_algorithm_can_be_searched(parameters: PPOParameters | SACParameters):
    names = {*PID.model_fields, *type(parameters).model_fields, "cost_limit"} - {"update"}
    assert Arm(lagrangian=PID()).searchable(parameters) == names


def test_the_hash_is_of_the_meaning_not_of_the_text():
    text = "name: s\ntask: Circle1\ncost_limit: 25\nenv_steps: 40_000\nseeds: 2\nlagrangian: {update: ga}\n"
    other = "# note\nlagrangian: {update: ga, lr: 0.035}\nseeds: 2\nenv_steps: 40000\ntask: Circle1\ncost_limit: 25.0\n"
    first, second = StudySpec.from_text(text), StudySpec.from_text(f"{other}name: s\n")
    assert first.sha256 == second.sha256
    assert first.sha256 != StudySpec.from_text(text.replace("25", "26")).sha256
    assert len(first.sha256) == 64


def test_renaming_changes_nothing_but_the_name():
    spec = study()
    assert spec.renamed("t") == study(name="t")
    with pytest.raises(SpecError, match="letters, digits"):
        spec.renamed("../t")


def test_a_study_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        study().name = "t"


floats = st.floats(min_value=0.0, max_value=1e6, allow_subnormal=True)
grids = st.fixed_dictionaries(
    {"kind": st.just("grid"), "multiplier": st.lists(floats, min_size=1, max_size=4, unique=True)},
    optional={
        "hidden_sizes": st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=2), min_size=1, max_size=1),
        "cost_limit": st.lists(floats, min_size=1, max_size=2, unique=True),
        "cost_window": st.just(["iteration", 50]),
    },
)
spaces = st.fixed_dictionaries(
    {"kp": st.tuples(floats, floats).map(lambda ends: {"low": min(ends), "high": max(ends)})},
    optional={
        "delay": st.just({"low": 1, "high": 9, "log": True}),
        "form": st.just({"choices": ["omnisafe", "stooke"]}),
        "num_envs": st.just({"choices": [5, 10]}),
    },
)
arms = st.one_of(
    st.builds(lambda grid: {"fixed": {"lagrangian": FIXED, "search": grid}}, grids),
    st.builds(
        lambda space, trials: {
            "pid": {"lagrangian": PID_, "search": {"kind": "optuna", "trials": trials, "space": space}},
            "ga": {"lagrangian": GA},
        },
        spaces,
        st.integers(1, 100),
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arms=arms,
    seeds=st.one_of(st.integers(1, 20), st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True)),
    limit=st.one_of(floats, st.dictionaries(st.sampled_from(["hazards", "vases"]), floats, min_size=1)),
    preset=st.sampled_from(["paper", "desk", "smoke"]),
)
def test_a_study_survives_yaml_and_json(arms: Any, seeds: Any, limit: Any, preset: str):
    if isinstance(limit, dict) and len(limit) > 1 and "cost_limit" in json.dumps(arms):
        limit = 1.0
    seeds = tuple(seeds) if isinstance(seeds, list) else seeds
    spec = study(arms=arms, seeds=seeds, cost_limit=limit, hyperparameters={"preset": preset})
    for again in (
        StudySpec.from_text(spec.to_yaml()),
        StudySpec.model_validate_json(spec.model_dump_json(exclude_none=True)),
    ):
        assert again == spec
        assert again.sha256 == spec.sha256
        assert [list(arm.search.axes) for arm in again.arms.values() if isinstance(arm.search, GridSearch)] == [
            list(arm.search.axes) for arm in spec.arms.values() if isinstance(arm.search, GridSearch)
        ]


def test_a_written_study_lists_every_hyperparameter(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text(study().to_yaml())
    text = path.read_text()
    given = {name for name, field in PPOParameters.model_fields.items() if field.default is not None}
    assert all(f"\n  {name}:" in text for name in given)
    assert StudySpec.from_yaml(path) == study()


def test_what_may_be_null_is_null_where_it_is_left_out():
    """A written study leaves nulls out, which loses nothing only if null is the default."""
    updates = get_args(get_args(MultiplierParameters)[0])
    for model in (StudySpec, Arm, Range, OptunaSearch, Choices, PPOHyperparameters, SACHyperparameters, *updates):
        for name, field in model.model_fields.items():
            if NoneType in get_args(field.annotation):
                assert field.default is None, (model, name)


def test_null_is_a_value_that_a_grid_may_hold_and_a_range_does_not_mind():
    spec = study(lagrangian=FIXED, search={"kind": "grid", "scale_clip": [None, 2]})
    search = spec.arms["fixed"].search
    assert isinstance(search, GridSearch)
    assert search.axes == {"scale_clip": (None, 2.0)}
    assert StudySpec.from_text(spec.to_yaml()) == spec
    assert spec.resolve("fixed", {"scale_clip": None}).parameters.scale_clip is None
    space = {"scale_clip": {"low": 1, "high": 9}}
    search = study(lagrangian=FIXED, search={"kind": "optuna", "trials": 1, "space": space}).arms["fixed"].search
    assert isinstance(search, OptunaSearch)
    assert search.space["scale_clip"] == Range(low=1.0, high=9.0, type="float")


def test_choices_of_a_search_are_checked_one_by_one():
    space = {"form": {"choices": ["stooke"]}}
    search = study(lagrangian=PID_, search={"kind": "optuna", "trials": 1, "space": space}).arms["pid"].search
    assert isinstance(search, OptunaSearch)
    assert search.space == {"form": Choices(choices=("stooke",))}
