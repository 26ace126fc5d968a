"""Where a study is kept: storage folder, checkpoints, ledger."""

import os
import shutil
import stat
import time
import uuid
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from sweeps.cluster.doctor.clocks import check_clock
from sweeps.cluster.doctor.finding import Finding, failure, of_error, ok, warning
from sweeps.errors import ExitCode, SweepError, UnreachableError
from sweeps.running.checkpoint_place import join, place_of
from sweeps.running.private_place import check_private
from sweeps.storage import open_ledger
from sweeps.tracking.store import without_credentials

_GIB = 2**30
LEAST_DISK = 5 * _GIB
"""Bytes that should be free where studies are kept."""

_NETWORK_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "9p", "fuse.sshfs", "glusterfs", "beegfs"}
_MARKER = ".doctor"


def check_storage(folder: Path) -> list[Finding]:
    """Whether the storage folder can be written and has room."""
    marker = folder / f"{_MARKER}-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker.write_text("written by lagsweep doctor", encoding="utf-8")
        marker.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        help = "give this user the right to write there, or use another folder: --storage, LAGSWEEP_STORAGE"
        return [failure("storage", f"{folder} cannot be written: {error.strerror}.", help)]
    message = f"{folder}: writable, {free / _GIB:.1f} GiB free"
    if free < LEAST_DISK:
        found = warning("storage", message, "free some disk; a study of hundreds of trials takes gigabytes")
    else:
        found = ok("storage", message)
    return [found, *_check_writers("storage", folder)]


def check_checkpoints(*, several_machines: bool) -> list[Finding]:
    """Whether checkpoints can be written and read back where LAGSWEEP_CHECKPOINTS says."""
    where = os.environ.get("LAGSWEEP_CHECKPOINTS")
    if not where:
        if several_machines:
            help = "set LAGSWEEP_CHECKPOINTS to a shared folder or a URL such as s3://bucket/checkpoints"
            return [warning("checkpoints", "they lie in the storage folder, which every node must then share", help)]
        return [ok("checkpoints", "in the storage folder")]
    shown = without_credentials(where)
    place = place_of(join(where, f"{_MARKER}-{uuid.uuid4().hex[:8]}"))
    try:
        with place.write("probe") as folder:
            (folder / "manifest.json").write_text("{}", encoding="utf-8")
        read = place.manifest("probe")
        place.clear()
    except (OSError, ValueError) as error:
        help = "check the address, and the credentials in this environment (AWS_ACCESS_KEY_ID, …)"
        return [failure("checkpoints", f"{shown} cannot be used: {error}", help, ExitCode.UNREACHABLE)]
    if read != b"{}":
        help = "use a store that reads what it has just written"
        return [failure("checkpoints", f"{shown} does not give back what was written.", help)]
    found = [ok("checkpoints", f"{shown}: written and read back")]
    return found if "://" in where else [*found, *_check_writers("checkpoints", Path(where))]


def _check_writers(check: str, folder: Path) -> list[Finding]:
    """Who else may write a folder of checkpoints: these are unpickled, so that he may run code as this user."""
    try:
        check_private(folder)  # what every run asks
    except SweepError as error:
        return [of_error(check, error)]
    place = folder.stat()
    why, help = f"may run code as this user: checkpoints are unpickled ({folder})", f"chmod go-w {folder}"
    if place.st_uid not in (0, os.geteuid()):
        return [warning(check, f"its owner, user {place.st_uid}, {why}", "let this user own it")]
    # A group of the user's own number is the user's alone, as Linux makes them; Kubernetes' fsGroup too.
    if place.st_mode & stat.S_IWGRP and place.st_gid not in (0, os.geteuid()):
        return [warning(check, f"group {place.st_gid} {why}", help)]
    return []


def check_ledger(storage: Path, *, several_machines: bool) -> list[Finding]:
    """Whether the ledger opens, suits the place, and its server's clock agrees with ours."""
    if not os.environ.get("LAGSWEEP_LEDGER"):
        return _check_file(storage, several_machines=several_machines)
    ledger = open_ledger(storage)
    try:
        asked = time.time()
        with ledger.engine.connect() as connection:
            theirs = connection.scalar(select(func.extract("epoch", func.clock_timestamp())))
        answered = time.time()
        studies = len(ledger.studies())
    except UnreachableError as error:
        return [of_error("ledger", error)]
    except (SQLAlchemyError, SweepError) as error:
        help = "check LAGSWEEP_LEDGER, its user's password, and that the server runs"
        cause = without_credentials(str(getattr(error, "orig", error)).strip().splitlines()[0])
        return [failure("ledger", f"the ledger cannot be opened: {cause}", help, ExitCode.UNREACHABLE)]
    finally:
        ledger.close()
    kind = make_url(os.environ["LAGSWEEP_LEDGER"]).get_backend_name()
    found = [ok("ledger", f"{kind}, {studies} studies, answers in {answered - asked:.3f} s")]
    return found + check_clock("the ledger's server", float(theirs or 0.0), asked, answered)


def _check_file(storage: Path, *, several_machines: bool) -> list[Finding]:
    system = _file_system(storage)
    if system in _NETWORK_SYSTEMS:
        help = "use PostgreSQL: LAGSWEEP_LEDGER=postgresql://…; SQLite's locks do not work over a network"
        return [failure("ledger", f"SQLite on {system} in {storage}.", help)]
    if several_machines:
        help = "use PostgreSQL where drivers may move between machines: LAGSWEEP_LEDGER=postgresql://…"
        return [warning("ledger", f"SQLite in {storage}: only processes of one machine reach it", help)]
    return [ok("ledger", f"SQLite in {storage}")]


def _file_system(folder: Path) -> str:
    """Kind of the file system that holds a folder, or nothing where the machine does not say."""
    import psutil

    folder = folder.absolute()
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""
