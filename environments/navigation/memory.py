"""Finds out where the compiled step reads and writes the physics of each environment."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.navigation.structs import field_offset, struct_type
from environments.navigation.task import Memory


def locate(models: Sequence[Any], data: Sequence[Any]) -> Memory:
    """Takes the addresses of B environments, which stay the same for the life of a model and its data.

    Args:
        models: The B models; must outlive the result.
        data: The data of each; must outlive the result.

    Returns:
        Their addresses.
    """
    starts = _starts(data)
    return Memory(
        model=_starts(models),
        data=starts,
        body_pos=_arrays(models, "body_pos"),
        body_quat=_arrays(models, "body_quat"),
        qpos0=_arrays(models, "qpos0"),
        geom_pos=_arrays(models, "geom_pos"),
        geom_quat=_arrays(models, "geom_quat"),
        eq_data=_arrays(models, "eq_data"),
        ctrl=_arrays(data, "ctrl"),
        mocap_pos=_arrays(data, "mocap_pos"),
        qvel=_arrays(data, "qvel"),
        xpos=_arrays(data, "xpos"),
        xmat=_arrays(data, "xmat"),
        sensordata=_arrays(data, "sensordata"),
        num_contacts=starts + field_offset("mjData", "ncon"),
        contacts=starts + field_offset("mjData", "contact"),
        warnings=starts + field_offset("mjData", "warning"),
        contact_size=ctypes.sizeof(struct_type("mjContact")),
        contact_geoms=field_offset("mjContact", "geom"),
    )


def _starts(owners: Sequence[Any]) -> NDArray[np.int64]:
    return np.array([owner._address for owner in owners], dtype=np.int64)


def _arrays(owners: Sequence[Any], name: str) -> NDArray[np.int64]:
    return np.array([getattr(owner, name).__array_interface__["data"][0] for owner in owners], dtype=np.int64)
