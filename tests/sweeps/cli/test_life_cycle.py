"""Commands that make a study larger, end it, watch it and take it elsewhere."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.cli.output import Output, show_rows
from sweeps.ledger import SeedProgress, Writer, driving
from sweeps.records import Interval
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study, list_studies, load_study
from sweeps.tracking.events import AttemptFailed, StudyStarted, TrialFinished, TrialStarted
from sweeps.tracking.spool import SPOOL_NAME, Spool

TEXT = """\
name: profile
task: analytic/ring
cost_limit: 12
env_steps: 3_000
seeds: 2
hyperparameters: {preset: smoke}
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: [0, 0.5, 2]}}
"""


def lagsweep(*arguments: str | Path, input: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Trial 0 is complete, trial 1 has failed, trial 2 runs; its driver has ended."""
    study = create_study(StudySpec.from_text(TEXT), tmp_path)
    with driving(study._ledger, study._row) as writer:
        complete, failed, running = (writer.ask(number, (0, 1), None) for number in range(3))
        for execution in (complete, failed, running):
            writer.start(execution)
        mean = Interval(5.0, 4.0, 6.0, 2)
        seeds = [SeedProgress(seed, 3_000, 3, {"cost": 0.5}, 5.0, {"cost": 5.0}) for seed in (0, 1)]
        writer.complete(complete, seeds, mean_return=mean, mean_cost={"cost": mean}, feasible=True)
        writer.fail(failed, "NonFiniteError: seed 1: the loss is nan")
        writer.progress(running, [SeedProgress(seed, 1_500, 1, {"cost": 0.5}, 7.0, {"cost": 9.0}) for seed in (0, 1)])
    return study


@contextmanager
def driven(study: Study) -> Iterator[None]:
    """Somebody drives the study until asked to stop."""
    other, begun, over = load_study(study.name, study.storage), threading.Event(), threading.Event()

    def drive() -> None:
        with driving(other._ledger, other._row, renewal_s=0.02) as writer:
            begun.set()
            wait_for_stop(writer, over)

    thread = threading.Thread(target=drive)
    thread.start()
    begun.wait()
    yield
    over.set()
    thread.join()


def wait_for_stop(writer: Writer, over: threading.Event) -> None:
    while not (writer.stop_requested or over.wait(0.01)):
        pass


def test_extend_says_what_the_study_becomes(study: Study, tmp_path: Path) -> None:
    shown = lagsweep(
        "extend",
        "profile",
        "--seeds",
        "1",
        "--values",
        "multiplier=3,4.5",
        "--env-steps",
        "1000",
        "--storage",
        tmp_path,
    )

    assert shown.exit_code == 0, shown.output
    # 2 trials x 2 seeds x 3 000 steps beside the failed one; then 4 x 3 x 4 000
    assert shown.stdout == (
        "profile: 3 -> 5 trials, 12,000 -> 48,000 env steps; `lagsweep resume profile` trains them\n"
    )
    assert [trial.params["multiplier"] for trial in load_study("profile", tmp_path).trials] == [0, 0.5, 2, 3, 4.5]


@pytest.mark.parametrize("values", ["multiplier", "multiplier=", "multiplier=[", "=1"])
def test_values_that_are_none_are_refused(study: Study, tmp_path: Path, values: str) -> None:
    shown = lagsweep("extend", "profile", "--values", values, "--storage", tmp_path)

    assert shown.exit_code == 2
    assert "error[" in shown.stderr
    assert load_study("profile", tmp_path).spec == study.spec


def test_stop_names_the_process_that_ends(study: Study, tmp_path: Path) -> None:
    assert lagsweep("stop", "profile", "--storage", tmp_path).stdout == "profile: nobody runs it\n"
    with driven(study):
        shown = lagsweep("stop", "profile", "--storage", tmp_path, "--output", "json")
    answer = json.loads(shown.stdout)
    assert (shown.exit_code, answer["ended"]) == (0, True)
    assert answer["driver"]["pid"] > 0


def test_delete_asks_first(study: Study, tmp_path: Path) -> None:
    refused = lagsweep("delete", "profile", "--storage", tmp_path, input="n\n")
    assert refused.exit_code != 0
    assert "Delete study profile with 3 trials" in refused.stderr
    assert len(list_studies(tmp_path)) == 1

    assert lagsweep("delete", "profile", "--yes", "--storage", tmp_path).stdout == "profile: deleted\n"

    assert list_studies(tmp_path) == []
    assert lagsweep("status", "profile", "--storage", tmp_path).exit_code == 3


