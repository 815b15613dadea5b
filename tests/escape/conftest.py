from __future__ import annotations

from zlib import crc32

import pytest


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each attempt on one backend, and about half of them on each.

    What is refused is decided before anything waits, so the backend has no part in it.
    """
    return ("trio", "asyncio")[crc32(request.node.nodeid.encode()) % 2]
