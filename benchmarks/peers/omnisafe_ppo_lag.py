"""OmniSafe 0.5.0's PPOLag as a contestant: one iteration a line of standard input, its measurements a line of output.

    PYTHON benchmarks/peers/omnisafe_ppo_lag.py --task SafetyPointCircle1-v0 [--no-textures] [--steps 20000] ...

PYTHON is the interpreter of OmniSafe's own environment (benchmarks/README.md says how to make one): nothing of this
repository is imported here. OmniSafe runs as installed; timers are put around its `rollout` and `_update`.
With `--no-textures`, skybox and floor pictures are left out of each model before MuJoCo compiles it: the physics is
the same, but a reset takes 10 ms rather than 1.3 s.
"""

import argparse
import dataclasses
import inspect
import json
import os
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")


def allow_arrays_as_defaults() -> None:
    """Lets safety-gymnasium 1.0.0 be imported by Python 3.11, which refuses its arrays as defaults of dataclasses."""
    source = inspect.getsource(dataclasses._get_field)  # pyright: ignore
    relaxed = source.replace("f.default.__class__.__hash__ is None", "isinstance(f.default, (list, dict, set))")
    exec(relaxed, vars(dataclasses))


def drop_textures() -> None:
    """Takes the pictures out of every model that safety-gymnasium builds."""
    import xmltodict
    from safety_gymnasium import world

    def unparse(xml: Any) -> str:
        assets = xml["mujoco"]["asset"]
        materials = [{k: v for k, v in material.items() if k != "@texture"} for material in assets["material"]]
        bare = {**assets, "texture": [], "material": materials}
        return xmltodict.unparse({"mujoco": {**xml["mujoco"], "asset": bare}})

    world.xmltodict = SimpleNamespace(parse=xmltodict.parse, unparse=unparse)


class Timers:
    """Wall and CPU seconds of the parts of an iteration."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def around(self, name: str, function: Any) -> Any:
        """The function, measured."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = function(*args, **kwargs)
            self.seconds[f"{name}_s"] = time.perf_counter() - wall
            self.seconds[f"{name}_cpu_s"] = time.process_time() - cpu
            return result

        return measured


def configuration(arguments: argparse.Namespace, folder: str) -> dict[str, Any]:
    """OmniSafe's settings: its defaults, which are Table A.1's, with the sizes asked for."""
    return {
        "seed": arguments.seed,
        "train_cfgs": {"total_steps": arguments.total_steps, "torch_threads": 1, "vector_env_nums": 1},
        "algo_cfgs": {
            "steps_per_epoch": arguments.steps,
            "update_iters": arguments.epochs,
            "kl_early_stop": arguments.target_kl is not None,
            "target_kl": arguments.target_kl or 0.02,
        },
        "logger_cfgs": {"use_wandb": False, "use_tensorboard": False, "log_dir": folder, "save_model_freq": 10**9},
    }


def serve(agent: Any, steps: int) -> None:
    """Trains one iteration a line of input and writes what it took, and the episodes that finished in it."""
    algorithm, timers, output = agent.agent, Timers(), sys.stdout
    sys.stdout = sys.stderr  # OmniSafe prints a table every iteration
    episodes: list[list[float]] = []
    rollout = timers.around("rollout", algorithm._env.rollout)
    update = timers.around("update", algorithm._update)
    log_metrics = algorithm._env._log_metrics

    def keep(logger: Any, idx: int) -> None:
        episodes.append([float(algorithm._env._ep_ret[idx]), float(algorithm._env._ep_cost[idx])])
        log_metrics(logger, idx)

    def wait_and_roll_out(*args: Any, **kwargs: Any) -> None:
        if not sys.stdin.readline():
            raise SystemExit(0)
        episodes.clear()
        rollout(*args, **kwargs)

    def update_and_report() -> None:
        update()
        multiplier = float(algorithm._lagrange.lagrangian_multiplier)
        report = {**timers.seconds, "env_steps": steps, "episodes": episodes, "multiplier": multiplier}
        output.write(json.dumps(report) + "\n")
        output.flush()

    algorithm._env._log_metrics = keep
    algorithm._env.rollout, algorithm._update = wait_and_roll_out, update_and_report
    output.write(json.dumps({"ready": True}) + "\n")
    output.flush()
    algorithm.learn()


def main() -> None:
    """Builds the agent and serves iterations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="SafetyPointCircle1-v0")
    parser.add_argument("--no-textures", action="store_true")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--target-kl", type=float, default=None, help="default: no early stop")
    parser.add_argument("--total-steps", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    allow_arrays_as_defaults()
    import omnisafe

    if arguments.no_textures:
        drop_textures()
    with tempfile.TemporaryDirectory() as folder:
        serve(omnisafe.Agent("PPOLag", arguments.task, custom_cfgs=configuration(arguments, folder)), arguments.steps)


if __name__ == "__main__":
    main()
