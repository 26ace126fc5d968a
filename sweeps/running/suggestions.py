"""The next trial of a study that its searches want, a pure function of the ledger's trials."""

from collections.abc import Sequence

from sweeps.analysis.best import judge_in, to_retest
from sweeps.ledger import NewTrial
from sweeps.records import Trial
from sweeps.running.outstanding import next_in_profile, trials_of
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
        of_arm = trials_of(name, trials)
        if isinstance(arm.search, OptunaSearch):
            if len(of_arm) < arm.search.trials:
                return _by_optuna(spec, name, arm.search, of_arm, number=len(trials))
        elif isinstance(arm.search, AdaptiveProfile):
            multiplier = next_in_profile(spec, arm.search, of_arm)
            if multiplier is not None:
                return _new(name, {"multiplier": multiplier}, of_arm)
            if not all(trial.state.is_finished for trial in of_arm):
                return None  # its next point depends on those; retests come last
    for best in to_retest(spec, trials):
        return NewTrial(f"{best.key} retest", best.arm, best.params, retest_of=best.number)
    return None


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
