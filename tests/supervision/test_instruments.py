from __future__ import annotations

import logging

import anyio
import anyio.lowlevel
import pytest

import airssys

from .support import Record, settle


class Broken:
    """Fails at every event."""

    def event(self, event: airssys.events.Event) -> None:
        raise LookupError(event.subject)


@pytest.mark.parametrize("inner", [False, True])
async def test_an_instrument_that_raises_is_logged_once_and_ends_nobody(
    caplog: pytest.LogCaptureFixture,
    inner: bool,  # noqa: FBT001
) -> None:
    record, broken = Record(), Broken()
    given = None if inner else broken
    async with airssys.open_supervisor(instrument=given) as supervisor:
        if inner:
            specs = [record.spec("a"), record.spec("b")]
            branch = airssys.supervise("branch", specs, instrument=broken)
            await supervisor.start(branch)
        else:
            await supervisor.start(record.spec("a"))
            await supervisor.start(record.spec("b"))
        record.crash["b"].set()
        await settle()
        assert record.take() == "+a +b -b +b"

    (logged,) = caplog.records
    assert logged.levelno == logging.ERROR
    assert "its further errors are not logged" in logged.getMessage()


async def test_a_gone_that_raises_is_logged_and_ends_no_sibling(
    caplog: pytest.LogCaptureFixture, record: Record
) -> None:
    def gone() -> None:
        raise LookupError("gone")

    async with airssys.open_supervisor() as supervisor:
        await supervisor.start(record.spec("a"))
        last = record.spec("b", restart=airssys.Restart.TEMPORARY, gone=gone)
        await supervisor.start(last)
        record.crash["b"].set()
        await settle()
        assert [child.id for child in supervisor.children] == ["a"]
        assert record.take() == "+a +b -b"

    (logged,) = caplog.records
    assert "its gone() failed" in logged.getMessage()


async def test_a_health_check_whose_future_somebody_cancels_has_failed_and_goes_on(
    record: Record, anyio_backend_name: str
) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("futures are asyncio's")
    import asyncio  # noqa: PLC0415 - the other backend has none

    asked = 0

    async def check() -> None:
        nonlocal asked
        asked += 1
        answer = asyncio.get_running_loop().create_future()
        answer.cancel()
        await answer

    health = airssys.HealthCheck(check, every=0.001, failures=3)
    async with airssys.open_supervisor(instrument=record) as supervisor:
        await supervisor.start(record.spec("a", health=health))
        with anyio.fail_after(20):
            while len(record.told(airssys.events.ChildStarted)) < 2:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.001)

    assert asked >= 3
    first = record.told(airssys.events.HealthChecked)[0]
    assert isinstance(first, airssys.events.HealthChecked)
    assert first.reason == "CancelledError"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_program_inside_a_child_stops_its_siblings_in_order(
    record: Record, error: type[BaseException]
) -> None:
    async def interrupt() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    with pytest.raises(BaseExceptionGroup) as caught:
        async with airssys.open_supervisor() as supervisor:
            for name in "abc":
                await supervisor.start(record.spec(name))
            await supervisor.start(airssys.ChildSpec("d", interrupt))
            await anyio.sleep_forever()

    assert caught.group_contains(error)
    assert record.take() == "+a +b +c -c -b -a"
