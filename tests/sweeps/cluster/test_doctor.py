import http.server
import json
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.cluster.client import SweepClient
from sweeps.cluster.doctor import machine, versions
from sweeps.cluster.doctor.clocks import check_clock, check_http_date
from sweeps.cluster.doctor.examination import examine_here
from sweeps.cluster.doctor.finding import Finding, Level, failure, ok, warning, worst_exit_code
from sweeps.cluster.doctor.nodes import check_nodes
from sweeps.cluster.doctor.places import check_checkpoints, check_ledger, check_storage
from sweeps.cluster.doctor.servers import _judge_mlflow, check_dashboard, check_head, check_mlflow, check_token
from sweeps.errors import AuthenticationError, ExitCode, SweepError
from sweeps.study import create_study
from tests.end_to_end.drivers import SPEC
from tests.postgres import Postgres


def one(findings: list[Finding], level: Level, *, words: str = "") -> Finding:
    (found,) = [finding for finding in findings if finding.level is level]
    assert words in found.message
    assert (found.help is None) == (level is Level.OK)
    return found


def test_a_doctor_ends_with_the_code_of_the_first_failure_and_a_warning_is_none() -> None:
    found = [ok("a", ""), warning("b", "", "")]
    assert worst_exit_code(found) is ExitCode.OK
    found += [failure("c", "", "", ExitCode.UNREACHABLE), failure("d", "", "")]
    assert worst_exit_code(found) is ExitCode.UNREACHABLE
    assert [Finding.from_dict(json.loads(json.dumps(finding.to_dict()))) for finding in found] == found


def test_a_version_with_a_known_hole_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    one(versions.check_versions(), Level.OK, words="ray 2.")
    monkeypatch.setitem(versions.FLOORS, "ray", ("999.0", "it is old"))
    assert one(versions.check_versions(), Level.FAILURE, words="is older than 999.0").exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("theirs", "skew", "level"),
    [
        # Ours showed 100 before and 102 after the answer: anything in between may be the same moment.
        (100.0, 0.0, Level.OK),
        (102.0, 0.0, Level.OK),
        (95.5, 4.5, Level.OK),  # 100 - 95.5
        (108.0, 6.0, Level.WARNING),  # 108 - 102
        (69.0, 31.0, Level.FAILURE),  # 100 - 69, more than half of the lease of 60 s
        (133.0, 31.0, Level.FAILURE),  # 133 - 102
    ],
)
def test_a_clock_differs_by_what_the_way_of_the_answer_cannot_explain(theirs: float, skew: float, level: Level) -> None:
    one(check_clock("it", theirs, 100.0, 102.0), level, words=f"by {skew:.1f} s")


def test_a_web_server_tells_whole_seconds() -> None:
    # 10:00:00 GMT on 2 January 2026 is 1767348000; asked half a second later it still says so.
    date = "Fri, 02 Jan 2026 10:00:00 GMT"
    one(check_http_date("it", date, 1767348000.9, 1767348000.95), Level.OK, words="by 0.0 s")
    one(check_http_date("it", date, 1767348041.0, 1767348041.5), Level.FAILURE, words="by 40.0 s")
    assert check_http_date("it", None, 0.0, 0.0) == []


def test_a_storage_folder_must_be_writable_and_have_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one(check_storage(tmp_path / "new"), Level.OK, words="writable")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    one(check_storage(tmp_path / "file" / "below"), Level.FAILURE, words="cannot be written")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 10**9))
    one(check_storage(tmp_path), Level.WARNING, words="0.9 GiB free")


def test_shared_memory_of_a_default_container_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 64 * 2**20))
    assert "--shm-size" in (one(machine.check_shared_memory(tmp_path), Level.WARNING).help or "")
    assert machine.check_shared_memory(tmp_path / "none") == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 300 * 2**20))  # 512 MiB less the object store
    one(machine.check_shared_memory(tmp_path), Level.OK)


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo no driver; exit 9", "nvidia-smi fails: no driver"), ("exec sleep 5", "does not answer within 0.2 s")],
)
def test_a_gpu_that_cannot_be_asked_is_a_warning(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "_NVIDIA_S", 0.2 if "sleep" in script else 60.0)
    found = one(machine.check_gpu(), Level.WARNING, words=said)
    assert "torch" not in found.message
    program.write_text("#!/bin/sh\necho 'NVIDIA L4, 24G, 570.1'\n")
    monkeypatch.setattr(machine, "_NVIDIA_S", 60.0)
    assert machine.query_gpus() == (["NVIDIA L4, 24G (driver 570.1)"], None)


