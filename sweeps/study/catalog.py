"""The studies of a storage folder: created, loaded and listed."""

import logging
from pathlib import Path
from typing import Literal

from sweeps.errors import NotFoundError, StudyExistsError, suggest
from sweeps.spec import StudySpec
from sweeps.spec.inert import inert_notes
from sweeps.storage import checkpoints_of, has_ledger, open_ledger, storage_folder
from sweeps.study.growth import changed, known_trials
from sweeps.study.study import Study

_LOG = logging.getLogger(__name__)


def create_study(
    spec: StudySpec, storage: str | Path | None = None, *, if_exists: Literal["fail", "load", "extend"] = "fail"
) -> Study:
    """Creates a study with every trial that is known from the start.

    Args:
        spec: What it is.
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.
        if_exists: What to do where a study of this name exists: `fail`; `load` it if its specification is the same;
            `extend` it if the specification only adds to what is there.

    Returns:
        The study; nothing runs yet. Options of a new study that have no effect are warned of.

    Raises:
        StudyExistsError: If it exists, or exists with another specification; says what differs.
    """
    if if_exists not in ("fail", "load", "extend"):
        raise ValueError(f"`if_exists` must be 'fail', 'load' or 'extend', but got {if_exists!r}.")
    folder = storage_folder(storage)
    folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(folder)
    row = ledger.study(spec.name)
    if row is not None:
        return _existing(Study(row, ledger, folder), spec, if_exists)
    json = spec.model_dump_json(exclude_none=True)
    place = checkpoints_of(spec.name)
    row = ledger.create_study(spec.name, json, spec.sha256, spec.seed_list, known_trials(spec), checkpoints=place)
    study = Study(row, ledger, folder)
    study.write_spec()
    for note in inert_notes(spec):
        _LOG.warning("%s: %s", spec.name, note)
    return study


def load_study(name: str, storage: str | Path | None = None) -> Study:
    """Loads a study.

    Args:
        name: Its name.
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.

    Returns:
        The study.

    Raises:
        NotFoundError: If there is none of this name; names the nearest.
    """
    studies = {study.name: study for study in list_studies(storage)}
    if name not in studies:
        known = suggest(name, studies) if studies else "there is none: lagsweep run STUDY.yaml creates one"
        where = storage_folder(storage)
        raise NotFoundError(f"no study {name!r} in {where}.", code="no-study", help=known)
    return studies[name]


def list_studies(storage: str | Path | None = None) -> list[Study]:
    """All studies of a storage folder, oldest first.

    Args:
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.

    Returns:
        The studies; none where the folder has no ledger.
    """
    folder = storage_folder(storage)
    if not has_ledger(folder):
        return []
    ledger = open_ledger(folder)
    return [Study(row, ledger, folder) for row in ledger.studies()]


def _existing(study: Study, spec: StudySpec, if_exists: str) -> Study:
    if if_exists == "extend" and spec != study.spec:
        study.become(spec)
    elif spec != study.spec:
        raise changed(spec, study.spec)
    elif if_exists == "fail":
        raise StudyExistsError(
            f"`a study's name is new` must hold, but {spec.name!r} exists in {study.storage}.",
            code="study-exists",
            help='load it (if_exists="load"), or use a new name',
        )
    return study
