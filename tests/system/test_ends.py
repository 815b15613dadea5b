from __future__ import annotations

import re
import time
from pathlib import Path

import anyio
import pytest

import airssys
from airssys.core.child import unwrap
from airssys.core.errors import (
    ActorStopped,
    GuestTrapped,
    NoSuchActor,
    NoSuchChild,
    RestartsExhausted,
)
from airssys.core.event import (
    ChildExited,
    ChildStarted,
    DeadLettered,
    HealthChecked,
    Logged,
)
from airssys.testing import Recorder

from ..components import write_component
from .support import (
    Open,
    collect,
    crashes,
    dead,
    echo,
    stuck,
    until,
)

pytestmark = pytest.mark.guest


async def test_a_stopped_guest_has_its_say_and_its_mailbox_becomes_dead_letters(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    folder = write_component(tmp_path, config={"farewell": "friend"})
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        guest = await system.spawn(folder)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.ask, "sleep 50")
            await anyio.sleep(0.01)
            await guest.send("note never read")
            await system.stop("acme/a")

        await until(lambda: got == ["note farewell"])
        assert dead(recorder) == [("acme/a", b"note never read")]
        assert recorder.of(ChildExited)[0].how == "stopped"
        assert guest.closed
        with pytest.raises(ActorStopped, match="'acme/a' cannot answer: stopped"):
            await guest.send("too late")
        with pytest.raises(ActorStopped):
            await guest.ask("too late")
        with pytest.raises(NoSuchActor, match="no actor 'acme/a'"):
            system.actor("acme/a")
        with pytest.raises(NoSuchChild, match=r"'acme/a'.*\(children: 'friend'\)"):
            await system.stop("acme/a")
        again = await system.spawn(folder)
        assert await again.ask("count") == b"0"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("trap", "shutdown: GuestTrapped: .*unreachable"),
        ("spin", "shutdown: Overtime"),
        ("err", "shutdown: internal-error: bad-shutdown"),
    ],
)
async def test_a_shutdown_that_goes_wrong_still_ends_the_actor(
    open_: Open, tmp_path: Path, recorder: Recorder, bad: str, words: str
) -> None:
    folder = write_component(
        tmp_path,
        config={"bad-shutdown": bad},
        resources='timeout = "100ms"',
        supervision='start = "10s"',
    )
    async with open_() as system:
        await system.spawn(folder)
        with anyio.fail_after(8):
            await system.stop("acme/a")

        assert system.children == ()
        assert recorder.of(ChildExited)[0].how == "stopped"
        (line,) = recorder.of(Logged)
        assert re.match(words, line.message)


async def test_a_shutdown_that_takes_too_long_is_cut_off(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path, config={"bad-shutdown": "sleep"}, supervision='shutdown = "50ms"'
    )
    async with open_() as system:
        await system.spawn(folder)
        await system.spawn(folder, id="brutal", shutdown=0)
        with anyio.fail_after(8):
            await system.stop("acme/a")
            await system.stop("brutal")

    first, second = recorder.of(ChildExited)
    assert "cut off, as it did not stop when asked" in first.reason
    assert (second.how, second.reason) == ("stopped", "")


