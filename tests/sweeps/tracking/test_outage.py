"""A real MLflow server that is slow to come, stops, hangs, talks nonsense and comes back while a study is tracked."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.spec import StudySpec
from sweeps.study import create_study
from sweeps.tracking import Tracker
from sweeps.tracking.server import Address, _answers, _environment, _free_port
from sweeps.tracking.shipper import Backoff
from sweeps.tracking.store import Store
from tests.sweeps.tracking.tcp_proxy import FAULTS, TcpProxy

# Starting the server takes a quarter of a minute of CPU time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

TRIAL = Trial(0, "ga", "ga", {"lr": 0.1}, State.RUNNING, (SeedRun(0, State.RUNNING), SeedRun(1, State.RUNNING)))


class MlflowServer:
    """`mlflow server` on a store of its own, to be started and killed."""

    def __init__(self, folder):
        self.folder = folder
        # It listens only later: another run of these tests on this machine must not take the same port meanwhile.
        self.port = _free_port(6000 + os.getpid() % 20_000)
        self.process = None

    def start(self):
        store = Store(f"sqlite:///{self.folder / 'server.db'}", str(self.folder / "server-artifacts"))
        environment = _environment(self.folder, store, Address()) | {
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow-artifacts:/"
        }
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *place], stdout=log, stderr=log, env=environment
            )
        wait_until(lambda: _answers(f"http://127.0.0.1:{self.port}"))

    def kill(self):
        for child in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            child.kill()
        self.process.wait()
        self.process = None


@pytest.fixture
def server(tmp_path, migrated_database):
    shutil.copy(migrated_database, tmp_path / "server.db")
    server = MlflowServer(tmp_path)
    yield server
    if server.process is not None:
        server.kill()


@pytest.fixture
def proxy(server):
    proxy = TcpProxy(server.port)
    yield proxy
    proxy.close()


def wait_until(condition, timeout_s=300):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def row(seed, iteration):
    metrics = {f"metric/{index}": float(iteration * index) for index in range(30)}
    return ResultRow(0, seed, iteration, 100 * iteration, 1.7e9 + iteration, 1, metrics)


def make_tracker(folder, url):
    return Tracker(folder, url, None, "demo", "name: demo\n", {}, backoff=Backoff(first_s=0.1, cap_s=0.5))


def shipped(tracker):
    return lambda: tracker._shipper.remaining() == 0


def test_an_outage_of_any_kind_costs_neither_rows_nor_time(server, proxy, folder, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    tracker = make_tracker(folder, proxy.url)
    tracker.start()  # the server is not there yet
    tracker.trial_started(TRIAL)
    slow = []

    def track(iterations):
        for iteration in iterations:
            started = time.thread_time()
            tracker.rows([row(0, iteration), row(1, iteration)])
            slow.append(time.thread_time() - started)

    track(range(1, 11))
    wait_until(lambda: tracker._shipper.failures >= 3)
    server.start()
    wait_until(shipped(tracker))
    for number, fault in enumerate(FAULTS, start=1):
        proxy.fault = fault
        before = tracker._shipper.shipped
        track(range(1 + 10 * number, 11 + 10 * number))
        wait_until(lambda: tracker._shipper.failures >= 3)
        assert tracker._shipper.shipped == before
        proxy.fault = None
        wait_until(shipped(tracker))
    server.kill()
    iterations = 10 * len(FAULTS) + 20
    track(range(iterations - 9, iterations + 1))
    wait_until(lambda: tracker._shipper.failures >= 3)
    server.start()
    wait_until(shipped(tracker))
    assert tracker.close(timeout_s=60) == 0
    # One line an outage, with the backlog: before the server was there, each fault, and its death.
    lines = [record.message for record in caplog.records if "does not answer" in record.message]
    assert len(lines) == len(FAULTS) + 2
    assert all(" events wait in " in line for line in lines)
    # CPU time of this thread, a request of which would take ten times as much; its wall time is the machine's.
    assert sorted(slow)[len(slow) // 2] < 1e-3
    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{server.port}")
    experiment = client.get_experiment_by_name("demo")
    seeds = client.search_runs([experiment.experiment_id], "tags.`lagsweep.kind` = 'seed'")
    assert sorted(run.data.tags["lagsweep.seed"] for run in seeds) == ["0", "1"]
    for run in seeds:
        points = client.get_metric_history(run.info.run_id, "metric/7")
        assert [(p.step, p.value) for p in points] == [(100 * i, 7.0 * i) for i in range(1, iterations + 1)]
    assert len(client.search_runs([experiment.experiment_id], "tags.`lagsweep.kind` = 'trial'")) == 1


def test_at_most_one_request_a_row_and_far_fewer_under_lag(server, proxy, folder):
    server.start()
    tracker = make_tracker(folder, proxy.url)
    tracker.start()
    tracker.trial_started(TRIAL)
    wait_until(shipped(tracker))
    before = len(proxy.requests)
    tracker.rows([row(0, 1)])
    wait_until(shipped(tracker))
    assert proxy.requests[before:] == [("POST", "log-batch")]
    before = len(proxy.requests)
    tracker.rows([row(seed, iteration) for iteration in range(2, 102) for seed in range(2)])
    wait_until(shipped(tracker))
    # 100 rows of 30 metrics a seed, 33 rows (990 metrics) a request: 4 requests a seed.
    assert proxy.requests[before:] == [("POST", "log-batch")] * 8
    (folder / "report").mkdir()
    (folder / "report" / "figure.png").write_bytes(b"PNG")
    tracker.artifact(folder / "report" / "figure.png")
    assert tracker.close(timeout_s=60) == 0
    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{server.port}")
    (study,) = client.search_runs(["1"], "tags.`lagsweep.kind` = 'study'")
    assert [item.path for item in client.list_artifacts(study.info.run_id, "report")] == ["report/figure.png"]


RING = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 1000.0,
        "env_steps": 600,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "lagrangian": {"update": "ga"},
    }
)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_study_that_ran_without_mlflow_is_synced_from_another_process(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.port}")
    monkeypatch.setattr("sweeps.tracking.shipper._LAST_ATTEMPTS_S", 0.5)
    study = create_study(RING, tmp_path / "storage")
    assert study.run(progress=False).is_finished  # MLflow is not there, and nobody minds
    assert study.best_trial.number == 0

    refused = lagsweep("sync", "ring", "--storage", study.storage)
    assert refused.returncode == 5
    assert "of study 'ring' wait for MLflow" in " ".join(refused.stderr.split())
    server.start()
    done = lagsweep("sync", "ring", "--storage", study.storage)
    assert (done.returncode, done.stdout) == (0, "ring: MLflow has everything\n")
    before = everything(server)
    assert {key[1:] for key in before} == {("study", None), ("trial", None), ("seed", "0"), ("seed", "1")}
    assert {status for status, _, _ in before.values()} == {"FINISHED"}
    assert len(before["ring", "seed", "0"][2]["train/return"]) == 3
    objectives = {name for name in before["ring", "trial", None][2] if name.startswith("objective/")}
    assert objectives >= {"objective/return", "objective/cost_low", "objective/violation_rate", "objective/oscillation"}
    assert lagsweep("sync", "ring", "--storage", study.storage).returncode == 0
    assert everything(server) == before


def lagsweep(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
    command = [sys.executable, "-m", "sweeps.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def everything(server):
    """Experiment, kind and seed → status, params and curves of every run."""
    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{server.port}")
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            tags = run.data.tags
            curves = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
            points = {name: [(p.step, p.value, p.timestamp) for p in curve] for name, curve in curves.items()}
            key = (experiment.name, tags["lagsweep.kind"], tags.get("lagsweep.seed"))
            assert key not in found
            found[key] = (run.info.status, run.data.params, points)
    return found
