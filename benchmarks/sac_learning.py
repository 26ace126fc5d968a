"""What SAC learns under scalar multipliers and multiplier networks: the arms of a shipped study, one after the other.

    python -m benchmarks.sac_learning [--study sac-alam-ablation] [--scale desk] [--task Circle1] [--arms ARM …]
    python -m benchmarks.sac_learning --task Circle1 --draw

Trains in one process, without Ray or MLflow, with what the study's file says of each arm; `lagsweep run` trains the
same and keeps more. Writes results/sac_learning_TASK.json arm by arm: an arm that the file already holds is not trained
again. `--draw` makes the figure in docs/images and prints the table in docs/algorithms/sac_alam.md from that file.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from matplotlib.figure import Figure
from ray.rllib.core.learner.training_data import TrainingData

from algorithms.rollout import join_episodes
from algorithms.sac_lagrangian import SACLagrangianConfig
from algorithms.sac_lagrangian.calibration import record_states
from algorithms.sac_lagrangian.env_runner import ReplayEnvRunner
from algorithms.sac_lagrangian.learner import SACLagrangianLearner
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty
from benchmarks.provenance import RESULTS, provenance
from sweeps.analysis.calibration import calibrations
from sweeps.calibration_record import CalibrationRecord
from sweeps.running.algorithm_config import algorithm_config
from sweeps.spec import StudySpec
from sweeps.spec.shipped import study_path

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
_CURVES = {"return": "return per episode", "cost": "cost per episode", "multiplier": "λ (of a network its mean)"}
_LAST = 0.2  # share of the iterations whose episodes the table counts

Rows = list[dict[str, Any]]


def train(config: SACLagrangianConfig, env_steps: int) -> tuple[Rows, list[dict[str, float]]]:
    """One row an iteration, each number a list over seeds, and the calibration of each seed's network."""
    runner = ReplayEnvRunner(config=config)
    learner = cast(SACLagrangianLearner, config.build_learner(spaces=runner.get_spaces()))
    learner.build()
    runner.follow(learner.networks)
    parameters, rows = config.parameters, []
    for iteration in range(env_steps // parameters.steps_per_iteration):
        rounds = []
        for _ in range(parameters.steps_per_iteration // parameters.train_every):
            transitions = runner.sample()
            learner.update(TrainingData(batch=cast(Any, transitions)))
            rounds.append(transitions.episodes)
        learner.end_iteration()
        of_seeds = [join_episodes(rounds).of_seed(index) for index in range(len(config.seed_list))]
        rows.append(
            {
                "env_steps": (iteration + 1) * parameters.steps_per_iteration,
                "return": [returns.tolist() for returns, _ in of_seeds],
                "cost": [costs[:, 0].tolist() for _, costs in of_seeds],
                "multiplier": [float(v) for v in learner.seed_metrics.get("multiplier/value", [])],
            }
        )
        logging.info("%s", {key: rows[-1][key] for key in ("env_steps", "multiplier")})
    if not isinstance(learner.penalty, StatewisePenalty):
        return rows, []
    record = CalibrationRecord(**record_states(config, learner.networks, learner.penalty))
    measures = ("auroc", "base_rate", "slackness", "variation", "at_cap")
    return rows, [{name: float(getattr(found, name)) for name in measures} for found in calibrations(record)]


def curve(rows: Rows, name: str) -> np.ndarray:
    """`[S, I]`; means of the episodes of an iteration, of the multiplier the value after it."""
    seeds = len(rows[0]["return"])
    values = [[row[name][seed] if row[name] else np.nan for seed in range(seeds)] for row in rows]
    return np.array([[np.mean(value) if np.size(value) else np.nan for value in row] for row in values]).T


def final(rows: Rows, name: str) -> np.ndarray:
    """`[S]`; the mean of a seed's episodes in the last fifth of the iterations."""
    last = rows[-max(1, round(_LAST * len(rows))) :]
    return np.array([np.mean(np.concatenate([row[name][seed] for row in last])) for seed in range(len(last[0][name]))])


def draw(arms: dict[str, Any], limit: float, path: Path) -> None:
    """Mean over seeds as a line for each arm, and the range of the seeds behind it."""
    figure = Figure(figsize=(10.0, 3.4), layout="constrained")
    axes: Any = figure.subplots(1, 3)
    for axis, (name, title) in zip(axes, _CURVES.items(), strict=True):
        for arm, found in arms.items():
            steps = np.array([row["env_steps"] for row in found["rows"]]) / 1000
            values = curve(found["rows"], name)
            (line,) = axis.plot(steps, values.mean(0), linewidth=1.5, label=arm)
            axis.fill_between(steps, values.min(0), values.max(0), alpha=0.12, color=line.get_color(), linewidth=0)
        axis.set(xlabel="env steps per seed (thousands)", title=title)
    axes[2].set_yscale("symlog", linthresh=0.1)  # a scalar λ and one that has run away side by side
    axes[1].axhline(limit, color="black", linestyle=":", linewidth=1)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def table(arms: dict[str, Any]) -> str:
    """The table of the documentation, in Markdown: means over seeds, and the seeds."""
    lines = ["| Arm | Return | Cost | λ | AUROC of λ(s) | Way of λ per iteration |", "|---|---|---|---|---|---|"]
    for arm, found in arms.items():
        rows, calibration = found["rows"], found["calibration"]
        cells = [
            _cell(final(rows, "return"), 1),
            _cell(final(rows, "cost"), 0),
            _cell(curve(rows, "multiplier")[:, -1], 2),
        ]
        of_network = [np.array([seed[name] for seed in calibration]) for name in ("auroc", "variation")]
        cells += [_cell(values, 2) if calibration else "–" for values in of_network]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    random = [row for found in list(arms.values())[:1] for row in found["rows"][:2]]
    returns, costs = (np.concatenate([np.concatenate(row[name]) for row in random]) for name in ("return", "cost"))
    return "\n".join([*lines, f"| random actions | {returns.mean():.1f} | {costs.mean():.0f} | – | – | – |"])


def _cell(values: np.ndarray, digits: int) -> str:
    """Mean over the seeds that have a value, and all of them; an AUROC needs states with cost ahead."""
    known = values[~np.isnan(values)]
    if not len(known):
        return "–"
    of_seeds = ", ".join("–" if np.isnan(value) else f"{value:.{digits}f}" for value in values)
    return f"{known.mean():.{digits}f} ({of_seeds})"


def main() -> None:
    """Trains what is missing, or draws what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="sac-alam-ablation")
    parser.add_argument("--scale", default="desk")
    parser.add_argument("--task", default="Circle1", help="in the place of the study's own")
    parser.add_argument("--arms", nargs="+", help="default: all")
    parser.add_argument("--draw", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    given = StudySpec.from_yaml(study_path(arguments.study), arguments.scale)
    spec = StudySpec.model_validate(given.model_dump(exclude_none=True) | {"task": arguments.task})
    path = RESULTS / f"sac_learning_{arguments.task}.json"
    arms: dict[str, Any] = json.loads(path.read_text())["arms"] if path.exists() else {}
    if arguments.draw:
        draw(arms, spec.cost_limits["cost"], _IMAGES / f"sac-learning-{arguments.task.lower()}.png")
        print(table(arms))
        return
    for arm in [arm for arm in arguments.arms or spec.arms if arm not in arms]:
        run = spec.resolve(arm, {})
        rows, calibration = train(cast(Any, algorithm_config(run, spec.seed_list, "auto")), run.env_steps)
        arms[arm] = {"rows": rows, "calibration": calibration, **provenance()}
        path.write_text(json.dumps({"arms": arms}) + "\n")


if __name__ == "__main__":
    main()
