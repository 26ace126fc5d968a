"""Keeps a study's driver alive: Ray's job supervisor reports a process that died and starts nothing again.

The driver is a process of its own, so that whatever kills it (a signal, memory, a fault in compiled code) leaves this
loop. A driver that dies goes on from the ledger and its checkpoints. One that dies again and again without getting
anywhere is left dead: a cluster must not burn hours on a study that cannot run.
"""

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.errors import ExitCode

logger = logging.getLogger(__name__)

TEMPORARY = 75
"""What a driver exits with that may do better later (EX_TEMPFAIL of sysexits.h): Ray, ledger or lease not there yet."""

_FINAL = {int(code) for code in ExitCode} - {ExitCode.UNREACHABLE}
_POLL_S = 0.2


@dataclass
class Restarts:
    """When a driver that died is started again, and when never.

    Attributes:
        max_barren: Restarts in a row without progress of the study, at most: the next death is the last.
        max_restarts: Restarts altogether, at most.
        patience_s: Seconds in a row for which Ray, the ledger or another driver may be in the way.
        first_pause_s: Seconds before a restart; doubles with every further one without progress.
        longest_pause_s: Bound of that.
    """

    max_barren: int = 5
    max_restarts: int = 100
    patience_s: float = 3600.0
    first_pause_s: float = 2.0
    longest_pause_s: float = 120.0
    _barren: int = 0
    _pauses: int = 0
    _restarts: int = 0
    _waiting_since: float | None = None

    def pause(self, *, temporary: bool, progressed: bool, now: float) -> float | None:
        """What to do about a death.

        Args:
            temporary: Whether the driver only found something in its way.
            progressed: Whether the study went on since the driver was started.
            now: Seconds of a monotonic clock.

        Returns:
            Seconds to wait before the next start; None: give up.

        Examples:
            >>> restarts = Restarts(max_barren=2)
            >>> [restarts.pause(temporary=False, progressed=False, now=0.0) for _ in range(3)]
            [2.0, 4.0, None]
        """
        if progressed:
            self._barren = self._pauses = 0
        if progressed or not temporary:
            self._waiting_since = None
        if temporary:
            self._waiting_since = now if self._waiting_since is None else self._waiting_since
            if now - self._waiting_since > self.patience_s:
                return None
        else:
            self._barren += 1
            self._restarts += 1
            if self._barren > self.max_barren or self._restarts > self.max_restarts:
                return None
        pause = min(self.first_pause_s * 2.0**self._pauses, self.longest_pause_s)
        self._pauses += 1
        return pause


class DriverLoop:
    """Runs a command until it ends for good.

    Args:
        command: Starts a driver; its exit code is a command's, or `TEMPORARY`.
        measure: How far the study is: any number that only grows while it goes on.
        stop: Asks the driver to end, when this process is asked to.
        restarts: When to start it again.
        options: Further arguments of `subprocess.Popen`.
    """

    def __init__(
        self,
        command: Sequence[str],
        measure: Callable[[], float],
        stop: Callable[[], Any],
        restarts: Restarts | None = None,
        **options: Any,
    ) -> None:
        self._command = list(command)
        self._measure = measure
        self._stop = stop
        self._restarts = restarts or Restarts()
        self._options = options
        self._stopping = False

    def run(self) -> int:
        """Starts the command, again and again where it dies.

        SIGTERM and Ctrl-C let the driver end as `lagsweep stop` does, if who sends them waits: `ray job stop` kills
        everything after three seconds, and a pod that ends tells its jobs nothing.

        Returns:
            The exit code of this process.
        """
        before = {number: signal.signal(number, self._request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        reached = self._measure()
        while True:
            code = self._run_once()
            if code in _FINAL or self._stopping:
                return code if code >= 0 else ExitCode.INTERRUPTED
            now = self._measure()
            temporary = code in (TEMPORARY, ExitCode.UNREACHABLE)
            pause = self._restarts.pause(temporary=temporary, progressed=now > reached, now=time.monotonic())
            reached = max(reached, now)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            if pause is None:
                logger.error("The driver %s again; it is not started any more.", how)
                return code if code > 0 else 1
            logger.warning("The driver %s; it is started again in %.0f s.", how, pause)
            if self._sleep(pause):
                return ExitCode.INTERRUPTED

    def _run_once(self) -> int:
        process = subprocess.Popen(self._command, **self._options)
        told = False
        while process.poll() is None:
            if self._stopping and not told:
                told = True
                self._stop()
            time.sleep(_POLL_S)
        return process.returncode

    def _sleep(self, seconds: float) -> bool:
        """Waits; whether it was asked to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping:
            time.sleep(_POLL_S)
        return self._stopping

    def _request_stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
