"""Ray's Jobs API: the few calls that we need, with our errors instead of Ray's.

Ray's own client does the talking. It waits for ever on a head that swallows packets, hence the timeout here.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ray
import requests
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.exceptions import AuthenticationError as RayAuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from sweeps.cluster.token import auth_headers, read_token
from sweeps.errors import AuthenticationError, SpecError, SweepError, UnreachableError

TIMEOUT_S = 30.0
"""Seconds until a head that says nothing counts as away."""

_POLL_S = 0.2
_AGENT_S = 120.0
_NO_AGENT = "No available agent"
_STATUS_CODE = re.compile(r"status code (\d+)")


logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)  # it tells of every connection that closes


class JobError(SweepError, RuntimeError):
    """Ray refused a request, or a job did not do what it was submitted for."""


@dataclass(frozen=True)
class Entrypoint:
    """What the process that drives a study takes of the cluster, apart from its trials.

    Attributes:
        cpus: CPU cores. Above 0, so that a cluster that scales from nothing starts a node.
        resources: Custom resources, such as those of nodes that are not preempted.
    """

    cpus: float = 0.1
    resources: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: If one is out of range, or no custom resource.
        """
        wanted = {"entrypoint_num_cpus": self.cpus, **(self.resources or {})}
        for name, amount in wanted.items():
            if not (amount >= 0.0 and math.isfinite(amount)):
                message = f"`{name} >= 0` must hold, and be finite, but got {amount}."
                raise SpecError(message, code="usage", help="0 reserves nothing, on the head")
        for name in self.resources or {}:
            if name in ("", "CPU", "GPU", "memory"):
                message = f"`entrypoint_resources` are custom ones of nodes, but got {name!r}."
                raise SpecError(
                    message, code="usage", help="CPU cores are --entrypoint-num-cpus; a driver needs no more"
                )


class _Client(JobSubmissionClient):
    """Ray's client of the address that it is given: Ray's own prefers what RAY_ADDRESS and the like name to that."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self._client_ray_version = ray.__version__
        SubmissionClient.__init__(self, address=address, headers=headers)
        self._check_connection_and_version(min_version="2.0")

    def _do_request(self, method: str, endpoint: str, **options: Any) -> requests.Response:
        return super()._do_request(method, endpoint, timeout=TIMEOUT_S, **options)


def _is_url(address: str) -> bool:
    """Whether an address is http:// or https:// with a host, perhaps a port, and no login: messages would show it."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _shown(address: str) -> str:
    """An address without its login."""
    return re.sub(r"//[^/@]*@", "//", address)