def test_delete_as_json_keeps_standard_output_for_the_result(study: Study, tmp_path: Path) -> None:
    shown = lagsweep("delete", "profile", "--storage", tmp_path, "--output", "json", input="y\n")
    answer = shown.stdout[shown.stdout.index("{") :]  # before it the runner shows what was typed
    assert json.loads(answer) == {"name": "profile", "deleted": True, "trials": 3}


def test_watching_what_nobody_runs_says_how_to_go_on(study: Study, tmp_path: Path) -> None:
    shown = lagsweep("watch", "profile", "--storage", tmp_path)

    assert shown.stdout.splitlines() == [
        # 2 x 3 000 of trial 0 and 2 x 1 500 of trial 2, which has as many to go; trial 1 failed before its first
        "profile: 1 complete, 1 running, 1 failed; 9,000 of 12,000 env steps",
        "nobody runs profile: `lagsweep resume profile` goes on",
    ]


def test_watching_ends_with_the_driver_and_gives_a_line_a_look(study: Study, tmp_path: Path) -> None:
    with driven(study):
        threading.Timer(0.5, lambda: load_study("profile", tmp_path).stop(timeout_s=0.0)).start()
        shown = lagsweep("watch", "profile", "--interval", "0.1", "--output", "json", "--storage", tmp_path)

    looks = [json.loads(line) for line in shown.stdout.splitlines()]
    assert len(looks) > 1
    assert looks[0]["driver"] is not None
    assert looks[-1]["driver"] is None
    assert looks[0]["failures"] == {"NonFiniteError: seed 1: the loss is nan": 1}
    assert looks[0]["running"] == [2]
    assert looks[0]["best"] == {"trial": 0, "return": 5.0, "cost": 5.0}


def test_the_live_view_shows_what_trains_what_is_best_and_what_failed(study: Study) -> None:
    from rich.console import Console

    from sweeps.cli.watch import render
    from sweeps.study.watch import Watcher

    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(Watcher(study).look()))

    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert lines[0] == "profile 1 complete, 1 running, 1 failed"
    assert "best feasible: trial 0, return 5 [4, 6], cost 5 [4, 6]" in lines
    assert "2 fixed multiplier=2 50% 7 9 0.5" in lines
    assert "1 failed: NonFiniteError: seed 1: the loss is nan" in lines


def test_logs_tell_what_happened_and_what_an_attempt_said(study: Study, tmp_path: Path) -> None:
    spool = Spool(study.folder / SPOOL_NAME)
    first, second, _ = study.trials
    spool.append(
        [
            StudyStarted(time=0.0, study="profile", spec_yaml="", tags={}),
            TrialStarted(time=1.0, trial=first),
            TrialFinished(time=2.0, trial=first),
            AttemptFailed(time=3.0, trial=1, attempt=2, log="Traceback:\nthe loss is nan"),
            TrialFinished(time=4.0, trial=second),
        ]
    )
    spool.close()

    lines = lagsweep("logs", "profile", "--storage", tmp_path).stdout.splitlines()
    assert [line.split("  ", 1)[1] for line in lines if not line.startswith("  ")] == [
        "driver started",
        "trial 0 started from env step 3,000",
        "trial 0 complete",
        "trial 1, attempt 2 failed:",
        "trial 1 fail: NonFiniteError: seed 1: the loss is nan",
    ]
    assert "  the loss is nan" in lines
    of_trial = lagsweep("logs", "profile", "--trial", "0", "--output", "json", "--storage", tmp_path).stdout
    assert [json.loads(line)["event"] for line in of_trial.splitlines()] == ["trial_started", "trial_finished"]


def test_export_names_the_studies_that_it_wrote(study: Study, tmp_path: Path) -> None:
    shown = lagsweep("export", "profile", tmp_path / "optuna.db", "--storage", tmp_path)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("profile/fixed in ")
    assert (tmp_path / "optuna.db").exists()


def test_a_long_table_is_aligned_text_with_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"trial": n, "return": None if n else 0.123456} for n in range(1001)], Output.TABLE)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["trial  return", "0      0.1235", "1      –"]
    assert (lines[-1], len(lines)) == ("1,000  –", 1002)
