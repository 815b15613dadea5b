"""Let bytes cross between a guest and the host quickly.

Through wasmtime's C API each byte of a ``list<u8>`` is a value of 32 bytes, but a
string is one block. So a guest is rewritten: it imports and exports a string for each
``list<u8>``, and core code that is put into it turns one into the other.

It also gets functions that drop its resources, which the C API cannot do in stores that
run guests step by step; and core code that looks at the handles that come to it and at
the size of what it passes, which are under no limit of wasmtime's.
"""

from __future__ import annotations

from .binary import may_need_lane, skeleton
from .guard import SET_LIMITS, TO_HOST, TOO_HEAVY, TOO_MANY_HANDLES, Bounds
from .machine import LANE_OUT_OF_MEMORY, NAME
from .names import outer_names
from .plan import Drop, LanePlan, plan_lane
from .rewrite import Rewritten, rewritten
from .scope import NOTHING_ADDED, Added, Unreadable, is_large

__all__ = (
    "LANE_OUT_OF_MEMORY",
    "NAME",
    "NOTHING_ADDED",
    "SET_LIMITS",
    "TOO_HEAVY",
    "TOO_MANY_HANDLES",
    "TO_HOST",
    "Added",
    "Bounds",
    "Drop",
    "LanePlan",
    "Rewritten",
    "Unreadable",
    "is_large",
    "may_need_lane",
    "outer_names",
    "plan_lane",
    "rewritten",
    "skeleton",
)
