"""What Lagsweep and OmniSafe learn with identical settings: return, cost and multiplier over env steps.

    yes '' | head -15 | PYTHON benchmarks/peers/omnisafe_ppo_lag.py --no-textures --target-kl 0.02 --seed 0 > o-0.jsonl
    python -m benchmarks.learning_curves o-0.jsonl [--seeds 10] [--iterations 15]

PYTHON is the interpreter of OmniSafe's own environment. Settings are those of Table A.1 on SafetyPointCircle1-v0, with
OmniSafe's window of 50 episodes for the multiplier. Writes results/learning_curves.json and a figure in docs/images.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console

from algorithms.ppo_lagrangian import PPOLagrangianConfig
from benchmarks.provenance import write_result
from sweeps.running.ray_session import connected

_STEPS = 20_000
_FIGURE = Path(__file__).parents[1] / "docs" / "images" / "learning_curves.svg"
_NAMES = {"return": "return per episode", "cost": "cost per episode", "multiplier": "multiplier λ"}

Curves = dict[str, list[list[float]]]
"""`return`, `cost` and `multiplier`: a list a seed of one number an iteration."""


def lagsweep_curves(seeds: int, iterations: int) -> Curves:
    """Trains the seeds together."""
    algorithm = (
        PPOLagrangianConfig()
        .environment("Circle1")
        .training(cost_window=50)
        .lagrangian(update="ga", cost_limit=25.0)
        .seeds(range(seeds))
        .build_algo()
    )
    curves: Curves = {name: [[] for _ in range(seeds)] for name in _NAMES}
    for _ in range(iterations):
        for row in algorithm.train()["seed_rows"]:
            metrics = row["metrics"]
            for name, key in (("return", "train/return"), ("cost", "train/cost"), ("multiplier", "multiplier/value")):
                curves[name][row["seed"]].append(metrics[key])
    algorithm.stop()
    return curves


def omnisafe_curves(files: list[Path], iterations: int) -> Curves:
    """Reads what the contestant wrote, a file a seed.

    Raises:
        ValueError: If a file holds fewer iterations.
    """
    curves: Curves = {name: [] for name in _NAMES}
    for file in files:
        lines = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
        reports = [line for line in lines if "episodes" in line][:iterations]
        if len(reports) < iterations:
            raise ValueError(f"`{iterations} iterations` must lie in {file.name}, but it holds {len(reports)}.")
        means = np.array([np.mean(report["episodes"], axis=0) for report in reports])
        curves["return"].append(means[:, 0].tolist())
        curves["cost"].append(means[:, 1].tolist())
        curves["multiplier"].append([report["multiplier"] for report in reports])
    return curves


def draw(ours: Curves, theirs: Curves) -> None:
    """Every seed as a thin line, the mean over Lagsweep's seeds as a thick one."""
    figure = Figure(figsize=(10.0, 3.2), layout="constrained")
    axes: Any = figure.subplots(1, 3)
    for axis, (name, title) in zip(axes, _NAMES.items(), strict=True):
        steps = _STEPS * np.arange(1, len(ours[name][0]) + 1) / 1000
        for curve in ours[name]:
            axis.plot(steps, curve, color="tab:blue", linewidth=0.6, alpha=0.5)
        axis.plot(steps, np.mean(ours[name], axis=0), color="tab:blue", label=f"Lagsweep, {len(ours[name])} seeds")
        for index, curve in enumerate(theirs[name]):
            label = f"OmniSafe 0.5.0, {len(theirs[name])} seeds" if index == 0 else None
            axis.plot(steps, curve, color="tab:orange", label=label)
        axis.set(title=title, xlabel="thousand env steps")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(_FIGURE, metadata={"Date": None})


def main() -> None:
    """Trains, writes the result and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("omnisafe", type=Path, nargs="+", help="what OmniSafe's contestant wrote, a file a seed")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    theirs = omnisafe_curves(arguments.omnisafe, arguments.iterations)
    with connected("local"):
        ours = lagsweep_curves(arguments.seeds, arguments.iterations)
    settings = {"task": "Circle1", "steps_per_iteration": _STEPS, "iterations": arguments.iterations}
    path = write_result("learning_curves", {**settings, "lagsweep": ours, "omnisafe": theirs})
    draw(ours, theirs)
    Console().print(f"written to {path.relative_to(path.parents[2])} and {_FIGURE.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()
