"""What a cluster is, seen from one of its own processes: versions, places and a study, for a client elsewhere."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from sweeps.cluster.versions import own_versions
from sweeps.storage import has_ledger, open_ledger, storage_folder


def probe(study: str | None, storage: str | Path | None = None) -> dict[str, Any]:
    """Describes this machine as a driver would find it.

    Args:
        study: A study to look up, or None.
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.

    Returns:
        `versions` of Ray, Python and Lagsweep; `ledger`, the kind of its database; `storage`, its folder; `spec`, the
        study's specification, or None where there is no such study.
    """
    folder = storage_folder(storage)
    row = None
    if study is not None and has_ledger(folder):
        with contextlib.closing(open_ledger(folder)) as ledger:
            row = ledger.study(study)
    url = os.environ.get("LAGSWEEP_LEDGER") or "sqlite:///"
    return {
        "versions": own_versions(),
        "ledger": make_url(url).get_backend_name(),
        "storage": str(folder),
        "spec": None if row is None else json.loads(row.spec_json),
    }
