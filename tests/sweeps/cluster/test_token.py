from pathlib import Path

import pytest

from sweeps.cluster.token import auth_headers, read_token
from sweeps.errors import AuthenticationError, ExitCode


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("abc123\n")
    return path


def test_a_token_comes_from_its_variable_then_its_file_then_the_home_folder(
    token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_token({}) is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("home")
    assert read_token({}) == "home"
    assert read_token({"RAY_AUTH_TOKEN_PATH": str(token_file)}) == "abc123"
    assert read_token({"RAY_AUTH_TOKEN_PATH": str(token_file), "RAY_AUTH_TOKEN": " given "}) == "given"
    assert read_token({"RAY_AUTH_TOKEN": "given", "RAY_AUTH_MODE": "disabled"}) is None


@pytest.mark.parametrize("content", [None, " \n", b"\xff\xfe"])
def test_a_named_file_without_a_token_is_refused_with_its_path(tmp_path: Path, content: str | bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(AuthenticationError, match=str(path)) as caught:
        read_token({"RAY_AUTH_TOKEN_PATH": str(path)})
    assert caught.value.exit_code is ExitCode.AUTHENTICATION


def test_a_token_is_shown_as_a_bearer_header() -> None:
    assert auth_headers("abc") == {"Authorization": "Bearer abc"}
    assert auth_headers(None) == {}
