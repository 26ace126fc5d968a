"""Where MuJoCo's C structs keep their fields, from the declarations that the mujoco package itself publishes.

The Python bindings give addresses of arrays but not of single numbers such as `mjData.ncon`, and the compiled step
must read those without Python. `mujoco.introspect.structs` lists every field of every struct; laid out by the
platform's C rules (which `ctypes` applies) it gives the offsets.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

from mujoco.introspect import ast_nodes
from mujoco.introspect.structs import STRUCTS

_NUMBERS: dict[str, Any] = {
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "mjtBool": ctypes.c_bool,
    "mjtNum": ctypes.c_double,
    "mjtSize": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "uint64_t": ctypes.c_uint64,
    "uintptr_t": ctypes.c_void_p,
}


def _c_type(declared: Any) -> Any:
    """The ctypes type of a declared C type."""
    if isinstance(declared, ast_nodes.PointerType):
        return ctypes.c_void_p
    if isinstance(declared, ast_nodes.ArrayType):
        length = 1
        for extent in declared.extents:
            length *= extent
        return _c_type(declared.inner_type) * length
    if isinstance(declared, ast_nodes.AnonymousStructDecl):
        return _structure("anonymous", declared.fields)
    return _NUMBERS.get(declared.name) or struct_type(declared.name)


def _structure(name: str, declared: Sequence[Any]) -> type[ctypes.Structure]:
    fields: list[tuple[str, Any]] = []
    for field in declared:
        assert isinstance(field, ast_nodes.StructFieldDecl)
        fields.append((field.name, _c_type(field.type)))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


@cache
def struct_type(name: str) -> type[ctypes.Structure]:
    """The ctypes mirror of a MuJoCo struct.

    Args:
        name: Its C name, such as `mjData`.

    Returns:
        A structure class with the struct's fields.

    Raises:
        KeyError: If MuJoCo declares no such struct.
    """
    return _structure(name, STRUCTS[name].fields)


def field_offset(struct: str, field: str) -> int:
    """Bytes from the start of a struct to one of its fields.

    Args:
        struct: C name of the struct.
        field: Name of the field.

    Returns:
        The offset in bytes.

    Raises:
        AttributeError: If the struct has no such field.
    """
    return getattr(struct_type(struct), field).offset
