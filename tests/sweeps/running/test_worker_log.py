"""The ends of log files: how much of them, and without Ray's own marks."""

from pathlib import Path

from sweeps.running.worker_log import tail_of_lost, tails


def test_the_last_two_hundred_lines_of_each_stream_are_kept(tmp_path: Path) -> None:
    out, err = tmp_path / "worker-1.out", tmp_path / "worker-1.err"
    out.write_text(":job_id:01000000\n" + "".join(f"line {index}\n" for index in range(300)))
    err.write_text(":job_id:01000000\n:actor_name:Speaker\n")  # it said nothing
    assert tails([out, err, tmp_path / "none"]).splitlines() == [
        "--- the worker's standard output, its end ---",
        *(f"line {index}" for index in range(100, 300)),
    ]


def test_long_lines_leave_room_for_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "w.err").write_text("x" * 10**6)
    assert len(tails([tmp_path / "w.err"])) < 21_000  # 20 KiB = 20480, and the title


def test_a_loss_that_names_no_process_has_no_log() -> None:
    assert tail_of_lost("The actor is dead.") == ""
