"""The spool: what is appended comes back, whatever was torn; nothing comes back twice."""

import errno
import os
import resource
import signal
import subprocess
import sys
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.records import Interval, ResultRow, SeedRun, State, Trial
from sweeps.tracking import spool as spool_module
from sweeps.tracking.events import (
    ArtifactAdded,
    AttemptFailed,
    PolicyAdded,
    RowAdded,
    SpoolOpened,
    StudyStarted,
    StudyStopped,
    SystemSampled,
    TrialFinished,
    TrialStarted,
    decode,
    encode,
    row_prefix,
)
from sweeps.tracking.spool import Spool, SpoolError, SpoolReader, read_events, read_rows

TRIAL = Trial(
    number=3,
    key='fixed|{"multiplier": 0.5}',
    arm="fixed",
    params={"multiplier": 0.5, "delay": 10, "sum_norm": True, "update": "ga"},
    state=State.COMPLETE,
    seed_runs=(SeedRun(0, State.COMPLETE, 100, 5, 1.5, {"cost": 2.5}, {"cost": 0.5}), SeedRun(1, State.FAIL)),
    mean_return=Interval(1.0, 0.5, 1.5, 2),
    mean_cost={"cost": Interval(2.0, 2.0, 2.0, 1)},
    feasible=True,
    failure="line one\nline two – ünï",
)


def row(iteration=1, *, trial=0, seed=0, value=1.0, time=1e9):
    return ResultRow(trial, seed, iteration, 100 * iteration, time, 1, {"train/return": value}, (value,), {"cost": ()})


def added(*rows):
    return [RowAdded(row=item) for item in rows]


def written(path, *rows):
    spool = Spool(path)
    spool.append(added(*rows))
    spool.close()
    return path


def test_every_event_comes_back_as_it_was(tmp_path):
    events = [
        StudyStarted(time=1.5, study="demo", spec_yaml="name: demo\n", tags={"git_commit": "abc"}, env_steps=1000),
        TrialStarted(time=2.0, trial=TRIAL, params={"update": "ga", "lr": 0.05}),
        *added(row()),
        SystemSampled(time=2.5, metrics={"system/cpu_utilization_percentage": 12.5}),
        AttemptFailed(time=2.7, trial=3, attempt=1, log="Traceback …\nNonFiniteError"),
        TrialFinished(
            time=3.0,
            trial=TRIAL,
            params={"update": "ga", "lr": 0.05},
            objectives={"oscillation": Interval(0.2, 0.1, 0.3, 2)},
        ),
        PolicyAdded(time=3.5, trial=3, path="policy"),
        ArtifactAdded(time=4.0, path="report/trials.csv"),
        StudyStopped(time=5.0),
    ]
    spool = Spool(tmp_path / "study" / "spool.jsonl")
    spool.append(events)
    spool.close()
    header, *rest = read_events(spool.path)
    assert header == SpoolOpened(version=3, id=spool.id)
    assert rest == events


def test_nan_and_infinities_are_kept_in_standard_json():
    line = encode(RowAdded(row=ResultRow(0, 0, 1, 1, 0.0, 1, {"a": nan, "b": inf, "c": -inf, "d": 0.1})))
    assert b'"a":"NaN","b":"Infinity","c":"-Infinity","d":0.1' in line
    event = decode(line)
    assert isinstance(event, RowAdded)
    assert isnan(event.row.metrics["a"])
    assert (event.row.metrics["b"], event.row.metrics["c"], event.row.metrics["d"]) == (inf, -inf, 0.1)


def test_numpys_numbers_become_pythons(tmp_path):
    numbers = ResultRow(0, 0, np.int64(1), np.int64(7), 0.0, 1, {"x": np.float32(0.5)}, (np.float64(2.0),), {})
    assert read_rows(written(tmp_path / "s", numbers)) == [ResultRow(0, 0, 1, 7, 0.0, 1, {"x": 0.5}, (2.0,), {})]


