"""Servers that a study talks to: MLflow, and Ray's head as a client sees it."""

import ipaddress
import os
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from sweeps.cluster.doctor.clocks import check_http_date
from sweeps.cluster.doctor.finding import Finding, failure, of_error, ok, warning
from sweeps.cluster.jobs import TIMEOUT_S, Jobs
from sweeps.cluster.token import DEFAULT_PATH, read_token
from sweeps.cluster.versions import list_differences
from sweeps.errors import ExitCode, SweepError, UnreachableError
from sweeps.tracking.store import find_store, without_credentials

_EXPERIMENTS = "api/2.0/mlflow/experiments/search?max_results=1"


def check_token() -> list[Finding]:
    """Whether there is a token for Ray that only this user can read."""
    try:
        token = read_token()
    except SweepError as error:
        return [of_error("token", error)]
    if token is None:
        if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled":
            help = "set RAY_AUTH_MODE=token: who reaches an open Ray runs code on it"
            return [failure("token", "RAY_AUTH_MODE=disabled.", help, ExitCode.AUTHENTICATION)]
        return [
            warning("token", "none; a cluster will refuse this client", "set RAY_AUTH_TOKEN_PATH to a file with it")
        ]
    if os.environ.get("RAY_AUTH_TOKEN"):
        return [ok("token", "from RAY_AUTH_TOKEN")]
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or DEFAULT_PATH).expanduser()
    others = stat.S_IRWXG | stat.S_IRWXO
    is_exposed = path.stat().st_mode & others and path.resolve().parent.stat().st_mode & others
    if is_exposed and path.stat().st_uid == os.geteuid():
        return [warning("token", f"{path} can be read by others", f"chmod 600 {path}")]
    return [ok("token", f"from {path}")]


def check_head(address: str) -> list[Finding]:
    """Whether a head answers us, refuses others, and has our version of Ray."""
    try:
        asked = time.time()
        date = requests.get(f"{address.rstrip('/')}/api/version", timeout=TIMEOUT_S).headers.get("Date")
        answered = time.time()
    except requests.RequestException:
        date, asked, answered = None, 0.0, 0.0  # `Jobs` says it better
    try:
        jobs = Jobs(address)
        different = list_differences({"ray": jobs.version()})
        is_open = jobs.is_open()
    except SweepError as error:
        return [of_error("ray", error)]
    found = check_http_date("the head", date, asked, answered)
    if is_open:
        found.append(_open(address))
    else:
        found.append(ok("ray", f"{address} accepts our token and refuses those without one"))
    if different:
        help = "install here what the cluster's image has, or rebuild the image"
        found.append(failure("ray", f"{address} has another version: {different[0]}.", help))
    if urlsplit(address).scheme == "http" and not is_loopback(urlsplit(address).hostname or ""):
        help = "use https (an ingress with TLS), or a tunnel: `ssh -L 8265:localhost:8265 head`"
        found.append(warning("ray", f"{address} carries the token in clear text", help))
    return found


def check_dashboard(address: str) -> list[Finding]:
    """Whether the cluster that this process belongs to asks for a token.

    Args:
        address: Where its dashboard listens, as `host:port`; empty: it has none, and so no Jobs API.
    """
    if not address:
        return [ok("ray", "the cluster has no dashboard, and so no Jobs API")]
    url = f"http://{address}"
    try:
        is_open = Jobs(url).is_open()
    except UnreachableError:
        message = f"the dashboard does not answer here at {url}: whether it asks for a token is not known"
        return [warning("ray", message, "run this on the head, where the dashboard listens")]
    except SweepError as error:
        return [of_error("ray", error)]
    return [_open(url)] if is_open else [ok("ray", f"{url} refuses those without a token")]


def _open(address: str) -> Finding:
    help = "start it with RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, and let nobody else reach its ports"
    return failure("ray", f"{address} runs anybody's code: it asks nobody for a token.", help, ExitCode.AUTHENTICATION)


def check_mlflow(storage: Path) -> list[Finding]:
    """Whether MLflow answers, and whom."""
    uri = find_store(storage).uri
    where = without_credentials(uri)
    if urlsplit(uri).scheme not in ("http", "https"):
        return [ok("mlflow", f"a file of this machine: {where}")]
    base = f"{where.rstrip('/')}/"
    name, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    auth = (name, password) if name is not None and password is not None else _login_of(uri)
    try:
        asked = time.time()
        stranger = requests.get(base + _EXPERIMENTS, timeout=TIMEOUT_S)
        found = check_http_date("MLflow's server", stranger.headers.get("Date"), asked, time.time())
        mine = requests.get(base + _EXPERIMENTS, timeout=TIMEOUT_S, auth=auth)
    except requests.RequestException as error:
        help = "check MLFLOW_TRACKING_URI and that the server runs; studies run without it and send everything later"
        message = f"{where} does not answer ({type(error).__name__})."
        return [failure("mlflow", message, help, ExitCode.UNREACHABLE)]
    return found + _judge_mlflow(where, stranger.status_code, mine.status_code)


def _judge_mlflow(where: str, stranger: int, mine: int) -> list[Finding]:
    if stranger == requests.codes.ok:
        help = "serve it with --app-name basic-auth (`lagsweep ui --login`)"
        if is_loopback(urlsplit(where).hostname or ""):
            return [ok("mlflow", f"{where} answers without a login, on this machine only")]
        return [failure("mlflow", f"{where} answers anybody.", help, ExitCode.AUTHENTICATION)]
    if mine in (requests.codes.unauthorized, requests.codes.forbidden):
        help = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return [failure("mlflow", f"{where} refuses our login ({mine}).", help, ExitCode.AUTHENTICATION)]
    if mine != requests.codes.ok:
        return [failure("mlflow", f"{where} answers {mine}.", "see the server's log", ExitCode.UNREACHABLE)]
    return [ok("mlflow", f"{where} accepts our login and refuses those without one")]


def is_loopback(host: str) -> bool:
    """Whether a name leads to this machine and nowhere else."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _login_of(uri: str) -> tuple[str, str] | None:
    parts = urlsplit(uri)
    return (parts.username, parts.password) if parts.username and parts.password else None
