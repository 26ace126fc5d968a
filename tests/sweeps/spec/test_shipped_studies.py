"""Every shipped study loads, plans, and is accepted by the schema that editors use."""

from pathlib import Path

import jsonschema
import pytest

import sweeps
from environments.tasks import PAPER_TASKS, find_task
from sweeps.planning.plan import make_plan
from sweeps.planning.speed import GivenRate
from sweeps.spec import StudySpec
from sweeps.spec.schema import study_schema
from sweeps.spec.yaml_file import read_yaml

FOLDER = Path(sweeps.__file__).parent / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(study_schema())


def as_json(value: object) -> object:
    """Tuples as lists, as an editor sees them."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, tuple) else value


def test_the_studies_that_are_promised_are_there():
    profiles = {f"lambda-profile-{task.lower()}" for task in PAPER_TASKS}
    promised = {"demo", "pid-gains-circle1", "sac-lagrangian-circle1", "sac-lagrangian-goal1", *profiles}
    assert promised <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_study_loads_and_plans_under_its_files_name(file: Path):
    spec = StudySpec.from_yaml(file)
    assert spec.name == file.stem
    plan = make_plan(spec, cores=2, speed=GivenRate(1_000.0))
    assert plan.trials >= 2
    assert plan.duration_s is not None
    assert [note for note in plan.notes if not note.startswith("replay buffers take")] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schema_accepts_a_shipped_study_and_its_complete_form(file: Path):
    VALIDATOR.validate(as_json(read_yaml(file).data))
    VALIDATOR.validate(StudySpec.from_yaml(file).model_dump(mode="json", exclude_none=True))


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 0},
        {"cost_limit": -1},
        {"nmae": "x"},
        {"algorithm": "ppo"},
        {"lagrangian": {"update": "ga"}},  # beside arms
        {"arms": {"a": {"lagrangian": {"update": "ga", "kp": 1}}}},
        {"arms": {"a": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": []}}}},
        {"hyperparameters": {"preset": "papr"}},
    ],
)
def test_the_schema_refuses_what_it_can_see(change: dict[str, object]):
    data = as_json(read_yaml(FOLDER / "demo.yaml").data)
    assert isinstance(data, dict)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**data, **change})


@pytest.mark.parametrize("task", PAPER_TASKS)
def test_a_lambda_profile_is_the_papers(task: str):
    spec = StudySpec.from_yaml(FOLDER / f"lambda-profile-{task.lower()}.yaml")
    plan = make_plan(spec, cores=2, speed=None)
    assert [arm.trials for arm in plan.arms] == [25, 1]
    assert plan.task == find_task(task).env_id
    assert plan.env_steps == 26 * 10 * 10_000_000
    assert spec.cost_limits == {"cost": 25.0}
    assert spec.hyperparameters.preset == "paper"
