"""Finds out where the compiled step reads and writes the physics of each environment."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.navigation.structs import field_offset, struct_type

CONTACT_BYTES = ctypes.sizeof(struct_type("mjContact"))
CONTACT_GEOMS = field_offset("mjContact", "geom")  # two int32

_MODEL_ARRAYS = ("body_pos", "body_quat", "qpos0", "geom_pos", "geom_quat")
_DATA_ARRAYS = ("ctrl", "mocap_pos", "qvel", "xpos", "xmat", "sensordata")
_DATA_FIELDS = ("ncon", "contact", "warning")  # an int32, a pointer to `mjContact`, pairs of int32
_DISABLED = field_offset("mjModel", "opt") + field_offset("mjOption", "disableflags")  # an int32

_NAMES = ("model", "data", *_MODEL_ARRAYS, *_DATA_ARRAYS, *_DATA_FIELDS, "disableflags")
ADDRESSES = np.dtype([(name, np.int64) for name in _NAMES])
Addresses = Any  # one record of it: the addresses of a model, its data, and of arrays and fields of both


def locate(models: Sequence[Any], data: Sequence[Any]) -> NDArray[Any]:
    """Takes the addresses of B environments, which stay the same for the life of a model and its data.

    Args:
        models: The B models; must outlive the result.
        data: The data of each; must outlive the result.

    Returns:
        `[B]` of `ADDRESSES`.
    """
    addresses = np.empty(len(models), dtype=ADDRESSES)
    addresses["model"] = [model._address for model in models]
    addresses["data"] = [each._address for each in data]
    for owners, names in ((models, _MODEL_ARRAYS), (data, _DATA_ARRAYS)):
        for name in names:
            addresses[name] = [getattr(owner, name).__array_interface__["data"][0] for owner in owners]
    for name in _DATA_FIELDS:
        addresses[name] = addresses["data"] + field_offset("mjData", name)
    addresses["disableflags"] = addresses["model"] + _DISABLED
    return addresses
