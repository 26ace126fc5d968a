"""Why a Tune trial failed: its own fault, or that of the machine under it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import ActorUnavailableError, RayActorError
from ray.tune.experiment import Trial as TuneTrial

from sweeps.running.worker_log import tail_of_lost

_NODE_DIED = "its node has died"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """What ended an execution.

    Attributes:
        cause: Class and first line of the exception.
        log: Its traceback without colors, and the end of what the worker wrote to its standard output and error.
        worker_lost: Whether its process or machine went away, killed or preempted, rather than training failed.
        node_lost: Whether it was the whole machine, as when a spot instance is taken back: no trial does that.
    """

    cause: str
    log: str
    worker_lost: bool
    node_lost: bool = False


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
    node_lost = isinstance(error, RayActorError) and _is_of_node(error)
    return Failure(cause, log, worker_lost=lost, node_lost=node_lost)


def _is_of_node(error: RayActorError) -> bool:
    """Whether an actor was lost with its machine.

    Ray has a flag where that was announced, and words where it knows. At first it only knows that the connection broke:
    a machine tells within a second that one of its processes died; one that tells nothing has gone itself.
    """
    return error.preempted or isinstance(error, ActorUnavailableError) or _NODE_DIED in str(error)


def _read(path: Path) -> str:
    return _COLOR.sub("", path.read_text(encoding="utf-8")) if path.exists() else ""
