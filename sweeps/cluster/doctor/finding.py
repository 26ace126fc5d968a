"""What a check found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sweeps.errors import ExitCode, SweepError


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was checked.
        level: How bad it is.
        message: What was found.
        help: What to do, where there is something.
        exit_code: What a command ends with where this is a failure.
    """

    check: str
    level: Level
    message: str
    help: str | None = None
    exit_code: ExitCode = ExitCode.OK

    def to_dict(self) -> dict[str, Any]:
        """The same for a program."""
        found = {"check": self.check, "level": str(self.level), "message": self.message, "help": self.help}
        return found | {"exit_code": int(self.exit_code)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Finding":
        """What `to_dict` gave."""
        level, exit_code = Level(data["level"]), ExitCode(data["exit_code"])
        return cls(data["check"], level, data["message"], data["help"], exit_code)


def ok(check: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, help: str) -> Finding:
    """Studies run, but not as they should."""
    return Finding(check, Level.WARNING, message, help)


def failure(check: str, message: str, help: str, exit_code: ExitCode = ExitCode.USAGE) -> Finding:
    """Studies do not run, or not safely."""
    return Finding(check, Level.FAILURE, message, help, exit_code)


def of_error(check: str, error: SweepError) -> Finding:
    """A failure that a part of Lagsweep raised."""
    return Finding(check, Level.FAILURE, error.message, error.help, error.exit_code)


def worst_exit_code(findings: Iterable[Finding]) -> ExitCode:
    """What a command ends with: the exit code of the first failure; a warning is none."""
    return next((found.exit_code for found in findings if found.level is Level.FAILURE), ExitCode.OK)
