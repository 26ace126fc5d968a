"""A study's raw data as tables, with a dictionary that says what each column means."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sweeps.analysis.objectives import feasible_rule
from sweeps.analysis.report import provenance_of
from sweeps.analysis.results import ReportedStudy, Results, read_results
from sweeps.analysis.study_page import definitions, origin
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
        "measure/<name>": ("measure of the whole run: an objective, or how λ moved (docs/metrics.md)", "by name"),
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
}


def export_data(study: ReportedStudy, folder: Path, form: Format = "parquet") -> list[Path]:
    """Writes everything that a study recorded, so that every number of it can be computed again.

    Args:
        study: The study, finished or not.
        folder: Where to; made where it does not exist.
        form: `parquet` or `csv`.

    Returns:
        `trials`, `seeds`, `rows` and `episodes` in that form, `spec.yaml`, `dictionary.md` (every column with its
        meaning and unit, and the definitions) and `origin.json`.

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
    return files


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
    return row | {"feasible": trial.feasible, "num_seeds": number, "failure": trial.failure}


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
