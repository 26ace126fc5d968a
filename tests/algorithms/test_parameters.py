"""Hyperparameter models beside the functions that take them."""

import inspect
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from algorithms.functional.multipliers.schedule import scheduled_step
from algorithms.functional.multipliers.updates import UPDATES, parameter_names
from algorithms.parameters import (
    MultiplierParameters,
    NetworkMultiplier,
    Parameters,
    PPOParameters,
    SACParameters,
    ScalarMultiplier,
)

MODELS: tuple[type[Parameters], ...] = get_args(ScalarMultiplier)
DOCS = Path(__file__).parents[2] / "docs" / "algorithms"
each_scalar = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
each_model = pytest.mark.parametrize("model", [*MODELS, NetworkMultiplier], ids=lambda model: model.__name__)


def update_of(model: type[Parameters]) -> str:
    return model.model_fields["update"].default


def taken_by(model: type[Parameters]) -> set[str]:
    update = UPDATES[update_of(model)]
    names = {*parameter_names(update.start), *parameter_names(update.step)}
    return names if update_of(model) == "fixed" else names | {*parameter_names(scheduled_step)}


def test_every_update_has_its_model():
    assert {update_of(model) for model in MODELS} == set(UPDATES)


@each_scalar
def test_the_fields_of_a_model_are_what_its_update_and_the_schedule_take(model: type[Parameters]):
    assert set(model.model_fields) - {"update"} == taken_by(model)


@each_scalar
def test_models_and_functions_have_the_same_defaults(model: type[Parameters]):
    update = UPDATES[update_of(model)]
    defaults: dict[str, Any] = model().model_dump()
    for function in (update.start, update.step, scheduled_step):
        for name, parameter in inspect.signature(function).parameters.items():
            if name in defaults:
                assert parameter.default == defaults[name], name


@each_model
def test_no_field_shares_its_name_with_one_of_an_algorithm_or_the_cost_limit(model: type[Parameters]):
    assert not set(model.model_fields) & {*PPOParameters.model_fields, *SACParameters.model_fields, "cost_limit"}


@each_model
def test_every_field_says_what_it_is(model: type[Parameters]):
    assert all(field.description for name, field in model.model_fields.items() if name != "update")


@each_model
def test_null_is_always_the_default_of_what_may_be_null_so_that_a_written_study_may_leave_it_out(
    model: type[Parameters],
):
    optional = [field for field in model.model_fields.values() if NoneType in get_args(field.annotation)]
    assert all(field.default is None for field in optional)


@each_model
def test_the_documentation_lists_every_field_with_its_default(model: type[Parameters]):
    page = DOCS / ("sac_alam.md" if model is NetworkMultiplier else "multipliers.md")
    text = page.read_text(encoding="utf-8")
    words = {"None": "null", "True": "true", "False": "false"}
    for name, field in model.model_fields.items():
        default = words.get(str(field.default), field.default)
        assert name == "update" or f"| `{name}` | {default} | {field.description} |" in text, name


@each_model
def test_a_misspelt_name_is_refused(model: type[Parameters]):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TypeAdapter(MultiplierParameters).validate_python({"update": update_of(model), "multiplyer_max": 1.0})


@pytest.mark.parametrize(
    "bad",
    [
        {"update": "ga", "lr": 0.0}, {"update": "ga", "init": -0.1}, {"update": "ga", "multiplier_max": 0.0},
        {"update": "pid", "ema_p": 1.0}, {"update": "pid", "delay": 0}, {"update": "nupi", "nu": 1.0},
        {"update": "adrc", "observer_bandwidth": 1.0}, {"update": "adrc", "transient_rate": 1.0},
        {"update": "augmented_lagrangian", "penalty_growth": 0.9}, {"update": "ga", "update_every": 0},
        {"update": "ga", "warmup_iterations": -1}, {"update": "ga", "limit_start": float("inf")},
        {"update": "fixed", "multiplier_max": 1.0}, {"update": "newton"}, {"update": "network", "penalty": True},
        {"update": "network", "init": 0.0}, {"update": "network", "lr": 0.0},
        {"update": "network", "multiplier_tau": 0.0}, {"update": "network", "feasibility_threshold": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_out_of_range_is_refused(bad: dict[str, Any]):
    with pytest.raises(ValidationError):
        TypeAdapter(MultiplierParameters).validate_python(bad)
