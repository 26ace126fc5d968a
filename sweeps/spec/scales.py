"""Scales of a study file: the same study smaller or larger, written as what differs.

    scales:
      desk: {env_steps: 400_000, seeds: 3, hyperparameters: {preset: desk}}

A scale's keys replace those of the file, mappings are merged. The study then bears the scale's name behind its own,
so that two scales are two studies; a scale without keys is the file itself.
"""

from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from sweeps.errors import SpecError, suggest
from sweeps.spec.yaml_file import YamlFile

SCALES = "scales"


def scale_names(file: YamlFile) -> list[str]:
    """Names of the scales of a study file.

    Raises:
        SpecError: If `scales` is no mapping of names to what differs.
    """
    scales = file.data.get(SCALES, {})
    wrong = (
        next((name for name, changes in scales.items() if not isinstance(changes, dict)), None)
        if isinstance(scales, dict)
        else SCALES
    )
    if wrong is not None:
        path = (SCALES,) if wrong == SCALES else (SCALES, wrong)
        message = "a scale must be a mapping of keys to what differs from the file."
        raise SpecError(
            message, code="wrong-type", path=path, help="desk: {seeds: 3}", location=file.locate(path, at_key=True)
        )
    return list(scales)


def scaled(file: YamlFile, scale: str | None) -> YamlFile:
    """A study file at one of its scales.

    Args:
        file: The file.
        scale: Name of the scale, or None: as the file stands.

    Returns:
        The file without `scales`; places still point into its text.

    Raises:
        SpecError: If the file has no such scale.
    """
    names = scale_names(file)
    if scale is not None and scale not in names:
        help = suggest(scale, names) if names else "it has no `scales`: leave out --scale"
        raise SpecError(f"{file.name} has no scale {scale!r}.", code="unknown-name", help=help)
    data = {key: value for key, value in file.data.items() if key != SCALES}
    entries = [entry for entry in file.root.value if entry[0].value != SCALES]
    root = MappingNode(file.root.tag, entries, file.root.start_mark, file.root.end_mark)
    if scale is not None and file.data[SCALES][scale]:
        changes, nodes = file.data[SCALES][scale], _value(_value(file.root, SCALES), scale)
        data, root = _merged(data, changes), _merged_node(root, nodes)
        if "name" not in changes and isinstance(data.get("name"), str):
            data["name"] = f"{data['name']}-{scale}"
    return YamlFile(file.name, file.text, data, root)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], value) for key, value in changes.items() if _are_mappings(base.get(key), value)}
    return {**base, **changes, **both}


def _are_mappings(first: Any, second: Any) -> bool:
    return isinstance(first, dict) and isinstance(second, dict)


def _merged_node(base: MappingNode, changes: Node) -> MappingNode:
    assert isinstance(changes, MappingNode)
    new = {key.value: (key, value) for key, value in changes.value}
    entries: list[tuple[Node, Node]] = []
    for key, value in base.value:
        changed = new.pop(key.value, None)
        if changed is None:
            entries.append((key, value))
        elif isinstance(value, MappingNode) and isinstance(changed[1], MappingNode):
            entries.append((key, _merged_node(value, changed[1])))
        else:
            entries.append(changed)
    return MappingNode(base.tag, [*entries, *new.values()], base.start_mark, base.end_mark)


def _value(node: Node, name: str) -> Node:
    assert isinstance(node, MappingNode)
    return next(value for key, value in node.value if isinstance(key, ScalarNode) and key.value == name)