class Jobs:
    """The jobs of a cluster.

    Args:
        address: URL of the head's dashboard, such as `http://head:8265`.

    Raises:
        AuthenticationError: If the cluster refuses the token.
        UnreachableError: If it does not answer.
    """

    def __init__(self, address: str) -> None:
        if not _is_url(address):
            raise SweepError(
                f"`--address` must be the URL of a head's dashboard, without a password, but got {_shown(address)!r}.",
                code="usage",
                help="for example http://head:8265",
            )
        self.address = address.rstrip("/")
        try:
            with self._errors():
                self._client = _Client(self.address, headers=auth_headers(read_token()))
        except (KeyError, TypeError):  # it asks for the version, and expects Ray's answer
            raise self._stranger() from None

    def version(self) -> str:
        """Version of Ray on the cluster."""
        with self._errors():
            told: Any = self._client._do_request("GET", "/api/version").json()
        if not isinstance(told, dict) or "ray_version" not in told:
            raise self._stranger()
        return told["ray_version"]

    def is_open(self) -> bool:
        """Whether the cluster runs anybody's code: its jobs can be listed without a token."""
        with self._errors():
            answer = requests.get(f"{self.address}/api/jobs/", timeout=TIMEOUT_S)
            return answer.status_code == requests.codes.ok

    def list(self) -> list[JobDetails]:
        """All submitted jobs that the cluster remembers, oldest first."""
        with self._errors():
            jobs = self._client.list_jobs()
        return sorted((job for job in jobs if job.submission_id), key=lambda job: job.start_time or 0)

    def submit(
        self,
        command: str,
        submission_id: str,
        metadata: dict[str, str],
        *,
        entrypoint: Entrypoint | None = None,
        package: str | None = None,
    ) -> None:
        """Starts a job.

        Args:
            command: What its shell runs.
            submission_id: Its id, never used before on this cluster.
            metadata: What to remember with it, and to tell the command.
            entrypoint: What the command reserves; None: nothing, on the head.
            package: A zip file of which a copy is the command's working directory, or None.

        Raises:
            JobError: If Ray refuses it, as where the id was used.
        """
        deadline = time.monotonic() + _AGENT_S
        while True:
            try:
                with self._errors():
                    self._client.submit_job(
                        entrypoint=command,
                        submission_id=submission_id,
                        metadata=metadata,
                        entrypoint_num_cpus=entrypoint.cpus if entrypoint else None,
                        entrypoint_resources=dict(entrypoint.resources or {}) if entrypoint else None,
                        runtime_env={"working_dir": package} if package else None,
                    )
            except JobError as error:
                # A head that has just started answers before it can run jobs.
                if _NO_AGENT not in error.message or time.monotonic() > deadline:
                    raise
            else:
                return

    def info(self, submission_id: str) -> JobDetails:
        """What the cluster knows of a job."""
        with self._errors():
            return self._client.get_job_info(submission_id)

    def stop(self, submission_id: str) -> bool:
        """Ends a job: SIGTERM to all its processes, SIGKILL three seconds later; whether it ran."""
        with self._errors():
            return self._client.stop_job(submission_id)

    def delete(self, submission_id: str) -> None:
        """Forgets a job that has ended."""
        with self._errors():
            self._client.delete_job(submission_id)

    def logs(self, submission_id: str) -> str:
        """What a job has written so far, standard output and error together."""
        with self._errors():
            return self._client.get_job_logs(submission_id)

    def follow(self, submission_id: str) -> Generator[str]:
        """What a job writes, piece by piece, until it ends."""
        pieces = self._client.tail_job_logs(submission_id)

        async def next_piece() -> str | None:
            return await anext(pieces, None)

        with self._errors(), asyncio.Runner() as runner:
            while (piece := runner.run(next_piece())) is not None:
                yield piece

    def wait(self, submission_id: str, timeout_s: float | None = None) -> JobDetails | None:
        """Waits for a job's end.

        Returns:
            The ended job; None where it still runs after so many seconds.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (job := self.info(submission_id)).status.is_terminal():
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)
        return job

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Ray's errors, said as ours: who refused or does not answer, and the next step."""
        try:
            yield
        except RayAuthenticationError:
            raise self._refused() from None
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused() if error.status in (401, 403) else self._failed(error) from None
        except (ConnectionError, requests.ConnectionError, requests.Timeout, aiohttp.ClientConnectionError) as error:
            raise UnreachableError(
                f"no Ray dashboard answers at {self.address} ({type(error).__name__}).",
                code="ray-unreachable",
                help="check the address and that the head runs; its dashboard's port is 8265 unless set otherwise",
            ) from None
        except requests.JSONDecodeError:
            raise self._stranger() from None
        except (RuntimeError, requests.RequestException) as error:
            raise self._failed(error) from None

    def _stranger(self) -> UnreachableError:
        return UnreachableError(
            f"what answers at {self.address} is no Ray dashboard.",
            code="ray-unreachable",
            help="check the address; the dashboard's port is 8265 unless set otherwise",
        )

    def _refused(self) -> AuthenticationError:
        shown = "the token of this client" if read_token() else "a request without a token"
        return AuthenticationError(
            f"the Ray cluster at {self.address} refused {shown}.",
            code="token-refused",
            help="set RAY_AUTH_TOKEN_PATH to a file with the cluster's token",
        )

    def _failed(self, error: Exception) -> SweepError:
        text = str(error).strip()
        status = _STATUS_CODE.search(text)
        if status and status[1] in ("502", "503", "504"):
            return UnreachableError(
                f"the Ray dashboard at {self.address} answers {status[1]}.",
                code="ray-unreachable",
                help="the head starts, or its proxy does not reach it; try again",
            )
        lines = [line for line in text.splitlines() if line.strip()]
        return JobError(f"Ray at {self.address} refused: {lines[-1] if lines else type(error).__name__}", code="ray")
