"""The next trial of a study that its searches want, a pure function of the ledger's trials."""

from collections.abc import Sequence

from sweeps.analysis.best import judge_in, to_retest
from sweeps.ledger import NewTrial
from sweeps.records import State, Trial
from sweeps.running.adaptive import Measured, next_multiplier
from sweeps.running.sampler import suggest
from sweeps.spec import StudySpec
from sweeps.spec.search import AdaptiveProfile, OptunaSearch
from sweeps.spec.space import trial_key


def next_suggestion(spec: StudySpec, trials: Sequence[Trial]) -> NewTrial | None:
    """Suggests the next trial of the first arm whose search is not done.

    Args:
        spec: The study.
        trials: All its trials, by number.

    Returns:
        The trial, or None where no search wants one; an adaptive profile may want one later, once others have ended.
    """
    for name, arm in spec.arms.items():
        of_arm = _of_arm(trials, name)
        if isinstance(arm.search, OptunaSearch):
            if len(of_arm) < arm.search.trials:
                return _by_optuna(spec, name, arm.search, of_arm, number=len(trials))
        elif isinstance(arm.search, AdaptiveProfile):
            multiplier = _in_profile(spec, arm.search, of_arm)
            if multiplier is not None:
                return _new(name, {"multiplier": multiplier}, of_arm)
            if not all(trial.state.is_finished for trial in of_arm):
                return None  # its next point depends on those; retests come last
    for best in to_retest(spec, trials):
        return NewTrial(f"{best.key} retest", best.arm, best.params, retest_of=best.number)
    return None


def num_to_suggest(spec: StudySpec, trials: Sequence[Trial]) -> int:
    """How many trials the searches of a study will still suggest, at most, without retests.

    Args:
        spec: The study.
        trials: All its trials, by number.
    """
    left = 0
    for name, arm in spec.arms.items():
        of_arm = _of_arm(trials, name)
        if isinstance(arm.search, OptunaSearch):
            left += max(0, arm.search.trials - len(of_arm))
        elif isinstance(arm.search, AdaptiveProfile):
            is_done = all(trial.state.is_finished for trial in of_arm) and _in_profile(spec, arm.search, of_arm) is None
            left += 0 if is_done else max(0, arm.search.trials - len(of_arm))
    return left


def num_to_retest(spec: StudySpec, trials: Sequence[Trial]) -> int:
    """How many trials a study will still run again on fresh seeds, at most.

    Args:
        spec: The study.
        trials: All its trials, by number.
    """
    if spec.retest is None:
        return 0
    originals = [trial for trial in trials if trial.retest_of is None]
    if all(trial.state.is_finished for trial in originals) and not num_to_suggest(spec, trials):
        return len(to_retest(spec, trials))
    return max(0, spec.retest.top - (len(trials) - len(originals)))


def _in_profile(spec: StudySpec, search: AdaptiveProfile, of_arm: Sequence[Trial]) -> float | None:
    return next_multiplier(search, *_points(of_arm), next(iter(spec.cost_limits.values())))


def _of_arm(trials: Sequence[Trial], arm: str) -> list[Trial]:
    return [trial for trial in trials if trial.arm == arm and trial.retest_of is None]


def _by_optuna(spec: StudySpec, arm: str, search: OptunaSearch, of_arm: Sequence[Trial], *, number: int) -> NewTrial:
    objectives = list(search.objectives)
    params = suggest(
        search,
        of_arm,
        lambda trial: judge_in(spec, trial, objectives),
        study_seed=spec.study_seed,
        number=number,
    )
    return _new(arm, params, of_arm)


def _new(arm: str, params: dict[str, object], of_arm: Sequence[Trial]) -> NewTrial:
    key = trial_key(arm, params)
    repeated = sum(trial.key == key or trial.key.startswith(f"{key} #") for trial in of_arm)
    # A finite space may be suggested twice; both trials count for the search, and keys stay unique.
    return NewTrial(f"{key} #{repeated + 1}" if repeated else key, arm, params)


def _points(of_arm: Sequence[Trial]) -> tuple[list[Measured], list[float]]:
    measured: list[Measured] = []
    others: list[float] = []
    for trial in of_arm:
        multiplier = float(trial.params["multiplier"])
        if trial.state is State.COMPLETE and trial.mean_return is not None:
            costs = [cost for run in trial.seed_runs for cost in (run.mean_cost or {}).values()]
            measured.append(Measured(multiplier, tuple(costs), trial.mean_return.mean))
        else:
            others.append(multiplier)
    return measured, others
