"""What Lagsweep and OmniSafe learn with identical settings: return, cost and multiplier over env steps.

    yes '' | head -15 | PYTHON benchmarks/peers/omnisafe_ppo_lag.py --no-textures --target-kl 0.02 --seed 0 > o-0.jsonl
    python -m benchmarks.learning_curves o-0.jsonl … [--seeds 10] [--iterations 15] [--keep]

PYTHON is the interpreter of OmniSafe's own environment. Settings are those of Table A.1 on SafetyPointCircle1-v0, with
one environment and OmniSafe's window of 50 episodes for the multiplier. Writes results/learning_curves.json and a
figure in docs/images. With `--keep` Lagsweep's curves are those that the result file holds, and nothing is trained.

Agreement: at 100, 200 and 300 thousand steps the mean over the last three iterations is one number a seed, of each of
return, cost and multiplier. Welch's t-test compares the two programs' seeds, which share nothing but their numbers;
p-values are Holm's over all nine comparisons, intervals those of each difference (95 %).
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console

from algorithms.ppo_lagrangian import PPOLagrangianConfig
from benchmarks.provenance import RESULTS, write_result
from sweeps.analysis.comparison import difference, holm
from sweeps.running.ray_session import connected

_STEPS = 20_000
_FIGURE = Path(__file__).parents[1] / "docs" / "images" / "learning_curves.svg"
_WINDOW = 3  # iterations whose mean is one number a seed
_NAMES = {"return": "return per episode", "cost": "cost per episode", "multiplier": "multiplier λ"}

logger = logging.getLogger(__name__)

Curves = dict[str, list[list[float]]]
"""`return`, `cost` and `multiplier`: a list a seed of one number an iteration."""


def lagsweep_curves(seeds: int, iterations: int) -> Curves:
    """Trains the seeds together."""
    algorithm = (
        PPOLagrangianConfig()
        .environment("Circle1")
        .training(num_envs=1, cost_window=50)
        .lagrangian(update="ga", cost_limit=25.0)
        .seeds(range(seeds))
        .build_algo()
    )
    curves: Curves = {name: [[] for _ in range(seeds)] for name in _NAMES}
    for _ in range(iterations):
        rows = algorithm.train()["seed_rows"]
        logger.info("iteration %d", rows[0]["iteration"])
        for row in rows:
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


def compare(ours: Curves, theirs: Curves) -> list[dict[str, Any]]:
    """Tests whether both programs' seeds have the same means, at every fifth iteration."""
    rows: list[dict[str, Any]] = []
    for name in _NAMES:
        for end in range(5, len(ours[name][0]) + 1, 5):
            samples = [np.mean([curve[end - _WINDOW : end] for curve in each[name]], axis=1) for each in (ours, theirs)]
            # Keys apart: seed 0 of the one has nothing to do with seed 0 of the other.
            found = difference(dict(enumerate(samples[0])), {-1 - seed: v for seed, v in enumerate(samples[1])})
            row = {"curve": name, "env_steps": end * _STEPS, "difference": found.value.mean}
            means = {"lagsweep": float(samples[0].mean()), "omnisafe": float(samples[1].mean())}
            rows.append({**row, "low": found.value.low, "high": found.value.high, **means, "p": found.p_value})
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


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
    parser.add_argument("omnisafe", type=Path, nargs="*", help="what OmniSafe's contestant wrote, a file a seed")
    parser.add_argument("--keep", action="store_true", help="Lagsweep's curves are those of the result file")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    theirs = omnisafe_curves(arguments.omnisafe, arguments.iterations)
    if arguments.keep:
        ours: Curves = json.loads((RESULTS / "learning_curves.json").read_text())["measured"]["lagsweep"]
    else:
        with connected("local"):
            ours = lagsweep_curves(arguments.seeds, arguments.iterations)
    measured: dict[str, Any] = {"task": "Circle1", "steps_per_iteration": _STEPS, "iterations": arguments.iterations}
    measured |= {"lagsweep": ours, "omnisafe": theirs}
    if theirs["return"]:
        measured["comparison"] = compare(ours, theirs)
        draw(ours, theirs)
    sys.argv[1:] = [part for part in sys.argv[1:] if not part.endswith(".jsonl")]  # no machine's path in the result
    path = write_result("learning_curves", measured)
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()
