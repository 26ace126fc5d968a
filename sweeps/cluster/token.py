"""The token of a Ray cluster, found where Ray's own clients look for it.

Ray's client sends it only where RAY_AUTH_MODE says so in this process; whoever has a token means to use it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from sweeps.errors import AuthenticationError

DEFAULT_PATH = Path("~/.ray/auth_token")


def read_token(variables: Mapping[str, str] | None = None) -> str | None:
    """The token that RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token gives, in this order.

    Args:
        variables: Environment variables; None: those of this process.

    Returns:
        The token without surrounding white space; None where there is none or RAY_AUTH_MODE is `disabled`.

    Raises:
        AuthenticationError: If RAY_AUTH_TOKEN_PATH names a file that cannot be read or is empty.
    """
    given = os.environ if variables is None else variables
    if given.get("RAY_AUTH_MODE", "").lower() == "disabled":
        return None
    if given.get("RAY_AUTH_TOKEN", "").strip():
        return given["RAY_AUTH_TOKEN"].strip()
    named = given.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named or DEFAULT_PATH).expanduser()
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if not named:
            return None
        raise _unreadable(path, str(getattr(error, "strerror", None) or error)) from None
    if named and not token:
        raise _unreadable(path, "it is empty")
    return token or None


def auth_headers(token: str | None) -> dict[str, str]:
    """HTTP headers that show a token."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _unreadable(path: Path, why: str) -> AuthenticationError:
    return AuthenticationError(
        f"`RAY_AUTH_TOKEN_PATH` must name a file with the cluster's token, but {path} cannot be used: {why}.",
        code="no-token",
        help="copy the cluster's token there (mode 600), or unset the variable",
    )
