"""Services as the usual toolchains make them: CPython and StarlingMonkey."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from airssys import GuestTrapped, Limits
from airssys.wasi import asgi, open_interfaces

from .client import Client
from .guest import ALL, OK, answers, served
from .services import load

pytestmark = [pytest.mark.guest, pytest.mark.slow]

LIMITS = Limits(timeout=30, memories=3)


@asynccontextmanager
async def serving(language: str, **options: Any) -> AsyncIterator[Any]:
    component = await load(language)
    with anyio.fail_after(60):
        async with open_interfaces() as offered:
            # What they import of files and sockets they do not use here.
            yield asgi(component, offered, limits=LIMITS, missing="trap", **options)


async def get(app: Any, path: str, **options: Any) -> Client:
    return await Client(app, path, **options).run()


async def cut_off(app: Any, path: str) -> Client:
    """Have a service in JavaScript fail: its runtime leaves the 500 unfinished."""
    client = Client(app, path)
    with pytest.raises(GuestTrapped, match="gave its body up before its end"):
        await client.run()
    return client


PIECES = tuple(bytes([number]) * 50_000 for number in range(8))


async def test_a_service_in_python_answers_and_can_be_kept() -> None:
    async with serving("python", reuse=True, size=1) as app:
        for number in (1, 2, 3):
            done = await get(app, "/")
            assert done.text == b"hello %d\n" % number
            assert done.fields == {b"content-type": b"text/plain"}
        done = await get(app, "/echo", method="POST", body=PIECES)
        assert done.text == b"".join(PIECES)
        assert (await get(app, "/raise")).status == 500
        assert (await get(app, "/")).text == b"hello 1\n"


async def test_a_service_in_javascript_answers_each_request_afresh() -> None:
    async with serving("javascript") as app:
        assert (await get(app, "/hello")).text == b"hello from JavaScript\n"
        assert [(await get(app, "/count")).text for _ in range(2)] == [b"1", b"1"]
        done = await get(app, "/echo", method="POST", body=PIECES)
        assert done.text == b"".join(PIECES)
        assert done.fields[b"x-method"] == b"POST"
        assert (await get(app, "/nowhere")).status == 404
        assert (await cut_off(app, "/throw")).status == 500


async def test_a_service_in_javascript_fetches_what_it_was_granted() -> None:
    async with served(answers(OK)) as port:
        path = f"/fetch?url=http://127.0.0.1:{port}/"
        async with serving("javascript", grants=ALL) as app:
            done = await get(app, path)
            assert (done.status, done.text) == (200, b"hello")
        async with serving("javascript") as app:
            assert (await cut_off(app, path)).status == 500
