"""SAC-Lagrangian as an RLlib algorithm: rows, and checkpoints that hold the buffers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.sac_lagrangian import SACLagrangian
from tests.algorithms.sac_lagrangian.test_learner import make_config

pytestmark = pytest.mark.usefixtures("local_ray")


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "metrics": {k: v for k, v in row["metrics"].items() if "time/" not in k}} for row in rows]


def test_a_run_continues_bit_for_bit_from_a_checkpoint_that_stands_alone(tmp_path: Path) -> None:
    straight = make_config().build_algo()
    straight.train()
    straight.save_to_path(tmp_path / "first")
    rows = straight.train()["seed_rows"]
    straight.save_to_path(tmp_path / "checkpoint")
    expected = [without_times(straight.train()["seed_rows"]) for _ in range(2)]
    (tmp_path / "first").rename(tmp_path / "gone")
    resumed = make_config().resume(str(tmp_path / "checkpoint")).build_algo()
    assert [without_times(resumed.train()["seed_rows"]) for _ in range(2)] == expected
    resumed.save_to_path(tmp_path / "again")
    third = SACLagrangian.from_checkpoint(str(tmp_path / "again"))
    assert without_times(third.train()["seed_rows"]) == without_times(resumed.train()["seed_rows"])
    for algorithm in (straight, resumed, third):
        algorithm.stop()
    assert [row["seed"] for row in rows] == [0, 1]
    for row in rows:
        assert (row["iteration"], row["env_steps"]) == (2, 400)
        assert row["metrics"]["train/episodes"] == len(row["episode_returns"])
        assert row["metrics"]["train/return"] == pytest.approx(np.mean(row["episode_returns"]))
        terms = sum(row["metrics"][f"multiplier/{term}"] for term in "pid")
        assert row["metrics"]["multiplier/value"] == pytest.approx(terms, abs=1e-6)
