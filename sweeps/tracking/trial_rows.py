"""Where the rows of a trial lie in the spool, so that they can be read again without reading all of it."""

from pathlib import Path

from sweeps.records import ResultRow
from sweeps.tracking.events import RowAdded, decode, row_prefix
from sweeps.tracking.spool import Line


class TrialRows:
    """For each trial the stretch of the spool that holds its rows: two numbers a trial, however many rows.

    Attributes:
        path: The spool.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stretches: dict[int, tuple[int, int]] = {}

    def note(self, line: Line) -> None:
        """Takes note of where a line lies; only rows matter."""
        if isinstance(line.event, RowAdded):
            first, _ = self._stretches.get(line.event.row.trial, (line.start, line.end))
            self._stretches[line.event.row.trial] = (first, line.end)

    def read(self, trial: int) -> list[ResultRow]:
        """Reads the rows of a trial that were noted, each (seed, iteration) once: the first counts.

        Args:
            trial: Its number.

        Returns:
            Its rows in the order in which they came; none where the trial has none.
        """
        start, end = self._stretches.get(trial, (0, 0))
        prefix, rows = row_prefix(trial), dict[tuple[int, int], ResultRow]()
        with self.path.open("rb") as file:
            file.seek(start)
            while file.tell() < end:
                line = file.readline()
                if not line.startswith(prefix):
                    continue
                event = decode(line)
                assert isinstance(event, RowAdded)
                rows.setdefault((event.row.seed, event.row.iteration), event.row)
        return list(rows.values())
