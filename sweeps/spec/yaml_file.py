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
_MOST_VALUES = 100_000  # with every alias written out: a few lines of aliases can stand for billions


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
            The place.
        """
        key: Node | None = None
        node: Node = self.root
        for part in self.visible(path):
            child = _child(node, part)
            assert child is not None
            key, node = child
        # A block over several lines and an absent value are shown by their key.
        hidden = node.end_mark.line > node.start_mark.line or node.end_mark.index == node.start_mark.index
        return self._location(key if key is not None and (at_key or hidden) else node)

    def _location(self, node: Node) -> Location:
        start, end = node.start_mark, node.end_mark
        width = end.column - start.column if end.line == start.line else 1
        return Location(self.name, start.line + 1, start.column + 1, _line(self.text, start.line), max(width, 1))


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
    return parse_yaml(_read_text(str(path)), str(path))


def parse_yaml(text: str, name: str) -> YamlFile:
    """Parses a text as `read_yaml` parses a file.

    Args:
        text: One YAML mapping.
        name: What errors call it.

    Returns:
        Its content with places.

    Raises:
        SpecError: As `read_yaml`.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise _syntax_error(name, text, error) from None
    except (YAMLError, ValueError) as error:  # a control character, a date such as 2026-13-01
        raise SpecError(f"not YAML: {str(error).splitlines()[0]}", code="yaml-syntax", location=_start(name)) from None
    except RecursionError:
        message = "lists and mappings are nested too deeply."
        raise SpecError(message, code="yaml-syntax", location=_start(name)) from None
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
    _refuse_loops(root, (), set(), name, text)
    if _num_values(root, {}) > _MOST_VALUES:
        message = f"`at most {_MOST_VALUES:,} values` must hold, aliases written out, but there are more."
        raise SpecError(message, code="yaml-syntax", help="give ranges instead of lists", location=_start(name, text))
    return YamlFile(name, text, _plain(data, {}), root)


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
    last = max(text.count("\n") - text.endswith("\n"), 0)
    index = min(mark.line, last) if mark is not None else 0
    line = _line(text, index)
    # The parser often notices at the end of the text what went wrong on its last line.
    column = mark.column if mark is not None and mark.line == index else len(line)
    location = Location(name, index + 1, column + 1, line)
    if isinstance(error, DuplicateKeyError):
        key = line[column:].split(":")[0].strip()
        return SpecError(f"`{key}` stands twice.", code="duplicate-key", help="keep one of them", location=location)
    return SpecError(f"not YAML: {error.problem or error.context}.", code="yaml-syntax", location=location)


def _start(name: str, text: str = "") -> Location:
    return Location(name, 1, 1, _line(text, 0))


def _line(text: str, index: int) -> str:
    lines = text.split("\n")
    return lines[min(index, len(lines) - 1)].rstrip("\r")


def _refuse_loops(node: Node, parents: tuple[Node, ...], seen: set[int], name: str, text: str) -> None:
    """Refuses an alias to what contains it; looks at every node once, however often it is referred to."""
    if any(node is parent for parent in parents):
        place = Location(name, node.start_mark.line + 1, node.start_mark.column + 1, _line(text, node.start_mark.line))
        raise SpecError("an alias refers to what contains it.", code="yaml-syntax", help="write it out", location=place)
    if id(node) in seen or not isinstance(node, MappingNode | SequenceNode):
        return
    seen.add(id(node))
    children = [value for _, value in node.value] if isinstance(node, MappingNode) else node.value
    for child in children:
        _refuse_loops(child, (*parents, node), seen, name, text)


def _num_values(node: Node, known: dict[int, int]) -> int:
    """How many nodes a tree has with every alias written out; counts each node once."""
    if id(node) not in known:
        children: list[Node] = []
        if isinstance(node, MappingNode):
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, SequenceNode):
            children = node.value
        known[id(node)] = 1 + sum(_num_values(child, known) for child in children)
    return known[id(node)]


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


def _plain(value: object, done: dict[int, Any]) -> Any:
    """Dicts with text keys, and tuples, as the strict models take them; what is aliased is made once."""
    if _is_mapping(value) or _is_list(value):
        if id(value) not in done:
            done[id(value)] = (
                {str(key): _plain(item, done) for key, item in value.items()}
                if _is_mapping(value)
                else tuple(_plain(item, done) for item in value)
            )
        return done[id(value)]
    if isinstance(value, datetime.date):  # `name: 2026-01-01` is meant as text
        return value.isoformat()
    return value


def _describe(value: object) -> str:
    return "a list" if isinstance(value, list) else f"{value!r}"