@given(value=st.floats(allow_nan=False), text=st.text())
def test_numbers_and_text_survive_exactly(value, text):
    event = RowAdded(row=ResultRow(0, 0, 1, 1, value, 1, {text: value}))
    assert decode(encode(event)) == event
    assert encode(event).count(b"\n") == 1


def test_the_first_row_of_an_iteration_wins(tmp_path):
    # Iteration 2 was repeated after a kill, with another value and a later time.
    path = written(tmp_path / "s", row(1), row(2, value=5.0), row(2, value=6.0, time=2e9), row(2, seed=1), row(3))
    assert read_rows(path) == [row(1), row(2, value=5.0), row(2, seed=1), row(3)]


def test_opening_again_appends_to_the_same_history(tmp_path):
    first = Spool(tmp_path / "s")
    first.append(added(row(1)))
    first.close()
    second = Spool(tmp_path / "s")
    second.append(added(row(2)))
    second.close()
    assert second.id == first.id
    assert [type(event) for event in read_events(tmp_path / "s")] == [SpoolOpened, RowAdded, RowAdded]


def test_a_last_line_torn_at_any_byte_is_dropped_by_readers_and_cut_before_appending(tmp_path):
    whole = written(tmp_path / "whole", row(1), row(2)).read_bytes()
    second_row = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for end in range(second_row, len(whole)):
        path = tmp_path / f"torn-{end}"
        path.write_bytes(whole[:end])
        assert read_rows(path) == [row(1)]
        written(path, row(9))
        assert read_rows(path) == [row(1), row(9)]


def test_zeros_left_by_a_crash_of_the_machine_are_cut(tmp_path):
    path = written(tmp_path / "s", row(1))
    path.write_bytes(path.read_bytes() + b"\0" * 100_000 + b"\n" + b"\0" * 10)
    written(path, row(2))
    assert read_rows(path) == [row(1), row(2)]


def test_a_torn_header_starts_a_new_history(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b'{"event":"spool","ver')
    assert read_rows(path) == []
    written(path, row(1))
    assert read_rows(path) == [row(1)]


