"""Which waiting trials train in one process: those of a study with `pack` that differ in their multiplier only.

A pack is only how executions are handed out. Each trial has its own attempts, rows and checkpoints, and may go on
alone, or in another pack, from where it stands.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection

from sweeps.ledger import Writer
from sweeps.records import State, Trial
from sweeps.running.checkpoints import CheckpointStore, trial_folder
from sweeps.spec import StudySpec

PACK_FAILED = "its pack failed"
"""What the failure of an execution begins with whose trial goes on alone: one of a pack is to blame, and which one is
not known."""


class Packs:
    """The packs of a study.

    Args:
        spec: The study.
        writer: The driver's right to write the study.
        checkpoints: Folder or URL of the study's checkpoints.
    """

    def __init__(self, spec: StudySpec, writer: Writer, checkpoints: str) -> None:
        self._spec = spec
        self._writer = writer
        self._checkpoints = checkpoints

    def companions(self, first: Trial, *, without: Collection[int]) -> list[Trial]:
        """Finds the trials to pack with one, by number.

        They wait for the same seeds at the same iteration, and none was in a pack that failed.

        Args:
            first: The trial that is handed out.
            without: Trials that are handed out already.

        Returns:
            At most `pack - 1` trials.
        """
        size, study = self._spec.pack or 1, self._writer.study
        if size == 1:
            return []
        failures: defaultdict[int, list[str]] = defaultdict(list)
        for execution, _, failure in self._writer.ledger.executions(study):
            failures[execution.trial].append(failure or "")
        waiting = [t for t in self._writer.ledger.trials(study, state=State.WAITING) if t.number not in without]
        candidates = [t for t in (first, *waiting) if not any(f.startswith(PACK_FAILED) for f in failures[t.number])]
        if first not in candidates:
            return []
        wanted = self._place(first, bool(failures[first.number]))
        others = (trial for trial in candidates if trial.number != first.number)
        alike = (trial for trial in others if self._place(trial, bool(failures[trial.number])) == wanted)
        return list(itertools.islice(alike, size - 1))

    def _place(self, trial: Trial, has_run: bool) -> tuple[int, tuple[int, ...]]:
        """What the trials of a pack share, beside hyperparameters, in which no trials of a study with `pack` differ."""
        seeds = trial.next_seeds
        store = CheckpointStore(trial_folder(self._checkpoints, trial.number), seeds)
        iteration = store.newest_iteration() if has_run else 0
        return iteration, seeds
