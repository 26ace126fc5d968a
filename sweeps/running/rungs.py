"""Stops trials that cannot become the best, with feasibility in mind. Tune's ASHA knows no constraints.

A trial passes a *rung* when all its seeds have used a share of their budget. There its seeds' return and cost (of the
last 5 % of iterations so far) go into the ledger, and it is compared with the trials that passed before:

- From `late` on it is stopped if the 95 % interval of a cost lies above its limit.
- Its return is compared with *feasible* trials only, those with mean costs within the limits on the same rung: an
  infeasible one shows nothing that could be kept. It is stopped if its interval lies below what must be reached: the
  return of the best 1/reduction of them (asha), or their median. From `late` on also below the interval of the best.

Before `late` no cost stops a trial, for it may learn safety late; and of the feasible trials only those count that cost
no more than it does: a return that is low beside lower costs may be what safety takes early, and may come back.

Where the study says so, a seed is judged alone from `late` on, by the same rule, with intervals over its own episodes;
its trial goes on with the others. It still counts in its trial, as it was when it stopped.

Source: Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning" (ASHA), and Golovin et al. (2017),
"Google Vizier" (median); intervals and feasibility are ours.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sweeps.analysis.statistics import t_interval
from sweeps.analysis.summary import SeedSummary
from sweeps.history import History
from sweeps.ledger import Writer
from sweeps.records import Interval, State, Trial
from sweeps.running.execution import Job
from sweeps.spec import StudySpec
from sweeps.spec.limits import Stopping

_FEWEST_EPISODES = 5  # fewer say little about a seed


@dataclass(frozen=True)
class Standing:
    """Where a trial stands on a rung.

    Attributes:
        mean_return: Over seeds.
        mean_cost: Over seeds, by cost name.
        limits: Its cost limits, by name.
    """

    mean_return: Interval
    mean_cost: dict[str, Interval]
    limits: Mapping[str, float]

    @property
    def feasible(self) -> bool:
        """Whether every mean cost is within its limit."""
        return all(self.mean_cost[name].mean <= limit for name, limit in self.limits.items())

    def costs_no_less(self, other: "Standing") -> bool:
        """Whether no mean cost is below another trial's: then a lower return has bought no safety."""
        return all(self.mean_cost[name].mean >= other.mean_cost[name].mean for name in self.limits)


