"""What a command of Lagsweep that ran as a job on a cluster printed: JSON, or the error that it ended with."""

import json
from collections.abc import Generator, Iterable
from typing import Any

from sweeps.cluster.jobs import JobError
from sweeps.errors import SweepError


class RemoteError(SweepError):
    """What a command on the cluster said: the same error, from there."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"], code=error["code"], help=error.get("help"))
        self.exit_code = error["exit_code"]  # pyright: ignore[reportAttributeAccessIssue] - of this error, not of its class


def read_lines(lines: Iterable[str]) -> Generator[dict[str, Any]]:
    """What a command printed as JSON, one line a piece, among whatever else its job wrote.

    Raises:
        RemoteError: If the command failed: it then printed an error, as JSON of several lines.
        JobError: If there was no JSON at all.
    """
    others: list[str] = []
    is_empty = True
    for line in lines:
        try:
            piece = json.loads(line)
        except ValueError:
            piece = None
        if isinstance(piece, dict):
            is_empty = False
            yield piece
        else:
            others.append(line)
    for start in (number for number, line in enumerate(others) if line == "{"):
        try:
            answer, _ = json.JSONDecoder().raw_decode("\n".join(others[start:]))
        except ValueError:
            continue
        if "error" in answer:
            raise RemoteError(answer["error"])
    if is_empty:
        raise _no_answer("the command", "\n".join(others))


def parse_answer(logs: str, mark: str, words: str) -> Any:
    """The JSON that a job printed between two marks.

    Args:
        logs: All that it wrote.
        mark: A line before and after the JSON.
        words: The command, for an error.

    Raises:
        RemoteError: If the command failed; with the same code and message.
        JobError: If there was no answer.
    """
    parts = logs.split(f"{mark}\n")
    try:
        answer = json.loads(parts[1])
    except (IndexError, ValueError):
        raise _no_answer(f"`{words}`", logs) from None
    if isinstance(answer, dict) and "error" in answer:
        raise RemoteError(answer["error"])
    return answer


def _no_answer(words: str, logs: str) -> JobError:
    tail = "\n".join(logs.strip().splitlines()[-8:]) or "it did not end in time"
    return JobError(
        f"{words} gave no answer on the cluster: {tail}",
        code="no-answer",
        help="check that the cluster's image has lagsweep on its PATH, and see `lagsweep doctor --address …`",
    )
