"""MLflow's server for a team: nothing of it answers without a login, not even its pages, but `/health`.

MLflow's own login (`mlflow[auth]`) protects its APIs route by route and leaves some open: pages, server information,
the documentation of its API. Here one gate stands before all of it, also before what a later version may add; who may
see what is decided behind it, by MLflow.

Started as `python -m sweeps.tracking.gate --host … --port …`. Addresses of stores come from the environment, because
they may hold passwords and a command line is public.
"""

import argparse
import base64
import binascii
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health"})
"""What answers everybody: a supervisor asks whether the server lives, and learns nothing else."""


class RequireLogin:
    """An ASGI application behind HTTP basic authentication.

    Args:
        app: The application.
        knows: Whether a user has this name and password; may be slow, and is called in a thread.
    """

    def __init__(self, app: App, knows: Callable[[str, str], bool]) -> None:
        self.app = app
        self._knows = knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request: 401 where nobody has logged in."""
        if scope["type"] == "lifespan" or scope.get("path") in OPEN_PATHS or await self._is_known(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b'Basic realm="mlflow"')]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b"Log in to see this.\n"})

    async def _is_known(self, scope: Scope) -> bool:
        from anyio import to_thread

        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        credentials = parse_credentials(header)
        return credentials is not None and await to_thread.run_sync(self._knows, *credentials)


def parse_credentials(header: bytes) -> tuple[str, str] | None:
    """Reads the name and the password of an `Authorization` header.

    Args:
        header: The header's value; empty where there is none.

    Returns:
        Both, or None where it is no basic authentication.

    Examples:
        >>> parse_credentials(b"Basic YW5uOmE6Yg==")
        ('ann', 'a:b')
        >>> parse_credentials(b"Bearer YW5uOmE6Yg==")
    """
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, separator, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if separator else None


def create_app() -> RequireLogin:
    """Builds MLflow's application with its login behind the gate, in a worker of the server."""
    from mlflow.server import auth

    def knows(name: str, password: str) -> bool:
        return auth._authenticate_cached(name, password) is not None  # MLflow's, with its cache

    return RequireLogin(cast(App, auth.create_app()), knows)


def main() -> None:
    """Prepares the stores and the administrator as `mlflow server` does, and serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    import uvicorn
    from mlflow.environment_variables import _MLFLOW_AUTH_ADMIN_BOOTSTRAPPED, _MLFLOW_SGI_NAME
    from mlflow.server import auth, constants
    from mlflow.server.handlers import initialize_backend_stores

    store = os.environ["MLFLOW_BACKEND_STORE_URI"]
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store,
        constants.REGISTRY_STORE_URI_ENV_VAR: store,
        constants.ARTIFACT_ROOT_ENV_VAR: os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"],
        constants.ARTIFACTS_DESTINATION_ENV_VAR: os.environ["MLFLOW_ARTIFACTS_DESTINATION"],
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        _MLFLOW_SGI_NAME.name: "uvicorn",  # else its login is built for another kind of server
    }
    initialize_backend_stores(store, store, os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"])
    auth.get_flask_server_secret_key()
    auth.bootstrap_admin_user()
    os.environ[_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED.name] = "true"  # not again in every worker
    uvicorn.run(
        "sweeps.tracking.gate:create_app",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
