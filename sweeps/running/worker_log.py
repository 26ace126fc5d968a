"""The end of what a worker wrote to its standard output and error: what a traceback alone does not say.

Ray redirects both into files of the worker's machine. A worker whose training fails reads its own and attaches them to
the exception, which travels to the driver from any machine. A worker that was killed cannot; the driver then reads the
files where they lie on its own machine.
"""

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from ray._private import worker as ray_worker

MAX_LINES = 200
"""Last lines of each of the two streams."""

_MAX_BYTES = 20 * 2**10  # of each, so that the traceback fits beside them
_MARKS = (":job_id:", ":actor_name:", ":task_name:")  # Ray's own, for its log monitor


@contextmanager
def attached_to_errors() -> Generator[None]:
    """Adds the end of this worker's output to an exception that passes, as a note of its traceback."""
    try:
        yield
    except Exception as error:
        worker = ray_worker.global_worker
        tail = tails(Path(path) for path in (worker.get_out_file_path(), worker.get_err_file_path()) if path)
        if tail:
            error.add_note(tail)
        raise


def tail_of_lost(words: str) -> str:
    """Reads what a worker wrote before it was lost.

    Args:
        words: What Ray says of the loss; it names the process where one ran.

    Returns:
        The end of its output, or nothing where it lies on another machine.
    """
    node, pid = ray_worker._global_node, re.search(r"^\s*pid: (\d+)$", words, re.MULTILINE)
    if node is None or pid is None:
        return ""
    logs = Path(node.get_logs_dir_path())
    return tails(sorted(logs.glob(f"worker-*-{pid[1]}.out")) + sorted(logs.glob(f"worker-*-{pid[1]}.err")))


def tails(paths: Iterable[Path]) -> str:
    """Reads the ends of log files.

    Args:
        paths: The files; one that does not exist or says nothing is left out.

    Returns:
        For each its name and its last lines, at most 200 and 20 KiB.
    """
    sections = ((path.suffix, _tail(path)) for path in paths if path.is_file())
    names = {".out": "standard output", ".err": "standard error"}
    return "\n".join(
        f"--- the worker's {names.get(suffix, 'log')}, its end ---\n{text}" for suffix, text in sections if text
    )


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MAX_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if not line.startswith(_MARKS)][-MAX_LINES:])
