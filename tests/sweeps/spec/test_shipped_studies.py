"""Every shipped study loads, plans, and is accepted by the schema that editors use."""

from pathlib import Path

import jsonschema
import pytest

import sweeps
from environments.tasks import PAPER_TASKS, find_task
from sweeps.planning.plan import make_plan
from sweeps.planning.speed import GivenRate
from sweeps.spec import StudySpec
from sweeps.spec.scales import scale_names, scaled
from sweeps.spec.schema import study_schema
from sweeps.spec.shipped import shipped_studies, study_path
from sweeps.spec.yaml_file import read_yaml

FOLDER = Path(sweeps.__file__).parent / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
PRESETS = [file for file in FILES if scale_names(read_yaml(file))]
OFF_POLICY = [file for file in PRESETS if file.stem.startswith("sac-")]
VALIDATOR = jsonschema.Draft202012Validator(study_schema())


def as_json(value: object) -> object:
    """Tuples as lists, as an editor sees them."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, tuple) else value


def test_the_studies_that_are_promised_are_there():
    kinds = ("lambda-profile", "ga-cost-limits", "stability-ga-vs-pid", "pid-gains", "cost-limit-regimes")
    promised = {
        "demo",
        "sac-alam-ablation",
        "sac-alam-goal1",
        "sac-lagrangian-circle1",
        "sac-lagrangian-goal1",
        *(f"{kind}-{task.lower()}" for kind in kinds for task in PAPER_TASKS),
    }
    assert promised <= {file.stem for file in FILES} == set(shipped_studies())
    assert {file.stem for file in PRESETS} >= {name for name in promised if name.startswith(kinds)}
    assert all(study_path(name).is_file() for name in promised)


@pytest.mark.parametrize("scale", ["paper", "desk", "smoke"])
@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_a_preset_of_the_papers_loads_and_plans_at_every_scale(file: Path, scale: str):
    spec = StudySpec.from_yaml(file, scale)
    assert spec.name == (file.stem if scale == "paper" else f"{file.stem}-{scale}")
    ablation = file.stem.startswith("sac-alam")  # ours, not OmniSafe's: `desk` whatever the budget
    assert spec.hyperparameters.preset == ("desk" if ablation and scale == "paper" else scale)
    plan = make_plan(spec, cores=2, speed=GivenRate(300.0 if file in OFF_POLICY else 4_000.0))
    assert plan.trials >= 2
    assert [note for note in plan.notes if not note.startswith("replay buffers take")] == []
    assert plan.cpu_s is not None
    if scale == "smoke":  # "does it run": minutes at the rate of one core
        assert plan.cpu_s < 300.0
    if scale == "desk":  # a night on a desktop
        assert plan.cpu_s < 12 * 3600.0


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
    for scale in scale_names(read_yaml(file)):
        VALIDATOR.validate(as_json(scaled(read_yaml(file), scale).data))
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
