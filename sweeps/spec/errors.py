"""From pydantic's many errors to the one that a user should read first, in this project's words."""

import difflib
import reprlib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from algorithms.parameters import MultiplierParameters
from sweeps.errors import PathPart, SpecError, SweepError, suggest
from sweeps.spec.presets import HYPERPARAMETERS
from sweeps.spec.yaml_file import YamlFile

Path = tuple[PathPart, ...]

_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
_TYPES = {
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "none_required": "null",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_RULES = {
    "finite_number": "must be finite",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or digit",
}


def error_in_file(error: ValidationError, file: YamlFile, annotation: Any) -> SpecError:
    """Chooses the error to show, words it and finds its place.

    An unknown key comes first, since a misspelt key is also reported as a missing one; then the first in the file.

    Args:
        error: What validation found.
        file: What was validated.
        annotation: The type of the whole file, to name the keys it knows.

    Returns:
        The error with its place.
    """
    found = [(_path(detail, file), detail) for detail in error.errors()]
    # Of a union pydantic reports every alternative; the one that got deepest into the data is the one meant.
    paths = {path for path, _ in found}
    found = [(path, detail) for path, detail in found if not any(_is_inside(other, path) for other in paths)]
    path = min(found, key=lambda item: _rank(item, file))[0]
    details = [detail for other, detail in found if other == path]
    result = _word(path, details)
    is_key = result.code == "unknown-key" or "[key]" in details[0]["loc"]
    if result.code == "unknown-key" and result.help is None:
        known = set(known_keys(annotation, path[:-1], file.data))
        result.help = _help_with_key(str(path[-1]), known, str(file.data.get("algorithm", "ppo_lagrangian")))
    result.location = file.locate(result.path, at_key=is_key)
    return result


def error_in_value(error: ValidationError) -> SpecError:
    """Words the first error of one model that was given from Python."""
    detail = error.errors()[0]
    return _word(_own_path(detail), [detail])


def known_keys(annotation: Any, path: Path, data: Any) -> Iterator[str]:
    """Names of the keys that a file may have at a place.

    Args:
        annotation: Type of `data`: a model, a dict, or a union of them.
        path: Where to look, from `data` on.
        data: Content of the file, which says which member of a tagged union is meant.

    Yields:
        Each name, possibly twice.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from known_keys(get_args(annotation)[0], path, data)
    elif origin in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from known_keys(member, path, data)
    elif origin is dict and path and isinstance(data, Mapping):
        yield from known_keys(get_args(annotation)[1], path[1:], data.get(path[0]))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(data, Mapping):
        yield from _known_fields(annotation, path, data)


def _known_fields(model: type[BaseModel], path: Path, data: Mapping[Any, Any]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        is_tag = get_origin(field.annotation) is Literal and name in {"update", "kind"}
        if is_tag and data.get(name) not in get_args(field.annotation):
            return
    if not path:
        yield from model.model_fields
    elif path[0] == "hyperparameters" and data.get("algorithm", "ppo_lagrangian") in HYPERPARAMETERS:
        yield from HYPERPARAMETERS[data.get("algorithm", "ppo_lagrangian")].model_fields
    elif path[0] in model.model_fields:
        yield from known_keys(model.model_fields[str(path[0])].annotation, path[1:], data.get(path[0]))


def _own_path(detail: ErrorDetails) -> Path:
    own = detail.get("ctx", {}).get("error")
    return (*detail["loc"], *own.path) if isinstance(own, SpecError) else detail["loc"]


def _path(detail: ErrorDetails, file: YamlFile) -> Path:
    """Keys and indices of the file, without the names that pydantic gives to the members of a union."""
    path = _own_path(detail)
    visible = file.visible(path)
    return (*visible, path[-1]) if detail["type"] == "missing" else visible


def _is_inside(inner: Path, outer: Path) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _rank(item: tuple[Path, ErrorDetails], file: YamlFile) -> tuple[bool, int, int]:
    path, detail = item
    place = file.locate(path)
    return detail["type"] != "extra_forbidden", place.line, place.column


def _word(path: Path, details: list[ErrorDetails]) -> SpecError:
    # A rule that a value broke says more than the types of the other members of a union.
    detail = next((detail for detail in details if not _is_alternative(detail)), details[0])
    own = detail.get("ctx", {}).get("error")
    if isinstance(own, SpecError):
        return own.at(*path)
    if detail["type"] in _WORDED and len(details) == 1:
        return _WORDED[detail["type"]](path, detail)
    if _is_alternative(detail):
        rules = " or ".join(dict.fromkeys(_alternative(other) for other in details))
        value = detail["input"]
        whole = isinstance(value, float) and value.is_integer() and detail["type"] == "int_type"
        hint = f"write {int(value)}" if whole else None
        return SpecError(f"must be {rules}, but got {_show(value)}.", code="wrong-type", path=path, help=hint)
    return SpecError(f"{_rule(path, detail)}, but got {_show(detail['input'])}.", code="out-of-range", path=path)


def _is_alternative(detail: ErrorDetails) -> bool:
    return detail["type"] in {*_TYPES, "literal_error"}


def _alternative(detail: ErrorDetails) -> str:
    return _TYPES.get(detail["type"]) or detail.get("ctx", {})["expected"]


def _rule(path: Path, detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind not in _BOUNDS:
        return _RULES.get(kind) or detail["msg"]
    sign, bound = _BOUNDS[kind]
    names = [index for index, part in enumerate(path) if isinstance(part, str)]
    name = SweepError("", path=path[names[-1] :]).key if names else "value"
    return f"`{name} {sign} {detail.get('ctx', {})[bound]:g}` must hold"


def _unknown_key(path: Path, detail: ErrorDetails) -> SpecError:
    return SpecError("unknown key.", code="unknown-key", path=path)


def _missing_key(path: Path, detail: ErrorDetails) -> SpecError:
    hint = "or `lagrangian`, for a study with a single arm" if path == ("arms",) else None
    return SpecError(f"`{path[-1]}` is missing.", code="missing-key", path=path, help=hint)


def _missing_tag(path: Path, detail: ErrorDetails) -> SpecError:
    tag = detail.get("ctx", {})["discriminator"].strip("'")
    near = difflib.get_close_matches(tag, detail["input"], n=1)
    if near:
        hint = f"did you mean `{tag}`?"
        return SpecError("unknown key.", code="unknown-key", path=(*path, near[0]), help=hint)
    return SpecError(f"`{tag}` is missing.", code="missing-key", path=(*path, tag))


def _unknown_tag(path: Path, detail: ErrorDetails) -> SpecError:
    context = detail.get("ctx", {})
    tag, known = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "").split(", ")
    return _unknown_value((*path, tag), context["tag"], known)


def _not_listed(path: Path, detail: ErrorDetails) -> SpecError:
    known = detail.get("ctx", {})["expected"].replace(" or ", ", ").replace("'", "").split(", ")
    return _unknown_value(path, detail["input"], known)


_WORDED = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "union_tag_not_found": _missing_tag,
    "union_tag_invalid": _unknown_tag,
    "literal_error": _not_listed,
}


def _unknown_value(path: Path, value: object, known: list[str]) -> SpecError:
    return SpecError(f"unknown value {_show(value)}.", code="unknown-name", path=path, help=suggest(str(value), known))


def _show(value: object) -> str:
    return reprlib.repr(list(value) if isinstance(value, tuple) else value)


def _help_with_key(name: str, known: set[str], algorithm: str) -> str:
    """The nearest key that is known here, or else where the key belongs."""
    owners = [owner for owner, model in HYPERPARAMETERS.items() if name in model.model_fields]
    if algorithm in owners:
        return f"`{name}` is a key of `hyperparameters`"
    if owners:
        return f"`{name}` belongs to algorithm: {owners[0]}"
    updates = [model for model in get_args(get_args(MultiplierParameters)[0]) if name in model.model_fields]
    if updates and "update" not in known:
        return f"`{name}` is a key of `lagrangian`"
    if updates:
        return f"`{name}` belongs to update: {updates[0].model_fields['update'].default}"
    return suggest(name, known)
