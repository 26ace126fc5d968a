"""Struct layouts against what the bindings themselves report of a running model."""

import ctypes
import importlib
from importlib.metadata import version

import mujoco
import numpy as np
import pytest

from environments.navigation import bindings
from environments.navigation.structs import field_offset, struct_type

BALLS_ON_A_FLOOR = """
<mujoco><worldbody><geom type="plane" size="5 5 .1"/>
<body pos="0 0 .09"><freejoint/><geom size=".1"/></body>
<body pos="0 1 .08"><freejoint/><geom size=".1"/></body>
<body pos="0 2 9"><freejoint/><geom size=".1"/></body>
</worldbody></mujoco>
"""


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(BALLS_ON_A_FLOOR)


def test_numbers_are_where_the_layout_says(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data)
    mirror = struct_type("mjData").from_address(data._address)

    assert data.ncon == 2
    assert (mirror.ncon, mirror.nefc, mirror.time) == (data.ncon, data.nefc, data.time)


def test_contacts_are_where_the_layout_says(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mirror = struct_type("mjData").from_address(data._address)
    contacts = (struct_type("mjContact") * data.ncon).from_address(mirror.contact)

    assert [list(contact.geom) for contact in contacts] == data.contact.geom.tolist()
    assert ctypes.sizeof(struct_type("mjContact")) == data.contact.geom.strides[0]


def test_arrays_are_where_the_layout_says(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    mirror = struct_type("mjData").from_address(data._address)

    for name in ("qpos", "qvel", "ctrl", "xpos", "efc_force"):
        if getattr(data, name).size:
            assert getattr(mirror, name) == getattr(data, name).__array_interface__["data"][0]


def test_a_warning_is_counted_where_the_layout_says(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    data.qpos[0] = np.nan
    mujoco.mj_step(model, data)
    pairs = (ctypes.c_int * 14).from_address(data._address + field_offset("mjData", "warning"))

    assert pairs[2 * mujoco.mjtWarning.mjWARN_BADQPOS + 1] == 1


def test_another_mujoco_is_refused_by_name_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mujoco, "__version__", "3.7.0")

    with pytest.raises(ImportError, match=r"`mujoco == 4\.0\.0` must hold .* but 3\.7\.0 is installed; install"):
        importlib.reload(bindings)


def test_the_mujoco_that_is_locked_is_the_one_required() -> None:
    assert version("mujoco") == bindings.MUJOCO_VERSION
    importlib.reload(bindings)


def test_disabled_features_are_where_the_layout_says() -> None:
    flags = '<option><flag sensor="disable" contact="disable"/></option>'
    model = mujoco.MjModel.from_xml_string(BALLS_ON_A_FLOOR.replace("<worldbody>", f"{flags}<worldbody>"))
    offset = field_offset("mjModel", "opt") + field_offset("mjOption", "disableflags")

    assert ctypes.c_int.from_address(model._address + offset).value == model.opt.disableflags != 0
