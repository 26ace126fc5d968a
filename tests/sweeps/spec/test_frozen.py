"""A specification cannot be changed, nor anything in it."""

import copy
import pickle
from typing import Any

import pytest

from sweeps.spec import StudySpec
from sweeps.spec.frozen import FrozenDict

SPEC = StudySpec.model_validate(
    {
        "name": "profile",
        "task": "analytic/ring",
        "cost_limit": {"cost": 12.0},
        "env_steps": 20_000,
        "seeds": 2,
        "arms": {
            "pid": {
                "lagrangian": {"update": "pid"},
                "search": {"kind": "optuna", "trials": 5, "space": {"kp": {"low": 0.01, "high": 1.0}}},
            },
        },
    }
)


def search() -> Any:
    return SPEC.arms["pid"].search


@pytest.mark.parametrize(
    "values",
    [
        lambda: SPEC.arms,
        lambda: SPEC.cost_limit,
        lambda: search().space,
        lambda: search().objectives,
        lambda: SPEC.resolve("pid", {}).cost_limits,
    ],
)
def test_no_dictionary_of_a_specification_changes(values: Any) -> None:
    with pytest.raises(TypeError, match="is frozen"):
        values()["new"] = 1.0
    with pytest.raises(TypeError, match="is frozen"):
        values().clear()


@pytest.mark.parametrize("change", ["pop", "popitem", "setdefault", "update", "__delitem__", "__ior__"])
def test_every_way_to_change_is_refused(change: str) -> None:
    frozen = FrozenDict({"kp": 0.1})

    with pytest.raises(TypeError, match="is frozen"):
        getattr(frozen, change)(*([] if change == "popitem" else ["kp"]))

    assert frozen == {"kp": 0.1}


def test_copies_are_equal_and_hash_alike() -> None:
    for same in (pickle.loads(pickle.dumps(SPEC)), copy.deepcopy(SPEC), SPEC.model_copy(deep=True)):
        assert same == SPEC
        assert same.sha256 == SPEC.sha256
    assert StudySpec.model_validate_json(SPEC.model_dump_json()) == SPEC
