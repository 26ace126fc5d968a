"""Which studies may pack their trials."""

from typing import Any

import pytest
from pydantic import ValidationError

from sweeps.spec import StudySpec
from sweeps.spec.difference import extends

GRID = {"kind": "grid", "multiplier": [0.0, 0.5, 1.0]}


def study(**changes: Any) -> StudySpec:
    data = {"name": "packed", "task": "Circle1", "cost_limit": 25.0, "env_steps": 40_000, "seeds": 2, "pack": 3}
    return StudySpec.model_validate(data | {"lagrangian": {"update": "fixed"}, "search": GRID} | changes)


def test_grids_over_multiplier_and_limit_and_single_configurations_are_packed() -> None:
    arms = {
        "fixed": {"lagrangian": {"update": "fixed"}, "search": GRID},
        "pid": {
            "lagrangian": {"update": "pid"},
            "search": {"kind": "grid", "kp": [0.1, 1.0], "cost_limit": [5.0, 25.0]},
        },
        "ga": {"lagrangian": {"update": "ga"}},
    }
    data = study().model_dump(mode="json", exclude_none=True) | {"arms": arms}
    assert StudySpec.model_validate(data).pack == 3


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"pack": 1}, "greater than or equal to 2"),
        ({"algorithm": "sac_lagrangian"}, "`pack` needs `algorithm: ppo_lagrangian`, but got sac_lagrangian"),
        (
            {"search": GRID | {"actor_lr": [1e-3, 1e-4]}},
            "multiplier only, but arm 'fixed' varies actor_lr",
        ),
        (
            {"search": {"kind": "adaptive_profile", "multiplier": {"high": 1.0}}},
            "known before any has run, but arm 'fixed' searches by adaptive_profile",
        ),
        ({"budget": {"gpu_hours": 2.0}}, "`budget.gpu_hours` counts the GPUs of every trial"),
        ({"stopping": {"rule": "asha", "seeds": True}}, "`stopping.seeds` and `pack` exclude each other"),
        (
            {"pack": None, "algorithm": "sac_lagrangian", "stopping": {"rule": "asha", "seeds": True}},
            "`stopping.seeds` needs ppo_lagrangian, but got sac_lagrangian",
        ),
    ],
)
def test_what_cannot_be_packed_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises((ValidationError, ValueError), match=rule):
        study(**changes)


def test_a_study_may_be_packed_otherwise_and_stays_the_same_study() -> None:
    assert extends(study(pack=2), study(pack=3))
    assert extends(study(), study(pack=None))


def test_a_study_without_packs_has_the_hash_that_it_had_before_there_were_any() -> None:
    assert "pack" not in study(pack=None).model_dump(mode="json", exclude_none=True)
