"""MuJoCo's C functions and memory inside compiled code: no Python object is touched, so no lock is held.

A model or its data is an address (int64). Functions are found by name in MuJoCo's own shared library, which keeps
the compiled code cacheable on disk; a C pointer held in an argument or constant would not.
"""

import ctypes
from pathlib import Path
from typing import Any

import llvmlite.binding
from numba import types
from numba.extending import intrinsic

from environments.navigation.bindings import mujoco

_LIBRARY = str(next(Path(mujoco.__file__).parent.glob("libmujoco.*")))
llvmlite.binding.load_library_permanently(_LIBRARY)
# The Python package gives MuJoCo a clock for `mjData.timer`, read some 30 times a physics step: up to a tenth of it.
ctypes.c_void_p.in_dll(ctypes.CDLL(_LIBRARY), "mjcb_time").value = None

_on_model_and_data = types.void(types.int64, types.int64)

mj_step: Any = types.ExternalFunction("mj_step", _on_model_and_data)
mj_step2: Any = types.ExternalFunction("mj_step2", _on_model_and_data)
mj_forward: Any = types.ExternalFunction("mj_forward", _on_model_and_data)
mj_set_const: Any = types.ExternalFunction("mj_setConst", _on_model_and_data)
mj_reset_data: Any = types.ExternalFunction("mj_resetData", _on_model_and_data)


def _pointer_to(element: Any) -> Any:
    def pointer(typing_context: Any, address: Any) -> Any:
        del typing_context, address

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return intrinsic(pointer)


float_pointer: Any = _pointer_to(types.float64)
int_pointer: Any = _pointer_to(types.int32)
address_pointer: Any = _pointer_to(types.int64)