def test_folders_that_others_may_write_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGSWEEP_CHECKPOINTS", str(tmp_path))
    tmp_path.chmod(0o777)
    for found in (check_storage(tmp_path), check_checkpoints(several_machines=False)):
        one(found, Level.FAILURE, words=f"everybody may write {tmp_path}.")
    below = tmp_path / "mine"
    below.mkdir(mode=0o700)  # runs refuse it too: whoever may write above it may put another in its place
    one(check_storage(below), Level.FAILURE, words=f"everybody may write {tmp_path}.")
    tmp_path.chmod(0o770)
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid)
    is_own_group = tmp_path.stat().st_gid in (0, tmp_path.stat().st_uid)
    assert len(check_storage(tmp_path)) == (1 if is_own_group else 2)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    if tmp_path.stat().st_uid != 0:
        one(check_storage(tmp_path), Level.WARNING, words="its owner, user")
    tmp_path.chmod(0o700)


def test_checkpoints_are_written_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAGSWEEP_CHECKPOINTS", raising=False)
    one(check_checkpoints(several_machines=False), Level.OK)
    one(check_checkpoints(several_machines=True), Level.WARNING, words="every node must then share")
    monkeypatch.setenv("LAGSWEEP_CHECKPOINTS", str(tmp_path))
    one(check_checkpoints(several_machines=True), Level.OK, words="written and read back")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAGSWEEP_CHECKPOINTS", str(tmp_path / "file"))
    found = one(check_checkpoints(several_machines=True), Level.FAILURE, words="cannot be used")
    assert found.exit_code is ExitCode.UNREACHABLE


