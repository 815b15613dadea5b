"""What a child, an instrument or a program does to a supervisor, and must not."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import textwrap

import anyio
import anyio.lowlevel
import pytest

import airssys

from .support import Record, settle


class NoText(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


class Weird(BaseException):
    pass


async def test_an_error_whose_text_cannot_be_had_is_one_crash_and_no_more(
    record: Record,
) -> None:
    falls = 1

    async def bad() -> None:
        nonlocal falls
        if falls:
            falls -= 1
            raise NoText
        await anyio.sleep_forever()

    events: list[airssys.events.Event] = []

    class Notes:
        def event(self, event: airssys.events.Event) -> None:
            events.append(event)

    with anyio.fail_after(5):
        async with airssys.open_supervisor(instrument=Notes()) as supervisor:
            await supervisor.start(record.spec("a"))
            await supervisor.start(airssys.ChildSpec("b", bad))
            await settle()
            assert [child.restarts for child in supervisor.children] == [0, 1]
            assert record.take() == "+a"
    crashed = next(each for each in events if isinstance(each, airssys.ChildExited))
    assert crashed.reason == "NoText: (its text cannot be had: LookupError)"


async def test_an_error_whose_text_cannot_be_had_holds_up_no_stop() -> None:
    async def bad() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise NoText

    record = Record()
    with anyio.fail_after(5):
        async with airssys.open_supervisor(instrument=record) as supervisor:
            await supervisor.start(airssys.ChildSpec("a", bad))
    assert len(record.told(airssys.ChildExited)) == 1


@pytest.mark.parametrize("kind", [Weird, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("on", [airssys.ChildExited, airssys.ChildRestarting])
async def test_whatever_an_instrument_raises_children_end_in_order(
    kind: type[BaseException], on: type[airssys.events.Event], record: Record
) -> None:
    class Raises:
        def event(self, event: airssys.events.Event) -> None:
            if isinstance(event, on):
                raise kind

    with anyio.fail_after(5):
        async with airssys.open_supervisor(instrument=Raises()) as supervisor:
            await supervisor.start(record.spec("a"))
            await supervisor.start(record.spec("b"))
            record.crash["b"].set()
            await settle()
            assert record.take() == "+a +b -b +b"
    assert record.take() == "-b -a"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_inside_an_instrument_stops_all_in_order(
    kind: type[BaseException], record: Record
) -> None:
    class Raises:
        def event(self, event: airssys.events.Event) -> None:
            if isinstance(event, airssys.ChildExited) and event.subject == "c":
                raise kind

    async def ends() -> None:
        await anyio.lowlevel.checkpoint()

    with anyio.fail_after(5), pytest.raises(BaseExceptionGroup) as left:
        async with airssys.open_supervisor(instrument=Raises()) as supervisor:
            await supervisor.start(record.spec("a"))
            await supervisor.start(record.spec("b"))
            await supervisor.start(airssys.ChildSpec("c", ends))
            await anyio.sleep_forever()
    assert left.group_contains(kind)
    assert record.take() == "+a +b -b -a"


# Python says so of tasks that are cancelled before their first step.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("cycles", range(6))
def test_a_program_that_cancels_all_tasks_hangs_no_supervisor(cycles: int) -> None:
    async def child() -> None:
        await anyio.sleep_forever()

    async def holds() -> None:
        async with airssys.open_supervisor() as supervisor:
            await supervisor.start(airssys.ChildSpec("a", child))
            await supervisor.start(airssys.ChildSpec("b", child))
            await anyio.sleep_forever()

    async def main() -> None:
        before = asyncio.all_tasks()
        held = asyncio.ensure_future(holds())
        for _ in range(cycles):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await asyncio.wait((held,), timeout=5)
        assert held.done()
        assert asyncio.all_tasks() == before

    asyncio.run(main())
    gc.collect()  # what Python has to say of it belongs here


def test_a_supervisor_whose_own_task_somebody_cancels_goes_on(record: Record) -> None:
    async def main() -> None:
        async with airssys.open_supervisor(
            intensity=airssys.Intensity(5, 5.0)
        ) as supervisor:
            await supervisor.start(record.spec("a"))
            for restarts in (1, 2):
                for task in asyncio.all_tasks():
                    if task.get_name().endswith(": attend"):
                        task.cancel()
                await settle()
                record.crash["a"].set()
                with anyio.fail_after(5):
                    while supervisor.children[0].restarts < restarts:
                        await settle()
                    await settle()
        assert record.take() == "+a -a +a -a +a -a"

    asyncio.run(main())


@pytest.mark.parametrize("gap", [0.02, 0.1])
def test_a_second_interrupt_while_children_stop_hangs_no_program_of_trio(
    gap: float,
) -> None:
    script = f"""
        import os, signal, threading, time
        import trio, airssys

        async def child(name):
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.1)
                print("-" + name, flush=True)

        def interrupt():
            for wait in (0.3, {gap}):
                time.sleep(wait)
                os.kill(os.getpid(), signal.SIGINT)

        async def main():
            async with airssys.open_supervisor() as supervisor:
                for name in "abc":
                    spec = airssys.ChildSpec(name, child, args=(name,))
                    await supervisor.start(spec)
                threading.Thread(target=interrupt).start()
                await trio.sleep_forever()

        trio.run(main)
        """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ran.returncode in {1, -signal.SIGINT}
    assert "KeyboardInterrupt" in ran.stderr
    assert ran.stdout.split() == ["-c", "-b", "-a"]


async def test_random_that_fails_ends_nobody(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> float:
        raise LookupError("no luck")

    async with airssys.open_supervisor(random=fails) as supervisor:
        await supervisor.start(record.spec("a"))
        record.crash["a"].set()
        await settle()
        assert record.take() == "+a -a +a"
    assert "its random() failed" in caplog.records[0].getMessage()


async def test_what_is_no_spec_is_refused_where_it_is_given() -> None:
    async with airssys.open_supervisor() as supervisor:
        with pytest.raises(TypeError, match="takes a ChildSpec, not 'a'"):
            await supervisor.start("a")  # type: ignore[arg-type]
