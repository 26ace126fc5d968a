"""What identifies the configuration of a trial in MLflow's list of runs: short enough to filter and compare by."""

from typing import Any

from sweeps.records import Trial
from sweeps.spec import StudySpec


def run_params(spec: StudySpec, trial: Trial) -> dict[str, Any]:
    """The parameters of a trial: what varies, and what its arm and task fix.

    The budget and the seeds are not among them: a study may be extended, and MLflow's parameters never change.

    Args:
        spec: The study.
        trial: One of its trials.

    Returns:
        `task`, `algorithm`, `arm`, `cost_limit` (or `cost_limit/<name>` with several), the update of the multiplier
        with its hyperparameters, those of the algorithm that differ from its defaults, and the searched values.
    """
    run = spec.resolve(trial.arm, trial.params)
    limits = run.cost_limits
    named = {"cost_limit" if len(limits) == 1 else f"cost_limit/{name}": limit for name, limit in limits.items()}
    usual = type(run.parameters)()
    changed = {name: value for name, value in run.parameters.model_dump().items() if value != getattr(usual, name)}
    return {
        "task": run.task,
        "algorithm": run.algorithm,
        "arm": trial.arm,
        **named,
        **changed,
        **run.lagrangian.model_dump(exclude_none=True),
        **trial.params,
    }
