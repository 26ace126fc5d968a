"""Reading a YAML file with the place of every key and value, so that an error can point at it."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from sweeps.errors import Location, PathPart, SpecError

_LARGEST_BYTES = 2**20  # a study file is a page of text; anything larger is a mistake


@dataclass(frozen=True)
class YamlFile:
    """A parsed file.

    Attributes:
        name: The file as the user named it.
        text: Its whole text.
        data: Its content as dicts, tuples and scalars.
        root: The parse tree behind `data`, which knows lines and columns.
    """

    name: str
    text: str
    data: dict[str, Any]
    root: MappingNode

    def visible(self, path: tuple[PathPart, ...]) -> tuple[PathPart, ...]:
        """The part of a path that the file really has: parts that name no key or item are left out."""
        found: list[PathPart] = []
        node: Node = self.root
        for part in path:
            child = _child(node, part)
            if child is not None:
                node = child[1]
                found.append(part)
        return tuple(found)

    def locate(self, path: tuple[PathPart, ...], *, at_key: bool = False) -> Location:
        """Where a path stands in the file.

        Args:
            path: Keys and indices; parts that the file does not have are skipped.
            at_key: Point at the last key rather than at its value.

        Returns:
            The place of the value, or of its key where the value is a block over several lines.
        """
        key: Node | None = None
        node: Node = self.root
        for part in self.visible(path):
            child = _child(node, part)
            assert child is not None
            key, node = child
        block = node.end_mark.line > node.start_mark.line
        return self._location(key if key is not None and (at_key or block) else node)

    def _location(self, node: Node) -> Location:
        start, end = node.start_mark, node.end_mark
        line = self.text.splitlines()[start.line] if self.text else ""
        width = end.column - start.column if end.line == start.line else 1
        return Location(self.name, start.line + 1, start.column + 1, line, max(width, 1))


def read_yaml(path: Path | str) -> YamlFile:
    """Reads a file that holds one YAML mapping. Nothing in it is executed.

    Args:
        path: The file.

    Returns:
        Its content with places.

    Raises:
        SpecError: If the file cannot be read, is empty, is no YAML, repeats a key, refers to itself or holds
            something other than a mapping.
    """
    name = str(path)
    text = _read_text(name)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise _syntax_error(name, text, error) from None
    except (YAMLError, ValueError) as error:  # a control character, a date such as 2026-13-01
        raise SpecError(f"not YAML: {str(error).splitlines()[0]}", code="yaml-syntax", location=_start(name)) from None
    if root is None:
        raise SpecError(
            "the file is empty.",
            code="empty-file",
            help="`lagsweep init FILE` writes a study file to start from",
            location=_start(name),
        )
    if not isinstance(root, MappingNode):
        message = f"must hold a mapping of keys to values, but holds {_describe(data)}."
        raise SpecError(message, code="wrong-type", location=_start(name, text))
    return YamlFile(name, text, _plain(data, ()), root)


def _read_text(name: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise SpecError(f"{name}: larger than {_LARGEST_BYTES} bytes; no study file is.", code="unreadable-file")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{name}: no such file.", code="file-not-found", help=_neighbors(path)) from None
    except UnicodeDecodeError as error:
        message = f"{name}: not UTF-8 text (byte {error.start})."
        raise SpecError(message, code="unreadable-file") from None
    except OSError as error:
        raise SpecError(f"{name}: cannot be read: {error.strerror}.", code="unreadable-file") from None


def _neighbors(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    files = sorted(file.name for file in path.parent.iterdir() if file.suffix in {".yaml", ".yml"})
    return f"study files in {path.parent}: {', '.join(files[:10])}" if files else None


def _syntax_error(name: str, text: str, error: MarkedYAMLError) -> SpecError:
    mark = error.problem_mark
    lines = text.splitlines()
    index = min(mark.line, len(lines) - 1) if mark is not None else 0
    # The parser often notices at the end of the text what went wrong on its last line.
    column = mark.column if mark is not None and mark.line == index else len(lines[index])
    location = Location(name, index + 1, column + 1, lines[index])
    if isinstance(error, DuplicateKeyError):
        key = lines[index][column:].split(":")[0].strip()
        return SpecError(f"`{key}` stands twice.", code="duplicate-key", help="keep one of them", location=location)
    return SpecError(f"not YAML: {error.problem or error.context}.", code="yaml-syntax", location=location)


def _start(name: str, text: str = "") -> Location:
    return Location(name, 1, 1, text.splitlines()[0] if text else "")


def _child(node: Node, part: PathPart) -> tuple[Node, Node] | None:
    """Key node and value node of a mapping's key, or an item twice."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _is_mapping(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _plain(value: object, parents: tuple[int, ...]) -> Any:
    """Dicts with text keys and tuples, which the strict models take; refuses a value that contains itself."""
    if id(value) in parents:
        raise SpecError("an alias (`*name`) refers to what contains it.", code="yaml-syntax", help="write it out")
    inside = (*parents, id(value))
    if _is_mapping(value):
        return {str(key): _plain(item, inside) for key, item in value.items()}
    if _is_list(value):
        return tuple(_plain(item, inside) for item in value)
    if isinstance(value, datetime.date):  # `name: 2026-01-01` is meant as text
        return value.isoformat()
    return value


def _describe(value: object) -> str:
    return "a list" if isinstance(value, list) else f"{value!r}"
