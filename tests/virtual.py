from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airssys.testing import virtual_time


def in_virtual_time(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run one test on a clock that jumps when all tasks wait."""
    mark = pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
    marked: Callable[..., Any] = mark(test)
    return marked
