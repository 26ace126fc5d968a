"""`SweepClient`: studies on a Ray cluster, from a machine that is no part of it.

Shaped like Ray's JobSubmissionClient, which it uses.
"""

import contextlib
import secrets
import shlex
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sweeps.cluster.address import API_VARIABLE, find_dashboard
from sweeps.cluster.answers import parse_answer
from sweeps.cluster.jobs import Entrypoint, JobDetails, JobError, Jobs
from sweeps.cluster.stopping import stop_study
from sweeps.cluster.submission import DriverOptions, changes, jobs_of, metadata_of, next_id, study_of
from sweeps.cluster.versions import check_versions, own_versions
from sweeps.errors import AuthenticationError, NotFoundError, StudyExistsError, SweepError, suggest
from sweeps.spec import StudySpec
from sweeps.spec.difference import differences, extends

_ANSWER_S = 300.0
_NUM_TRIES = 5
_REPORT_S = 60.0
_REMEMBERED_S = 60.0
_SHORT = "lagsweep_short_job"
_STAY = f"unset {API_VARIABLE}; "  # a command on the cluster is about the cluster's own ledger, and asks no further one


@dataclass(frozen=True)
class Submission:
    """A study on a cluster.

    Attributes:
        study: Its name.
        submission_id: The job that drives it.
        is_new: Whether this call submitted it; False: it ran already.
    """

    study: str
    submission_id: str
    is_new: bool


