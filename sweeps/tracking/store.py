"""Where MLflow keeps things: the store embedded in the storage folder, or the server that the environment names."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: What MLflow calls the tracking URI.
        artifact_root: Folder or URI under which a new experiment keeps its artifacts; None lets the server choose.
    """

    uri: str
    artifact_root: str | None

    @property
    def is_embedded(self) -> bool:
        """Whether it is a database file rather than a server."""
        return self.uri.startswith("sqlite:")


def find_store(storage: Path) -> Store:
    """Finds the tracking store of a storage folder.

    Args:
        storage: The folder that holds the ledger and the studies.

    Returns:
        The store that `MLFLOW_TRACKING_URI` names, or else `mlflow.db` with `mlartifacts/` in the folder.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return Store(uri, None if urlsplit(uri).scheme in {"http", "https"} else _artifacts(storage))
    return Store(f"sqlite:///{storage.resolve() / 'mlflow.db'}", _artifacts(storage))


def served_store(storage: Path) -> Store:
    """Finds what a server of this machine serves.

    Args:
        storage: The storage folder.

    Returns:
        The database that `MLFLOW_BACKEND_STORE_URI` names, with its artifacts where `MLFLOW_ARTIFACTS_DESTINATION` says
        (a folder or a bucket), or else the store embedded in the folder.
    """
    uri = os.environ.get("MLFLOW_BACKEND_STORE_URI") or find_store(storage).uri
    return Store(uri, os.environ.get("MLFLOW_ARTIFACTS_DESTINATION") or _artifacts(storage))


def without_credentials(text: str) -> str:
    """Removes what logs someone in from a text, so that it can be shown.

    Args:
        text: A URI, or a message that may hold some.

    Returns:
        The text with `//user:password@host` as `//host`, and `***` for the value of every `…password=`, `…secret=` and
        `…token=` and for the values of this process's environment variables that are named so.

    Examples:
        >>> without_credentials("cannot reach https://ann:secret@mlflow.example/api")
        'cannot reach https://mlflow.example/api'
        >>> without_credentials("postgresql://db/x?user=ann&password=secret&sslmode=require")
        'postgresql://db/x?user=ann&password=***&sslmode=require'
    """
    for secret in sorted(_known_secrets(), key=len, reverse=True):  # one may be part of another
        text = text.replace(secret, "***")
    # A password may hold a slash, and even an @ that nobody has escaped: what follows the last one is the host.
    text = re.sub(r"//\S*@", "//", text)
    return re.sub(r"(?i)((?:password|secret|token)=)[^&\s]*", r"\1***", text)


def _known_secrets() -> set[str]:
    """Values of the environment that must not be shown; shorter ones would be found in ordinary words."""
    named = (value for name, value in os.environ.items() if re.search("PASSWORD|SECRET|TOKEN", name.upper()))
    return {value for value in named if len(value) >= _SHORTEST_SECRET}


def _artifacts(storage: Path) -> str:
    return str(storage.resolve() / "mlartifacts")
