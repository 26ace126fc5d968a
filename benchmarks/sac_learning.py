"""What SAC learned in a study, arm by arm: the figure and the table of docs/algorithms/sac_alam.md.

    lagsweep run sac-alam-ablation --scale desk
    python -m benchmarks.sac_learning sac-alam-ablation-desk [--storage FOLDER]
    python -m benchmarks.sac_learning Circle1

Given a study it writes results/sac_learning_TASK.json: of each trial the returns, the costs and λ of every iteration,
and what its calibration record says. Given a task it makes the figure and prints the table from that file.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.provenance import RESULTS, write_result
from environments.tasks import PAPER_TASKS
from sweeps.analysis import style
from sweeps.analysis.calibration import calibrations
from sweeps.analysis.results import Results, read_results
from sweeps.records import State, Trial
from sweeps.study import load_study

_IMAGES = Path(__file__).parents[1] / "docs" / "images"
_CURVES = {"return": "return per episode", "cost": "cost per episode", "multiplier": "λ (of a network its mean)"}
_MEASURES = ("auroc", "base_rate", "slackness", "variation", "at_cap")
_LAST = 0.2  # share of the iterations whose episodes the table counts

Arm = dict[str, Any]


def read_arm(results: Results, trial: Trial) -> Arm:
    """What a trial recorded.

    Args:
        results: Of its study.
        trial: One that is complete.

    Returns:
        `rows`, one an iteration: `env_steps`, and a list over seeds of the episodes' `return` and `cost` and of the
        `multiplier`; `calibration`, of each seed's network, none for a scalar λ; `learning_starts`, env steps.
    """
    of_step: dict[int, list[Any]] = {}
    for row in sorted((row for row in results.rows if row.trial == trial.number), key=lambda row: row.seed):
        of_step.setdefault(row.env_steps, []).append(row)
    rows = [
        {
            "env_steps": steps,
            "return": [list(row.episode_returns) for row in of_seeds],
            "cost": [list(row.episode_costs["cost"]) for row in of_seeds],
            "multiplier": [row.metrics.get("multiplier/value") for row in of_seeds],
        }
        for steps, of_seeds in sorted(of_step.items())
    ]
    record = results.calibration.get(trial.number)
    measured = [] if record is None else calibrations(record)
    parameters: Any = results.run(trial).parameters
    return {
        "rows": rows,
        "calibration": [{name: getattr(of_seed, name) for name in _MEASURES} for of_seed in measured],
        "learning_starts": parameters.learning_starts,
    }


def curve(arm: Arm, name: str) -> np.ndarray:
    """`[S, I]`; means of the episodes of an iteration, of the multiplier the value after it."""
    values = [[np.nan if value in (None, []) else np.mean(value) for value in row[name]] for row in arm["rows"]]
    return np.array(values).T


def final(arm: Arm, name: str) -> np.ndarray:
    """`[S]`; the mean of a seed's episodes in the last fifth of the iterations."""
    last = arm["rows"][-max(1, round(_LAST * len(arm["rows"]))) :]
    return np.array([np.mean(np.concatenate([row[name][seed] for row in last])) for seed in range(len(last[0][name]))])


def draw(arms: dict[str, Arm], limit: float, path: Path) -> None:
    """Mean over seeds as a line for each arm, and the range of the seeds behind it."""
    figure = Figure(figsize=(10.0, 3.4), layout="constrained")
    axes: Any = figure.subplots(1, 3)
    for axis, (name, title) in zip(axes, _CURVES.items(), strict=True):
        for index, (arm, found) in enumerate(arms.items()):
            color, dashes = style.CYCLE[index % len(style.CYCLE)], ("-", *style.LEVEL_DASHES)[index % 5]
            steps = np.array([row["env_steps"] for row in found["rows"]]) / 1000
            values = curve(found, name)
            known = ~np.isnan(values).any(0)  # episodes of Goal1 end in every second iteration
            steps, values = steps[known], values[:, known]
            axis.plot(steps, values.mean(0), linewidth=1.5, color=color, linestyle=dashes, label=arm)
            axis.fill_between(steps, values.min(0), values.max(0), alpha=0.1, color=color, linewidth=0)
        axis.set(xlabel="env steps per seed (thousands)", title=title)
    axes[2].set_yscale("symlog", linthresh=0.1)  # a scalar λ and one that has run away side by side
    axes[1].axhline(limit, color="black", linestyle=":", linewidth=1)
    axes[0].legend(frameon=False, fontsize=8, handlelength=3.2)
    figure.savefig(path, dpi=130)


def table(arms: dict[str, Arm]) -> str:
    """The table of the documentation, in Markdown: means over seeds, and the seeds."""
    lines = ["| Arm | Return | Cost | λ | AUROC of λ(s) | Way of λ per iteration |", "|---|---|---|---|---|---|"]
    for name, arm in arms.items():
        cells = [
            _cell(final(arm, "return"), 1),
            _cell(final(arm, "cost"), 0),
            _cell(curve(arm, "multiplier")[:, -1], 2),
        ]
        of_network = [np.array([seed[key] for seed in arm["calibration"]]) for key in ("auroc", "variation")]
        cells += [_cell(values, 2) if len(values) else "–" for values in of_network]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    (first, *_) = arms.values()  # before learning every arm draws the same random actions
    random = [row for row in first["rows"] if row["env_steps"] <= first["learning_starts"]]
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
    """Reads a study, or draws what was read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", metavar="STUDY|TASK", help="a study's name, or a task whose result is there")
    parser.add_argument("--storage", help="default: LAGSWEEP_STORAGE, else lagsweep-runs")
    arguments = parser.parse_args()
    if arguments.study not in PAPER_TASKS:
        results = read_results(load_study(arguments.study, arguments.storage))
        complete = [trial for trial in results.trials if trial.state is State.COMPLETE]
        arms = {trial.arm: read_arm(results, trial) for trial in complete}
        spec = results.spec
        if arguments.storage:  # no machine's path in the result
            sys.argv[sys.argv.index(arguments.storage)] = "FOLDER"
        measured = {"cost_limit": spec.cost_limits["cost"], "env_steps": spec.env_steps, "arms": arms}
        print(write_result(f"sac_learning_{spec.task}", measured))
        return
    measured = json.loads((RESULTS / f"sac_learning_{arguments.study}.json").read_text())["measured"]
    draw(measured["arms"], measured["cost_limit"], _IMAGES / f"sac-learning-{arguments.study.lower()}.png")
    print(table(measured["arms"]))


if __name__ == "__main__":
    main()
