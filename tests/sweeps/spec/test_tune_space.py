"""Ray Tune's objects against Ray's own sampling, there and back through a study file."""

from typing import Any

import numpy as np
import pytest
from ray import tune

from sweeps.errors import SpecError
from sweeps.spec import StudySpec
from sweeps.spec.dimensions import Choices, Range
from sweeps.spec.search import GridSearch, OptunaSearch


def spec_of(search: dict[str, Any], update: str = "pid") -> StudySpec:
    data = {"name": "s", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 40_000, "seeds": 2}
    return StudySpec.model_validate({**data, "arms": {"a": {"lagrangian": {"update": update}, "search": search}}})


def converted(name: str, domain: Any) -> Range | Choices:
    spec = spec_of({"kind": "optuna", "trials": 3, "space": {name: domain}})
    assert StudySpec.from_text(spec.to_yaml()) == spec
    search = spec.arms["a"].search
    assert isinstance(search, OptunaSearch)
    return search.space[name]


@pytest.mark.parametrize(
    ("name", "domain", "expected"),
    [
        ("kp", tune.uniform(0.0, 1.0), Range(low=0.0, high=1.0, type="float")),
        ("kp", tune.loguniform(1e-4, 1.0), Range(low=1e-4, high=1.0, log=True, type="float")),
        ("kp", tune.quniform(0.5, 2.0, 0.25), Range(low=0.5, high=2.0, step=0.25, type="float")),
        ("delay", tune.randint(1, 10), Range(low=1, high=9, type="int")),
        ("delay", tune.lograndint(1, 10), Range(low=1, high=9, log=True, type="int")),
        ("delay", tune.qrandint(2, 10, 2), Range(low=2, high=10, step=2, type="int")),
        ("delay", tune.qrandint(2, 10), Range(low=2, high=9, type="int")),
        ("form", tune.choice(["omnisafe", "stooke"]), Choices(choices=("omnisafe", "stooke"))),
    ],
)
def test_an_object_becomes_the_range_of_the_values_that_tune_draws(name: str, domain: Any, expected: Any) -> None:
    found = converted(name, domain)
    assert found == expected
    drawn = domain.sample(size=2000, random_state=np.random.RandomState(0))
    assert all(found.holds(value.item() if isinstance(value, np.generic) else value) for value in drawn)
    if isinstance(found, Range) and found.type == "int":  # both ends are among Tune's values
        assert {found.low, found.high} <= {int(value) for value in drawn}


@pytest.mark.parametrize(
    ("name", "domain", "message"),
    [
        ("kp", tune.randn(0.0, 1.0), r"tune\.randn has no faithful form"),
        ("kp", tune.qrandn(0.0, 1.0, 0.1), r"tune\.qrandn has no faithful form"),
        ("kp", tune.qloguniform(0.1, 1.0, 0.1), r"tune\.qloguniform has no faithful form"),
        ("delay", tune.qlograndint(2, 8, 2), r"tune\.qlograndint has no faithful form"),
        ("delay", tune.qrandint(3, 10, 2), r"tune\.qrandint has no faithful form"),
        ("kp", tune.sample_from(lambda config: 1.0), r"tune\.sample_from has no faithful form"),
        ("kp", tune.grid_search([0.1, 0.2]), r"tune\.grid_search has no faithful form"),
    ],
)
def test_what_has_no_faithful_form_is_refused_by_name(name: str, domain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of({"kind": "optuna", "trials": 3, "space": {name: domain}})


def test_a_tune_grid_is_an_axis() -> None:
    search = {"kind": "grid", "multiplier": tune.grid_search([0, 0.5]), "cost_limit": [10.0]}
    spec = spec_of(search, "fixed")
    assert isinstance(spec.arms["a"].search, GridSearch)
    assert spec.arms["a"].search.axes == {"multiplier": (0.0, 0.5), "cost_limit": (10.0,)}
    assert StudySpec.from_text(spec.to_yaml()) == spec


def test_another_object_is_no_axis() -> None:
    with pytest.raises(ValueError, match=r"tune's Float has no faithful form") as caught:
        spec_of({"kind": "grid", "multiplier": tune.uniform(0, 1)}, "fixed")
    detail = caught.value.errors()[0]["ctx"]["error"]  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(detail, SpecError)
    assert detail.help == "use kind: optuna, or tune.grid_search with a list of values"