def test_a_damaged_line_in_the_middle_is_reported_with_its_place(tmp_path):
    path = written(tmp_path / "s", row(1), row(2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(SpoolError, match=rf"at byte {len(lines[0])}: b'garbage"):
        read_rows(path)


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b'{"event":"spool","version":4,"id":"x"}\n')
    with pytest.raises(SpoolError, match=r"`version <= 3` must hold, but .* has version 4"):
        read_rows(path)


def test_a_file_that_is_no_spool_is_refused(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(encode(StudyStopped(time=1.0)))
    with pytest.raises(SpoolError, match="must begin with"):
        Spool(path)


def test_a_reader_follows_a_growing_spool_and_goes_on_from_its_offset(tmp_path):
    spool = Spool(tmp_path / "s")
    reader = SpoolReader(spool.path)
    assert [type(event) for event in reader.read()] == [SpoolOpened]
    assert reader.read() == []
    spool.append(added(row(1), row(2)))
    assert reader.read(max_bytes=1) == added(row(1))
    later = SpoolReader(spool.path, reader.offset)
    assert later.read() == added(row(2))
    assert later.offset == spool.size == spool.path.stat().st_size
    spool.close()


def test_a_reader_waits_for_the_rest_of_a_line(tmp_path):
    path = written(tmp_path / "s", row(1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    reader = SpoolReader(path)
    assert len(reader.read()) == 1
    path.write_bytes(whole)
    assert reader.read() == added(row(1))


def test_a_missing_spool_holds_nothing(tmp_path):
    assert read_rows(tmp_path / "none") == []


def test_a_spool_of_the_first_version_is_read(tmp_path):
    path = tmp_path / "s"
    trial = '{"number":0,"key":"k","arm":"ga","params":{},"state":"RUNNING"}'
    path.write_text(
        '{"event":"spool","version":1,"id":"x"}\n'
        '{"event":"study_started","time":1.0,"study":"demo","spec_yaml":"","tags":{}}\n'
        f'{{"event":"trial_started","time":2.0,"trial":{trial}}}\n'
    )
    _, study, started = read_events(path)
    assert study == StudyStarted(time=1.0, study="demo", spec_yaml="", tags={}, env_steps=None)
    assert started == TrialStarted(time=2.0, trial=Trial(0, "k", "ga", {}, State.RUNNING), params={})


def test_lines_of_a_trials_rows_are_known_by_their_first_bytes():
    assert encode(RowAdded(row=row(trial=7))).startswith(row_prefix(7))
    assert not encode(RowAdded(row=row(trial=71))).startswith(row_prefix(7))


def test_forces_to_disk_what_is_new_and_lets_others_append_meanwhile(tmp_path, monkeypatch):
    calls = []
    spool = Spool(tmp_path / "s")

    def flush(descriptor):
        calls.append(descriptor)
        spool.append(added(row(1)))  # would wait for ever if a flush kept appends out

    monkeypatch.setattr(spool_module.os, "fsync", flush)
    spool.sync()
    assert len(calls) == 1
    spool.sync()
    assert len(calls) == 2
    monkeypatch.setattr(spool_module.os, "fsync", calls.append)
    spool.sync()
    spool.sync()
    assert len(calls) == 3  # nothing new since
    spool.append(added(row(100)))
    spool.close()
    assert len(calls) == 4
    spool.close()
    with pytest.raises(ValueError, match="is closed"):
        spool.append(added(row(101)))


def test_a_full_disk_keeps_all_or_nothing_of_an_append(tmp_path):
    path = written(tmp_path / "s", row(1))
    spool = Spool(path)
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))  # the kernel takes 10 bytes of the line, then none
    try:
        with pytest.raises(OSError, match="File too large"):
            spool.append(added(row(2)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.stat().st_size == size
    spool.append(added(row(2)))
    spool.close()
    assert read_rows(path) == [row(1), row(2)]


def test_what_a_full_disk_does_not_let_cut_off_is_cut_before_the_next_append(tmp_path, monkeypatch):
    path = written(tmp_path / "s", row(1))
    spool = Spool(path)
    with monkeypatch.context() as patch:  # a disk that copies on write may be too full to shorten a file
        patch.setattr(spool_module, "_write_all", lambda descriptor, data: os.write(descriptor, data[:10]) and refuse())
        patch.setattr(os, "ftruncate", lambda descriptor, size: refuse())
        with pytest.raises(OSError, match="No space left"):
            spool.append(added(row(2)))
    spool.append(added(row(2)))
    spool.close()
    assert read_rows(path) == [row(1), row(2)]


def refuse():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_text_that_is_no_utf_8_is_kept_escaped(tmp_path):
    broken = "no such file: " + os.fsdecode(b"caf\xe9.npz")
    runs = (SeedRun(0, State.FAIL, failure=broken),)
    finished = TrialFinished(
        time=1.0, trial=Trial(0, "k", "pid", {"kp": 1.0}, State.FAIL, runs, failure=broken), params={"x": broken}
    )
    spool = Spool(tmp_path / "s")
    spool.append([AttemptFailed(time=1.0, trial=0, attempt=1, log=broken), finished, *added(row(1))])
    spool.close()
    _, failed, again, last = read_events(tmp_path / "s")
    kept = r"no such file: caf\udce9.npz"
    assert failed.log == again.trial.failure == again.trial.seed_runs[0].failure == again.params["x"] == kept
    assert last.row == row(1)


def test_what_was_appended_survives_sigkill(tmp_path):
    code = (
        "import os, signal, sys, pathlib\n"
        "from sweeps.records import ResultRow\n"
        "from sweeps.tracking.events import RowAdded\n"
        "from sweeps.tracking.spool import Spool\n"
        "spool = Spool(pathlib.Path(sys.argv[1]))\n"
        "for i in range(50): spool.append([RowAdded(row=ResultRow(0, 0, i, i, 0.0, 1, {}))])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [item.iteration for item in read_rows(tmp_path / "s")] == list(range(50))
