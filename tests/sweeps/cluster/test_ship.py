import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from sweeps.cluster.ship import pack
from sweeps.errors import SweepError

KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc\n"

SHIPPED = {
    "sweeps/cli.py": "code",
    "notes.txt": "not tracked, not ignored",
    ".env.example": "PASSWORD=",
    "keyboard.py": "no key",
    "docs/environment.md": "no environment",
    "sweeps/token.py": "code about tokens",
    "make-secrets.sh": "code that makes some",
    "tokenizer.json": "no token",
    ".gitignore": "ignored.txt\ndata/\n",
}
LEFT = {
    ".env": "PASSWORD=hunter2",
    ".env.production": "PASSWORD=hunter2",
    "deploy/server.pem": "certificate",
    "deploy/server.key": "key",
    "id_ed25519": "key",
    "id_rsa.old": "key",
    ".netrc": "password",
    "auth_token": "token",
    "credentials.json": "token",
    "secrets.yaml": "token",
    "ray-token": "token",
    "token.txt": "token",
    ".token": "token",
    "api_key": "key",
    "aws_credentials.csv": "key",
    ".git-credentials": "password",
    ".docker/config.json": "password",
    ".envrc": "password",
    "prod.env": "password",
    "service-account.json": "key",
    ".bash_history": "anything",
    "mlflow-auth.ini": "password",
    "postgres_password": "password",
    "mlflow_secret_key": "key",
    "s3_identities.json": "keys",
    "innocent.txt": KEY,
    "envs/mine/pyvenv.cfg": "home = /usr",
    "envs/mine/lib/code.py": "code of others",
    "venv/lib/code.py": "code of others",
    "lagsweep-runs/ledger.db": "results",
}
IGNORED = {"ignored.txt": "no", "data/huge.bin": "no"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, text in (SHIPPED | LEFT | IGNORED).items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    # Some secrets are tracked, by mistake: they stay here all the same.
    subprocess.run([*git, "add", "-f", "sweeps", ".env", "innocent.txt", "venv"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "all"], check=True)
    return tree


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        return set(archive.namelist())


def test_the_working_tree_is_packed_without_git_secrets_environments_and_what_git_ignores(
    tree: Path, tmp_path: Path
) -> None:
    package = pack(tree, tmp_path / "code.zip")

    assert names(package.path) == set(SHIPPED)
    assert set(package.left_out) == set(LEFT)
    assert package.num_files == len(SHIPPED)
    assert package.num_bytes == sum(len(text) for text in SHIPPED.values())
    assert b"hunter2" not in package.path.read_bytes()
    with zipfile.ZipFile(package.path) as archive:
        assert archive.read("sweeps/cli.py") == b"code"


def test_a_link_is_never_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("outside")
    (tree / "link.txt").symlink_to(tmp_path / "outside.txt")
    (tree / "folder").symlink_to(tmp_path)
    (tree / "alias.txt").symlink_to(tree / ".env")  # a harmless name for a secret

    package = pack(tree, tmp_path / "code.zip")

    assert names(package.path) == set(SHIPPED)
    assert {"link.txt", "folder", "alias.txt"} <= set(package.left_out)


def test_a_deleted_file_that_git_still_tracks_is_left_out(tree: Path, tmp_path: Path) -> None:
    (tree / "sweeps" / "cli.py").unlink()
    assert "sweeps/cli.py" not in names(pack(tree, tmp_path / "code.zip").path)


def test_equal_trees_are_equal_packages(tree: Path, tmp_path: Path) -> None:
    first = pack(tree, tmp_path / "a.zip").path.read_bytes()
    for path in tree.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    assert pack(tree, tmp_path / "b.zip").path.read_bytes() == first


def test_a_tree_that_is_too_large_is_refused_with_its_size_and_its_largest_folders(tree: Path, tmp_path: Path) -> None:
    (tree / "videos").mkdir()
    (tree / "videos" / "a.bin").write_bytes(b"\0" * (3 * 2**20))

    with pytest.raises(SweepError, match=r"at most 2\.0 MiB.*has 3\.0 MiB: videos 3\.0 MiB"):
        pack(tree, tmp_path / "code.zip", max_bytes=2 * 2**20)
    assert not (tmp_path / "code.zip").exists()


def test_a_folder_that_is_no_working_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="ships a git working tree"):
        pack(tmp_path, tmp_path / "code.zip")
