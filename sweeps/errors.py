"""Errors of a sweep: each says one cause at one place with the next step, and carries the command's exit code.

Every class is also a built-in exception, so that callers who know nothing of Lagsweep can catch it.
"""

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, ClassVar

PathPart = str | int

_MOST_NAMES = 12  # more than these fill the screen without helping, once the nearest is named


class ExitCode(IntEnum):
    """What the command `lagsweep` tells its shell."""

    OK = 0
    USAGE = 2
    NOT_FOUND = 3
    AUTHENTICATION = 4
    UNREACHABLE = 5
    FAILED_TRIALS = 6
    NO_FEASIBLE_TRIAL = 7
    INTERRUPTED = 130


@dataclass(frozen=True)
class Location:
    """A place in a file.

    Attributes:
        file: The file as the user named it.
        line: From 1.
        column: From 1.
        text: That line, without its end.
        width: Characters that are meant, at least 1.
    """

    file: str
    line: int
    column: int
    text: str
    width: int = 1


class SweepError(Exception):
    """What went wrong, where, and what to do next.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
        code: Short stable word for the kind of error, for scripts.
        message: The rule, then what came.
        help: The next step, or None where the message says it.
        path: Keys that lead to the place in a study file; empty where there is none.
        location: The place in a file, or None.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(
        self,
        message: str,
        *,
        code: str = "error",
        help: str | None = None,
        path: tuple[PathPart, ...] = (),
        location: Location | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.help = help
        self.path = path
        self.location = location

    @property
    def key(self) -> str:
        """The path as one writes it: `arms.fixed.search.multiplier[2]`."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return "".join(parts).removeprefix(".")

    def to_dict(self) -> dict[str, Any]:
        """The same fields that `render` shows, for `--output json`."""
        return {
            "code": self.code,
            "message": self.message,
            "key": self.key or None,
            "help": self.help,
            "location": asdict(self.location) if self.location else None,
            "exit_code": int(self.exit_code),
        }

    def render(self) -> str:
        """The error as a terminal shows it, with the line of the file and a caret under the place.

        Examples:
            >>> place = Location("pid.yaml", 14, 9, "    kp: -1", 2)
            >>> print(SweepError("`kp >= 0` must hold, but got -1.", path=("kp",), location=place).render())
            error[error] pid.yaml:14:9  kp: `kp >= 0` must hold, but got -1.
              14 |     kp: -1
                 |         ^^
        """
        head = f"{self.key}: {self.message}" if self.key else self.message
        lines = [f"error[{self.code}] {head}"]
        if self.location is not None:
            place = self.location
            number = str(place.line)
            # A tab stays a tab before the caret, so that the caret stands under its character.
            indent = "".join("\t" if character == "\t" else " " for character in place.text[: place.column - 1])
            lines = [
                f"error[{self.code}] {place.file}:{place.line}:{place.column}  {head}",
                f"  {number} | {place.text}",
                f"  {' ' * len(number)} | {indent}{'^' * place.width}",
            ]
        if self.help is not None:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


class SpecError(SweepError, ValueError):
    """A study file, a study specification or a parameter is wrong."""

    def at(self, *path: PathPart) -> "SpecError":
        """The same error at another path."""
        return SpecError(self.message, code=self.code, help=self.help, path=path)


class StudyExistsError(SweepError, ValueError):
    """A study of this name exists with another specification, or exists where none must."""


class StudyBusyError(SweepError, RuntimeError):
    """Another process drives the study."""


class NotFoundError(SweepError, LookupError):
    """No study, trial or file of this name."""

    exit_code = ExitCode.NOT_FOUND


class AuthenticationError(SweepError, PermissionError):
    """A cluster refused the token, or asks nobody for one."""

    exit_code = ExitCode.AUTHENTICATION


class UnreachableError(SweepError, ConnectionError):
    """Ray, MLflow or a storage did not answer."""

    exit_code = ExitCode.UNREACHABLE


class FailedTrialsError(SweepError, RuntimeError):
    """The study finished, but some of its trials failed."""

    exit_code = ExitCode.FAILED_TRIALS


class NoFeasibleTrial(SweepError, LookupError):  # noqa: N818 - Python's StopIteration, not a fault of the program
    """No complete trial keeps every cost within its limit."""

    exit_code = ExitCode.NO_FEASIBLE_TRIAL


def suggest(name: str, known: Iterable[str]) -> str:
    """Names the nearest known name, and all of them where they are few or none is near.

    Args:
        name: What came.
        known: What would have been right.

    Returns:
        A help line.

    Examples:
        >>> suggest("kpp", ["init", "kd", "ki", "kp"])
        'did you mean `kp`? known: init, kd, ki, kp'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    question = f"did you mean `{near[0]}`?" if near else ""
    if near and len(names) > _MOST_NAMES:
        return question
    return f"{question} known: {', '.join(names)}".strip()
