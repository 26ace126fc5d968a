"""What an MLflow run of a study says: names, tags, notes and final numbers; plain data, without MLflow."""

import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from sweeps.records import Interval, SeedRun, Trial
from sweeps.tracking.curves import MAX_FINAL_KEYS, MAX_KEYS
from sweeps.tracking.events import StudyStarted

TAG = "lagsweep."
"""Prefix of every tag of ours."""

_MAX_KEY = 250
_MAX_TAG = 5000
_MAX_NOTE = 15000


def metric_key(name: str) -> str:
    """Turns any name into a key that MLflow takes, unchanged where it already is one.

    Args:
        name: Name of a metric or a parameter.

    Returns:
        At most 250 characters; letters, digits and `_-. :/` stay, others become `_`; no empty, `.` or `..` part.

    Examples:
        >>> metric_key("train/cost/hazards")
        'train/cost/hazards'
        >>> metric_key("../layer[0], β")
        '_/layer_0__ β'
    """
    parts = re.sub(r"[^\w\-. :/]", "_", name).split("/")
    return "/".join("_" if part in {".", ".."} else part for part in parts if part)[:_MAX_KEY].rstrip("/") or "_"


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Keeps the metrics that MLflow can store: it draws NaN as 0 and turns infinity into 1.8e308.

    Args:
        metrics: Metric key → value.

    Returns:
        Those whose value is finite.
    """
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def clipped(text: str) -> str:
    r"""Shortens a text to what a tag holds.

    Args:
        text: Any text.

    Returns:
        Its first 5000 characters, with zero characters escaped: PostgreSQL stores none.

    Examples:
        >>> print(clipped("read \0 from the pipe"))
        read \x00 from the pipe
    """
    return text.replace("\0", r"\x00")[:_MAX_TAG]


def run_name(study: str, number: int | None, seed: int | None, trial: Trial | None) -> str:
    """Names a run as the list of runs shows it.

    Args:
        study: The study's name.
        number: The trial's number; None for the study's own run.
        seed: The seed; None for a trial or the study.
        trial: The trial where it is known.

    Returns:
        Such as `trial 3 fixed multiplier=0.5` or `trial 3 seed 0`.

    Examples:
        >>> run_name("demo", 3, 0, None)
        'trial 3 seed 0'
    """
    if number is None:
        return f"study {study}"
    if seed is not None:
        return f"trial {number} seed {seed}"
    return f"trial {number}" if trial is None else f"trial {number} {trial.arm} {_described(trial.params)}".rstrip()


def identity_tags(
    study: StudyStarted, history: str, number: int | None, seed: int | None, trial: Trial | None
) -> dict[str, str]:
    """The tags by which a run is found, with those of the study's start.

    Args:
        study: The study's start.
        history: Identity of the spool.
        number: The trial's number; None for the study's own run.
        seed: The seed; None for a trial or the study.
        trial: The trial where it is known.

    Returns:
        Tag → value.
    """
    kind = "study" if number is None else "trial" if seed is None else "seed"
    facts: dict[str, Any] = {"study": study.study, "history": history, "kind": kind, "trial": number, "seed": seed}
    if trial is not None:
        facts |= {"arm": trial.arm, "trial_key": trial.key}
    return study.tags | {f"{TAG}{name}": clipped(str(value)) for name, value in facts.items() if value is not None}


def trial_tags(trial: Trial) -> dict[str, str]:
    """What became of a trial.

    Args:
        trial: A finished trial.

    Returns:
        Tag → value: state, feasibility, failure and the note that MLflow shows as description.
    """
    tags = {f"{TAG}state": str(trial.state), "mlflow.note.content": _trial_note(trial)}
    if trial.feasible is not None:
        tags[f"{TAG}feasible"] = str(trial.feasible).lower()
    if trial.continued:
        tags[f"{TAG}continued"] = "true"
    return tags | _failure(trial.failure)


def seed_tags(seed_run: SeedRun) -> dict[str, str]:
    """What became of a seed run.

    Args:
        seed_run: A seed of a finished trial.

    Returns:
        Tag → value.
    """
    return {f"{TAG}state": str(seed_run.state)} | _failure(seed_run.failure)


def trial_metrics(trial: Trial, objectives: Mapping[str, Interval]) -> dict[str, float]:
    """The aggregates over seeds of a trial, each with the ends of its interval.

    Args:
        trial: A finished trial.
        objectives: Its objectives by name, the most important first.

    Returns:
        `final/return`, `final/return_low`, `final/return_high`, and the same of `final/cost` (one constraint `cost`) or
        `final/cost/<name>`: means over seeds; `final/seeds`, the seeds behind them; and `objective/<name>` with its
        ends, as the study aggregates, while there are at most 40 keys. Empty where nothing was aggregated.
    """
    values: dict[str, float] = {}
    if trial.mean_return is not None:
        values |= _ends("final/return", trial.mean_return) | {"final/seeds": float(trial.mean_return.num_seeds)}
    for name, cost in (trial.mean_cost or {}).items():
        values |= _ends(_cost_key(name), cost)
    for name, value in objectives.items():
        ends = _ends(f"objective/{name}", value)
        if len(values) + len(ends) <= MAX_KEYS:
            values |= ends
    return finite(values)


def seed_metrics(seed_run: SeedRun) -> dict[str, float]:
    """The last return and cost of a seed under the keys that its trial uses, and how its multipliers moved.

    Args:
        seed_run: A seed of a finished trial.

    Returns:
        `final/return` and `final/cost[/<name>]`, empty before an episode ended; `final/multiplier/<measure>[/<name>]`
        while there are at most ten keys, beside which curves have room.
    """
    values = {} if seed_run.mean_return is None else {"final/return": seed_run.mean_return}
    values |= {_cost_key(name): value for name, value in (seed_run.mean_cost or {}).items()}
    moved = {f"final/{name}": value for name, value in (seed_run.measures or {}).items() if "/" in name}
    return finite(values | dict(islice(moved.items(), max(0, MAX_FINAL_KEYS - len(values)))))


def experiment_tags(study: StudyStarted, experiment: str, run: str) -> dict[str, str]:
    """What MLflow's pages say about the study's experiment.

    Args:
        study: The study's start.
        experiment: The experiment's id.
        run: Id of the study's own run.

    Returns:
        The kind of pages that MLflow opens, and the description: Markdown with links within them and the study file,
        at most about 15 000 characters.
    """
    # MLflow need not guess what the experiment is about, and does not take it for one about language models.
    return {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": _note(study, experiment, run)}


def _note(study: StudyStarted, experiment: str, run: str) -> str:
    runs = f"#/experiments/{experiment}/runs"
    trials = quote("tags.`lagsweep.kind` = 'trial'")
    feasible = quote("tags.`lagsweep.feasible` = 'true'")
    links = {
        "trials": f"{runs}?searchFilter={trials}",
        "feasible trials": f"{runs}?searchFilter={feasible}",
        "study file, report, provenance": f"{runs}/{run}/artifacts",
        "best policy": f"#/models/{model_name(study.study)}",
    }
    listed = " · ".join(f"[{text}]({target})" for text, target in links.items())
    spec = study.spec_yaml[:_MAX_NOTE].rstrip()
    return f"Lagsweep study **{study.study}**: {listed}\n\n```yaml\n{spec}\n```\n"


def model_name(study: str) -> str:
    """Name of a study's registered model.

    Examples:
        >>> model_name("pid-gains")
        'lagsweep-pid-gains'
    """
    return f"lagsweep-{study}"


def _trial_note(trial: Trial) -> str:
    lines = [f"**{trial.arm}** {_described(trial.params)}".rstrip()]
    if trial.mean_return is not None:
        lines.append(f"return {_with_ends(trial.mean_return)}")
    lines += [f"{name} {_with_ends(cost)}" for name, cost in (trial.mean_cost or {}).items()]
    if trial.feasible is not None:
        lines.append("feasible" if trial.feasible else "not feasible")
    if trial.continued:
        lines.append("continued beyond its first budget")
    if trial.failure is not None:
        lines.append(f"failed: {trial.failure}")
    return clipped("  \n".join(lines))


def _with_ends(value: Interval) -> str:
    return f"{value.mean:.4g} [{value.low:.4g}, {value.high:.4g}] over {value.num_seeds} seeds"


def _ends(key: str, value: Interval) -> dict[str, float]:
    return {key: value.mean, f"{key}_low": value.low, f"{key}_high": value.high}


def _cost_key(name: str) -> str:
    return "final/cost" if name == "cost" else f"final/cost/{name}"


def _described(params: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={json.dumps(value, default=str)}"
        for name, value in params.items()
    )


def _failure(text: str | None) -> dict[str, str]:
    return {} if text is None else {f"{TAG}failure": clipped(text)}
