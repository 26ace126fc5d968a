"""What a report shows of the ablation of a multiplier network."""

from pathlib import Path

import numpy as np
import pytest

from sweeps.analysis.ablation import ablation_exhibit
from sweeps.analysis.results import Results
from sweeps.analysis.summary import interval
from sweeps.calibration_record import CalibrationRecord, read_record, write_record
from sweeps.records import SeedRun, State, Trial
from sweeps.spec import StudySpec
from tests.sweeps.analysis.test_calibration import make_arrays

ARMS = {
    "alam": "{update: network}",
    "naive": '{update: network, penalty: "off", target: ascent}',
    "scalar": "{update: ga}",
}


def record(folder: Path, number: int) -> CalibrationRecord:
    write_record(folder, number, 1, make_arrays())
    found = read_record(folder, number)
    assert found is not None
    return found


def make_results(folder: Path, arms: dict[str, str]) -> Results:
    spec = StudySpec.from_text(
        "name: n\ntask: Circle1\nalgorithm: sac_lagrangian\ncost_limit: 25.0\nenv_steps: 100000\nseeds: 2\narms:\n"
        + "".join(f"  {name}: {{lagrangian: {update}}}\n" for name, update in arms.items())
    )
    trials: list[Trial] = []
    for number, arm in enumerate(spec.arms):
        runs = [SeedRun(s, State.COMPLETE, mean_return=10.0 * number + s, mean_cost={"cost": 20.0}) for s in (0, 1)]
        costs, mean = {"cost": interval([20.0, 20.0])}, interval([10.0 * number, 10.0 * number + 1])
        trials.append(Trial(number, arm, arm, {}, State.COMPLETE, tuple(runs), mean, costs, True))
    records = {n: record(folder, n) for n, update in enumerate(arms.values()) if "network" in update}
    return Results(spec, tuple(trials), (), records)


def test_each_variant_and_the_scalar_arm_stand_side_by_side(tmp_path: Path):
    exhibit = ablation_exhibit(make_results(tmp_path, ARMS), "Circle1 · 2 seeds")
    assert exhibit is not None
    of = {(row["arm"], row["measure"]): row for row in exhibit.rows}
    assert of["alam", "return"]["mean"] == 0.5  # seeds 0 and 1
    assert of["scalar", "return"]["mean"] == 20.5
    assert (of["naive", "return"]["penalty"], of["naive", "return"]["target"]) == ("off", "ascent")
    assert of["alam", "auroc"]["mean"] == pytest.approx(0.98, abs=0.01)
    assert ("scalar", "auroc") not in of  # one number has no calibration over states
    assert "penalty" not in of["scalar", "return"]
    assert np.isfinite([row["low"] for row in exhibit.rows]).all()
    assert "naive: return 10.5" in exhibit.description
    assert all(path.stat().st_size > 0 for path in exhibit.save(tmp_path))


@pytest.mark.parametrize("arms", [{"alam": ARMS["alam"], "scalar": ARMS["scalar"]}, {"scalar": ARMS["scalar"]}])
def test_without_two_variants_there_is_no_ablation(tmp_path: Path, arms: dict[str, str]):
    assert ablation_exhibit(make_results(tmp_path, arms), "") is None
