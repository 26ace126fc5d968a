"""What a study looks like among a cluster's jobs: its id, its metadata and the command that drives it."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from ray.job_submission import JobDetails

from environments.tasks import Path as EnvPath
from sweeps.errors import SpecError
from sweeps.running.checkpoints import Cadence
from sweeps.running.resources import Resources
from sweeps.spec import StudySpec
from sweeps.spec.difference import differences

_STUDY, _SPEC, _VERSION = "lagsweep_study", "lagsweep_spec", "lagsweep_version"
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # how Ray tells a job's command what it was submitted with
_MAX_SPEC_BYTES = 96 * 2**10  # one variable of a process's environment holds at most 128 KiB


@dataclass(frozen=True)
class DriverOptions:
    """How a study runs on the cluster; the options of `Study.run`.

    Attributes:
        max_concurrent: Trials at once, at most; None: as many as fit.
        cpus_per_trial: CPU cores of a trial.
        gpus_per_trial: GPUs of a trial, at most 1; a fraction shares one.
        env_path: Which environments: `auto`, `fast` or `general`.
        cadence: When to take checkpoints.
    """

    max_concurrent: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    env_path: EnvPath = "auto"
    cadence: Cadence = field(default_factory=Cadence)

    def __post_init__(self) -> None:
        """Checks the values here, before a job fails on them.

        Raises:
            SpecError: If one is out of range.
        """
        Resources(self.cpus_per_trial, self.gpus_per_trial, self.max_concurrent)

    def arguments(self) -> list[str]:
        """The same as arguments of a command."""
        values = {
            "--max-concurrent": self.max_concurrent,
            "--cpus-per-trial": self.cpus_per_trial,
            "--gpus-per-trial": self.gpus_per_trial,
            "--env-path": self.env_path,
            "--checkpoint-seconds": self.cadence.seconds,
            "--checkpoint-steps": self.cadence.env_steps,
        }
        return [word for name, value in values.items() if value is not None for word in (name, str(value))]

    def command(self) -> str:
        """What the shell of a job runs."""
        return shlex.join(["lagsweep", "drive", *self.arguments()])


def metadata_of(spec: StudySpec, version: str) -> dict[str, str]:
    """What a cluster remembers of a submitted study: the resolved specification, and nothing of this machine.

    Args:
        spec: The study.
        version: This version of Lagsweep.

    Returns:
        Metadata of the job.

    Raises:
        SpecError: If the specification is too large to be handed to a process.
    """
    text = spec.model_dump_json(exclude_none=True)
    if len(text.encode()) > _MAX_SPEC_BYTES:
        raise SpecError(
            f"`a submitted specification has at most {_MAX_SPEC_BYTES:,} bytes` must hold, but this one has "
            f"{len(text.encode()):,}.",
            code="spec-too-large",
            help="split the study, or give ranges instead of long lists",
        )
    return {"job_name": spec.name, _STUDY: spec.name, _SPEC: text, _VERSION: version}


def study_of(job: JobDetails) -> str | None:
    """The name of the study that a job drives, or None."""
    return (job.metadata or {}).get(_STUDY)


def task_of(job: JobDetails) -> str:
    """The task of the study that a job drives."""
    return json.loads((job.metadata or {}).get(_SPEC, "{}")).get("task", "")


def changes(job: JobDetails, spec: StudySpec) -> list[str]:
    """What differs between the specification that a job was submitted with and another one; nothing where none does."""
    text = (job.metadata or {}).get(_SPEC, "")
    try:
        return differences(StudySpec.model_validate_json(text), spec)
    except ValidationError:
        version = (job.metadata or {}).get(_VERSION, "unknown")
        return [f"this version of lagsweep cannot read it, version {version} submitted it"]


def jobs_of(study: str, jobs: Iterable[JobDetails]) -> list[JobDetails]:
    """The jobs that drive or drove a study, the last submitted last."""
    ours = [job for job in jobs if study_of(job) == study]
    return sorted(ours, key=lambda job: _attempt(study, job))


def next_id(study: str, jobs: Iterable[JobDetails]) -> str:
    """The submission id of a study's next attempt: `NAME-1`, then `NAME-2`; ids that other jobs bear are left out."""
    return f"{study}-{max((_attempt(study, job) for job in jobs), default=0) + 1}"


def own_spec(variables: Mapping[str, str] | None = None) -> StudySpec:
    """The specification that this job was submitted with.

    Args:
        variables: Environment variables; None: those of this process.

    Raises:
        SpecError: If this process is not the command of a submitted study.
    """
    given = os.environ if variables is None else variables
    config: dict[str, Any] = json.loads(given.get(_JOB_CONFIG, "{}"))
    text = config.get("metadata", {}).get(_SPEC)
    if text is None:
        raise SpecError(
            "`drive` without a file reads the study that its job was submitted with, but there is none.",
            code="usage",
            help="`lagsweep drive STUDY.yaml`, or `lagsweep submit STUDY.yaml --address http://head:8265`",
        )
    return StudySpec.model_validate_json(text)


def _attempt(study: str, job: JobDetails) -> int:
    found = re.fullmatch(re.escape(study) + r"-(\d+)", job.submission_id or "")
    return int(found[1]) if found else 0
