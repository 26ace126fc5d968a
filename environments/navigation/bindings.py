"""The MuJoCo that this package is written for; any other is refused here, before anything is computed with it."""

import importlib
from typing import Any

MUJOCO_VERSION = "4.0.0"

mujoco: Any = importlib.import_module("mujoco")  # its contents are compiled, without stubs


def require_version(installed: str) -> None:
    """Refuses any MuJoCo but the one whose structs and trajectories are tested.

    Args:
        installed: The version found, such as `mujoco.__version__`.

    Raises:
        ImportError: If it is another version.
    """
    if installed != MUJOCO_VERSION:
        raise ImportError(
            f"`mujoco == {MUJOCO_VERSION}` must hold for environments.navigation, but {installed} is installed; "
            f"install mujoco=={MUJOCO_VERSION}, or step the task by make_batch's path='general'."
        )


require_version(mujoco.__version__)
