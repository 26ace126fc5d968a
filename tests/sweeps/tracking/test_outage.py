"""A real MLflow server that is slow to come, stops, hangs and comes back while a study is tracked."""

import http.client
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from mlflow.tracking import MlflowClient

from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.tracking import Tracker
from sweeps.tracking.shipper import Backoff
from sweeps.tracking.ui import _answers, _environment, _free_port

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
        self.port = _free_port(5800)
        self.process = None

    def start(self):
        store = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        store += ["--artifacts-destination", str(self.folder / "server-artifacts")]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *store, *place], stdout=log, stderr=log, env=_environment()
            )
        wait_until(lambda: _answers(f"http://127.0.0.1:{self.port}"))

    def kill(self):
        for child in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            child.kill()
        self.process.wait()
        self.process = None


class Proxy:
    """Passes requests on and counts them; `fault` makes it answer 500, hang up or answer nonsense instead."""

    def __init__(self, target):
        self.requests = []
        self.fault = None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.requests.append((self.command, self.path.partition("?")[0].rpartition("/")[2]))
                status, kind, answer = proxy.answer(self.command, self.path, body, dict(self.headers))
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = forward  # noqa: N815

            def log_message(self, *arguments):
                pass

        self.target = target
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, body, headers):
        if self.fault == "hang up":
            return None, None, None
        if self.fault == "error":
            return 500, "text/plain", b"out of order"
        if self.fault == "nonsense":
            return 200, "text/html", b"<html>please log in</html>"
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=30)
        try:
            connection.request(method, path, body, {**headers, "Host": f"127.0.0.1:{self.target}"})
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", "text/plain"), response.read()
        except OSError:
            return None, None, None
        finally:
            connection.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(tmp_path, migrated_database):
    shutil.copy(migrated_database, tmp_path / "server.db")
    server = MlflowServer(tmp_path)
    yield server
    if server.process is not None:
        server.kill()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
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


def test_an_outage_costs_neither_rows_nor_time(server, proxy, folder, caplog):
    tracker = make_tracker(folder, proxy.url)
    tracker.start()  # the server is not there yet
    tracker.trial_started(TRIAL)
    longest = 0.0

    def track(iterations):
        nonlocal longest
        for iteration in iterations:
            started = time.perf_counter()
            tracker.rows([row(0, iteration), row(1, iteration)])
            longest = max(longest, time.perf_counter() - started)

    track(range(1, 11))
    wait_until(lambda: tracker._shipper.failures >= 4)
    server.start()
    wait_until(shipped(tracker))
    for fault in ("error", "nonsense", "hang up"):
        failures = len(proxy.requests)
        proxy.fault = fault
        first = tracker._shipper.shipped
        start = 11 + 10 * ("error", "nonsense", "hang up").index(fault)
        track(range(start, start + 10))
        wait_until(lambda failures=failures: tracker._shipper.failures >= 4 and len(proxy.requests) > failures)
        assert tracker._shipper.shipped == first
        proxy.fault = None
        wait_until(shipped(tracker))
    server.kill()
    track(range(41, 51))
    wait_until(lambda: tracker._shipper.failures >= 4)
    server.start()
    wait_until(shipped(tracker))
    assert tracker.close(timeout_s=60) == 0
    assert sum("does not answer" in record.message for record in caplog.records) == 5  # one an outage
    assert longest < 1.0  # a request to a server that is away takes longer
    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{server.port}")
    experiment = client.get_experiment_by_name("demo")
    seeds = client.search_runs([experiment.experiment_id], "tags.`lagsweep.kind` = 'seed'")
    assert sorted(run.data.tags["lagsweep.seed"] for run in seeds) == ["0", "1"]
    for run in seeds:
        points = client.get_metric_history(run.info.run_id, "metric/7")
        assert [(p.step, p.value) for p in points] == [(100 * i, 7.0 * i) for i in range(1, 51)]
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
