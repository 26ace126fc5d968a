"""A study of the off-policy algorithm from its file to its report, killed on its way: real processes, real signals."""

import signal
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from sweeps.analysis.report import write_report
from sweeps.calibration_record import CalibrationRecord, read_record
from sweeps.records import State
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from tests.end_to_end.drivers import finish, log_of, results, start_driver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # of MLflow's client, which only reads here
]

SPEC = StudySpec.from_text("""
name: ablation
task: analytic/bandit
algorithm: sac_lagrangian
cost_limit: 5.0
env_steps: 2000
seeds: 2
hyperparameters: {preset: smoke, steps_per_iteration: 200, num_envs: 2, learning_starts: 400, actor_lr: 1.0e-3}
arms:
  alam:
    lagrangian: {update: network, penalty: "on", target: regression, state_limit: 0.1, multiplier_hidden_sizes: [8]}
  penalty:
    lagrangian: {update: network, penalty: "on", target: ascent, state_limit: 0.1, multiplier_hidden_sizes: [8]}
  regression:
    lagrangian: {update: network, penalty: "off", target: regression, state_limit: 0.1, multiplier_hidden_sizes: [8]}
  naive:
    lagrangian: {update: network, penalty: "off", target: ascent, state_limit: 0.1, multiplier_hidden_sizes: [8]}
  scalar: {lagrangian: {update: pid}}
""")
NETWORKS = 4  # the first arms


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(SPEC, tmp_path_factory.mktemp("undisturbed"))
    finish(study)
    return study


def record_of(study: Study, trial: int) -> CalibrationRecord:
    record = read_record(study.folder, trial)
    assert record is not None
    return record


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    assert start_driver(study, "run", "after-checkpoint", "2").wait() == -signal.SIGKILL, log_of(study)

    finish(study, "resume")

    assert any(execution.resume_from for execution, _, _ in study._ledger.executions(1))
    assert study.trials == undisturbed.trials
    assert {trial.state for trial in study.trials} == {State.COMPLETE}
    assert results(study) == results(undisturbed)
    assert len(results(study)) == 5 * 2 * 10  # trials, seeds, iterations
    for trial in range(NETWORKS):
        found, expected = record_of(study, trial), record_of(undisturbed, trial)
        for field in fields(CalibrationRecord):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), field.name)


def test_its_report_shows_the_calibration_of_each_network(undisturbed: Study) -> None:
    fields_of = [record_of(undisturbed, trial).multiplier for trial in range(NETWORKS)]
    for index, field in enumerate(fields_of):  # the arms differ in what they learned
        assert not any(np.array_equal(field, other) for other in fields_of[:index])
    assert read_record(undisturbed.folder, NETWORKS) is None

    report = write_report(undisturbed, publish_files=False)

    assert "calibration.png" in {path.name for path in report.figures}
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert "Calibration of multiplier networks" in text
    assert "AUROC" in text
