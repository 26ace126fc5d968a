"""Trials that share a GPU: Ray's own scheduling, on a node that says it has one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sweeps.records import State
from sweeps.study import Study, create_study
from tests.end_to_end.drivers import SPEC

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(SPEC, tmp_path / "storage")


def drive(study: Study, log: Path, *words: str) -> subprocess.CompletedProcess[str]:
    log.touch()
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "LAGSWEEP_TEST_LOG": str(log)}
    command = [sys.executable, "-m", "tests.end_to_end.shared_gpu", str(study.storage), study.name, *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_two_trials_share_a_gpu_and_the_third_waits_for_its_half(study: Study, tmp_path: Path) -> None:
    driven = drive(study, tmp_path / "log", "--pretend")

    assert driven.returncode == 0, driven.stderr
    assert [trial.state for trial in study.trials] == [State.COMPLETE] * 3
    lines: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {(tuple(line["gpus"]), line["share"]) for line in lines} == {(("0",), 0.5)}
    at_once = [0]
    for line in sorted(lines, key=lambda line: line["time"]):
        at_once.append(at_once[-1] + (1 if line["what"] == "start" else -1))
    # There are four cores and no bound: only the GPU keeps the third trial back.
    assert (len(lines), max(at_once), at_once[-1]) == (6, 2, 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU here")
def test_a_gpu_that_torch_cannot_use_is_refused_before_any_trial(study: Study, tmp_path: Path) -> None:
    driven = drive(study, tmp_path / "log")

    assert "`a trial that reserves a GPU computes on it` must hold, but torch" in driven.stderr
    assert f"can use no GPU of {os.uname().nodename}" in driven.stderr
    assert study._ledger.executions(study._row.id) == []
    assert study.status().counts[State.FAIL] == 0
