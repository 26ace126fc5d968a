"""Why a Tune trial failed: its own fault, or that of the machine under it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import RayActorError
from ray.tune.experiment import Trial as TuneTrial

from sweeps.running.worker_log import tail_of_lost

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """What ended an execution.

    Attributes:
        cause: Class and first line of the exception.
        log: Its traceback without colors, and the end of what the worker wrote to its standard output and error.
        worker_lost: Whether its process or machine went away, killed or preempted, rather than training failed.
    """

    cause: str
    log: str
    worker_lost: bool


def failure_of(trial: TuneTrial) -> Failure:
    """Reads the exception that a Tune trial failed with."""
    said = "" if trial.error_file is None else _read(Path(trial.error_file))
    pickled = trial.pickled_error_file
    if pickled is None or not Path(pickled).exists():
        cause = said.strip().splitlines()[-1] if said.strip() else "the worker ended without saying why"
        return Failure(cause, said or cause, worker_lost=False)
    with Path(pickled).open("rb") as file:  # written by Tune in this process a moment ago
        error: BaseException = cloudpickle.load(file)
    error = getattr(error, "cause", None) or error
    lines = str(error).strip().splitlines()
    cause = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    lost = isinstance(error, RayActorError)
    log = "\n".join(filter(None, (said or cause, tail_of_lost(said) if lost else "")))
    return Failure(cause, log, worker_lost=lost)


def _read(path: Path) -> str:
    return _COLOR.sub("", path.read_text(encoding="utf-8")) if path.exists() else ""
