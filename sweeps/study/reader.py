"""What anyone may read of a study: how it stands, its trials, what is best, the policy to deploy."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sweeps.errors import NoFeasibleTrial
from sweeps.ledger import Holder, Ledger, StudyRow, planned_env_steps
from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.spec.space import suggests
from sweeps.status import Status
from sweeps.trial_table import best_of, to_dataframe

if TYPE_CHECKING:
    import pandas as pd

    from sweeps.policy import Policy


class ToCome(NamedTuple):
    """How many trials of a study are yet to be suggested.

    Attributes:
        searched: By its searches, at most.
        retests: As reruns of its best, at most.
    """

    searched: int
    retests: int


class StudyReader:
    """The part of a `Study` that changes nothing.

    Attributes:
        name: Its name.
        spec: What it is.
        storage: The storage folder, absolute.
    """

    def __init__(self, row: StudyRow, ledger: Ledger, storage: Path) -> None:
        self.name = row.name
        self.spec = StudySpec.model_validate_json(row.spec_json)
        self.storage = storage
        self._row = row
        self._ledger = ledger

    def __repr__(self) -> str:
        return f"<Study {self.name!r} in {self.storage}>"

    @property
    def folder(self) -> Path:
        """The study's own folder: specification, spool, checkpoints, report."""
        return self.storage / "studies" / self.name

    @property
    def checkpoints(self) -> str:
        """Folder or URL of the study's checkpoints."""
        return self._row.checkpoints or str(self.folder / "checkpoints")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until nobody drives the study.

        Args:
            timeout_s: Seconds to wait at most; None: as long as it takes.

        Returns:
            Whether nobody drives it.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.holder is not None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(0.25)
        return True

    @property
    def holder(self) -> Holder | None:
        """The process that drives the study, or None."""
        return self._ledger.holder(self._row.id)

    @property
    def trials(self) -> list[Trial]:
        """All trials by number, as they stand now."""
        return self._ledger.trials(self._row.id)

    def select_trials(self, state: State, *, with_seeds: bool = True) -> list[Trial]:
        """The trials that stand in a state, by number; without their seed runs the fastest."""
        return self._ledger.trials(self._row.id, state=state, with_seeds=with_seeds)

    @property
    def best_trial(self) -> Trial:
        """The best of the complete, feasible trials in the study's first objective; the first of equals.

        Where the study runs its best trials again on fresh seeds, the best of those.

        Raises:
            NoFeasibleTrial: If there is none.
        """
        return self.best_trials[0]

    @property
    def best_trials(self) -> list[Trial]:
        """The feasible trials that no other one beats in every objective of the study, best in the first one first.

        Raises:
            NoFeasibleTrial: If there is none.
        """
        best = self._best_trials()
        if not best:
            limits = ", ".join(f"{name} <= {limit:g}" for name, limit in self.spec.cost_limits.items())
            raise NoFeasibleTrial(
                f"`a complete trial keeps {limits}` must hold, but none of study {self.name!r} does.",
                code="no-feasible-trial",
                help="raise the cost limit, search larger multipliers, or train longer",
            )
        return best

    def best_policy(
        self,
        *,
        episodes: int | None = None,
        cost_limits: Mapping[str, float] | None = None,
        explore: bool = False,
        require_feasible: bool = True,
    ) -> "Policy":
        """The policy to deploy: of the best trials' seeds the best return that surely keeps the limits. Needs no Ray.

        Without arguments it is the champion that the driver chose when it ended, as MLflow has it. Else each candidate
        runs the same held-out episodes; see `sweeps.choice.choose`.

        Args:
            episodes: Episodes of each evaluation, ≥ 2; None takes the driver's choice, or 50 where it made none.
            cost_limits: Limits of the deployment; None takes those of training. Larger ones leave a margin.
            explore: Whether policies are judged with exploration noise.
            require_feasible: Whether to refuse when none surely keeps the limits.

        Returns:
            The policy; its `choice` holds the evaluations, with and without noise.

        Raises:
            NotFoundError: If no policy was written yet: no complete trial, or its driver has not ended.
            NoFeasibleTrial: If no policy surely keeps the limits and one must.
        """
        from sweeps.choice import best_policy  # MuJoCo: only where something steps
        from sweeps.tracking.store import find_store

        policy = best_policy(
            self.folder,
            episodes=episodes,
            cost_limits=cost_limits,
            explore=explore,
            require_feasible=require_feasible,
        )
        policy.tracking_uri = find_store(self.storage).uri
        return policy

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial.

        Returns:
            The columns of `sweeps.trial_table.to_dataframe`.
        """
        return to_dataframe(self.trials, self.spec)

    @property
    def env_steps_total(self) -> int:
        """Env steps of the whole study: those of seeds that have ended, and the budgets of the others."""
        return self._planned_steps(self._to_come())

    def status(self) -> Status:
        """How the study stands now."""
        to_come = self._to_come()
        best = self._best_trials()
        lost = self._ledger.lost_times(self._row.id)
        return Status(
            name=self.name,
            counts=self._counts(to_come),
            env_steps=self._ledger.env_steps(self._row.id),
            env_steps_total=self._planned_steps(to_come),
            holder=self.holder,
            best=best[0] if best else None,
            kills=len(lost),
            lost_s=sum(lost),
        )

    def _best_trials(self) -> list[Trial]:
        is_default = self.spec.objectives == {"return": "maximize"} and self.spec.aggregate == "mean"
        if is_default and self.spec.retest is None:  # without the many seed runs
            best = best_of(self._ledger.trials(self._row.id, with_seeds=False))
            return [] if best is None else [self._trial(best.number)]
        from sweeps.analysis.best import best_trials

        return best_trials(self.spec, self.trials)

    def _trial(self, number: int) -> Trial:
        return self._ledger.trials(self._row.id, number=number)[0]

    def _counts(self, to_come: ToCome) -> dict[State, int]:
        """Trials by state; those that are yet to be suggested count as waiting."""
        counts = self._ledger.count_trials(self._row.id)
        return counts | {State.WAITING: counts[State.WAITING] + sum(to_come)}

    def _planned_steps(self, to_come: ToCome) -> int:
        retest_seeds = 0 if self.spec.retest is None else self.spec.retest.seeds
        seeds = to_come.searched * len(self.spec.seed_list) + to_come.retests * retest_seeds
        return planned_env_steps(self._ledger, self._row.id, self.spec.env_steps) + seeds * self.spec.env_steps

    def _to_come(self) -> ToCome:
        """How many trials are yet to be suggested."""
        if not suggests(self.spec):
            return ToCome(0, 0)
        from sweeps.running.outstanding import counts_alone, num_to_retest, num_to_suggest  # SciPy: only for searches

        trials = self._ledger.trials(self._row.id, with_seeds=not counts_alone(self.spec))
        return ToCome(num_to_suggest(self.spec, trials), num_to_retest(self.spec, trials))
