"""What a study file sets or searches without effect."""

from collections.abc import Collection, Iterable, Iterator

from algorithms.inert import Inert, find_inert
from sweeps.spec.search import AdaptiveProfile, GridSearch, Search
from sweeps.spec.study import StudySpec


def inert_notes(spec: StudySpec) -> list[str]:
    """Names the options of a study that change nothing because of others.

    Args:
        spec: The study.

    Returns:
        One sentence each.
    """
    notes: dict[str, None] = {}
    for name, arm in spec.arms.items():
        searched = _searched(arm.search)
        notes |= dict.fromkeys(_told(f"arm {name}: ", find_inert(arm.lagrangian, searched), searched))
        notes |= dict.fromkeys(_told("", find_inert(spec.hyperparameters, searched), searched))
    return list(notes)


def _told(where: str, inert: Iterable[Inert], searched: Collection[str]) -> Iterator[str]:
    for option in inert:
        what = "is searched without effect" if option.name in searched else "has no effect"
        yield f"{where}`{option.name}` {what}: {option.reason}"


def _searched(search: Search | None) -> Collection[str]:
    if search is None or isinstance(search, AdaptiveProfile):
        return ()  # an adaptive profile searches λ itself, which decides nothing here
    return search.axes if isinstance(search, GridSearch) else search.space
