"""What differs between two specifications of a study, and whether the newer one only adds to the older."""

from collections.abc import Iterator
from typing import Any

from sweeps.spec.search import GridSearch
from sweeps.spec.study import Arm, StudySpec

_GROWING = ("env_steps", "seeds", "arms", "budget", "pack")


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


def extends(old: StudySpec, new: StudySpec) -> bool:
    """Whether a specification only adds to another: more env steps, seeds, arms, trials or points of a grid.

    Args:
        old: The specification as it was.
        new: The specification as it came.

    Returns:
        Whether everything that the older one asks for is part of the newer one; an equal one is.
    """
    rest_is_equal = all(
        getattr(old, name) == getattr(new, name) for name in StudySpec.model_fields if name not in _GROWING
    )
    return (
        rest_is_equal
        and new.env_steps >= old.env_steps
        and new.seed_list[: len(old.seed_list)] == old.seed_list
        and all(name in new.arms and _extends_arm(arm, new.arms[name]) for name, arm in old.arms.items())
    )


def _extends_arm(old: Arm, new: Arm) -> bool:
    if old.search is None or new.search is None:
        return old == new
    if old.model_copy(update={"search": None}) != new.model_copy(update={"search": None}):
        return False
    before, after = old.search.model_dump(), new.search.model_dump()
    if isinstance(old.search, GridSearch):
        return before.keys() == after.keys() and all(_has_all(before[name], after[name]) for name in before)
    trials = before.pop("trials", 0), after.pop("trials", 0)
    return before == after and trials[1] >= trials[0]


def _has_all(old: Any, new: Any) -> bool:
    return set(old) <= set(new) if isinstance(old, tuple) and isinstance(new, tuple) else old == new


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{key}.{name}" if key else str(name))
