"""The batched fast path for Safety-Gymnasium's navigation tasks; needs the exact MuJoCo that it is tested with."""

from environments.navigation.batch import NavigationBatch, UnstablePhysicsError
from environments.navigation.upstream import supports

__all__ = ["NavigationBatch", "UnstablePhysicsError", "supports"]
