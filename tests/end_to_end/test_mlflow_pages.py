"""The questions of the papers in MLflow's pages, answered with a real study, a real server and a real browser."""

import shutil

import pytest
from mlflow.tracking import MlflowClient

from sweeps.spec import StudySpec
from sweeps.study import create_study
from sweeps.tracking.server import Address, start, stop
from sweeps.tracking.store import find_store
from tests.end_to_end.mlflow_pages import MlflowPages, chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

GAINS = {name: {"low": 0.01, "high": 1.0, "log": True} for name in ("kp", "ki", "kd")}
SPEC = StudySpec.model_validate(
    {
        "name": "pid-gains",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 1000,
        "seeds": 3,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "arms": {
            "pid": {"lagrangian": {"update": "pid"}, "search": {"kind": "optuna", "trials": 3, "space": GAINS}},
            "ga": {"lagrangian": {"update": "ga", "lr": 0.07}},
        },
    }
)


@pytest.fixture(scope="module")
def storage(tmp_path_factory, local_ray):
    storage = tmp_path_factory.mktemp("storage")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert create_study(SPEC, storage).run(progress=False).is_finished
    return storage


@pytest.fixture(scope="module")
def pages(storage, tmp_path_factory):
    client = MlflowClient(tracking_uri=find_store(storage).uri)
    experiment = client.get_experiment_by_name("pid-gains").experiment_id
    server = start(storage, Address(port=5500))
    try:
        with chromium(tmp_path_factory.mktemp("profile")) as browser:
            yield MlflowPages(browser, server.url, experiment)
    finally:
        stop(storage, server)


def runs_of(storage, query):
    client = MlflowClient(tracking_uri=find_store(storage).uri)
    experiment = client.get_experiment_by_name("pid-gains").experiment_id
    return [run.info.run_id for run in client.search_runs([experiment], query)]


def test_seeds_expand_under_their_trial(pages):
    # One row a trial and one for the study; the seeds are folded under their trials.
    closed = pages.runs()
    assert [name.split()[0] for name in closed].count("trial") == 4
    assert not [name for name in closed if " seed " in name]
    opened = pages.expand(1)
    assert {name for name in opened if " seed " in name} == {f"trial 1 seed {seed}" for seed in range(3)}


def test_an_arm_without_a_search_is_found_by_what_it_fixes(pages):
    assert {name.split()[2] for name in pages.runs("params.lr = '0.07' and tags.`lagsweep.kind` = 'trial'")} == {"ga"}


def test_gains_stand_against_return_and_cost_in_parallel_coordinates(pages, storage):
    trials = runs_of(storage, "tags.`lagsweep.kind` = 'trial' and params.update = 'pid'")
    axes = pages.compare(trials, ["final/return", "final/cost"])
    # MLflow draws every parameter that differs, at first.
    assert set(axes) >= {"kp", "ki", "kd", "final/return", "final/cost"}


def test_multipliers_of_the_seeds_of_a_trial_are_curves_of_one_plot(pages, storage):
    seeds = runs_of(storage, "tags.`lagsweep.kind` = 'seed' and tags.`lagsweep.trial` = '1'")
    # 1 000 env steps of 200 an iteration: five points a seed.
    assert pages.curves(seeds, "multiplier/value") == [5, 5, 5]