class SweepClient:
    """The studies of a cluster, through its Jobs API.

    Args:
        address: URL of the head's dashboard, such as `http://head:8265`; None takes RAY_API_SERVER_ADDRESS, else a
            RAY_ADDRESS that is such a URL.
        allow_open: Whether a cluster that asks nobody for a token will do.

    Raises:
        AuthenticationError: If the cluster refuses the token, or asks nobody for one.
        UnreachableError: If it does not answer.
        SweepError: If there is no address, or one of another kind.
    """

    def __init__(self, address: str | None = None, *, allow_open: bool = False) -> None:
        address = address or find_dashboard()
        if address is None:
            raise SweepError(
                "`--address` or RAY_API_SERVER_ADDRESS must name the cluster, but neither does.",
                code="usage",
                help="for example --address http://head:8265",
            )
        self.jobs = Jobs(address)
        if not allow_open and self.jobs.is_open():
            raise AuthenticationError(
                f"`a cluster asks for a token` must hold, but {self.jobs.address} runs anybody's code.",
                code="open-cluster",
                help="start it with RAY_AUTH_MODE=token (docs/clusters.md); on a machine of your own: --allow-open",
            )

    def submit(
        self,
        spec: StudySpec,
        *,
        options: DriverOptions | None = None,
        entrypoint: Entrypoint | None = None,
        package: Path | None = None,
    ) -> Submission:
        """Starts a study on the cluster, or finds the job that runs it.

        Idempotent by the study's name: where a job drives the same specification already, nothing is submitted. A
        study that the cluster knows goes on, and one that the specification only adds to is extended.

        Args:
            spec: The study.
            options: How it runs there.
            entrypoint: What its driver reserves.
            package: A zip file with code that runs instead of the image's (`sweeps.cluster.ship`), or None.

        Returns:
            The study's job.

        Raises:
            StudyExistsError: If a study of this name runs, or is known, with another specification; says what differs.
            SweepError: If versions of the cluster and of this client differ.
        """
        metadata = metadata_of(spec, own_versions()["lagsweep"])
        if (running := self._running(spec)) is not None:
            return Submission(spec.name, running, is_new=False)
        self._check_cluster(spec)
        for _ in range(_NUM_TRIES):
            submission_id = next_id(spec.name, self.jobs.list())
            try:
                self.jobs.submit(
                    (options or DriverOptions()).command(),
                    submission_id,
                    metadata,
                    entrypoint=entrypoint or Entrypoint(),
                    package=None if package is None else str(package),
                )
            except JobError:
                # Perhaps somebody else has just taken the id; then there is a job of the study now.
                if (running := self._running(spec)) is not None:
                    return Submission(spec.name, running, is_new=False)
                if submission_id == next_id(spec.name, self.jobs.list()):
                    raise
            else:
                return Submission(spec.name, submission_id, is_new=True)
        raise JobError(f"no submission id for study {spec.name!r} was free in {_NUM_TRIES} tries.", code="ray")

    def job(self, study: str) -> JobDetails:
        """The job that drives a study, or the last one that did.

        Raises:
            NotFoundError: If the cluster remembers none.
        """
        known = self.jobs.list()
        ours = jobs_of(study, known)
        if not ours:
            names = {name for job in known if (name := study_of(job)) is not None}
            help = suggest(study, names) if names else "lagsweep submit STUDY.yaml --address … starts one"
            raise NotFoundError(f"no job of study {study!r} on {self.jobs.address}.", code="no-job", help=help)
        return ours[-1]

    def last_jobs(self) -> dict[str, JobDetails]:
        """Study → the job that drives it, or the last one that did, of all studies that the cluster remembers."""
        known = self.jobs.list()
        names = {name for job in known if (name := study_of(job)) is not None}
        return {name: jobs_of(name, known)[-1] for name in sorted(names)}

    def logs(self, study: str) -> str:
        """What the study's job has written so far."""
        return self.jobs.logs(self.job(study).submission_id or "")

    def follow(self, study: str) -> Generator[str]:
        """What the study's job writes, until it ends."""
        return self.jobs.follow(self.job(study).submission_id or "")

    def stop(self, study: str, timeout_s: float | None = None) -> dict[str, Any]:
        """Lets a study end as `lagsweep stop` does, and then its job.

        Args:
            study: Its name.
            timeout_s: Seconds to wait for its end; None: as long as it takes, 0: only ask.

        Returns:
            `name`, `driver` (process and host, or None) and `ended`.
        """
        arguments = ["stop", study, *([] if timeout_s is None else ["--timeout", str(timeout_s)])]
        ask = partial(self.ask, arguments, timeout_s=None)
        return stop_study(study, ask, partial(self.end_jobs, study))[0]

    def has_job(self, study: str) -> bool:
        """Whether a job of a study runs, or waits for a node."""
        return any(not job.status.is_terminal() for job in jobs_of(study, self.jobs.list()))

    def end_jobs(self, study: str, *, had_driver: bool) -> bool:
        """Ends the jobs of a study that nobody drives any more.

        Args:
            study: Its name.
            had_driver: Whether its driver has ended just now; its job then gets the time to write its report.

        Returns:
            Whether there were any.
        """
        live = [job for job in jobs_of(study, self.jobs.list()) if not job.status.is_terminal()]
        for job in live:
            submission_id = job.submission_id or ""
            if not (had_driver and self.jobs.wait(submission_id, _REPORT_S)):
                self.jobs.stop(submission_id)
        return bool(live)

    def ask(self, arguments: Sequence[str], *, timeout_s: float | None = _ANSWER_S) -> Any:
        """Runs a command of Lagsweep on the cluster, as a short job, and reads the JSON that it prints.

        Args:
            arguments: The command without `lagsweep` and without its form of output.
            timeout_s: Seconds to wait for the answer; None: as long as it takes.

        Returns:
            The parsed answer.

        Raises:
            RemoteError: If the command failed; with the same code and message.
            JobError: If there was no answer.
        """
        mark = f"answer-{secrets.token_hex(8)}"
        words = shlex.join(["lagsweep", *arguments, "--output", "json"])
        # Standard error may write in between: the answer is printed in one piece, between two marks.
        command = f'{_STAY}answer=$({words}); code=$?; printf "%s\\n" {mark} "$answer" {mark}; exit $code'
        with self._short_job(command, arguments[0]) as submission_id:
            ended = self.jobs.wait(submission_id, timeout_s)
            return parse_answer(self.jobs.logs(submission_id) if ended else "", mark, words)

    def stream(self, arguments: Sequence[str]) -> Generator[str]:
        """Runs a command of Lagsweep on the cluster, as a job, and yields the lines that it prints.

        Args:
            arguments: As for `ask`.
        """
        words = shlex.join(["lagsweep", *arguments, "--output", "json"])
        with self._short_job(f"{_STAY}exec {words}", arguments[0]) as submission_id:
            rest = ""
            for piece in self.jobs.follow(submission_id):
                *lines, rest = (rest + piece).split("\n")
                yield from lines

    @contextmanager
    def _short_job(self, command: str, verb: str) -> Generator[str]:
        """A job that is ended once its answer is read."""
        self._forget_short_jobs()
        submission_id = f"lagsweep-{verb}-{secrets.token_hex(6)}"
        self.jobs.submit(command, submission_id, {"job_name": f"lagsweep {verb}", _SHORT: "1"})
        try:
            yield submission_id
        finally:
            self.jobs.stop(submission_id)

    def _forget_short_jobs(self) -> None:
        """Lets Ray forget those of a while ago: of one that has just ended it would write the state once more."""
        long_ago = 1000.0 * (time.time() - _REMEMBERED_S)
        for job in self.jobs.list():
            if _SHORT in (job.metadata or {}) and job.status.is_terminal() and (job.end_time or 0) < long_ago:
                with contextlib.suppress(JobError):  # another client does the same
                    self.jobs.delete(job.submission_id or "")

    def _running(self, spec: StudySpec) -> str | None:
        """The job that drives this study, or None."""
        for job in jobs_of(spec.name, self.jobs.list()):
            if not job.status.is_terminal():
                different = changes(job, spec)
                if different:
                    raise _changed(spec, different, f"it runs as job {job.submission_id}", "lagsweep stop")
                return job.submission_id
        return None

    def _check_cluster(self, spec: StudySpec) -> None:
        """Compares versions and, where the cluster knows the study, specifications, before anything is submitted."""
        check_versions({"ray": self.jobs.version()}, self.jobs.address)
        there = self.ask(["probe", spec.name])
        check_versions(there["versions"], self.jobs.address)
        if there["spec"] is not None:
            known = StudySpec.model_validate(there["spec"])
            if not extends(known, spec):
                raise _changed(spec, differences(known, spec), "the cluster's ledger has it", "lagsweep delete")


def _changed(spec: StudySpec, different: Sequence[str], where: str, verb: str) -> StudyExistsError:
    return StudyExistsError(
        f"study {spec.name!r} is known with another specification ({where}): {'; '.join(different)}.",
        code="study-changed",
        help=f"give the study another name (--name), or end the other one with `{verb} {spec.name}`",
    )
