"""Compiled code is kept on disk, apart for every version of the sources, and runs without Python's lock."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from environments.navigation import NavigationBatch, compilation

RUN = """
import numpy as np
from environments.navigation import NavigationBatch, stepping
batch = NavigationBatch("SafetyPointGoal1-v0", 1, np.array([0]))
batch.reset()
batch.step(np.zeros((1, 2)))
print(sum(stepping.step_rows.stats.cache_misses.values()), sum(stepping.step_rows.stats.cache_hits.values()))
"""


def test_sources_that_change_get_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("x = 1")
    monkeypatch.setattr(compilation, "_PACKAGE", tmp_path)
    before = compilation.cache_folder({})
    (tmp_path / "one.py").write_text("x = 2")

    assert compilation.cache_folder({}) != before
    assert before.is_relative_to(tmp_path / "__pycache__")


def test_machine_code_goes_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation.os, "access", lambda *_: False)  # an image whose packages belong to root

    assert compilation.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}).is_relative_to(tmp_path)
    assert compilation.cache_folder({}).is_relative_to(Path.home() / ".cache")
    assert compilation.cache_folder({"NUMBA_CACHE_DIR": "/x", "XDG_CACHE_HOME": "/y"}).is_relative_to("/x")


def test_another_process_compiles_nothing_again() -> None:
    NavigationBatch("SafetyPointGoal1-v0", 1, np.array([0])).reset()
    outputs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)  # the first may be the one that compiles
    ]

    assert outputs[1].split() == ["0", "1"]


def test_a_step_leaves_pythons_lock_to_others() -> None:
    batch = NavigationBatch("SafetyPointPush2-v0", 300, np.arange(300))
    batch.reset()
    span: list[float] = []

    def step() -> None:
        span.append(time.perf_counter())
        batch._advance(np.zeros((300, 2)))
        span.append(time.perf_counter())

    batch._advance(np.zeros((300, 2)))
    thread = threading.Thread(target=step)
    thread.start()
    moments: list[float] = []
    while thread.is_alive():
        moments.append(time.perf_counter())
        time.sleep(0.001)
    thread.join()

    start, end = span
    assert any(start + 0.2 * (end - start) < moment < start + 0.8 * (end - start) for moment in moments)
