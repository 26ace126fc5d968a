"""Connecting to Ray, or starting one of our own, and leaving nothing of it behind."""

import contextlib
import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import psutil
import ray
from ray.exceptions import AuthenticationError as RayAuthenticationError

from sweeps.errors import AuthenticationError, SweepError, UnreachableError
from sweeps.running.scratch import scratch_folder

OBJECT_STORE_BYTES = 200 * 2**20  # rows are all that goes through it

_NUM_STARTS = 3

_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",  # its metrics ask nobody for a token, and nobody reads them here
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default, of whose absence every start warns
    "RAY_agent_register_timeout_ms": "120000",  # a raylet gives up on its agents too soon on a busy machine
}

logger = logging.getLogger(__name__)


@contextmanager
def connected(address: str | None) -> Generator[None]:
    """Connects to Ray for a while; a connection that stands already is used and left.

    Args:
        address: Ray's address; None takes RAY_ADDRESS, and without it, or with `local`, a Ray of this process's own.

    Raises:
        AuthenticationError: If Ray refuses the token.
        UnreachableError: If Ray does not answer, or does not start.
        SweepError: If the cluster has other versions of Ray or Python, or the address is a dashboard's.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith(("http://", "https://")):
        raise SweepError(
            "`a driver joins a cluster`, at an address such as head:6379, but got a dashboard's.",
            code="usage",
            help="`lagsweep submit` takes that one; --address local starts a Ray of this process's own",
        )
    with environment(_RAY_ENVIRONMENT), contextlib.ExitStack() as cleanup:
        if address == "local":
            cleanup.enter_context(_own_ray())
        else:
            cleanup.callback(ray.shutdown)
            _connect(address)
        yield


@contextmanager
def environment(values: Mapping[str, str]) -> Generator[None]:
    """Sets environment variables for a while; Ray and Tune take some settings in no other way.

    Args:
        values: Name → value; a name that the user has set keeps the user's.
    """
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _connect(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except RayAuthenticationError as error:
        raise AuthenticationError(
            f"the Ray cluster at {address} refused this process's token: {str(error).splitlines()[0]}",
            code="token-refused",
            help="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to a file with the cluster's token",
        ) from error
    except ConnectionError as error:
        raise UnreachableError(
            f"Ray at {address} does not answer: {error}",
            code="ray-unreachable",
            help="check --address or RAY_ADDRESS",
        ) from error
    except RuntimeError as error:
        if "Version mismatch" not in str(error):
            raise
        raise SweepError(
            f"Ray or Python of the cluster at {address} and of this process differ: {' '.join(str(error).split())}",
            code="version-mismatch",
            help="install here what the cluster has, or rebuild its image",
        ) from error


@contextmanager
def _own_ray() -> Generator[None]:
    with scratch_folder() as folder:
        try:
            _start(str(folder / "ray"))  # Ray lets everybody write its own folder; nobody else gets this far
            yield
        finally:
            ray.shutdown()


def _start(folder: str) -> None:
    """Starts Ray; its half minute of patience can be too short on a busy machine, so it gets several."""
    for start in range(1, _NUM_STARTS + 1):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
            )
        except Exception as error:  # Ray raises no narrower class when its processes start too slowly
            ray.shutdown()
            _end_processes_of(folder)
            if start == _NUM_STARTS:
                raise UnreachableError(
                    f"Ray did not start on this machine in {_NUM_STARTS} tries: {error}",
                    code="ray-not-started",
                    help="free some CPU or memory, or use a running Ray by --address",
                ) from error
            logger.warning("Ray did not start (%s); trying again.", error)
        else:
            return


def _end_processes_of(folder: str) -> None:
    """Ends what a failed start left: children of this process that work in the private folder."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(folder in argument for argument in child.cmdline()):
                child.kill()
