"""A study's raw data as tables, with a dictionary that says what each column means."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sweeps.analysis.objectives import feasible_rule
from sweeps.analysis.report import provenance_of
from sweeps.analysis.results import ReportedStudy, Results, read_results
from sweeps.analysis.study_page import definitions, origin
from sweeps.calibration_record import FOLDER
from sweeps.choice import CHOSEN, RECORD
from sweeps.records import ResultRow, Trial
from sweeps.spec import StudySpec

Format = Literal["parquet", "csv"]

_COLUMNS = {
    "trials": {
        "trial": ("number of the trial", "–"),
        "arm": ("arm of the study", "–"),
        "param/<name>": ("searched parameter", "as in the study file"),
        "limit/<cost>": ("cost limit that the trial was trained for", "cost per episode"),
        "state": ("WAITING, RUNNING, COMPLETE, PRUNED or FAIL", "–"),
        "return": ("mean over seeds; _low and _high: ends of its 95 % t-interval", "reward per episode"),
        "cost/<cost>": ("the same of a cost", "cost per episode"),
        "feasible": ("whether in the trial {rule}", "–"),
        "num_seeds": ("seeds behind the means", "–"),
        "failure": ("cause of FAIL, one line", "–"),
        "retest_of": ("number of the trial that it runs again on fresh seeds; empty for the others", "–"),
    },
    "seeds": {
        "trial": ("number of the trial", "–"),
        "seed": ("the seed", "–"),
        "state": ("where the seed's run stands", "–"),
        "env_steps": ("env steps done", "env steps"),
        "iterations": ("iterations done", "iterations"),
        "return": ("mean over the episodes that finish in the last 5 % of iterations", "reward per episode"),
        "cost/<cost>": ("the same of a cost", "cost per episode"),
        "multiplier/<cost>": ("last multiplier", "PPO: σ(A_r) per cost unit; SAC: reward per cost unit"),
        "measure/violation_rate": (
            "over iterations k with episodes, of mean costs C_ik and limits d_i: share of those after the first with "
            "every C_ik ≤ d_i (t₀) that are not so; 1 without t₀; empty where t₀ is the last one",
            "–",
        ),
        "measure/violation_magnitude": (
            "mean over the same iterations of [maxᵢ (C_ik − d_i)]₊, over all of them without t₀",
            "cost per episode",
        ),
        "measure/oscillation": (
            "Σ |λ_{k+1} − λ_k| / (K − 1) over K iterations with episodes, the largest over multipliers",
            "as multiplier",
        ),
        "measure/best_feasible_return": (
            "largest mean return of an iteration with every C_ik ≤ d_i; empty without one",
            "reward per episode",
        ),
        "measure/time_to_feasible": (
            "env steps of this seed at the end of t₀; for a seed that never got feasible those of its last iteration "
            "with episodes, that is the whole run: violation_rate 1 and no best_feasible_return tell it apart",
            "env steps",
        ),
        "measure/feasible_return_area": (
            "mean over iterations of the mean return where every C_ik ≤ d_i, else 0",
            "reward per episode",
        ),
        "measure/multiplier/at_zero": ("share of iterations with λ = 0; keys of named costs end in /<cost>", "–"),
        "measure/multiplier/at_cap": ("share of iterations with λ at its cap", "–"),
        "measure/multiplier/total_variation": ("Σ |λ_{k+1} − λ_k|", "as multiplier"),
        "measure/multiplier/dominant_period": ("period of λ's strongest oscillation; empty without one", "iterations"),
        "measure/multiplier/damping_ratio": ("ζ of λ's swings: 0 for ever, negative grows; empty without swings", "–"),
        "measure/multiplier/phase_lag": ("by how much λ follows the cost; empty without a common frequency", "degrees"),
        "failure": ("cause of FAIL, one line", "–"),
    },
    "rows": {
        "trial": ("number of the trial", "–"),
        "seed": ("the seed", "–"),
        "iteration": ("1, 2, …", "iterations"),
        "env_steps": ("env steps of this seed so far", "env steps"),
        "attempt": ("1, 2, … for the trial: more than one where it was continued", "–"),
        "time": ("when it was measured, since 1970-01-01 UTC", "s"),
        "metric/<key>": ("metric of the iteration, by the keys of docs/metrics.md; empty where undefined", "by key"),
    },
    "episodes": {
        "trial": ("number of the trial", "–"),
        "seed": ("the seed", "–"),
        "iteration": ("iteration in which the episode finished", "iterations"),
        "env_steps": ("env steps of this seed after that iteration", "env steps"),
        "return": ("undiscounted return of the whole episode, with exploration noise", "reward"),
        "cost/<cost>": ("undiscounted cost of the whole episode", "cost"),
    },
    "choice.json": {
        "trial, seed": ("the policy to deploy", "–"),
        "feasible": ("whether the 95 % upper bound of every mean cost was within its limit when it was chosen", "–"),
        "cost_limits": ("limits by which it was judged", "cost per episode"),
        "greedy, exploring": ("its fresh episodes without and with exploration noise: returns and costs of each", "–"),
        "candidates": ("every policy it was chosen from, with the same of the episodes that chose", "–"),
    },
    "calibration/": {
        "trial-<number>-attempt-<number>.npz": ("arrays of what a multiplier network left after training", "–"),
        "seeds": ("[S]; the seeds", "–"),
        "multiplier": ("[S, T, E]; λ(s) at each step of E environments", "reward per cost unit"),
        "violation": ("[S, T, E]; g(s, π)", "as g"),
        "cost": ("[S, T, E]; cost of the step from s", "cost"),
        "ended": ("[S, T, E]; whether the episode ends with the step", "–"),
        "position": ("[S, T, E, 2]; place in the plane; NaN where the task has none", "m"),
        "probes": ("[S, I, P]; λ at P probe states after each iteration that learned", "reward per cost unit"),
        "multiplier_max, discount": ("λ_max; γ of costs", "as multiplier; –"),
    },
}


def export_data(study: ReportedStudy, folder: Path, form: Format = "parquet") -> list[Path]:
    """Writes everything that a study recorded, so that every number of it can be computed again.

    Args:
        study: The study, finished or not.
        folder: Where to; made where it does not exist.
        form: `parquet` or `csv`.

    Returns:
        `trials`, `seeds`, `rows` and `episodes` in that form, `spec.yaml`, `dictionary.md` (every column with its
        meaning and unit, and the definitions) and `origin.json`; where they exist `choice.json` (held-out episodes of
        the policy to deploy and its rivals) and `calibration/*.npz` (records of multiplier networks).

    Raises:
        ValueError: If the form is unknown.
        SpoolError: If the study's spool is damaged.
    """
    if form not in ("parquet", "csv"):
        raise ValueError(f"`form` must be 'parquet' or 'csv', but got {form!r}.")
    results = read_results(study)
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write(folder / f"{name}.{form}", frame) for name, frame in data_frames(results).items()]
    texts = {
        "spec.yaml": results.spec.to_yaml(),
        "dictionary.md": dictionary(results.spec),
        "origin.json": json.dumps(dict(origin(results, provenance_of(study))), indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        files.append(folder / name)
    return files + _copied(study.folder, folder)


def _copied(home: Path, folder: Path) -> list[Path]:
    """Copies the records that are files already: what chose the policy to deploy, and of multiplier networks."""
    records = [(home / CHOSEN / RECORD, folder / RECORD)]
    records += [(path, folder / FOLDER / path.name) for path in sorted((home / FOLDER).glob("*.npz"))]
    found = [(source, target) for source, target in records if source.is_file()]
    for source, target in found:
        target.parent.mkdir(exist_ok=True)
        if source.resolve() != target.resolve():
            shutil.copyfile(source, target)
    return [target for _, target in found]


def data_frames(results: Results) -> dict[str, pd.DataFrame]:
    """The tables of a study; `dictionary` says what their columns mean.

    Args:
        results: The study.

    Returns:
        `trials`, `seeds`, `rows` and `episodes`.
    """
    return {
        "trials": pd.DataFrame([_trial(results, trial) for trial in results.trials]),
        "seeds": pd.DataFrame([row for trial in results.trials for row in _seeds(trial)]),
        "rows": pd.DataFrame([_row(row) for row in results.rows]),
        "episodes": pd.DataFrame([episode for row in results.rows for episode in _episodes(row)]),
    }


def dictionary(spec: StudySpec) -> str:
    """Every column of an export with its meaning and unit, and the definitions of the study's numbers, as Markdown.

    Args:
        spec: The study.
    """
    rule = feasible_rule(spec.aggregate, spec.cost_bound).rstrip(".")
    parts = ["# Data dictionary"]
    for name, columns in _COLUMNS.items():
        lines = [
            f"| `{column}` | {meaning.replace('{rule}', rule)} | {unit} |"
            for column, (meaning, unit) in columns.items()
        ]
        parts.append(f"## {name}\n\n| column | meaning | unit |\n|---|---|---|\n" + "\n".join(lines))
    parts.append("## Definitions\n\n" + "\n".join(f"- **{term}**: {meaning}" for term, meaning in definitions(spec)))
    return "\n\n".join(parts) + "\n"


def _write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def _trial(results: Results, trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {"trial": trial.number, "arm": trial.arm}
    row |= {f"param/{name}": _plain(value) for name, value in trial.params.items()}
    row |= {f"limit/{name}": limit for name, limit in results.limits(trial).items()}
    row["state"] = trial.state.value
    values = {"return": trial.mean_return}
    values |= {f"cost/{name}": (trial.mean_cost or {}).get(name) for name in results.spec.cost_limits}
    for name, value in values.items():
        ends = (None, None, None) if value is None else (value.mean, value.low, value.high)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    number = None if trial.mean_return is None else trial.mean_return.num_seeds
    return row | {
        "feasible": trial.feasible,
        "num_seeds": number,
        "failure": trial.failure,
        "retest_of": trial.retest_of,
    }


def _seeds(trial: Trial) -> list[dict[str, Any]]:
    return [
        {"trial": trial.number, "seed": run.seed, "state": run.state.value, "env_steps": run.env_steps}
        | {"iterations": run.iterations, "return": run.mean_return}
        | _named("cost", run.mean_cost)
        | _named("multiplier", run.multiplier)
        | _named("measure", run.measures)
        | {"failure": run.failure}
        for run in trial.seed_runs
    ]


def _row(row: ResultRow) -> dict[str, Any]:
    identity = {name: getattr(row, name) for name in ("trial", "seed", "iteration", "env_steps", "attempt", "time")}
    return identity | _named("metric", row.metrics)


def _episodes(row: ResultRow) -> list[dict[str, Any]]:
    identity = {name: getattr(row, name) for name in ("trial", "seed", "iteration", "env_steps")}
    return [
        identity | {"return": value} | {f"cost/{name}": costs[index] for name, costs in row.episode_costs.items()}
        for index, value in enumerate(row.episode_returns)
    ]


def _named(kind: str, values: Mapping[str, float] | None) -> dict[str, float]:
    return {f"{kind}/{name}": value for name, value in (values or {}).items()}


def _plain(value: Any) -> Any:
    """A parameter as one column holds it: lists, such as hidden layers, as text."""
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
