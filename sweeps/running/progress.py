"""Progress of a running study: a live table on a terminal, plain lines elsewhere."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.analysis.summary import SeedSummary
from sweeps.records import ResultRow, State, Trial

LINE_INTERVAL_S = 30.0
"""Seconds between two lines about what runs, where there is no terminal."""

REDRAW_INTERVAL_S = 0.25
"""Seconds between two drawings of the live table: Tune's loop turns once a result, and 64 trials take 26 ms to draw."""

_RATE_WINDOW_S = 60.0

_OTHER_LINES = 6  # the head, which may wrap, bar, column names and what is left out


@dataclass
class _Running:
    """What the table says about a trial that trains: means over its seeds."""

    name: str
    share: float = 0.0
    mean_return: float | None = None
    cost: dict[str, float] | None = None
    multiplier: dict[str, float] | None = None


class Progress:
    """Shows how a study stands. All numbers come from what it is told; it reads nothing.

    Attributes:
        env_steps_total: Env steps of the whole study, as far as it is known.

    Args:
        study: Name of the study.
        console: Where to; a quiet one shows nothing.
        counts: Trials by state, those that are yet to be suggested among the waiting ones.
        env_steps: Budget of one seed.
        env_steps_done: Env steps done by all seeds of all trials.
        env_steps_total: Env steps of the whole study.
        planned: Number of a known trial → what `env_steps_total` counts for it; for others it counts whole budgets.
    """

    def __init__(
        self,
        study: str,
        console: Console,
        *,
        counts: Mapping[State, int],
        env_steps: int,
        env_steps_done: int,
        env_steps_total: int,
        planned: Mapping[int, int],
    ) -> None:
        self._study = study
        self._console = console
        self._counts = Counter(counts)
        self._env_steps = env_steps
        self.env_steps_total = env_steps_total
        self._planned = dict(planned)
        self._done = env_steps_done
        self._trained = 0  # since this driver began, failed or not
        self._seed_steps: dict[tuple[int, int], int] = {}
        self._running: dict[int, _Running] = {}
        self._rates: deque[tuple[float, int]] = deque()
        self._line_at = time.monotonic()
        self._drawn_at = float("-inf")
        shows_live = console.is_terminal and not console.quiet
        self._live = Live(console=console, auto_refresh=False, transient=True) if shows_live else None

    def start(self) -> None:
        """Begins to show."""
        self._say(f"{self._study}: {self._states()}")
        if self._live is not None:
            self._live.start()

    def stop(self) -> None:
        """Shows the last line and ends."""
        if self._live is not None:
            self._live.stop()
        self.say(f"{self._study}: {self._states()}")

    def trial_started(self, trial: Trial) -> None:
        """A trial begins to train."""
        self._move(State.WAITING, State.RUNNING)
        self._plan(trial)
        self._running[trial.number] = _Running(name=describe(trial))
        for run in trial.seed_runs:
            self._seed_steps[trial.number, run.seed] = run.env_steps
        self._say(f"trial {trial.number} started: {describe(trial)}")

    def trial_reported(self, trial: int, rows: Iterable[ResultRow], summaries: Mapping[int, SeedSummary]) -> None:
        """A trial reports an iteration: new rows, and where each seed stands."""
        for row in rows:
            steps = max(0, row.env_steps - self._seed_steps[trial, row.seed])
            self._seed_steps[trial, row.seed] += steps
            self._done += steps
            self._trained += steps
        now = time.monotonic()
        self._rates.append((now, self._trained))
        while now - self._rates[0][0] > _RATE_WINDOW_S:
            self._rates.popleft()
        running = self._running[trial]
        seeds = list(summaries.values())
        running.share = sum(seed.env_steps for seed in seeds) / (len(seeds) * self._env_steps)
        returns = [seed.mean_return for seed in seeds if seed.mean_return is not None]
        running.mean_return = sum(returns) / len(returns) if returns else None
        running.cost = _mean(seed.mean_cost for seed in seeds if seed.mean_cost is not None)
        running.multiplier = _mean(seed.multiplier for seed in seeds)
        if self._live is None and now - self._line_at >= LINE_INTERVAL_S:
            self._line_at = now
            self._say(f"{self._states()}, {self._speed()}")
            for number, line in sorted(self._running.items()):
                self._say(f"  trial {number}: {line.share:.0%}, {_numbers(line)}")

    def trial_finished(self, trial: Trial) -> None:
        """A trial is complete or has failed."""
        self._plan(trial)
        self._leave(trial.number, trial.state)
        if trial.state is State.FAIL:
            self._say(f"trial {trial.number} failed: {trial.failure}")
            return
        if trial.state is State.PRUNED:
            self._say(f"trial {trial.number} stopped: {trial.failure}")
            return
        assert trial.mean_return is not None
        costs = trial.mean_cost or {}
        cost = ", ".join(f"{name} {value.mean:.1f}" for name, value in costs.items())
        verdict = "feasible" if trial.feasible else "infeasible"
        self._say(f"trial {trial.number} complete: return {trial.mean_return.mean:.2f}, {cost}, {verdict}")

    def trial_stopped(self, trial: int, why: str) -> None:
        """A trial was interrupted and waits for another attempt."""
        self._leave(trial, State.WAITING)
        self._say(f"trial {trial} {why}")

    def trial_paused(self, trial: int) -> None:
        """Some seeds of a trial are complete; it waits for the others."""
        self._leave(trial, State.WAITING)

    def say(self, message: str) -> None:
        """Prints one line above the table."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)  # an error may hold brackets

    def refresh(self) -> None:
        """Redraws the table, unless that was done a moment ago."""
        now = time.monotonic()
        if self._live is not None and now - self._drawn_at >= REDRAW_INTERVAL_S:
            self._drawn_at = now
            self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """The table as it stands, with as many of the trials that run as the terminal has lines."""
        table = Table(box=None, pad_edge=False)
        for column in ("trial", "progress", "return", "cost", "λ"):
            table.add_column(column, justify="left" if column == "trial" else "right")
        shown = sorted(self._running.items())[: max(1, self._console.size.height - _OTHER_LINES)]
        for number, running in shown:
            mean_return = "–" if running.mean_return is None else f"{running.mean_return:.2f}"
            row = (mean_return, _named(running.cost, ".1f"), _named(running.multiplier, ".3g"))
            table.add_row(Text(f"{number} {running.name}"), f"{running.share:.0%}", *row)
        bar = ProgressBar(total=max(1, self.env_steps_total), completed=self._done, width=40)
        whole = Padding(bar, 0)  # a bar alone does not end its line
        head = Text.assemble((self._study, "bold"), f"  {self._states()}  {self._speed()}")
        if not self._running:
            return Group(head, whole)
        more = len(self._running) - len(shown)
        return Group(head, whole, table, f"… and {more} more") if more else Group(head, whole, table)

    def _move(self, old: State, new: State) -> None:
        self._counts[old] -= 1
        self._counts[new] += 1

    def _leave(self, trial: int, state: State) -> None:
        was = State.RUNNING if trial in self._running else State.WAITING  # it may fail before it starts
        self._move(was, state)
        self._running.pop(trial, None)
        for key in [key for key in self._seed_steps if key[0] == trial]:
            del self._seed_steps[key]

    def _plan(self, trial: Trial) -> None:
        """Counts what a trial will have done; seeds that have ended do no more, and may have done too much."""
        planned = trial.planned_env_steps(self._env_steps)
        counted = self._planned.get(trial.number, len(trial.seed_runs) * self._env_steps)
        self.env_steps_total += planned - counted
        self._planned[trial.number] = planned

    def _say(self, message: str) -> None:
        if self._live is None:
            self.say(message)

    def _states(self) -> str:
        words = {
            State.COMPLETE: "complete",
            State.PRUNED: "stopped",
            State.RUNNING: "running",
            State.WAITING: "waiting",
            State.FAIL: "failed",
        }
        return ", ".join(f"{self._counts[state]} {word}" for state, word in words.items() if self._counts[state])

    def _speed(self) -> str:
        if len(self._rates) < 2 or self._rates[-1][0] <= self._rates[0][0]:
            return "measuring"
        (start, before), (end, after) = self._rates[0], self._rates[-1]
        rate = (after - before) / (end - start)
        if rate <= 0.0:
            return "measuring"
        left = timedelta(seconds=round(max(0, self.env_steps_total - self._done) / rate))
        return f"{rate:,.0f} env steps/s, about {left} left"


def describe(trial: Trial) -> str:
    """A trial's arm and parameters in a few words.

    Examples:
        >>> describe(Trial(number=0, key="", arm="fixed", params={"multiplier": 0.5}, state=State.WAITING))
        'fixed multiplier=0.5'
    """
    return " ".join([trial.arm, *(f"{name}={_short(value)}" for name, value in trial.params.items())])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(values: Iterable[Mapping[str, float]]) -> dict[str, float] | None:
    known = [value for value in values if value]
    if not known:
        return None
    return {name: sum(value[name] for value in known) / len(known) for name in known[0]}


def _named(values: Mapping[str, float] | None, style: str) -> str:
    if values is None:
        return "–"
    if len(values) == 1:
        return f"{next(iter(values.values())):{style}}"
    return " ".join(f"{name}={value:{style}}" for name, value in values.items())


def _numbers(running: _Running) -> str:
    mean_return = "–" if running.mean_return is None else f"{running.mean_return:.2f}"
    return f"return {mean_return}, cost {_named(running.cost, '.1f')}, λ {_named(running.multiplier, '.3g')}"
