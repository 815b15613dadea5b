"""Wrap guests in an outer component, through which bytes cross quickly.

Through wasmtime's C API each byte of a ``list<u8>`` is a value of 32 bytes, but a
string is one block. The outer component, generated for each guest from the types of
what it imports and exports, imports and exports the same with a string for each
``list<u8>``, and its core code turns one into the other.

It also exports functions that drop the guest's resources, which the C API cannot do in
stores that run guests step by step.
"""

from __future__ import annotations

from .binary import may_need_outer, skeleton, splice
from .machine import LANE_OUT_OF_MEMORY, NAME
from .octets import decode_octets, encode_octets
from .wrap import Outer, outer, with_type_imports

__all__ = (
    "LANE_OUT_OF_MEMORY",
    "NAME",
    "Outer",
    "decode_octets",
    "encode_octets",
    "may_need_outer",
    "outer",
    "skeleton",
    "splice",
    "with_type_imports",
)
