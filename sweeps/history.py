"""The rows of unfinished trials in the driver's memory: what a trial's summary is computed from."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from sweeps.analysis.multipliers import measure_movement
from sweeps.analysis.objectives import measure_seed
from sweeps.analysis.summary import SeedSummary, num_recent, summarize_seed, window_rows
from sweeps.records import Execution, ResultRow, Trial
from sweeps.spec import RunSpec
from sweeps.tracking.events import RowAdded, TrialFinished, TrialStarted
from sweeps.tracking.spool import read_events


class History:
    """Rows by trial and seed; of a (trial, seed, iteration) the first counts.

    Rows of a trial are dropped once it is finished, so that the memory of a driver depends on what runs at once and
    not on the size of the study.
    """

    def __init__(self) -> None:
        self._rows: defaultdict[int, defaultdict[int, dict[int, ResultRow]]] = defaultdict(lambda: defaultdict(dict))

    def add(self, rows: Iterable[ResultRow]) -> list[ResultRow]:
        """Adds rows and returns those that are new."""
        new: list[ResultRow] = []
        for row in rows:
            of_seed = self._rows[row.trial][row.seed]
            if row.iteration not in of_seed:
                of_seed[row.iteration] = row
                new.append(row)
        return new

    def summarize(self, trial: int, seed: int) -> SeedSummary:
        """Where a seed run stands."""
        return summarize_seed(self._recent(trial, seed))

    def summarize_all(self, execution: Execution) -> dict[int, SeedSummary]:
        """Where each seed of an execution stands."""
        return {seed: self.summarize(execution.trial, seed) for seed in execution.seeds}

    def recent_episodes(self, trial: int, seed: int) -> tuple[list[float], dict[str, list[float]]]:
        """Returns of the episodes that a seed run's summary is the mean of, and their costs by name."""
        rows = window_rows(self._recent(trial, seed))
        costs: dict[str, list[float]] = {}
        for row in rows:
            for name, values in row.episode_costs.items():
                costs.setdefault(name, []).extend(values)
        return [value for row in rows for value in row.episode_returns], costs

    def measure(self, trial: int, seed: int, run: RunSpec) -> dict[str, float]:
        """The objectives of a seed run over all its iterations, and how its multipliers moved."""
        rows = self._rows[trial][seed].values()
        return measure_seed(rows, run.cost_limits) | measure_movement(rows, run)

    def _recent(self, trial: int, seed: int) -> list[ResultRow]:
        """The rows that a summary looks at: a driver asks after every iteration, and a run may have thousands."""
        of_seed = self._rows[trial][seed]
        iterations = sorted(of_seed)
        first = len(iterations) - num_recent(max(iterations, default=0))
        while first > 0 and not any(of_seed[iteration].episode_returns for iteration in iterations[first:]):
            first -= 1
        return [of_seed[iteration] for iteration in iterations[max(first, 0) :]]

    def drop(self, trial: int) -> None:
        """Forgets a trial."""
        self._rows.pop(trial, None)


def read_history(spool: Path, unfinished: Collection[int], finished: Iterable[Trial]) -> tuple[History, list[Trial]]:
    """Reads what earlier drivers left in the spool, in one pass.

    Args:
        spool: The study's spool; one that does not exist holds nothing.
        unfinished: Numbers of the trials whose rows are wanted.
        finished: Trials that the ledger knows as finished.

    Returns:
        The rows of the unfinished trials, and those finished trials of which the spool does not know that they
        finished: a driver was killed between the ledger and the spool.
    """
    history, last = History(), dict[int, type]()
    for event in read_events(spool):
        if isinstance(event, RowAdded) and event.row.trial in unfinished:
            history.add([event.row])
        elif isinstance(event, TrialStarted | TrialFinished):
            last[event.trial.number] = type(event)
    return history, [trial for trial in finished if last.get(trial.number) is not TrialFinished]
