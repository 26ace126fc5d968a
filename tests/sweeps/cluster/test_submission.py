import json
import shlex
from typing import Any

import pytest
from ray.job_submission import JobDetails, JobStatus, JobType

from sweeps.cluster.submission import DriverOptions, changes, jobs_of, metadata_of, next_id, own_spec, study_of
from sweeps.errors import SpecError
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 400,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 4, "minibatch_size": 64},
        "lagrangian": {"update": "pid"},
    }
)


def job(submission_id: str, study: str | None = "ring") -> JobDetails:
    metadata = {} if study is None else metadata_of(SPEC.renamed(study), "1.0")
    return JobDetails(
        type=JobType.SUBMISSION,
        submission_id=submission_id,
        status=JobStatus.RUNNING,
        entrypoint="",
        metadata=metadata,
    )


def test_a_jobs_metadata_tells_its_study_and_what_differs_from_another_one() -> None:
    assert study_of(job("ring-1")) == "ring"
    assert study_of(job("other", None)) is None
    assert changes(job("ring-1"), SPEC) == []
    larger = StudySpec.model_validate({**SPEC.model_dump(), "env_steps": 800})
    assert changes(job("ring-1"), larger) == ["env_steps 400 -> 800"]


def test_a_specification_of_another_version_differs_and_breaks_nothing() -> None:
    known = job("ring-1")
    assert known.metadata is not None
    known.metadata["lagsweep_spec"] = '{"name": "ring", "unheard": 1}'
    assert changes(known, SPEC) == ["this version of lagsweep cannot read it, version 1.0 submitted it"]


def test_a_job_finds_the_specification_that_it_was_submitted_with() -> None:
    config = {"runtime_env": {}, "metadata": metadata_of(SPEC, "1.0")}
    assert own_spec({"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(config)}) == SPEC
    with pytest.raises(SpecError, match="there is none"):
        own_spec({})
    with pytest.raises(SpecError, match="there is none"):
        own_spec({"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"metadata": {"job_submission_id": "x"}})})


def test_metadata_holds_the_specification_and_nothing_of_this_machine() -> None:
    metadata = metadata_of(SPEC, "1.0")
    assert metadata.keys() == {"job_name", "lagsweep_study", "lagsweep_spec", "lagsweep_version"}
    assert json.loads(metadata["lagsweep_spec"]) == SPEC.model_dump(mode="json", exclude_none=True)


def test_a_specification_that_no_process_can_be_handed_is_refused_with_its_size() -> None:
    arm = {
        "lagrangian": {"update": "fixed"},
        "search": {"kind": "grid", "multiplier": [0.125 * i for i in range(16000)]},
    }
    large = StudySpec.model_validate({**SPEC.model_dump(), "arms": {"fixed": arm}})
    with pytest.raises(SpecError, match=r"at most 98,304 bytes.*but this one has 1\d\d,\d\d\d"):
        metadata_of(large, "1.0")


def test_submission_ids_count_the_attempts_of_a_study_and_leave_out_what_another_job_bears() -> None:
    known = [job("ring-2"), job("ring-10"), job("ring-b-11", "ring-b"), job("ring-x", None)]
    assert next_id("ring", known) == "ring-11"
    assert next_id("ring", [*known, job("ring-11", None)]) == "ring-12"
    assert next_id("alone", [job("alone-1", None)]) == "alone-2"
    assert next_id("ring-b", known) == "ring-b-12"
    assert next_id("new", known) == "new-1"
    assert [found.submission_id for found in jobs_of("ring", reversed(known))] == ["ring-2", "ring-10"]


def test_options_become_arguments_of_the_command_that_a_job_runs() -> None:
    options = DriverOptions(max_concurrent=4, cpus_per_trial=0.5, gpus_per_trial=0.25, cadence=Cadence(1000, 60.0))
    assert shlex.split(options.command()) == [
        *("lagsweep", "drive", "--max-concurrent", "4", "--cpus-per-trial", "0.5", "--gpus-per-trial", "0.25"),
        *("--env-path", "auto", "--checkpoint-seconds", "60.0", "--checkpoint-steps", "1000"),
    ]
    assert "--max-concurrent" not in DriverOptions().command()


@pytest.mark.parametrize("options", [{"gpus_per_trial": 1.5}, {"cpus_per_trial": 0.0}, {"max_concurrent": 0}])
def test_options_on_which_a_driver_would_fail_are_refused_here(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}.* must hold"):
        DriverOptions(**options)
