from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from airssys.testing import Recorder


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every async test on both backends; trio is the reference."""
    return request.param


@pytest.fixture
def virtual_clock() -> Any:
    """Give ``anyio_backend`` options for a clock that jumps when all tasks wait.

    Use it in a module whose tests wait but use no threads:
    ``@pytest.fixture
    def anyio_backend(virtual_clock): return virtual_clock``
    """
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


@pytest.fixture
def recorder() -> Recorder:
    """Keep every event, for those who pass it on as an instrument."""
    return Recorder()
