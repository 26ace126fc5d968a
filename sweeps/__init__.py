"""Studies of Lagrangian safe RL: study file → trials → results."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.cluster.client import SweepClient
    from sweeps.comparing import compare
    from sweeps.previewing.curves import preview
    from sweeps.spec import StudySpec
    from sweeps.study import Status, Study, create_study, list_studies, load_study

__all__ = [
    "Status",
    "Study",
    "StudySpec",
    "SweepClient",
    "compare",
    "create_study",
    "list_studies",
    "load_study",
    "preview",
]

_MODULES = {
    "StudySpec": "sweeps.spec",
    "SweepClient": "sweeps.cluster.client",
    "compare": "sweeps.comparing",
    "preview": "sweeps.previewing.curves",
}


def __getattr__(name: str) -> Any:
    """Loads public names when they are asked for: checking a study file needs no database."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; known: {', '.join(__all__)}")
    return getattr(import_module(_MODULES.get(name, "sweeps.study")), name)
