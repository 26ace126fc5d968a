"""OmniSafe 0.5.0's SACLag as a contestant of `benchmarks.sac_race`: some env steps a line of input, their seconds out.

    PYTHON -m benchmarks.peers.omnisafe_sac_lag --task SafetyPointCircle1-v0 [--no-textures] [--steps 500]

PYTHON is the interpreter of OmniSafe's own environment (benchmarks/README.md says how to make one); of this repository
only `omnisafe_ppo_lag` is imported. OmniSafe runs with its settings for the task, but for learning from the first 300
steps on rather than 10 000. Its evaluations between epochs are left out.
"""

import argparse
import json
import sys
import tempfile
import time
from typing import Any

from benchmarks.peers.omnisafe_ppo_lag import allow_arrays_as_defaults, drop_textures

_LEARNING_STARTS = 300
_NO_EPOCH_ENDS = 1_000_000


class Turns:
    """Lets OmniSafe's loop go on for some steps at a time, and adds up what their parts took."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._output = steps, -2 * _LEARNING_STARTS, sys.stdout
        self._seconds = dict.fromkeys(("rollout_s", "rollout_cpu_s", "update_s", "update_cpu_s"), 0.0)
        sys.stdout = sys.stderr  # OmniSafe prints tables

    def around(self, name: str, function: Any) -> Any:
        """The function, measured."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            if name == "rollout":
                self._wait()
            wall, cpu = time.perf_counter(), time.process_time()
            result = function(*args, **kwargs)
            self._seconds[f"{name}_s"] += time.perf_counter() - wall
            self._seconds[f"{name}_cpu_s"] += time.process_time() - cpu
            return result

        return measured

    def _wait(self) -> None:
        """Before each step: reports the steps of a turn when it is over, and waits for the next one."""
        if self._done >= 0 and self._done % self._steps == 0:
            if self._done:
                self._tell({**self._seconds, "env_steps": self._steps})
            else:
                self._tell({"ready": True})
            if not sys.stdin.readline():
                raise SystemExit(0)
            self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._done += 1

    def _tell(self, words: dict[str, Any]) -> None:
        print(json.dumps(words), file=self._output, flush=True)


def main() -> None:
    """Builds the agent and serves turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="SafetyPointCircle1-v0")
    parser.add_argument("--no-textures", action="store_true")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    allow_arrays_as_defaults()
    import omnisafe

    if arguments.no_textures:
        drop_textures()
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {
            "seed": arguments.seed,
            "train_cfgs": {"total_steps": _NO_EPOCH_ENDS, "torch_threads": 1, "vector_env_nums": 1},
            "algo_cfgs": {"steps_per_epoch": _NO_EPOCH_ENDS, "start_learning_steps": _LEARNING_STARTS},
            "logger_cfgs": {"use_wandb": False, "use_tensorboard": False, "log_dir": folder, "save_model_freq": 10**9},
        }
        turns = Turns(arguments.steps)
        algorithm = omnisafe.Agent("SACLag", arguments.task, custom_cfgs=settings).agent
        algorithm._env.rollout = turns.around("rollout", algorithm._env.rollout)
        algorithm._update = turns.around("update", algorithm._update)
        algorithm.learn()


if __name__ == "__main__":
    main()
