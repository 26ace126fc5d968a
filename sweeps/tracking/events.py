"""What happens to a study, as lines of its spool file: JSON objects told apart by their key `event`.

NaN and infinities are the strings "NaN", "Infinity" and "-Infinity", so that every line is standard JSON.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from sweeps.records import Interval, ResultRow, Trial

SPOOL_VERSION = 3
"""Version of the line format; a reader refuses a newer one, and reads every older one."""


class _Event(BaseModel):
    # Rows come from training unchecked: `always` refuses what could not be read back, and turns NumPy's numbers
    # into Python's.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", revalidate_instances="always")


class SpoolOpened(_Event):
    """The first line of a spool.

    Attributes:
        version: Version of the format.
        id: Random identity of this history of the study: a study deleted and created again has another.
    """

    event: Literal["spool"] = "spool"
    version: int = SPOOL_VERSION
    id: str


class StudyStarted(_Event):
    """A driver began to run the study, for the first time or again; whatever ran before it has stopped.

    Attributes:
        time: Seconds since the epoch.
        study: The study's name.
        spec_yaml: The whole study file.
        tags: Further facts about this start: commit, versions.
        env_steps: Budget of a seed at this start, or None where it is not known; decides how densely curves are drawn.
    """

    event: Literal["study_started"] = "study_started"
    time: float
    study: str
    spec_yaml: str
    tags: dict[str, str]
    env_steps: int | None = None


class TrialStarted(_Event):
    """A trial began to train, for the first time or again.

    Attributes:
        time: Seconds since the epoch.
        trial: As it stood then.
        params: What identifies its configuration: the searched values and what its arm and task fix.
    """

    event: Literal["trial_started"] = "trial_started"
    time: float
    trial: Trial
    params: dict[str, Any] = {}


class RowAdded(_Event):
    """One seed of a trial reported an iteration.

    Attributes:
        row: What it reported.
    """

    event: Literal["row"] = "row"
    row: ResultRow


class TrialFinished(_Event):
    """A trial reached a final state.

    Attributes:
        time: Seconds since the epoch.
        trial: As it stood then.
        params: What identifies its configuration: the searched values and what its arm and task fix.
        objectives: Each objective over its seeds, by name, the most important first.
    """

    event: Literal["trial_finished"] = "trial_finished"
    time: float
    trial: Trial
    params: dict[str, Any] = {}
    objectives: dict[str, Interval] = {}


class AttemptFailed(_Event):
    """An attempt at a trial ended with an error.

    Attributes:
        time: Seconds since the epoch.
        trial: Its number.
        attempt: 1, 2, … for that trial.
        log: Its traceback and the end of what its worker wrote.
    """

    event: Literal["attempt_failed"] = "attempt_failed"
    time: float
    trial: int
    attempt: int
    log: str


class PolicyAdded(_Event):
    """The policy of the study's best trial so far was written.

    Attributes:
        time: Seconds since the epoch.
        trial: The trial's number.
        path: Its folder; relative to the study's folder.
    """

    event: Literal["policy"] = "policy"
    time: float
    trial: int
    path: str


class SystemSampled(_Event):
    """What the driver's machine was doing.

    Attributes:
        time: Seconds since the epoch.
        metrics: MLflow's key of a system metric → value.
    """

    event: Literal["system"] = "system"
    time: float
    metrics: dict[str, float]


class ArtifactAdded(_Event):
    """A file or folder belongs to the study's record.

    Attributes:
        time: Seconds since the epoch.
        path: Where it lies; relative to the study's folder where it lies within.
    """

    event: Literal["artifact"] = "artifact"
    time: float
    path: str


class StudyStopped(_Event):
    """The driver ended in an orderly way; trials still open then are interrupted.

    Attributes:
        time: Seconds since the epoch.
    """

    event: Literal["study_stopped"] = "study_stopped"
    time: float


Event = (
    SpoolOpened
    | StudyStarted
    | TrialStarted
    | RowAdded
    | TrialFinished
    | AttemptFailed
    | PolicyAdded
    | SystemSampled
    | ArtifactAdded
    | StudyStopped
)
"""Any line of a spool."""

_LINE: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def encode(event: Event) -> bytes:
    """Writes an event as one line, with its line feed.

    Args:
        event: What happened.

    Returns:
        UTF-8 JSON, ended by the only line feed in it. What UTF-8 cannot hold of a text (half of a surrogate pair, as in
        the name of a file that is not UTF-8 and in an error that quotes it) stands there as an escape.
    """
    try:
        text = event.model_dump_json()
    except PydanticSerializationError:
        text = type(event).model_validate(_escaped(event.model_dump())).model_dump_json()
    return text.encode() + b"\n"


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(name): _escaped(item) for name, item in cast(dict[str, object], value).items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in cast(list[object], value)]
    return value


def decode(line: bytes) -> Event:
    """Reads an event back.

    Args:
        line: One line of a spool, with or without its line feed.

    Returns:
        The event that `encode` wrote.

    Raises:
        ValueError: If the line is no event of this version.
    """
    return _LINE.validate_json(line)


def row_prefix(trial: int) -> bytes:
    """How the line of every row of a trial begins, so that others need not be decoded.

    Args:
        trial: The trial's number.

    Returns:
        The first bytes that `encode` writes for such a row.

    Examples:
        >>> row_prefix(7)
        b'{"event":"row","row":{"trial":7,'
    """
    return b'{"event":"row","row":{"trial":%d,' % trial
