"""How many runs an adaptive λ-profile saves: λ* of Circle1 from eight points of its own and from the published 25.

    python -m benchmarks.adaptive_profile [--task Circle1] [--env-steps 40000] [--seeds 5] [--trials 8]

Both studies are real ones, trained by `Study.run` under a limit that costs cross at this budget; every third point of
the grid shows what as few points give that do not place themselves. An interrupted run goes on where it stopped.
"""

import argparse
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.provenance import write_result
from environments.tasks import MULTIPLIER_GRIDS
from sweeps.analysis.lambda_star import lambda_star_interval
from sweeps.analysis.style import BLUE, FAINT, GREEN, INK, VERMILION, figure_style
from sweeps.records import State
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "adaptive-profile.png"


def spec_of(name: str, search: dict[str, Any], options: argparse.Namespace) -> StudySpec:
    """A study of fixed multipliers, with the iterations of the demo."""
    return StudySpec.model_validate(
        {
            "name": f"{options.task.lower()}-{name}",
            "task": options.task,
            "cost_limit": options.limit,
            "env_steps": options.env_steps,
            "seeds": options.seeds,
            "hyperparameters": {"preset": "desk", "steps_per_iteration": 5_000},
            "lagrangian": {"update": "fixed"},
            "search": search,
        }
    )


def found(study: Study, limit: float, every: int = 1) -> dict[str, Any]:
    """Points, runs, and λ* with its interval over seeds; of every so many of the points in their order."""
    complete = [trial for trial in study.trials if trial.state is State.COMPLETE]
    trials = sorted(complete, key=lambda trial: trial.params["multiplier"])[::every]
    points = {
        float(trial.params["multiplier"]): [(run.mean_cost or {})["cost"] for run in trial.seed_runs]
        for trial in trials
    }
    star = lambda_star_interval(list(points), list(points.values()), limit)
    return {
        "points": len(points),
        "runs": sum(len(costs) for costs in points.values()),
        "env_steps": sum(run.env_steps for trial in trials for run in trial.seed_runs),
        "lambda_star": None if star is None else star.value,
        "low": None if star is None else star.low,
        "high": None if star is None else star.high,
        "costs": {f"{multiplier:g}": [round(cost, 2) for cost in costs] for multiplier, costs in points.items()},
    }


def draw(measured: dict[str, Any]) -> None:
    """Cost of every seed at every multiplier, and where each profile says that λ* lies."""
    looks = {
        "grid": ("published grid", BLUE, "o"),
        "every_third_of_the_grid": ("every third of it", GREEN, ""),
        "adaptive": ("adaptive", VERMILION, "D"),
    }
    with figure_style():
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        profile, stars = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        for row, (name, (label, color, marker)) in enumerate(looks.items()):
            found = measured[name]
            text = f"{label}: {found['points']} points, {found['runs']} runs"
            multipliers = [float(multiplier) for multiplier in found["costs"]]
            means = [sum(costs) / len(costs) for costs in found["costs"].values()]
            if marker:
                profile.plot(multipliers, means, marker, color=color, markersize=5, label=text)
                for multiplier, costs in zip(multipliers, found["costs"].values(), strict=True):
                    profile.plot([multiplier] * len(costs), costs, marker, color=color, markersize=2, alpha=0.4)
            if found["lambda_star"] is not None:
                stars.plot([found["low"], min(found["high"], max(multipliers))], [row, row], color=color, linewidth=3)
                stars.plot([found["lambda_star"]], [row], "|", color=INK, markersize=12)
        profile.axhline(measured["limit"], color=FAINT, linestyle="--", label=f"limit {measured['limit']:g}")
        profile.set(ylabel="cost of an episode", title=f"{measured['task']}: where the cost meets its limit")
        profile.legend()
        stars.set(
            xlabel="multiplier λ", yticks=range(len(looks)), yticklabels=[label for label, _, _ in looks.values()]
        )
        stars.set_ylim(-0.6, len(looks) - 0.4)
        stars.grid(axis="y", visible=False)
        FigureCanvasAgg(figure)
        figure.savefig(FIGURE, dpi=110, metadata={"Software": None})


def main() -> None:
    """Trains both and writes results/adaptive_profile.json and docs/images/adaptive-profile.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="Circle1")
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--env-steps", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=8, help="points of the adaptive profile")
    parser.add_argument("--max-concurrent", type=int, default=None, help="trials of the grid at once")
    parser.add_argument("--storage", type=Path, default=Path("lagsweep-runs"))
    options = parser.parse_args()
    grid = MULTIPLIER_GRIDS[options.task]
    ends = {"low": min(grid), "high": max(grid)}
    searches: dict[str, dict[str, Any]] = {
        "adaptive": {"kind": "adaptive_profile", "multiplier": ends, "trials": options.trials},
        "grid": {"kind": "grid", "multiplier": list(grid)},
    }
    settings = ("task", "limit", "env_steps", "seeds")
    measured: dict[str, Any] = {name: getattr(options, name) for name in settings}
    for name, search in searches.items():
        study = create_study(spec_of(name, search, options), options.storage, if_exists="load")
        # An adaptive profile places each point where all before it have shown it must lie: one at a time.
        study.run(max_concurrent=1 if name == "adaptive" else options.max_concurrent)
        measured[name] = found(study, options.limit)
        if name == "grid":
            measured["every_third_of_the_grid"] = found(study, options.limit, every=3)
    measured["times_fewer_runs"] = round(measured["grid"]["runs"] / measured["adaptive"]["runs"], 2)
    print(write_result("adaptive_profile", measured))
    draw(measured)


if __name__ == "__main__":
    main()
