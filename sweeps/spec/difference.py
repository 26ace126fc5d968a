"""What differs between two specifications of a study, in the words of a study file."""

from collections.abc import Iterator
from typing import Any

from sweeps.spec.study import StudySpec


def differences(old: StudySpec, new: StudySpec) -> list[str]:
    """Lists what changed, key by key.

    Args:
        old: The specification as it was.
        new: The specification as it came.

    Returns:
        Lines such as `cost_limit 25.0 -> 30.0`; `absent` stands for a key that one of them lacks.
    """
    before, after = (dict(_leaves(spec.model_dump(mode="json", exclude_none=True))) for spec in (old, new))
    return [
        f"{key} {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{key}.{name}" if key else str(name))
