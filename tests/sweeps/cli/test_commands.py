"""The command line as a shell sees it: what it prints, its exit codes, and what it does not import."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import jsonschema
import pytest
from click import Group
from typer.main import get_command
from typer.testing import CliRunner, Result

import sweeps
from sweeps.cli import app
from sweeps.spec import StudySpec

STUDIES = Path(sweeps.__file__).parent / "studies"
TEXT = "name: s\ntask: analytic/ring\ncost_limit: 12\nenv_steps: 20_000\nseeds: 2\nlagrangian: {update: ga}\n"


def lagsweep(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweeps.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


def test_validate_says_what_is_in_the_file(file: Path):
    result = lagsweep("validate", file)
    assert result.exit_code == 0
    assert result.stdout == f"{file}: valid. 1 trial × 2 seeds in 1 arm: ga (1)\n"


def test_validate_as_json_names_the_hash(file: Path):
    result = lagsweep("validate", file, "--output", "json")
    spec = StudySpec.from_yaml(file)
    expected = {"valid": True, "name": "s", "sha256": spec.sha256, "trials": {"ga": 1}, "seeds": 2, "scales": []}
    assert json.loads(result.stdout) == {**expected, "notes": []}


def test_a_mistake_is_printed_once_on_standard_error_with_exit_code_2(file: Path):
    file.write_text(TEXT.replace("seeds", "seds"))
    result = process("validate", file)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[:3] == [
        f"error[unknown-key] {file}:5:1  seds: unknown key.",
        "  5 | seds: 2",
        "    | ^^^^",
    ]
    assert result.stderr.count("error[") == 1
    assert "Traceback" not in result.stderr


def test_a_mistake_as_json_is_the_document_on_standard_output(file: Path):
    file.write_text(TEXT.replace("seeds: 2", "seeds: 0"))
    result = lagsweep("plan", file, "--output", "json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert (error["code"], error["key"], error["location"]["line"]) == ("out-of-range", "seeds", 5)
    assert result.stderr == ""


def test_debug_adds_the_traceback(file: Path):
    file.write_text(TEXT.replace("seeds: 2", "seeds: 0"))
    result = process("validate", file, LAGSWEEP_DEBUG="1")
    assert result.returncode != 0
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["validate", "no.yaml"], ["frobnicate"], ["validate"], ["plan", "x.yaml", "--rate", "-1"], ["validate", "."],
     ["validate", "x.yaml", "--output", "xml"]],
)  # fmt: skip
def test_wrong_usage_ends_with_2(arguments: list[str]):
    assert lagsweep(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["best", "status", "trials", "report", "resume", "retry"])
def test_a_study_that_does_not_exist_ends_with_3(command: str, tmp_path: Path):
    result = lagsweep(command, "nothing", "--storage", tmp_path)
    assert result.exit_code == 3
    assert "no study 'nothing'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_name_is_refused(file: Path, tmp_path: Path):
    result = lagsweep("run", file, "--name", "a/b", "--storage", tmp_path / "runs")
    assert result.exit_code == 2
    assert "letters, digits" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_storage_that_cannot_be_written_is_one_error(file: Path):
    result = lagsweep("run", file, "--storage", file / "runs")
    assert result.exit_code == 2
    assert result.stderr.startswith("error[file]")
    assert "Not a directory" in result.stderr


def test_plan_shows_trials_and_prices(file: Path):
    result = lagsweep("plan", file, "--rate", "1000", "--cores", "2")
    assert result.exit_code == 0
    assert "1 trial, 1 at once on 2 cores; 40,000 env steps" in result.stdout
    assert "expected: 40 s, 0.01 core hours" in result.stdout
    assert "analytic environments" in result.stdout


def test_plan_as_json_has_the_numbers(file: Path):
    plan = json.loads(lagsweep("plan", file, "--rate", "1000", "--cores", "2", "--output", "json").stdout)
    # 2 seeds · 20 000 steps at 1 000 a second.
    assert (plan["trials"], plan["env_steps"], plan["duration_s"]) == (1, 40_000, 40.0)
    assert plan["environment"] == "analytic"
    assert plan["arms"][0]["update"] == "ga"


def test_plan_shows_the_environments_of_the_path_that_is_asked_for(tmp_path: Path):
    file = tmp_path / "circle.yaml"
    assert lagsweep("init", file, "--task", "Circle1").exit_code == 0
    plan = ["plan", file, "--no-measure", "--output", "json", "--env-path"]
    assert json.loads(lagsweep(*plan, "general").stdout)["environment"] == "gymnasium"
    assert json.loads(lagsweep(*plan, "fast").stdout)["environment"] == "navigation"
    assert "quick" in lagsweep(*plan, "quick").output


def test_run_resume_and_retry_hand_on_the_environments_that_are_asked_for(tmp_path: Path):
    file, where = tmp_path / "hopper.yaml", ("--storage", tmp_path / "runs", "--env-path", "fast")
    file.write_text(TEXT.replace("analytic/ring", "HopperVelocity"))
    for command in (("run", file), ("resume", "s"), ("retry", "s")):
        result = lagsweep(*command, *where)
        assert result.exit_code == 2
        assert "`path='fast'` needs a task with a fast path" in result.output


def test_plan_without_measuring_has_no_price(file: Path):
    plan = json.loads(lagsweep("plan", file, "--no-measure", "--output", "json").stdout)
    assert (plan["duration_s"], plan["speed"]) == (None, None)


@pytest.mark.slow
def test_plan_measures_this_machine_and_keeps_standard_output_for_the_result(file: Path):
    result = process("plan", file, "--output", "json")
    assert result.returncode == 0
    plan = json.loads(result.stdout)
    assert plan["duration_s"] > 0.0
    assert "measured on this machine" in plan["speed"]
    assert result.stderr == "measuring the speed of this machine; --no-measure skips it\n"


def test_every_command_answers_in_json() -> None:
    commands = cast(Group, get_command(app)).commands
    silent = {
        name
        for name, command in commands.items()
        if not command.hidden and not any("--output" in parameter.opts for parameter in command.params)
    }
    assert silent == {"schema", "drive"}  # JSON and nothing else; a job's own process, whose log is its output


def test_schema_prints_a_json_schema():
    schema = json.loads(lagsweep("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "env_steps" in schema["properties"]


def test_init_writes_a_valid_study_and_does_not_replace_one(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    assert lagsweep("init", path, "--task", "Goal1").exit_code == 0
    spec = StudySpec.from_yaml(path)
    assert (spec.name, spec.task) == ("mine", "Goal1")
    again = lagsweep("init", path)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert StudySpec.from_yaml(path).task == "Goal1"
    assert lagsweep("init", path, "--force").exit_code == 0
    assert StudySpec.from_yaml(path).task == "Circle1"


def test_init_writes_nothing_for_an_unknown_task(tmp_path: Path):
    assert lagsweep("init", tmp_path / "x.yaml", "--task", "Gaol1").exit_code == 2
    assert not list(tmp_path.iterdir())


def test_the_version_is_that_of_the_distribution():
    assert lagsweep("--version").stdout.startswith("lagsweep 0.")


@pytest.mark.parametrize(
    "command", [["validate", "FILE"], ["schema"], ["list"], ["--help"], ["plan", "--no-measure", "FILE"]]
)
def test_what_starts_nothing_imports_neither_ray_nor_torch_nor_mlflow(command: list[str], tmp_path: Path):
    arguments = [str(STUDIES / "demo.yaml") if word == "FILE" else word for word in command]
    program = (
        "import sys, sweeps.cli\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n    sweeps.cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "found = {'ray', 'torch', 'mlflow', 'optuna'} & sys.modules.keys()\n"
        "assert not found, found\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "LAGSWEEP_STORAGE": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_validate_takes_little_processor_time():
    program = (
        f"import sys; sys.argv[1:] = ['validate', {str(STUDIES / 'demo.yaml')!r}]\n"
        "import sweeps.cli, time\n"
        "try:\n    sweeps.cli.main()\nexcept SystemExit:\n    print(time.process_time())\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert float(out.splitlines()[-1]) < 2.0


def test_ctrl_c_ends_with_130(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    child = subprocess.Popen(
        [sys.executable, "-m", "sweeps.cli", "plan", str(path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    assert "measuring" in child.stderr.readline()
    child.send_signal(signal.SIGINT)  # at once: on a busy machine the command may end before this process goes on
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130
    assert stderr == "interrupted\n"
