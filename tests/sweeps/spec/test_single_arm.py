"""A grid over updates: what it becomes, what its trials are called, and how what it may not say is refused."""

from typing import Any

import jsonschema
import pytest
from ray import tune

from sweeps.errors import SpecError
from sweeps.spec import StudySpec
from sweeps.spec.difference import extends
from sweeps.spec.schema import study_schema
from sweeps.study.growth import known_trials

HEAD = {"name": "s", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 40_000, "seeds": 2}
PID = {"update": "pid", "kp": 0.5, "ki": 1e-3}


def spec_of(update: Any, **axes: Any) -> StudySpec:
    return StudySpec.model_validate({**HEAD, "search": {"kind": "grid", "update": update, **axes}})


def keys(spec: StudySpec) -> list[str]:
    return [trial.key for trial in known_trials(spec)]


def test_every_update_meets_every_value_of_the_other_axes() -> None:
    spec = spec_of(["ga", PID], cost_limit=[12, 15], gamma=[0.9])
    assert keys(spec) == [
        'ga:{"cost_limit":12,"gamma":0.9}',
        'ga:{"cost_limit":15,"gamma":0.9}',
        'pid-kp0.5-ki0.001:{"cost_limit":12,"gamma":0.9}',
        'pid-kp0.5-ki0.001:{"cost_limit":15,"gamma":0.9}',
    ]
    run = spec.resolve("pid-kp0.5-ki0.001", {"cost_limit": 15})
    assert run.lagrangian.model_dump(include={"update", "kp", "ki", "kd"}) == {**PID, "kd": 0.01}
    assert run.cost_limits == {"cost": 15.0}


def test_it_is_the_study_with_every_arm_written_out() -> None:
    search = {"kind": "grid", "cost_limit": [12, 15]}
    arms = {name: {"lagrangian": {"update": name}, "search": search} for name in ("ga", "nupi")}
    written_out = StudySpec.model_validate({**HEAD, "arms": arms})
    assert spec_of(["ga", "nupi"], cost_limit=[12, 15]).sha256 == written_out.sha256
    assert spec_of(tune.grid_search(["ga", "nupi"]), cost_limit=[12, 15]) == written_out
    assert StudySpec.from_text(written_out.to_yaml()) == written_out


def test_a_grid_over_nothing_else_is_a_trial_an_update() -> None:
    assert keys(spec_of(["fixed", "ga", "adrc"])) == ["fixed:{}", "ga:{}", "adrc:{}"]


def test_an_update_is_called_by_what_was_given_of_it_however_it_was_written() -> None:
    swapped = {"ki": 0.001, "kp": 5e-1, "update": "pid"}
    assert keys(spec_of([swapped, "ga"])) == ["pid-kp0.5-ki0.001:{}", "ga:{}"]
    odd = {"update": "pid", "kp": 1, "form": "stooke", "sum_norm": False, "limit_start": None, "penalty_max": 1e20}
    assert keys(spec_of([odd])) == ["pid-limit_startnull-formstooke-kp1-sum_normfalse-penalty_max1e20:{}"]
    network = {"update": "network", "multiplier_hidden_sizes": [64, 32]}
    sac = StudySpec.model_validate(
        {**HEAD, "algorithm": "sac_lagrangian", "search": {"kind": "grid", "update": [network]}}
    )
    assert list(sac.arms) == ["network-multiplier_hidden_sizes64x32"]


def test_a_further_update_extends_the_study() -> None:
    old, new = spec_of(["ga", PID], gamma=[0.9]), spec_of(["nupi", PID, "ga"], gamma=[0.9, 0.99])
    assert extends(old, new)
    assert not extends(new, old)
    assert set(keys(old)) < set(keys(new))


def test_the_schema_knows_it() -> None:
    validator = jsonschema.Draft202012Validator(study_schema())
    study = {**HEAD, "search": {"kind": "grid", "update": ["ga", PID], "gamma": [0.9]}}
    validator.validate(study)
    for wrong in ({"update": ["gaa"]}, {"update": []}, {"update": [{"update": "pid", "kq": 1}]}, {}):
        search = {"kind": "grid", "gamma": [0.9], **wrong}
        assert not validator.is_valid({**study, "search": search}), wrong
    assert not validator.is_valid({**study, "lagrangian": {"update": "ga"}})


@pytest.mark.parametrize(
    ("search", "path", "message", "help"),
    [
        ("update: [ga, pid, ga]", ("search", "update", 2), "'ga' stands twice", "keep one"),
        ("update: [pid, {update: pid, kp: 0.1}]", ("search", "update", 1), "'pid-kp0.1' stands twice", "keep one"),
        ("update: [nupid]", ("search", "update", 0), "unknown value 'nupid'", "did you mean `nupi`?"),
        ("update: [3]", ("search", "update", 0), "an update's name or a mapping", "{update: pid, kp: 0.5}"),
        ("update: ga", ("search", "update"), "must be a list of updates, but got 'ga'", "known are fixed, ga"),
        ("update: []", ("search", "update"), "must be a list of updates, but got ()", "known are fixed, ga"),
        ("update: [{kp: 1}]", ("search", "update", 0), "`update` is missing", ""),
        ("update: [{update: pid, kq: 1}]", ("search", "update", 0, "kq"), "unknown key", "known: cost_ema"),
        ("update: [{update: pid, kp: -1}]", ("search", "update", 0, "kp"), "`kp >= 0` must hold, but got -1", ""),
        ("update: [{update: pid, kp: '1'}]", ("search", "update", 0, "kp"), "must be a number, but got '1'", ""),
        ("update: [ga, pid], kp: [1]", ("search", "kp"), "update `ga` has no `kp` to search", ""),
        (
            "update: [{update: pid, limit_iterations: 100, limit_shape: step, limit_start: 3, update_every: 1}]",
            ("search", "update", 0),
            "at most 64 characters` must hold",
            "under `arms`",
        ),
    ],
)
def test_what_a_grid_over_updates_may_not_say(search: str, path: tuple[Any, ...], message: str, help: str) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in HEAD.items())
    with pytest.raises(SpecError) as caught:
        StudySpec.from_text(f"{head}search: {{kind: grid, {search}}}\n")
    error = caught.value
    assert error.path[: len(path)] == path or error.path[-1] == path[-1]
    assert message in error.message
    assert help in (error.help or "")
    assert error.location is not None
    assert error.location.line == 6


@pytest.mark.parametrize(
    "search", ["{kind: grid, update: [ga]}", "{kind: optuna, trials: 2, space: {update: {choices: [ga, pid]}}}"]
)
def test_an_update_is_no_axis_within_an_arm(search: str) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in HEAD.items())
    with pytest.raises(SpecError, match="`update` is an axis only of a grid at the top level") as caught:
        StudySpec.from_text(f"{head}arms: {{a: {{lagrangian: {{update: ga}}, search: {search}}}}}\n")
    assert caught.value.help == "here give each update an arm of its own"


def test_a_grid_over_updates_leaves_no_room_for_another_update() -> None:
    with pytest.raises(ValueError, match="`lagrangian` and a grid over `update` exclude each other"):
        StudySpec.model_validate({**HEAD, "lagrangian": {"update": "ga"}, "search": {"kind": "grid", "update": ["ga"]}})
