"""How a contestant talks to the race: a line in, one iteration, a line of JSON out."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


class Watch:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Wall seconds and CPU seconds."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


class Stopwatch:
    """A function that knows how long its last call took.

    Attributes:
        wall_s: Wall seconds.
        cpu_s: CPU seconds of this process.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.wall_s = self.cpu_s = 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function."""
        watch = Watch()
        result = self._function(*args, **kwargs)
        self.wall_s, self.cpu_s = watch.read()
        return result


def serve(train: Callable[[], int], rollout: Stopwatch) -> None:
    """Trains one iteration for every line of standard input, until it ends.

    Args:
        train: Trains an iteration and gives its env steps, those of all seeds.
        rollout: The part of it that samples; the rest counts as update.
    """
    output = sys.stdout
    sys.stdout = sys.stderr
    print(json.dumps({"ready": True}), file=output, flush=True)
    for _ in sys.stdin:
        watch = Watch()
        env_steps = train()
        wall_s, cpu_s = watch.read()
        report = {
            "rollout_s": rollout.wall_s,
            "rollout_cpu_s": rollout.cpu_s,
            "update_s": wall_s - rollout.wall_s,
            "update_cpu_s": cpu_s - rollout.cpu_s,
            "env_steps": env_steps,
        }
        print(json.dumps(report), file=output, flush=True)
