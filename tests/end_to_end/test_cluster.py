"""Studies on a Ray cluster of real nodes, submitted, looked at and ended as a user does, whatever is killed or cut."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.cluster.client import SweepClient
from sweeps.cluster.jobs import Entrypoint, Jobs
from sweeps.cluster.submission import DriverOptions
from sweeps.errors import AuthenticationError, StudyExistsError
from sweeps.ledger import Ledger
from sweeps.records import State
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.storage import open_ledger
from sweeps.study import Study
from sweeps.tracking.server import Address, start, stop
from sweeps.tracking.spool import read_rows
from tests.end_to_end.drivers import SPEC, iterations_of, mlflow_runs
from tests.end_to_end.network import Link
from tests.end_to_end.ray_cluster import RayCluster, ray_cluster
from tests.postgres import Postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of Ray's and MLflow's clients, which only ask here
]

ROOT = Path(__file__).parents[2]
ITERATIONS = 300
LONG = StudySpec.model_validate(
    {**SPEC.model_dump(), "name": "long", "cost_limit": 100.0, "env_steps": 200 * ITERATIONS}
)
ENDLESS = StudySpec.model_validate({**SPEC.model_dump(), "name": "endless", "env_steps": 10**9})
ON_HEAD = Entrypoint(cpus=0.0, resources={"head": 0.01})
OPTIONS = DriverOptions(cpus_per_trial=0.5, cadence=Cadence(seconds=1.0))


class Site:
    """The cluster with the servers that its studies use, each behind a link that can be cut."""

    def __init__(self, cluster: RayCluster, storage: Path, ledger: Link, mlflow: Link) -> None:
        self.cluster, self.storage, self.ledger, self.mlflow = cluster, storage, ledger, mlflow


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    storage = tmp_path_factory.mktemp("storage")
    database = postgres.create_database()
    server = start(storage, Address(port=5600))
    ledger, mlflow = Link(postgres.port), Link(int(server.url.rpartition(":")[2]))
    variables = {
        "LAGSWEEP_STORAGE": str(storage),
        "LAGSWEEP_LEDGER": database.replace(f":{postgres.port}/", f":{ledger.port}/"),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}",
    }
    before = dict(os.environ)
    os.environ["LAGSWEEP_LEDGER"] = database  # this test looks at it past the link
    try:
        with ray_cluster(**variables) as cluster:
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(cluster.token_path)
            for _ in range(2):
                cluster.add_node()
            yield Site(cluster, storage, ledger, mlflow)
    finally:
        os.environ.clear()
        os.environ.update(before)
        ledger.cut()
        mlflow.cut()
        stop(storage, server)


@pytest.fixture
def client(site: Site) -> SweepClient:
    return SweepClient(site.cluster.address)


def lagsweep(site: Site, *words: str, ledger: bool = False, tree: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command, on a machine that reaches the cluster's dashboard and perhaps its ledger, run in some folder."""
    command = begin(site, *words, ledger=ledger, tree=tree)
    output, errors = command.communicate()
    return subprocess.CompletedProcess(command.args, command.returncode, output, errors)