async def test_leaving_the_system_stops_actors_in_reverse_order(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    config = {"farewell": "friend"}
    async with open_() as system:
        await system.spawn(collect, got, id="friend")
        for name in ("one", "two", "three"):
            await system.spawn(write_component(tmp_path, f"acme/{name}", config=config))
        await system.spawn(echo)
    assert [event.subject for event in recorder.of(ChildExited)] == [
        "echo",
        "acme/three",
        "acme/two",
        "acme/one",
        "friend",
    ]
    assert {event.how for event in recorder.of(ChildExited)} == {"stopped"}
    # All were sent; the last one may have been overtaken by the end of its reader.
    assert len(got) + len(recorder.of(DeadLettered)) == 3
    assert set(got) == {"note farewell"}
    with pytest.raises(airssys.AirssysError, match="the supervisor is stopping"):
        await system.spawn(echo)


async def test_what_cannot_be_delivered_is_an_event(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    free = anyio.Event()
    async with open_() as system:
        actor = await system.spawn(stuck, free, id="stuck", shutdown=0)
        await actor.send("one", topic="t")
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await actor.ask("two")

            tasks.start_soon(ask)
            await anyio.sleep(0.01)
            await system.stop("stuck")
    letters = recorder.of(DeadLettered)
    assert [(each.payload, each.reason) for each in letters] == [
        (b"one", "stopped"),
        (b"two", "stopped"),
    ]
    assert (letters[0].topic, letters[0].sender, letters[0].size) == ("t", "host", 3)


async def test_a_child_that_is_unwell_is_restarted(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path,
        supervision='health = { every = "20ms", timeout = "100ms", failures = 2 }',
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        await guest.send("weak but working")
        await anyio.sleep(0.05)
        assert recorder.of(HealthChecked) == []
        await guest.send("sick of it")
        with anyio.fail_after(5):
            await recorder.wait_for(ChildStarted, count=2)

        failed = recorder.of(HealthChecked)
        assert [each.failures for each in failed] == [1, 2]
        assert all(
            "'acme/a' says it is unhealthy: of it" in each.reason for each in failed
        )
        (crash,) = crashes(recorder)
        assert crash[1].startswith(
            "HealthCheckFailed: child 'acme/a' failed its health check"
        )
        assert await guest.ask("count") == b"0"


async def test_a_child_that_hangs_in_its_health_check_is_restarted(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    folder = write_component(
        tmp_path,
        supervision='health = { every = "20ms", timeout = "50ms", failures = 1 }',
    )
    async with open_() as system:
        guest = await system.spawn(folder)
        await guest.send("health spin")
        with anyio.fail_after(5):
            await recorder.wait_for(ChildStarted, count=2)

        assert "no answer within 0.05 s" in crashes(recorder)[0][1]
        assert await guest.ask("count") == b"0"


async def test_restarts_that_run_out_leave_the_system_with_their_history(
    open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    got: list[str] = []
    folder = write_component(tmp_path)
    with pytest.raises(ExceptionGroup) as left:
        async with open_(intensity=airssys.Intensity(2, 5.0), name="shop") as system:
            await system.spawn(collect, got, id="friend")
            guest = await system.spawn(folder)
            for _ in range(3):
                await guest.send("trap")
            await anyio.sleep(5)
    error = unwrap(left.value)
    assert isinstance(error, RestartsExhausted)
    assert (error.supervisor, error.child, error.restarts) == ("shop", "acme/a", 2)
    assert len(error.history) == 3
    assert all("unreachable" in line for line in error.history)
    assert isinstance(error.__cause__, GuestTrapped)
    assert dead(recorder) == [("acme/a", b"trap")] * 3
    assert recorder.of(ChildExited)[-1].subject == "friend"


async def test_two_systems_in_one_process_know_nothing_of_each_other(
    open_: Open, engine: airssys.Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, config={"subscribe": "#"})
    async with open_() as one, airssys.open_system(engine=engine) as two:
        here, there = await one.spawn(folder), await two.spawn(folder)
        await two.spawn(echo)

        await here.send("note here")
        await one.publish("some.topic", "x")
        assert await here.ask("heard") == b"1 some.topic x"
        assert await there.ask("heard") == b"0 "
        assert await there.ask("notes") == b""
        assert await there.ask("send echo x") == b"ok"
        assert (await here.ask("send echo x")).startswith(
            b"error component-not-found: "
        )
        await one.stop("acme/a")
        assert await there.ask("echo alive") == b"alive"
        with pytest.raises(ActorStopped):
            await here.send("x")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_ctrl_c_in_an_actor_leaves_the_system(
    backend: str, open_: Open, tmp_path: Path, recorder: Recorder
) -> None:
    async def interrupted(actor: airssys.Actor) -> None:
        async for _ in actor.inbox:
            raise KeyboardInterrupt

    async def main() -> None:
        async with open_() as system:
            await system.spawn(write_component(tmp_path))
            await (await system.spawn(interrupted)).send("now")
            await anyio.sleep(60)

    start = time.monotonic()
    with pytest.raises(BaseException) as left:  # noqa: PT011 - of several shapes
        anyio.run(main, backend=backend)

    assert isinstance(unwrap(left.value), KeyboardInterrupt)
    assert time.monotonic() - start < 30
    assert "acme/a" in [event.subject for event in recorder.of(ChildExited)]
    assert system_tasks_restarted(recorder) == []


def system_tasks_restarted(recorder: Recorder) -> list[str]:
    return [event.subject for event in recorder.of(ChildStarted) if event.restarts]