def test_sqlite_is_for_one_machine_and_no_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAGSWEEP_LEDGER", raising=False)
    one(check_ledger(tmp_path, several_machines=False), Level.OK)
    one(check_ledger(tmp_path, several_machines=True), Level.WARNING, words="only processes of one machine")
    part = namedtuple("part", "mountpoint fstype")
    mounts = [part("/", "ext4"), part(str(tmp_path), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    one(check_ledger(tmp_path / "studies", several_machines=False), Level.FAILURE, words="SQLite on nfs4")


def test_a_ledger_on_a_server_answers_and_has_our_clock(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.create_database()
    monkeypatch.setenv("LAGSWEEP_LEDGER", url)
    found = check_ledger(tmp_path, several_machines=True)
    assert [finding.check for finding in found] == ["ledger", "clock"]
    assert {finding.level for finding in found} == {Level.OK}
    assert "postgresql, 0 studies" in found[0].message

    monkeypatch.setenv("LAGSWEEP_LEDGER", "postgresql://ann:hunter2@127.0.0.1:1/none")
    away = one(check_ledger(tmp_path, several_machines=True), Level.FAILURE, words="cannot be opened")
    assert (away.exit_code, "hunter2" in away.message) == (ExitCode.UNREACHABLE, False)


def test_a_token_is_there_and_this_users_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    one(check_token(), Level.WARNING, words="none")
    path = tmp_path / "token"
    path.write_text("abc")
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    one(check_token(), Level.WARNING, words="can be read by others")
    tmp_path.chmod(0o700)  # nobody else gets to it
    one(check_token(), Level.OK)
    path.chmod(0o600)
    assert "abc" not in one(check_token(), Level.OK).message
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert one(check_token(), Level.FAILURE).exit_code is ExitCode.AUTHENTICATION
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert one(check_token(), Level.FAILURE).exit_code is ExitCode.AUTHENTICATION


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path, or only those who know the password."""

    asks = False

    def do_GET(self) -> None:
        refuses = self.asks and self.headers.get("Authorization") != "Basic YW5uOnNlY3JldA=="  # ann:secret
        body = b'{"ray_version": "2.50.0"}' if "version" in self.path else b"[]"
        self.send_response(401 if refuses else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def serving(*, asks: bool) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"asks": asks})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_cluster_that_runs_anybodys_code_fails_and_gets_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    with serving(asks=False) as address:
        found = [finding for finding in check_head(address) if finding.level is Level.FAILURE]
        assert "runs anybody's code" in found[0].message
        assert found[0].exit_code is ExitCode.AUTHENTICATION
        assert "2.50.0 there" in found[1].message
        with pytest.raises(AuthenticationError, match="runs anybody's code") as refused:
            SweepClient(address)
        assert refused.value.exit_code is ExitCode.AUTHENTICATION
        SweepClient(address, allow_open=True)
        study = create_study(SPEC, tmp_path)
        with pytest.raises(AuthenticationError, match="runs anybody's code"):
            study.submit(address)
        with pytest.raises(SweepError, match=r"2\.50\.0 there"):  # what it is asked next
            study.submit(address, allow_open=True)


def test_a_cluster_that_this_process_belongs_to_is_asked_whether_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    with serving(asks=False) as address:
        found = one(check_dashboard(address.removeprefix("http://")), Level.FAILURE, words="runs anybody's code")
        assert found.exit_code is ExitCode.AUTHENTICATION
    one(check_dashboard("127.0.0.1:1"), Level.WARNING, words="is not known")
    one(check_dashboard(""), Level.OK)


def test_an_unreachable_head_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    found = one(check_head("http://127.0.0.1:1"), Level.FAILURE, words="no Ray dashboard answers at http://127.0.0.1:1")
    assert found.exit_code is ExitCode.UNREACHABLE


def test_mlflow_lets_in_who_has_a_login_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    one(check_mlflow(tmp_path), Level.OK, words="a file of this machine")
    with serving(asks=True) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        refused = [finding for finding in check_mlflow(tmp_path) if finding.check == "mlflow"]
        assert one(refused, Level.FAILURE, words="refuses our login (401)").exit_code is ExitCode.AUTHENTICATION
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
        accepted = [finding for finding in check_mlflow(tmp_path) if finding.check == "mlflow"]
        one(accepted, Level.OK, words="accepts our login and refuses those without one")
    assert one(check_mlflow(tmp_path), Level.FAILURE, words="does not answer").exit_code is ExitCode.UNREACHABLE


def test_an_mlflow_that_answers_anybody_is_for_this_machine_only() -> None:
    one(_judge_mlflow("http://127.0.0.1:5000", 200, 200), Level.OK, words="on this machine only")
    open_to_all = one(_judge_mlflow("http://192.0.2.7:5000", 200, 200), Level.FAILURE, words="answers anybody")
    assert open_to_all.exit_code is ExitCode.AUTHENTICATION
    assert one(_judge_mlflow("http://127.0.0.1:5000", 401, 500), Level.FAILURE).exit_code is ExitCode.UNREACHABLE


@pytest.mark.usefixtures("local_ray")
def test_every_node_is_asked_and_no_marker_is_left(tmp_path: Path) -> None:
    found = check_nodes(tmp_path, must_share=True)
    assert {finding.level for finding in found} == {Level.OK}
    assert [finding.check for finding in found] == ["nodes", "clock", "storage", "disk"]
    assert "GiB free for storage, " in found[-1].message
    assert "for Ray's temporary files" in found[-1].message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("local_ray")
def test_the_cluster_of_ray_address_is_examined_with_its_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.delenv("LAGSWEEP_CHECKPOINTS", raising=False)
    messages = [finding.message for finding in examine_here(tmp_path) if finding.check in {"ray", "nodes"}]
    assert messages == ["the cluster has no dashboard, and so no Jobs API", "1 alive"]


def test_findings_are_printed_with_what_to_do_and_end_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "LAGSWEEP_LEDGER", "MLFLOW_TRACKING_URI", "LAGSWEEP_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text("")
    good = CliRunner().invoke(app, ["doctor", "--storage", str(tmp_path), "--output", "json"])
    assert (good.exit_code, json.loads(good.stdout)["healthy"]) == (0, True)
    bad = CliRunner().invoke(app, ["doctor", "--storage", str(tmp_path / "file")])
    assert bad.exit_code == 2
    assert "FAIL  storage" in bad.stdout
    assert "-> give this user the right to write there" in bad.stdout
