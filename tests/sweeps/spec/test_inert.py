"""What a study is told of options without effect."""

import pytest

from sweeps.spec import StudySpec
from sweeps.spec.inert import inert_notes
from sweeps.spec.shipped import shipped_studies, study_path

BASE = {"name": "s", "task": "Circle1", "cost_limit": 25.0, "env_steps": 100_000, "seeds": 2}


def notes(**changes: object) -> list[str]:
    return inert_notes(StudySpec.model_validate({**BASE, **changes}))


def test_a_set_option_is_told_with_its_arm_and_the_reason():
    assert notes(lagrangian={"update": "pid", "penalty_max": 5.0}) == [
        "arm pid: `penalty_max` has no effect: it caps λ only where `sum_norm` and `diff_norm` are false; "
        "`multiplier_max` always does"
    ]
    assert notes(lagrangian={"update": "pid"}) == []


@pytest.mark.parametrize(
    "search",
    [{"kind": "grid", "delay": [2, 4]}, {"kind": "optuna", "trials": 4, "space": {"delay": {"low": 1, "high": 5}}}],
    ids=lambda search: search["kind"],
)
def test_a_searched_option_is_told_as_a_waste(search: dict[str, object]):
    told = notes(lagrangian={"update": "pid", "form": "stooke"}, search=search)
    assert told == ["arm pid: `delay` is searched without effect: it belongs to `form: omnisafe`"]
    assert notes(lagrangian={"update": "pid"}, search=search) == []


@pytest.mark.parametrize("name", shipped_studies())
def test_no_shipped_study_sets_what_has_no_effect(name: str):
    assert inert_notes(StudySpec.from_yaml(study_path(name))) == []


def test_hyperparameters_of_all_arms_are_told_once():
    arms = {name: {"lagrangian": {"update": name}} for name in ("ga", "pid")}
    told = notes(hyperparameters={"scale_ema": 0.5}, arms=arms)
    assert told == ["`scale_ema` has no effect: `scale_invariance` is off"]
