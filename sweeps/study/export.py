"""A study as Optuna's: its storage, which optuna-dashboard and Optuna's own figures read."""

from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.analysis.best import judge_in
from sweeps.analysis.objectives import Judgment
from sweeps.records import State, Trial
from sweeps.running.sampler import to_optuna
from sweeps.spec import Arm, StudySpec
from sweeps.spec.search import AdaptiveProfile, GridSearch, OptunaSearch
from sweeps.spec.space import distributions

if TYPE_CHECKING:
    from sweeps.study.study import Study

_STATES = {
    State.WAITING: TrialState.WAITING,
    State.RUNNING: TrialState.RUNNING,
    State.PRUNED: TrialState.PRUNED,
    State.FAIL: TrialState.FAIL,
}


def export_to_optuna(study: "Study", storage: str) -> list[str]:
    """Writes a study into an Optuna storage, one Optuna study an arm; what an earlier export wrote is replaced.

    Args:
        study: The study.
        storage: URL of the storage, such as `sqlite:///optuna.db`.

    Returns:
        Names of the Optuna studies: `NAME/ARM`.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        trials = study.trials
        there = set(optuna.get_all_study_names(storage))
        return [
            _export_arm(study, name, arm, [trial for trial in trials if trial.arm == name], storage, there)
            for name, arm in study.spec.arms.items()
        ]
    finally:
        optuna.logging.set_verbosity(verbosity)


def _export_arm(study: "Study", name: str, arm: Arm, trials: list[Trial], storage: str, there: set[str]) -> str:
    exported = f"{study.name}/{name}"
    if exported in there:
        optuna.delete_study(study_name=exported, storage=storage)
    maximize_return: dict[str, Any] = {"return": "maximize"}
    objectives = arm.search.objectives if isinstance(arm.search, OptunaSearch) else maximize_return
    target = optuna.create_study(study_name=exported, storage=storage, directions=list(objectives.values()))
    target.set_user_attr("objectives", list(objectives))
    target.set_user_attr("spec_sha256", study.spec.sha256)
    target.add_trials([_frozen(trial, study.spec, arm) for trial in trials])
    return exported


def _frozen(trial: Trial, spec: StudySpec, arm: Arm) -> FrozenTrial:
    if isinstance(arm.search, OptunaSearch):
        judgment = judge_in(spec, trial, list(arm.search.objectives))
        frozen = to_optuna(trial, arm.search, distributions(arm.search), judgment)
    else:
        frozen = _point(trial, arm.search, judge_in(spec, trial, ["return"]))
    for key, value in _facts(trial).items():
        frozen.set_user_attr(key, value)
    return frozen


def _point(trial: Trial, search: GridSearch | AdaptiveProfile | None, judgment: Judgment | None) -> FrozenTrial:
    """A point of a grid, every axis a choice between its values, or of an adaptive profile."""
    axes = search.axes if isinstance(search, GridSearch) else {}
    space: dict[str, BaseDistribution] = {
        axis: CategoricalDistribution([_plain(value) for value in values]) for axis, values in axes.items()
    }
    if isinstance(search, AdaptiveProfile):
        space["multiplier"] = FloatDistribution(search.multiplier.low, search.multiplier.high)
    described: dict[str, Any] = {
        "params": {name: _plain(value) for name, value in trial.params.items()},
        "distributions": space,
    }
    if judgment is None or trial.state not in {State.COMPLETE, State.PRUNED}:
        return create_trial(state=_STATES[trial.state], **described)
    described["constraints"] = judgment.violations
    if trial.state is State.PRUNED:
        return create_trial(state=TrialState.PRUNED, **described)
    reached = judgment.objectives["return"]
    assert reached is not None  # every seed has a return, or there were no judgment
    return create_trial(state=TrialState.COMPLETE, values=[reached.mean], **described)


def _facts(trial: Trial) -> dict[str, Any]:
    facts: dict[str, Any] = {"trial": trial.number, "seeds": [run.seed for run in trial.seed_runs]}
    facts |= {"feasible": trial.feasible, "failure": trial.failure, "continued": trial.continued}
    facts["retest_of"] = trial.retest_of
    for name, cost in (trial.mean_cost or {}).items():
        facts |= {name: cost.mean, f"{name} interval": [cost.low, cost.high]}
    if trial.mean_return is not None:
        facts["return interval"] = [trial.mean_return.low, trial.mean_return.high]
    return {key: value for key, value in facts.items() if value is not None}


def _plain(value: Any) -> Any:
    """A value that Optuna's storage takes as a choice."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
