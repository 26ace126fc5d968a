"""The best trials of a study: feasible only, by its objectives, and on fresh seeds where it runs its best again."""

from collections.abc import Sequence

from sweeps.analysis.objectives import Judgment, judge
from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.objectives import DIRECTIONS, Objective


def judge_in(
    spec: StudySpec, trial: Trial, objectives: Sequence[Objective] | None = None, *, intervals: bool = False
) -> Judgment | None:
    """What a trial of a study amounts to, as the study aggregates and bounds.

    Args:
        spec: The study.
        trial: One of its trials, with its seed runs.
        objectives: Which objectives; None: the study's.
        intervals: Whether to compute intervals that decide nothing: what ranks trials needs none.

    Returns:
        The judgment, or None while a seed has no return.
    """
    limits = spec.limits_of(trial.params)
    names = list(spec.objectives) if objectives is None else objectives
    return judge(trial, limits, names, aggregate=spec.aggregate, cost_bound=spec.cost_bound, intervals=intervals)


def best_trials(spec: StudySpec, trials: Sequence[Trial]) -> list[Trial]:
    """The feasible trials that no other feasible one beats: the best in one objective, the front in several.

    Where the study runs its best trials again on fresh seeds, only those reruns count once one of them is complete: the
    maximum of noisy results is too good.

    Args:
        spec: The study.
        trials: Its trials by number, with their seed runs.

    Returns:
        The trials, best in the first objective first; of equals in every objective all. None where no complete trial
        is feasible.
    """
    complete = [trial for trial in trials if trial.state is State.COMPLETE]
    retests = [trial for trial in complete if trial.retest_of is not None]
    ranked = _ranked(spec, retests or complete)
    front = [(values, trial) for values, trial in ranked if not any(_beats(other, values) for other, _ in ranked)]
    return [trial for _, trial in front]


def to_retest(spec: StudySpec, trials: Sequence[Trial]) -> list[Trial]:
    """The trials to run again on fresh seeds, best first; none before all others have ended.

    In one objective these are the best `top`; in several the front comes first, then what would be the front without
    it, and so on.

    Args:
        spec: The study.
        trials: Its trials by number, with their seed runs.
    """
    originals = [trial for trial in trials if trial.retest_of is None]
    if spec.retest is None or not all(trial.state.is_finished for trial in originals):
        return []
    chosen = _by_front(_ranked(spec, [trial for trial in originals if trial.state is State.COMPLETE]))
    done = {trial.retest_of for trial in trials}
    return [trial for trial in chosen[: spec.retest.top] if trial.number not in done]


def candidates(spec: StudySpec, trials: Sequence[Trial], most: int) -> list[Trial]:
    """The complete trials among whose policies the one to deploy is chosen.

    The best feasible ones come first, front after front, then those nearest to their limits: held-out episodes may
    judge otherwise than training does, and a deployment may allow more cost than the training did.

    Args:
        spec: The study.
        trials: Its trials by number, with their seed runs.
        most: How many, at most.
    """
    complete = [trial for trial in trials if trial.state is State.COMPLETE and trial.mean_cost]
    pool = [trial for trial in complete if trial.retest_of is not None] or complete
    feasible = _by_front(_ranked(spec, pool))
    known = {trial.number for trial in feasible}
    others = sorted((trial for trial in pool if trial.number not in known), key=lambda trial: _excess(spec, trial))
    return [*feasible, *others][:most]


def _excess(spec: StudySpec, trial: Trial) -> float:
    limits, costs = spec.limits_of(trial.params), trial.mean_cost or {}
    return max((costs[name].mean - limit) / max(limit, 1.0) for name, limit in limits.items())


def _by_front(ranked: Sequence[tuple[tuple[float, ...], Trial]]) -> list[Trial]:
    """The front first, then what is the front without it, and so on."""
    left, ordered = list(ranked), list[Trial]()
    while left:
        front = [item for item in left if not any(_beats(other, item[0]) for other, _ in left)]
        ordered += [trial for _, trial in front]
        left = [item for item in left if item not in front]
    return ordered


def _ranked(spec: StudySpec, trials: Sequence[Trial]) -> list[tuple[tuple[float, ...], Trial]]:
    """Feasible trials with their values, larger is better, by the first objective and then by number."""
    signs = [1.0 if DIRECTIONS[name] == "maximize" else -1.0 for name in spec.objectives]
    ranked: list[tuple[tuple[float, ...], Trial]] = []
    for trial in trials:
        judgment = judge_in(spec, trial)
        if judgment is None or not judgment.feasible:
            continue
        found = [judgment.objectives[name] for name in spec.objectives]
        values = tuple(sign * value.mean for sign, value in zip(signs, found, strict=True) if value is not None)
        if len(values) == len(signs):
            ranked.append((values, trial))
    return sorted(ranked, key=lambda item: -item[0][0])


def _beats(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether the first is nowhere worse and somewhere better."""
    return first != second and all(a >= b for a, b in zip(first, second, strict=True))
