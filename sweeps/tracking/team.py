"""What a server for a team keeps in the storage folder: its administrator and its keys, readable by its owner only."""

import configparser
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from sweeps.tracking.store import Store

AUTH_NAME = "mlflow-auth.ini"
"""MLflow's configuration of its login, in the storage folder."""

_SECRET_KEY = "flask_secret_key"
_ADMIN = "admin"


def prepare_login(storage: Path, store: Store) -> dict[str, str]:
    """Makes sure that the server has an administrator and a key.

    The first call writes `mlflow-auth.ini` (mode 600) with a random password of the user `admin`, unless
    `MLFLOW_AUTH_ADMIN_USERNAME` and `MLFLOW_AUTH_ADMIN_PASSWORD` give another; later calls change nothing in it.

    Args:
        storage: The storage folder.
        store: What the server serves; users are kept in its database, beside an embedded one in `mlflow-users.db`.

    Returns:
        Environment variables of the server.
    """
    path = storage / AUTH_NAME
    if not path.exists():
        _write_private(path, _new_configuration(storage, store, os.environ))
    config = configparser.ConfigParser()
    config.read(path, encoding="utf-8")
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(path)}
    if "MLFLOW_FLASK_SERVER_SECRET_KEY" not in os.environ:
        environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] = config["mlflow"][_SECRET_KEY]
    return environment


def _new_configuration(storage: Path, store: Store, environ: Mapping[str, str]) -> configparser.ConfigParser:
    users = f"sqlite:///{storage.resolve() / 'mlflow-users.db'}" if store.is_embedded else store.uri
    values = {
        "default_permission": "READ",
        "database_uri": users,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds": "60",  # a password is hashed once a minute rather than with every request
        _SECRET_KEY: secrets.token_hex(32),
    }
    if "MLFLOW_AUTH_ADMIN_PASSWORD" not in environ:
        values |= {"admin_username": _ADMIN, "admin_password": secrets.token_urlsafe(18)}
    config = configparser.ConfigParser()
    config["mlflow"] = {name: value.replace("%", "%%") for name, value in values.items()}
    return config


def _write_private(path: Path, config: configparser.ConfigParser) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        config.write(file)
