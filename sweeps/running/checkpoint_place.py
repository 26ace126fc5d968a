"""Where checkpoints lie: a folder of a file system, or a prefix of an object store that pyarrow knows (S3, GCS, …).

A folder appears whole by one rename. An object store has no rename: there the manifest is written last, and what has
no manifest is no checkpoint.
"""

import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sweeps.running.private_place import check_private
from sweeps.running.scratch import scratch_folder

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

MANIFEST = "manifest.json"

_DAMAGED = "damaged.json"


class Place(Protocol):
    """Named folders of files, each there as a whole or not at all."""

    def names(self) -> list[str]:
        """The folders."""
        ...

    def manifest(self, name: str) -> bytes | None:
        """The content of a folder's manifest, or None where it has none."""
        ...

    def write(self, name: str) -> AbstractContextManager[Path]:
        """A local folder to write into; it becomes the folder `name` at the end, unless an exception leaves it."""
        ...

    def fetch(self, name: str) -> Path:
        """A folder as local files, until `release`."""
        ...

    def release(self) -> None:
        """Frees what `fetch` made."""
        ...

    def set_aside(self, name: str) -> None:
        """Takes a damaged folder out of `names` and keeps its files."""
        ...

    def remove(self, name: str) -> None:
        """Removes a folder."""
        ...

    def remove_half_written(self) -> None:
        """Removes what a killed process left."""
        ...

    def clear(self) -> None:
        """Removes everything; nothing there is fine."""
        ...

    def where(self, name: str) -> str:
        """A folder's path or URL."""
        ...


def place_of(where: str | Path) -> Place:
    """The place at a path or URL.

    Args:
        where: A folder, or a URL such as `s3://bucket/studies`; an option goes behind a question mark, as in
            `?endpoint_override=http://store:9000`.

    Returns:
        The place; nothing is created yet.
    """
    text = str(where)
    if "://" in text and not text.startswith("file://"):
        return ObjectStore(text)
    return Folder(Path(text.removeprefix("file://")))


def join(where: str, *parts: str) -> str:
    """A path or URL below another; options of a URL stay at its end.

    Examples:
        >>> join("s3://bucket/studies?region=eu", "ring", "t0007")
        's3://bucket/studies/ring/t0007?region=eu'
        >>> join("/data/checkpoints/", "ring")
        '/data/checkpoints/ring'
    """
    path, mark, options = where.partition("?") if "://" in where else (where, "", "")
    return "/".join([path.rstrip("/"), *parts]) + mark + options


class Folder:
    """Folders of a file system, local or shared.

    Attributes:
        folder: The folder that holds them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The folders."""
        return [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []

    def manifest(self, name: str) -> bytes | None:
        """The content of a folder's manifest, or None."""
        try:
            return (self.folder / name / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None

    @contextmanager
    def write(self, name: str) -> Generator[Path]:
        """A local folder to write into, renamed once everything in it is on the disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        yield temporary
        for path in (*temporary.rglob("*"), temporary):
            _flush(path)
        if (self.folder / name).exists():  # without a manifest, or it would not be written again
            self.set_aside(name)
        temporary.rename(self.folder / name)
        _flush(self.folder)

    def fetch(self, name: str) -> Path:
        """The folder itself, unless everybody may write it."""
        check_private(self.folder / name)
        return self.folder / name

    def release(self) -> None:
        """There is nothing to free."""

    def set_aside(self, name: str) -> None:
        """Renames a damaged folder."""
        (self.folder / name).rename(self.folder / f"{name}.{uuid.uuid4().hex[:8]}.damaged")

    def remove(self, name: str) -> None:
        """Removes a folder."""
        shutil.rmtree(self.folder / name)

    def remove_half_written(self) -> None:
        """Removes what a killed process left."""
        for path in self.folder.glob(".a*"):
            shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def where(self, name: str) -> str:
        """A folder's path."""
        return str(self.folder / name)


class ObjectStore:
    """Folders as prefixes of an object store. Opened where it is used: a file system does not go through a fork.

    Attributes:
        url: The prefix that holds them, with its options.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fetched = ExitStack()

    def names(self) -> list[str]:
        """The folders that have a manifest."""
        return [name for name, files in self._manifests().items() if MANIFEST in files]

    def manifest(self, name: str) -> bytes | None:
        """The content of a folder's manifest, or None."""
        system, root = self._open()
        try:
            with system.open_input_stream(f"{root}/{name}/{MANIFEST}") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    @contextmanager
    def write(self, name: str) -> Generator[Path]:
        """A local folder to write into, copied file by file, the manifest last."""
        with scratch_folder() as scratch:
            folder = scratch / name
            folder.mkdir()
            yield folder
            for path in folder.iterdir():
                if path.name != MANIFEST:
                    self._upload(path, f"{name}/{path.name}")
            self._upload(folder / MANIFEST, f"{name}/{MANIFEST}")

    def fetch(self, name: str) -> Path:
        """A local copy, until `release`."""
        from pyarrow.fs import LocalFileSystem, copy_files

        self.release()
        system, root = self._open()
        local = self._fetched.enter_context(scratch_folder()) / name
        copy_files(f"{root}/{name}", str(local), source_filesystem=system, destination_filesystem=LocalFileSystem())
        return local

    def release(self) -> None:
        """Removes the local copy."""
        self._fetched.close()

    def set_aside(self, name: str) -> None:
        """Gives the manifest of a damaged folder another name, so that it is no checkpoint any more."""
        system, root = self._open()
        system.move(f"{root}/{name}/{MANIFEST}", f"{root}/{name}/{_DAMAGED}")

    def remove(self, name: str) -> None:
        """Removes a folder; its manifest first, so that it is no checkpoint at any time in between."""
        system, root = self._open()
        if self.manifest(name) is not None:
            system.delete_file(f"{root}/{name}/{MANIFEST}")
        system.delete_dir(f"{root}/{name}")

    def remove_half_written(self) -> None:
        """Removes what a killed process left: folders without any manifest."""
        system, root = self._open()
        for name, files in self._manifests().items():
            if not files:
                system.delete_dir(f"{root}/{name}")

    def clear(self) -> None:
        """Removes everything."""
        system, root = self._open()
        system.delete_dir_contents(root, missing_dir_ok=True)

    def where(self, name: str) -> str:
        """A folder's URL."""
        return join(self.url, name)

    def _manifests(self) -> dict[str, set[str]]:
        """Every folder, with which of a manifest and a damaged one it has."""
        from pyarrow.fs import FileSelector, FileType

        system, root = self._open()
        found = system.get_file_info(FileSelector(root, allow_not_found=True))
        folders = [info.base_name for info in found if info.type is FileType.Directory]
        files = [(name, file) for name in folders for file in (MANIFEST, _DAMAGED)]
        infos = system.get_file_info([f"{root}/{name}/{file}" for name, file in files])
        there = {pair for pair, info in zip(files, infos, strict=True) if info.type is FileType.File}
        return {name: {file for file in (MANIFEST, _DAMAGED) if (name, file) in there} for name in folders}

    def _upload(self, path: Path, name: str) -> None:
        from pyarrow.fs import LocalFileSystem, copy_files

        system, root = self._open()
        copy_files(str(path), f"{root}/{name}", source_filesystem=LocalFileSystem(), destination_filesystem=system)

    def _open(self) -> "tuple[FileSystem, str]":
        from pyarrow.fs import FileSystem

        return FileSystem.from_uri(self.url)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