def reason_to_stop(stopping: Stopping, rung: float, own: Standing, others: Sequence[Standing]) -> str | None:
    """Decides about a trial on a rung.

    Args:
        stopping: The rule.
        rung: The rung's share of the budget.
        own: Where the trial stands there.
        others: Where the trials stand that passed before.

    Returns:
        Why to stop it, or None.
    """
    late = rung >= stopping.late
    for name, limit in own.limits.items() if late else ():
        cost = own.mean_cost[name]
        if cost.low > limit:
            return f"after {rung:.0%} of its budget {name} {_show(cost)} lies above the limit {limit:g}"
    peers = [other.mean_return for other in others if other.feasible and (late or own.costs_no_less(other))]
    if len(peers) < stopping.min_trials:
        return None
    wanted, what = _wanted(stopping, [peer.mean for peer in peers])
    what += "" if late else " that cost no more"
    best = max(peer.low for peer in peers)
    if late and best > wanted:
        wanted, what = best, "the interval of the best feasible trial"
    if own.mean_return.high >= wanted:
        return None
    return f"after {rung:.0%} of its budget return {_show(own.mean_return)} lies below {wanted:.4g}, {what}"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a trial that has just passed a rung.

    Attributes:
        trial: Why the whole trial is stopped, or None.
        seeds: Seed → why it is stopped alone; never all that train.
    """

    trial: str | None = None
    seeds: Mapping[int, str] = field(default_factory=dict)


class Rungs:
    """The rungs of a running study.

    Args:
        spec: The study.
        writer: The driver's right to write it.
        history: Rows of the unfinished trials.
    """

    def __init__(self, spec: StudySpec, writer: Writer, history: History) -> None:
        self._spec = spec
        self._writer = writer
        self._history = history
        self._passed: dict[int, set[str]] = {}

    def judge(self, job: Job, summaries: Mapping[int, SeedSummary]) -> Verdict:
        """Judges a trial that has just reported; between rungs it goes on.

        Args:
            job: What it trains.
            summaries: Seed of the execution → where it stands, or stood when it stopped.
        """
        stopping, trial = self._spec.stopping, job.execution.trial
        if stopping is None or any(summary.mean_return is None for summary in summaries.values()):
            return Verdict()
        share = max(summary.env_steps for summary in summaries.values()) / job.run.env_steps
        reached = [rung for rung in stopping.rungs if rung <= share < 1.0]
        if not reached or _key(reached[-1]) in self._passed_by(trial):
            return Verdict()
        return self._decide(stopping, reached[-1], job, summaries)

    def _decide(self, stopping: Stopping, rung: float, job: Job, summaries: Mapping[int, SeedSummary]) -> Verdict:
        trials = {trial.number: trial for trial in self._writer.ledger.trials(self._writer.study)}
        number = job.execution.trial
        self._passed_by(number).add(_key(rung))
        self._writer.pass_rung(number, _key(rung), {seed: _reached(summary) for seed, summary in summaries.items()})
        if trials[number].retest_of is not None:
            return Verdict()  # it is there to be measured
        own = _standing([_reached(summary) for summary in summaries.values()], job.run.cost_limits)
        found = [self._standing(trial, rung) for trial in trials.values() if trial.number != number]
        others = [standing for standing in found if standing is not None]
        reason = reason_to_stop(stopping, rung, own, others)
        if reason is not None or not stopping.seeds or rung < stopping.late:
            return Verdict(reason)
        return self._judge_seeds(stopping, rung, job, others)

    def _judge_seeds(self, stopping: Stopping, rung: float, job: Job, others: Sequence[Standing]) -> Verdict:
        training = [seed for seed in job.execution.seeds if seed not in job.stopped]
        hopeless: dict[int, str] = {}
        for seed in training:
            alone = self._of_seed(job.execution.trial, seed, job.run.cost_limits)
            reason = None if alone is None else reason_to_stop(stopping, rung, alone, others)
            if reason is not None:
                hopeless[seed] = reason
        if len(hopeless) < len(training):
            return Verdict(seeds=hopeless)
        reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in hopeless.items())
        return Verdict(f"each of its seeds is stopped: {reasons}")

    def _of_seed(self, trial: int, seed: int, limits: Mapping[str, float]) -> Standing | None:
        """Where a seed stands alone: intervals over the episodes behind its return and cost, if there are enough."""
        returns, costs = self._history.recent_episodes(trial, seed)
        if len(returns) < _FEWEST_EPISODES:
            return None
        return Standing(t_interval(returns), {name: t_interval(costs[name]) for name in limits}, limits)

    def _standing(self, trial: Trial, rung: float) -> Standing | None:
        reached = [(run.rungs or {}).get(_key(rung)) for run in trial.seed_runs]
        known = [values for values in reached if values is not None]
        if trial.state is State.FAIL or trial.retest_of is not None or not known or len(known) < len(reached):
            return None
        return _standing(known, self._spec.resolve(trial.arm, trial.params).cost_limits)

    def _passed_by(self, trial: int) -> set[str]:
        if trial not in self._passed:
            runs = self._writer.trial(trial).seed_runs
            self._passed[trial] = {rung for run in runs for rung in run.rungs or {}}
        return self._passed[trial]


def _standing(of_seeds: Sequence[Mapping[str, float]], limits: Mapping[str, float]) -> Standing:
    costs = {name: t_interval([reached[name] for reached in of_seeds]) for name in limits}
    return Standing(t_interval([reached["return"] for reached in of_seeds]), costs, limits)


def _wanted(stopping: Stopping, returns: Sequence[float]) -> tuple[float, str]:
    if stopping.rule == "median":
        return statistics.median(returns), f"the median of {len(returns)} feasible trials"
    passing = max(1, len(returns) // stopping.reduction)
    return sorted(returns, reverse=True)[passing - 1], f"the best {passing} of {len(returns)} feasible trials"


def _reached(summary: SeedSummary) -> dict[str, float]:
    assert summary.mean_return is not None
    assert summary.mean_cost is not None
    return {"return": summary.mean_return, **summary.mean_cost}


def _key(rung: float) -> str:
    return f"{rung:g}"


def _show(value: Interval) -> str:
    return f"{value.mean:.4g} [{value.low:.4g}, {value.high:.4g}]"
