from __future__ import annotations

import pytest

from airssys.wasi import Context

from ..operations import operation
from .chosen import chosen

pytestmark = pytest.mark.guest


@operation(
    "wasi:config/store@0.2.0-rc.1#get",
    "wasi:config/store@0.2.0-rc.1#get-all",
    allowed=True,
)
async def test_a_guest_reads_its_configuration() -> None:
    context = Context(config={"a": "1", "ü": ""}, env={"b": "2"})
    async with chosen("wasi:config", context=context) as guest:
        assert await guest("store#get", "a") == "1"
        assert await guest("store#get", "b") is None
        assert await guest("store#get-all") == [("a", "1"), ("ü", "")]


async def test_a_guest_has_no_configuration_unless_it_is_given_one() -> None:
    async with chosen("wasi:config") as guest:
        assert await guest("store#get", "PATH") is None
        assert await guest("store#get-all") == []