def begin(site: Site, *words: str, ledger: bool = False, tree: Path = ROOT) -> subprocess.Popen[str]:
    """As `lagsweep`, without waiting for its end."""
    variables = {name: value for name, value in os.environ.items() if ledger or name != "LAGSWEEP_LEDGER"}
    variables |= {"PYTHONPATH": os.pathsep.join(sys.path), "LAGSWEEP_STORAGE": str(site.storage / "elsewhere")}
    command = [sys.executable, "-m", "sweeps.cli", *words, "--address", site.cluster.address]
    return subprocess.Popen(command, cwd=tree, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(reached: Callable[[], Any], what: str, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def iterations(study: Study) -> int:
    return iterations_of(study.trials)


@pytest.fixture
def ledger(site: Site) -> Iterator[Ledger]:
    """The cluster's ledger, past its link."""
    ledger = open_ledger(site.storage)
    yield ledger
    ledger.close()


def study_on(site: Site, ledger: Ledger, name: str) -> Study:
    """A submitted study, as the ledger has it."""
    wait_until(lambda: ledger.study(name), f"{name} appears in the ledger")
    row = ledger.study(name)
    assert row is not None
    return Study(row, ledger, site.storage)


def driver_of(study: Study, but: int | None = None) -> int:
    """The process that drives a study, once it is another one than this."""
    seen: list[int] = []  # between two looks a driver may lose the study

    def holds() -> bool:
        holder = study.holder
        if holder is not None and holder.pid != but:
            seen.append(holder.pid)
        return bool(seen)

    wait_until(holds, "a driver holds the study")
    return seen[0]


def test_a_study_outlives_its_node_its_driver_and_its_network(site: Site, client: SweepClient, ledger: Ledger) -> None:
    submission = client.submit(LONG, options=OPTIONS, entrypoint=ON_HEAD)
    assert (submission.submission_id, submission.is_new) == ("long-1", True)
    study = study_on(site, ledger, "long")
    total = 3 * 2 * ITERATIONS

    wait_until(lambda: iterations(study) > 0.05 * total, "it trains")
    site.cluster.kill_node(busiest_node(site.cluster))
    site.cluster.add_node()
    wait_until(lambda: "node lost" in causes(study), "the loss of the node is noticed")

    reached = iterations(study)
    wait_until(lambda: iterations(study) > reached + 0.03 * total, "trials go on elsewhere")
    driver = driver_of(study)
    os.kill(driver, signal.SIGKILL)

    driver_of(study, but=driver)  # another one takes over
    reached = iterations(study)
    wait_until(lambda: iterations(study) > reached + 0.03 * total, "the next driver goes on")
    site.ledger.cut()
    site.mlflow.cut()
    time.sleep(5.0)
    site.ledger.mend()
    site.mlflow.mend()

    job = client.jobs.wait("long-1", 600)
    assert job is not None
    log = client.logs("long")
    assert job.status == "SUCCEEDED", log
    assert "The driver was killed by SIGKILL; it is started again" in log
    assert "The ledger's database does not answer" in log
    assert causes(study) == {"node lost", "driver lost"}
    assert_complete(study, ITERATIONS)


def causes(study: Study) -> set[str]:
    """Why executions ended that did not complete, without details."""
    executions = study._ledger.executions(study._row.id)
    return {failure.partition(":")[0] for _, _, failure in executions if failure}


def busiest_node(cluster: RayCluster) -> subprocess.Popen[bytes]:
    """A worker node on which a trial trains."""
    wait_until(lambda: _training(cluster), "a trial trains")
    return _training(cluster)[0]


def _training(cluster: RayCluster) -> list[subprocess.Popen[bytes]]:
    def trains(node: subprocess.Popen[bytes]) -> bool:
        try:
            children = psutil.Process(node.pid).children(recursive=True)
            return any("ExecutionTrainable" in " ".join(child.cmdline()) for child in children)
        except psutil.NoSuchProcess:  # one has just ended
            return False

    return [node for node in cluster.workers if trains(node)]


def assert_complete(study: Study, iterations_of_a_seed: int) -> None:
    """Every row once, every trial complete, nothing running, in ledger, spool and MLflow."""
    status = study.status()
    assert status.is_finished
    assert status.counts[State.COMPLETE] == 3
    assert {state for _, state, _ in study._ledger.executions(1)} <= {State.COMPLETE, State.FAIL}
    rows = Counter((row.trial, row.seed, row.iteration) for row in read_rows(study.folder / "spool.jsonl"))
    expected = {(t, s, i) for t in range(3) for s in range(2) for i in range(1, iterations_of_a_seed + 1)}
    assert rows == Counter(expected)
    runs = mlflow_runs(study)
    assert {state for _, state in runs} == {"FINISHED"}
    assert len(runs) == 1 + 3 + 3 * 2  # the study, its trials, their seeds


def test_the_same_study_is_submitted_once_looked_at_from_afar_and_stopped(
    site: Site, client: SweepClient, ledger: Ledger
) -> None:
    first = client.submit(ENDLESS, options=OPTIONS, entrypoint=ON_HEAD)
    again = client.submit(ENDLESS, options=OPTIONS, entrypoint=ON_HEAD)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.submission_id == first.submission_id == "endless-1"
    with pytest.raises(StudyExistsError, match=r"runs as job endless-1\): seeds 2 -> 3"):
        client.submit(StudySpec.model_validate({**ENDLESS.model_dump(), "seeds": 3}))

    study = study_on(site, ledger, "endless")
    wait_until(lambda: study.status().counts[State.RUNNING] == 3, "all its trials train")
    wait_until(lambda: iterations(study) > 0, "it trains")
    for reached in (False, True):  # by a job on the cluster, and by the ledger itself
        status = json.loads(lagsweep(site, "status", "endless", "--output", "json", ledger=reached).stdout)
        assert (status["name"], status["finished"], status["trials"]["running"]) == ("endless", False, 3)
    listed = json.loads(lagsweep(site, "list", "--output", "json").stdout)
    assert "endless" in {row["study"] for row in listed}
    missing = lagsweep(site, "status", "endles")
    assert (missing.returncode, "did you mean `endless`?" in missing.stderr) == (3, True)

    stopped = lagsweep(site, "stop", "endless")
    assert (stopped.returncode, "has ended" in stopped.stdout) == (0, True), stopped.stderr
    job = client.jobs.wait("endless-1", 60)
    assert job is not None
    assert study.holder is None
    counts = study.status().counts
    assert (counts[State.RUNNING], counts[State.FAIL], counts[State.WAITING]) == (0, 0, 3)
    # It went on to its end: every running trial left a checkpoint, and the log says how to go on.
    assert causes(study) == {"interrupted"}
    assert "lagsweep resume endless" in lagsweep(site, "logs", "endless").stdout


def test_shipped_code_waits_for_a_node_is_watched_meanwhile_and_then_runs(
    site: Site, client: SweepClient, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=True)
    for module in ("cluster/restarts.py", "running/execution.py"):  # of the driver's job, and of every trial
        with (tree / "sweeps" / module).open("a") as source:
            source.write(f"\n\n__import__('pathlib').Path({str(tmp_path / Path(module).stem)!r}).touch()\n")
    (tree / "token.pem").write_text("a secret that stays here")
    study = tree / "shipped.yaml"
    study.write_text(StudySpec.model_validate({**SPEC.model_dump(), "name": "shipped"}).to_yaml())
    reserve = ["--entrypoint-num-cpus", "0", "--entrypoint-resources", '{"reserve": 0.01}']
    submitted = lagsweep(site, "submit", str(study), "--ship-code", "--no-wait", *reserve, tree=tree)
    assert submitted.returncode == 0, submitted.stderr
    assert "left out: token.pem" in submitted.stderr
    # One watcher asks the ledger, which does not know the study yet, the other one jobs of the cluster.
    watchers = [begin(site, "watch", "shipped", "--output", "json", ledger=reached) for reached in (False, True)]
    time.sleep(15.0)
    assert [watcher.poll() for watcher in watchers] == [None, None]
    for reached in (False, True):
        status = json.loads(lagsweep(site, "status", "shipped", "--output", "json", ledger=reached).stdout)
        assert (status["finished"], status["job"]["status"]) == (False, "PENDING")
    listed = {row["study"]: row["job"] for row in json.loads(lagsweep(site, "list", "--output", "json").stdout)}
    assert listed["shipped"] == "PENDING"

    site.cluster.add_node(cpus=0, reserve=1.0)
    for watcher in watchers:
        looks, errors = watcher.communicate(timeout=300)
        assert watcher.returncode == 0, errors
        assert json.loads(looks.splitlines()[-1])["finished"], looks + client.logs("shipped")
    job = client.jobs.wait("shipped-1", 60)
    assert job is not None
    assert job.status == "SUCCEEDED"
    assert (tmp_path / "restarts").exists()
    assert (tmp_path / "execution").exists()


def test_a_cluster_answers_nobody_without_its_token(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(AuthenticationError, match="refused the token of this client"):
        Jobs(site.cluster.address)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    with pytest.raises(AuthenticationError, match="refused a request without a token"):
        SweepClient(site.cluster.address)


def test_a_doctor_sees_every_node_of_a_healthy_cluster(site: Site) -> None:
    said = lagsweep(site, "doctor", "--output", "json")
    findings = json.loads(said.stdout)["findings"]
    assert said.returncode == 0, said.stdout
    assert sum(found["check"] == "storage" and "sees" in found["message"] for found in findings) >= 3
    assert {"ray", "token", "ledger", "mlflow", "clock", "nodes", "gpu"} <= {found["check"] for found in findings}
