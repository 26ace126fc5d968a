"""`--ship-code`: the working tree as one zip file, without what must not leave this machine.

Git says which files belong to the tree: those that it tracks, and others that it does not ignore. Of these, whatever
looks like a secret, an environment or data of a study stays here.
"""

import re
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sweeps.errors import SweepError

MAX_BYTES = 50 * 2**20
"""Bytes of a shipped tree before it is packed, at most. Ray keeps the package in the head's memory."""

_SECRET_NAMES = re.compile(
    r"\.env(\..+)?|.*\.env|\.envrc|.*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk)|id_(rsa|dsa|ecdsa|ed25519).*|\.netrc"
    r"|\.pgpass|\.npmrc|\.pypirc|\.htpasswd|kubeconfig|service[-_]?account.*\.json|\..*_history|.*auth\.(ini|json|toml)",
    re.IGNORECASE,
)
_SECRET_WORDS = re.compile(
    r"(?<![a-z])(tokens?|secrets?|passwords?|passwd|passphrase|credentials?|identities|api[-_]?keys?|(secret|access)[-_]?keys?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_SOURCES = {".c", ".cpp", ".css", ".h", ".html", ".ipynb", ".js", ".md", ".py", ".pyi", ".rs", ".rst", ".sh", ".ts"}
_HARMLESS_NAMES = {".env.example", ".env.sample", ".env.template"}
_LEFT_FOLDERS = {
    ".git",
    ".venv",
    "venv",
    ".ssh",
    ".aws",
    ".docker",
    ".kube",
    "node_modules",
    "__pycache__",
    "lagsweep-runs",
}
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_MOST_KEY_BYTES = 64 * 2**10
_NUM_NAMED = 5


@dataclass(frozen=True)
class Package:
    """A packed working tree.

    Attributes:
        path: The zip file.
        num_files: Files in it.
        num_bytes: Their bytes before packing.
        left_out: Files that looked like secrets, links or environments, and stayed here.
    """

    path: Path
    num_files: int
    num_bytes: int
    left_out: tuple[str, ...]


def pack(tree: Path, target: Path, *, max_bytes: int = MAX_BYTES) -> Package:
    """Packs a working tree.

    Args:
        tree: A folder in a git repository.
        target: The zip file to write.
        max_bytes: Bytes of its files, at most.

    Returns:
        What was packed, and what was left out.

    Raises:
        SweepError: If it is no working tree of git, or too large; says how large and where it is so.
    """
    tree = tree.resolve()
    listed = _listed(tree)
    environments = {path.parent for path in listed if path.name == "pyvenv.cfg"}
    left_out = [path for path in listed if _stays(tree, path, environments)]
    chosen = sorted(set(listed) - set(left_out))
    sizes = {path: (tree / path).stat().st_size for path in chosen}
    total = sum(sizes.values())
    if total > max_bytes:
        raise _too_large(sizes, total, max_bytes)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in chosen:
            # One date for all, so that an equal tree is an equal package, which Ray has already.
            entry = zipfile.ZipInfo(path.as_posix())
            entry.external_attr = (tree / path).stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (tree / path).read_bytes())
    return Package(target, len(chosen), total, tuple(path.as_posix() for path in left_out))


def _listed(tree: Path) -> list[Path]:
    """Files of the tree that git tracks or does not ignore, relative to it."""
    command = ["git", "-C", str(tree), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        said = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"") or str(error).encode()
        raise SweepError(
            f"`--ship-code` ships a git working tree, but {tree} is none: {why.decode(errors='replace').strip()}",
            code="no-working-tree",
            help="go to the folder of your code, or build it into the cluster's image",
        ) from None
    names = sorted({name for name in said.decode(errors="surrogateescape").split("\0") if name})
    return [Path(name) for name in names if (tree / name).is_symlink() or (tree / name).is_file()]


def _stays(tree: Path, path: Path, environments: Iterable[Path]) -> bool:
    """Whether a file must not leave this machine."""
    file = tree / path
    if file.is_symlink() or not file.resolve().is_relative_to(tree):  # it may lead anywhere
        return True
    if _LEFT_FOLDERS & set(path.parts) or any(path.is_relative_to(folder) for folder in environments):
        return True
    if path.name not in _HARMLESS_NAMES and _has_secret_name(path):
        return True
    return file.stat().st_size <= _MOST_KEY_BYTES and _PRIVATE_KEY.search(file.read_bytes()) is not None


def _has_secret_name(path: Path) -> bool:
    """Whether a file is named as secrets are; code that deals with tokens is none."""
    if _SECRET_NAMES.fullmatch(path.name):
        return True
    return path.suffix not in _SOURCES and _SECRET_WORDS.search(path.name) is not None


def _too_large(sizes: dict[Path, int], total: int, max_bytes: int) -> SweepError:
    folders: Counter[str] = Counter()
    for path, size in sizes.items():
        folders[path.parts[0]] += size
    largest = ", ".join(f"{name} {_mib(size)}" for name, size in folders.most_common(_NUM_NAMED))
    return SweepError(
        f"`a shipped tree has at most {_mib(max_bytes)}` must hold, but this one has {_mib(total)}: {largest}.",
        code="tree-too-large",
        help="let .gitignore leave out data and results, or build the code into the cluster's image",
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
