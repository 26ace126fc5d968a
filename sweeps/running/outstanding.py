"""How many trials the searches of a study will still suggest; without Optuna and SciPy where counting is enough."""

from collections.abc import Sequence

from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.search import AdaptiveProfile, OptunaSearch


def counts_alone(spec: StudySpec) -> bool:
    """Whether what is still to come depends on how many trials there are, and on nothing that their seeds reached."""
    return spec.retest is None and not any(isinstance(arm.search, AdaptiveProfile) for arm in spec.arms.values())


def num_to_suggest(spec: StudySpec, trials: Sequence[Trial]) -> int:
    """How many trials the searches of a study will still suggest, at most, without retests.

    Args:
        spec: The study.
        trials: All its trials, by number.
    """
    left = 0
    for name, arm in spec.arms.items():
        searched = trials_of(name, trials)
        if isinstance(arm.search, OptunaSearch):
            left += max(0, arm.search.trials - len(searched))
        elif isinstance(arm.search, AdaptiveProfile):
            ended = all(trial.state.is_finished for trial in searched)
            is_done = ended and next_in_profile(spec, arm.search, searched) is None
            left += 0 if is_done else max(0, arm.search.trials - len(searched))
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
        from sweeps.analysis.best import to_retest  # SciPy

        return len(to_retest(spec, trials))
    return max(0, spec.retest.top - (len(trials) - len(originals)))


def trials_of(arm: str, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that count for the search of an arm: those that only repeat the best on fresh seeds do not."""
    return [trial for trial in trials if trial.arm == arm and trial.retest_of is None]


def next_in_profile(spec: StudySpec, search: AdaptiveProfile, of_arm: Sequence[Trial]) -> float | None:
    """The next multiplier of an arm's adaptive profile, or None.

    Args:
        spec: The study.
        search: The arm's search.
        of_arm: The arm's trials, by number.
    """
    from sweeps.running.adaptive import Measured, next_multiplier  # SciPy

    measured: list[Measured] = []
    others: list[float] = []
    for trial in of_arm:
        multiplier = float(trial.params["multiplier"])
        if trial.state is State.COMPLETE and trial.mean_return is not None:
            costs = [cost for run in trial.seed_runs for cost in (run.mean_cost or {}).values()]
            measured.append(Measured(multiplier, tuple(costs), trial.mean_return.mean))
        else:
            others.append(multiplier)
    return next_multiplier(search, measured, others, next(iter(spec.cost_limits.values())))
