"""A study with a limit for each kind of cost of a real task: ledger, report and MLflow carry both by their names."""

import pytest
from mlflow.tracking import MlflowClient

from sweeps.analysis.report import write_report
from sweeps.records import State
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from sweeps.tracking.spool import SPOOL_NAME, read_rows
from sweeps.tracking.store import find_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of RLlib's own, about its old API stack
]

# Within 8 000 steps nothing is learned. Random Points meet hazards and gremlins some 50 times an episode;
# a limit of 1 is broken, and one of 900 of the 1 000 steps never is.
LIMITS = {"hazards": 1.0, "gremlins": 900.0}
SPEC = StudySpec.model_validate(
    {
        "name": "button-kinds",
        "task": "Button1",
        "cost_limit": LIMITS,
        "env_steps": 8000,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 4000, "num_envs": 4, "num_epochs": 2, "minibatch_size": 256},
        "lagrangian": {"update": "ga", "dual_optimizer": "sgd", "lr": 0.01, "init": 0.1},
    }
)


@pytest.fixture(scope="module")
def finished(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(SPEC, tmp_path_factory.mktemp("storage"))
    assert study.run(progress=False).is_finished
    return study


def test_each_limit_has_a_multiplier_that_follows_its_own_cost(finished: Study) -> None:
    rows = read_rows(finished.folder / SPOOL_NAME)
    assert len(rows) == 4  # 2 seeds, 2 iterations
    for row in rows:
        for name, limit in LIMITS.items():
            assert row.metrics[f"multiplier/error/{name}"] == pytest.approx(row.metrics[f"train/cost/{name}"] - limit)
        assert row.metrics["multiplier/value/hazards"] > 0.1 or row.metrics["train/cost/hazards"] <= 1.0
        assert row.metrics["multiplier/value/gremlins"] == 0.0  # one step of 0.01 · (cost − 900) takes 0.1 below 0


def test_the_ledger_judges_feasibility_by_both_limits(finished: Study) -> None:
    (trial,) = finished.trials
    assert trial.state is State.COMPLETE
    assert trial.mean_cost is not None
    assert set(trial.mean_cost) == set(LIMITS)
    assert trial.mean_cost["hazards"].mean > LIMITS["hazards"]
    assert trial.mean_cost["gremlins"].mean < LIMITS["gremlins"]
    assert trial.feasible is False


def test_the_report_names_both(finished: Study) -> None:
    report = write_report(finished, publish_files=False)
    table = (report.folder / "trials.csv").read_text(encoding="utf-8").splitlines()[0]
    for name in LIMITS:
        assert name in table
        for page in ("report.md", "report.html"):
            assert name in (report.folder / page).read_text(encoding="utf-8")


def test_mlflow_has_both_in_params_and_metrics(finished: Study) -> None:
    store = find_store(finished.storage)
    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name(SPEC.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    seeds = [run for run in runs if "train/cost/hazards" in run.data.metrics]
    assert len(seeds) == 2
    for run in seeds:
        for key in ("train/cost", "multiplier/value", "multiplier/error", "final/cost"):
            assert {f"{key}/{name}" for name in LIMITS} <= set(run.data.metrics), key
