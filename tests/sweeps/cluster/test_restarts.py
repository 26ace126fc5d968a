import os
import signal
import sys
import textwrap
from pathlib import Path

from sweeps.cluster.restarts import TEMPORARY, DriverLoop, Restarts


def pauses(restarts: Restarts, deaths: list[tuple[bool, bool, float]]) -> list[float | None]:
    return [restarts.pause(temporary=temporary, progressed=moved, now=now) for temporary, moved, now in deaths]


def test_pauses_double_up_to_a_bound_and_start_again_after_progress() -> None:
    died, moved = (False, False, 0.0), (False, True, 0.0)
    restarts = Restarts(first_pause_s=2.0, longest_pause_s=5.0)
    assert pauses(restarts, [died, died, died, moved, died]) == [2.0, 4.0, 5.0, 2.0, 4.0]


def test_a_driver_that_gets_nowhere_is_given_up_after_its_last_barren_death() -> None:
    died, moved = (False, False, 0.0), (False, True, 0.0)
    assert pauses(Restarts(max_barren=2), [died, died, died])[-1] is None
    # Progress closes the breaker: of two deaths before it nothing is left, and two more may follow the one with it.
    assert None not in pauses(Restarts(max_barren=2), [died, died, moved, died])
    assert pauses(Restarts(max_barren=2), [died, died, moved, died, died])[-1] is None


def test_restarts_are_bounded_even_where_every_one_makes_progress() -> None:
    assert pauses(Restarts(max_restarts=3), [(False, True, 0.0)] * 4) == [2.0, 2.0, 2.0, None]


def test_what_stands_in_the_way_is_waited_for_and_costs_no_restart() -> None:
    restarts = Restarts(max_barren=1, max_restarts=1, patience_s=60.0)
    waits = [(True, False, float(now)) for now in range(0, 61, 10)]
    assert None not in pauses(restarts, waits)
    assert restarts.pause(temporary=True, progressed=False, now=61.0) is None


def test_patience_begins_anew_after_a_driver_that_ran() -> None:
    restarts = Restarts(patience_s=60.0)
    assert None not in pauses(restarts, [(True, False, 0.0), (False, True, 50.0), (True, False, 100.0)])
    assert restarts.pause(temporary=True, progressed=False, now=160.0) is not None
    assert restarts.pause(temporary=True, progressed=False, now=161.0) is None


class Script:
    """A driver that ends as its lines say, one after the other: an exit code, or `-9` for a signal."""

    def __init__(self, folder: Path, *ends: int) -> None:
        self.count = folder / "count"
        self.code = textwrap.dedent(f"""\
            import os, pathlib, sys, time
            count = pathlib.Path({str(self.count)!r})
            number = len(count.read_text()) if count.exists() else 0
            count.write_text("x" * (number + 1))
            end = {ends!r}[number]
            os.kill(os.getpid(), -end) if end < 0 else sys.exit(end)
            """)

    def loop(self, restarts: Restarts | None = None, measure: float = 0.0) -> DriverLoop:
        restarts = restarts or Restarts(first_pause_s=0.0)
        return DriverLoop([sys.executable, "-c", self.code], lambda: measure, lambda: None, restarts)

    @property
    def starts(self) -> int:
        return len(self.count.read_text())


def test_a_killed_driver_is_started_again_until_it_ends_by_itself(tmp_path: Path) -> None:
    script = Script(tmp_path, -signal.SIGKILL, 1, TEMPORARY, 5, 0)
    assert script.loop().run() == 0
    assert script.starts == 5


def test_an_end_that_a_restart_cannot_mend_is_final(tmp_path: Path) -> None:
    for code in (2, 3, 4, 6, 7, 130):
        folder = tmp_path / str(code)
        folder.mkdir()
        script = Script(folder, code)
        assert script.loop().run() == code
        assert script.starts == 1


def test_a_driver_that_is_given_up_ends_the_loop_with_its_exit_code_or_1_for_a_signal(tmp_path: Path) -> None:
    for end, expected in ((-signal.SIGKILL, 1), (9, 9)):
        folder = tmp_path / str(expected)
        folder.mkdir()
        script = Script(folder, end, end, end)
        assert script.loop(Restarts(max_barren=1, first_pause_s=0.0)).run() == expected
        assert script.starts == 2


def test_sigterm_asks_the_driver_to_end_and_starts_none_again(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    waiting = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)\nsys.exit(130)"

    def measure() -> float:  # called before the first start: the signal is then already there when the driver runs
        os.kill(os.getpid(), signal.SIGTERM)
        return 0.0

    before = signal.getsignal(signal.SIGTERM)
    loop = DriverLoop([sys.executable, "-c", waiting, str(flag)], measure, lambda: flag.write_text(""))
    assert loop.run() == 130
    assert signal.getsignal(signal.SIGTERM) is before
