"""What a report says of multiplier networks."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sweeps.analysis.calibration_report import calibration_exhibit, calibration_table
from sweeps.analysis.results import Results, read_results
from sweeps.calibration_record import write_record
from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.spec import StudySpec
from sweeps.tracking.events import RowAdded
from sweeps.tracking.spool import Spool
from tests.sweeps.analysis.test_calibration import make_arrays


@pytest.fixture
def results(tmp_path: Path) -> Results:
    spec = StudySpec.from_text(
        "name: n\ntask: Circle1\nalgorithm: sac_lagrangian\ncost_limit: 25.0\nenv_steps: 100000\nseeds: 2\n"
        "arms: {alam: {lagrangian: {update: network}}, ga: {lagrangian: {update: ga}}}\n"
    )
    runs = (SeedRun(0, State.COMPLETE), SeedRun(1, State.COMPLETE))
    trials = [Trial(number, arm, arm, {}, State.COMPLETE, runs) for number, arm in enumerate(("alam", "ga"))]
    spool = Spool(tmp_path / "spool.jsonl")
    for seed in (0, 1):
        # The network takes 1 of 4 and then 2 of 4 seconds: 3/8 of the learning.
        for iteration, seconds in ((1, 1.0), (2, 2.0)):
            metrics = {"time/multiplier_s": seconds, "time/update_s": 4.0, "multiplier/value": 1.0}
            spool.append([RowAdded(row=ResultRow(0, seed, iteration, 2_000 * iteration, 0.0, 1, metrics))])
    spool.close()
    arrays = make_arrays()
    arrays["position"] = np.random.default_rng(0).normal(size=(2, 400, 2, 2)).astype(np.float32)
    write_record(tmp_path, 0, 1, arrays)
    return read_results(SimpleNamespace(spec=spec, trials=trials, folder=tmp_path))  # pyright: ignore


def test_the_table_has_a_column_for_each_network_with_its_measures_over_seeds(results: Results):
    table = calibration_table(results)
    assert table is not None
    assert table.header == ("measure", "alam")
    cells = dict(table.rows)
    assert cells["mean λ(s)"] == "0.3 [0.3, 0.3]"
    assert cells["AUPRC"].startswith("0.8333")
    assert cells["time"] == "0.375 [0.375, 0.375]"


def test_the_figure_has_its_data_and_is_written(results: Results, tmp_path: Path):
    exhibit = calibration_exhibit(results, "Circle1 · 2 seeds")
    assert exhibit is not None
    assert "alam: AUROC 0.98" in exhibit.description
    # γ = 0.9 reaches 10 steps ahead; ten bins a seed.
    assert len(exhibit.rows) == 20
    files = exhibit.save(tmp_path)
    assert all(path.stat().st_size > 0 for path in files)


def test_a_study_without_networks_has_neither(results: Results):
    bare = Results(results.spec, results.trials, results.rows)
    assert calibration_table(bare) is None
    assert calibration_exhibit(bare, "") is None
