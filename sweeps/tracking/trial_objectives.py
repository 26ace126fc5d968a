"""The objectives that MLflow shows of a trial: those that the study's search is about, and the others beside them."""

from sweeps.analysis.best import judge_in
from sweeps.records import Interval, Trial
from sweeps.spec import StudySpec
from sweeps.spec.objectives import DIRECTIONS


def trial_objectives(spec: StudySpec, trial: Trial) -> dict[str, Interval]:
    """Every objective of a trial, aggregated over its seeds as its study says.

    Args:
        spec: The study.
        trial: One of its trials.

    Returns:
        By name, the study's own first; without those that a seed leaves undefined, and empty where the trial was not
        completed.
    """
    if trial.mean_return is None:
        return {}
    judgment = judge_in(spec, trial, list(dict.fromkeys([*spec.objectives, *DIRECTIONS])), intervals=True)
    judged = {} if judgment is None else judgment.objectives
    return {name: value for name, value in judged.items() if value is not None}
