"""Batches in worker processes: each holds a contiguous block of the rows, and all step at the same time.

Gymnasium's `AsyncVectorEnv` is not used: it knows no cost beside the reward, hides what an environment raised behind a
message of its own, and with same-step autoreset hands over final observations one Python object an environment. The
loop here sends the block's actions and receives its `BatchStep`.

Workers are spawned, not forked: the parent may hold the threads of Ray, torch or MLflow. They are daemons, and end with
their end of the pipe, so that none outlives its parent, however that ends.
"""

import contextlib
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import numpy as np

from environments.batch import BatchStep, EnvBatch, Floats

_PATIENCE_S = 5.0

Result = TypeVar("Result")


class WorkerDiedError(RuntimeError):
    """A worker process ended while its batch was in use."""


class WorkerProcesses:
    """Runs blocks of a batch in processes of their own."""

    def __init__(self, blocks: Sequence[tuple[int, Callable[[], EnvBatch]]]) -> None:
        """Starts a process for each block and waits until all have built their environments.

        Args:
            blocks: Number of rows and what builds them, which is pickled; in the order of the rows.

        Raises:
            Exception: What building a block raised.
            WorkerDiedError: If a process ended before it had built its block.
        """
        ends = np.cumsum([rows for rows, _ in blocks])
        self._ends: list[int] = ends[:-1].tolist()
        self._workers: list[_Worker] = []
        try:
            for index, (rows, make) in enumerate(blocks):
                self._workers.append(_Worker(index, range(int(ends[index]) - rows, int(ends[index])), make))
            self._receive()
        except BaseException:
            self.close()
            raise

    def reset(self) -> Floats:
        """Resets every block.

        Returns:
            `[B, O]` float64; the first observations.
        """
        for worker in self._workers:
            worker.send(None)
        return np.concatenate(self._receive())

    def step(self, actions: Floats) -> BatchStep:
        """Steps every block.

        Args:
            actions: `[B, A]` float64.

        Returns:
            What the step gave, as one batch.

        Raises:
            Exception: What a block raised, that of the first where several did.
            WorkerDiedError: If a process has ended.
        """
        for worker, block in zip(self._workers, np.split(actions, self._ends), strict=True):
            worker.send(block)
        return BatchStep(*(np.concatenate(arrays) for arrays in zip(*self._receive(), strict=True)))

    def close(self) -> None:
        """Ends every process; may be called twice."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.hang_up()
        for worker in workers:
            worker.join()

    def _receive(self) -> list[Any]:
        # Every answer is taken before an error is raised: none is left for the next question.
        answers = [worker.receive() for worker in self._workers]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


class _Worker:
    """The parent's side of one process."""

    def __init__(self, index: int, rows: range, make: Callable[[], EnvBatch]) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = f"worker process {index}"
        self._rows = rows
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._name, make), daemon=True)
        try:
            self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()  # or this process would hold the pipe of a dead worker open

    def send(self, request: Floats | None) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its death shows where it should answer
            self._connection.send(request)

    def receive(self) -> Any:
        """The worker's answer, which may be an exception; a `WorkerDiedError` where it gave none."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_PATIENCE_S)
            code = self._process.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
            return WorkerDiedError(
                f"`a batch's worker processes live as long as it` must hold, but {self._name} (pid {self._process.pid},"
                f" environments {self._rows[0]} to {self._rows[-1]}) {how}; build the batch anew, or continue from the"
                " last checkpoint."
            )

    def hang_up(self) -> None:
        self._connection.close()

    def join(self) -> None:
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():  # an environment that hangs hears nothing
            self._process.kill()
            self._process.join()
        self._process.close()


def serve(connection: Connection, name: str, make: Callable[[], EnvBatch]) -> None:
    """A worker's life: it builds its batch, answers each request, and ends when the pipe does.

    Args:
        connection: To the parent; None asks for a reset, actions for a step. Whatever a request raises is the answer.
        name: Of the worker, for the note that an error carries.
        make: Builds the batch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, which may still need this process
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent hung up
        batch = _attempt(name, make)
        if isinstance(batch, Exception):
            connection.send(batch)
            return
        try:
            connection.send(None)
            while True:
                request = connection.recv()
                connection.send(_attempt(name, batch.reset if request is None else partial(batch.step, request)))
        finally:
            batch.close()


def _attempt(name: str, call: Callable[[], Result]) -> Result | Exception:
    """What a call returns, or an exception that can be sent, with its traceback as a note."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: the parent raises it
        error.add_note(f"In {name}:\n{traceback.format_exc()}")
        return error if _is_portable(error) else RuntimeError(f"{type(error).__name__}: {error}")


def _is_portable(error: Exception) -> bool:
    """Whether pickling keeps an exception; one whose arguments are not those of its class is lost on the way."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except (pickle.PickleError, TypeError, AttributeError):
        return False
