from __future__ import annotations

import math
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.actor import run_actor
from airssys.actors.component_actor import (
    HANDLE_CALLBACK,
    HANDLE_MESSAGE,
    HEALTH,
    INIT,
    METADATA,
    SHUTDOWN,
    run_component,
)
from airssys.actors.inbox import Inbox
from airssys.actors.registry import Registry
from airssys.core.errors import (
    ActorStopped,
    AskRefused,
    GuestExited,
    InitFailed,
    InstanceClosed,
    OutOfComputing,
    OutOfFuel,
    OutOfMemory,
    Overtime,
    TooManyHandles,
    Unhealthy,
    ValuesTooLarge,
    WitError,
)
from airssys.core.event import CallCut, DeadLettered, Logged
from airssys.core.limits import Limits
from airssys.testing import Recorder, ScriptedInstance, after
from airssys.witmodel.types import Err, Ok, Record, Variant

from ..virtual import in_virtual_time
from .support import (
    QUIET,
    TRAP,
    Running,
    dead,
    echo,
)

# --- components -------------------------------------------------------------------


def scripted(registry: Registry, limits: Limits | None = None, **turns: Any) -> Running:
    names = {
        "init": INIT,
        "metadata": METADATA,
        "message": HANDLE_MESSAGE,
        "callback": HANDLE_CALLBACK,
        "health": HEALTH,
        "shutdown": SHUTDOWN,
    }
    script = QUIET | {names[name]: turn for name, turn in turns.items()}
    return Running(registry, ScriptedInstance(script, name="acme/a", limits=limits))


async def test_a_component_lives_from_init_over_messages_to_shutdown(
    registry: Registry, recorder: Recorder
) -> None:
    a = scripted(registry, message=[b"pong", None])
    async with anyio.create_task_group() as tasks:
        await tasks.start(run_component, a.instantiate, a.entry, registry)
        assert a.entry.metadata == Record(name="a")
        assert await a.ask(b"ping") == b"pong"
        await registry.send(a.entry.id, b"just so")
        await wait_all_tasks_blocked()
        a.entry.mailbox.request_stop()

    assert [export for export, _ in a.instance.calls] == [
        *(INIT, METADATA, HANDLE_MESSAGE, HANDLE_MESSAGE, SHUTDOWN)
    ]
    assert not a.instance.alive
    assert recorder.events == []


async def test_init_is_told_the_configuration_and_the_limits(
    registry: Registry,
) -> None:
    limits = Limits(memory=2**20, fuel=1000, timeout=0.25)
    a = scripted(registry, limits)
    a.entry.mailbox.request_stop()
    await a.run()

    assert a.instance.called(INIT) == [
        (
            {
                "env_vars": [("HOME", "/")],
                "config_data": [("step", "2")],
                "resource_limits": {
                    "memory_bytes": 2**20,
                    "fuel": 1000,
                    "timeout_ms": 250,
                    "payload_bytes": 2**20,
                },
            },
        )
    ]


async def test_a_guest_is_handed_the_whole_message(registry: Registry) -> None:
    a = scripted(registry, message=[b"", None])
    registry.register("ns/b")
    registry.subscribe("t", sender=a.entry.id)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        await registry.ask(a.entry.id, b"1", sender="ns/b")
        await registry.publish("t", b"2")
        await wait_all_tasks_blocked()
        a.entry.mailbox.request_stop()

    (asked,), (published,) = a.instance.called(HANDLE_MESSAGE)
    assert asked == {
        "sender": {"namespace": "ns", "name": "b", "instance": ""},
        "payload": b"1",
        "correlation_id": "ns/b?1",
        "reply_to": None,
        "topic": None,
        "content_type": None,
        "timestamp": {"seconds": 1, "nanoseconds": 500_000_000},
    }
    assert published["sender"] == {"namespace": "", "name": "host", "instance": ""}
    assert (published["topic"], published["correlation_id"]) == ("t", None)


async def test_an_init_that_returns_an_error_fails_the_start(
    registry: Registry,
) -> None:
    a = scripted(registry, init=WitError(Variant("configuration-invalid", "no step")))

    await a.run()

    assert isinstance(a.error, InitFailed)
    assert str(a.error) == (
        "component 'acme/a#1' did not start: configuration-invalid: no step"
    )
    assert not a.instance.alive


@in_virtual_time
async def test_an_init_that_hangs_is_cut_at_the_time_limit(
    registry: Registry, recorder: Recorder
) -> None:
    a = scripted(registry, Limits(timeout=3), init=after(math.inf))

    began = anyio.current_time()
    await a.run()

    assert isinstance(a.error, Overtime)
    assert anyio.current_time() == began + 3
    (event,) = recorder.of(CallCut)
    assert (event.subject, event.export, event.why) == ("acme/a#1", INIT, "time")


async def test_an_instance_that_cannot_be_made_fails_the_start(
    registry: Registry,
) -> None:
    async def instantiate() -> ScriptedInstance:
        raise OutOfMemory("acme/a", "too much", 1)

    with pytest.raises(OutOfMemory):
        await run_component(instantiate, registry.register("a"), registry)


async def test_a_guests_error_answers_the_ask_and_it_lives_on(
    registry: Registry, recorder: Recorder
) -> None:
    error = WitError(Variant("internal-error", "no stock"))
    a = scripted(registry, message=[error, error, b"fine"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(AskRefused, match="'acme/a#1' refused: internal-error: no"):
            await a.ask()
        await registry.send(a.entry.id, b"x")
        assert await a.ask() == b"fine"
        a.entry.mailbox.request_stop()

    (event,) = recorder.of(Logged)
    assert event.message == "handle-message of 'host': internal-error: no stock"
    assert recorder.of(CallCut) == []


async def test_an_ask_that_gets_no_reply_fails_at_once(registry: Registry) -> None:
    a = scripted(registry)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(AskRefused, match="gave no reply"):
            await a.ask()
        a.entry.mailbox.request_stop()


async def test_a_reply_over_the_limit_fails_the_ask_and_the_guest_lives_on(
    registry: Registry,
) -> None:
    a = scripted(registry, message=[b"12345", b"1234"])
    a.entry.mailbox.payload = 4
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(AskRefused, match="over its payload quota"):
            await a.ask()
        assert await a.ask() == b"1234"
        a.entry.mailbox.request_stop()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TRAP, "trap"),
        (OutOfFuel("acme/a", HANDLE_MESSAGE, 1), "fuel"),
        (OutOfComputing("acme/a", HANDLE_MESSAGE, 1.0), "computing"),
        (OutOfMemory("acme/a", "grew", 1), "memory"),
        (ValuesTooLarge("acme/a", "f", "result", 1), "values"),
        (TooManyHandles("acme/a", "f", 1), "handles"),
        (RuntimeError("in a host function"), "host"),
    ],
)
async def test_a_trap_or_limit_crashes_the_actor_and_fails_the_ask(
    registry: Registry, recorder: Recorder, error: Exception, why: str
) -> None:
    a = scripted(registry, message=error)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(ActorStopped, match=type(error).__name__):
            await a.ask(b"boom")

    assert a.error is error
    assert [event.why for event in recorder.of(CallCut)] == [why]
    reason = f"{type(error).__name__}: {error}"
    assert dead(recorder) == [("acme/a#1", b"boom", reason)]
    assert not a.instance.alive


@pytest.mark.parametrize("status", [0, 4])
async def test_a_guest_that_exits_ends_its_actor_and_fails_the_ask(
    registry: Registry, recorder: Recorder, status: int
) -> None:
    error = GuestExited("acme/a", status)
    a = scripted(registry, message=error)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(ActorStopped, match=f"exited with status {status}"):
            await a.ask(b"leave")

    assert a.error is error
    assert recorder.of(CallCut) == []  # nobody cut it
    assert not a.instance.alive


@pytest.mark.parametrize(("status", "said"), [(0, 0), (4, 1)])
async def test_a_guest_may_exit_in_shutdown(
    registry: Registry, recorder: Recorder, status: int, said: int
) -> None:
    a = scripted(registry, shutdown=GuestExited("acme/a", status))
    a.entry.mailbox.request_stop()

    await a.run()

    assert a.error is None
    logged = [event.message for event in recorder.of(Logged)]
    assert logged == ["shutdown: component 'acme/a' exited with status 4"] * said


async def test_the_next_incarnation_goes_on_with_what_is_queued(
    registry: Registry,
) -> None:
    a = scripted(registry, message=TRAP)
    await registry.send(a.entry.id, b"boom")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        await a.ended.wait()
        a.instance = ScriptedInstance(QUIET | {HANDLE_MESSAGE: b"again"})
        tasks.start_soon(a.run)

        assert await a.ask() == b"again"
        a.entry.mailbox.request_stop()

    assert a.instance.called(METADATA) == []


async def test_a_call_that_is_cancelled_is_an_event(
    registry: Registry, recorder: Recorder
) -> None:
    a = scripted(registry, message=after(math.inf))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        await registry.send(a.entry.id, b"x")
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert [event.why for event in recorder.of(CallCut)] == ["cancelled"]
    assert dead(recorder) == [("acme/a#1", b"x", "cut off")]
    with pytest.raises(InstanceClosed):
        await a.instance.call(HEALTH)


# --- callbacks --------------------------------------------------------------------


async def test_the_reply_to_a_request_is_handed_to_the_guest(
    registry: Registry,
) -> None:
    a = scripted(registry)
    b = registry.register("b")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        tasks.start_soon(run_actor, echo, b, registry)
        first = await registry.request("b", b"1", sender=a.entry.id)
        await wait_all_tasks_blocked()
        b.mailbox.request_stop()
        await wait_all_tasks_blocked()
        second = await registry.request("b", b"2", sender=a.entry.id)
        registry.remove("b", "gone")
        await wait_all_tasks_blocked()
        a.entry.mailbox.request_stop()

    assert a.instance.called(HANDLE_CALLBACK) == [
        (first, Ok(b"1")),
        (second, Err("actor 'b' cannot answer: gone")),
    ]


@in_virtual_time
async def test_a_request_without_a_reply_comes_back_when_its_time_is_up(
    registry: Registry,
) -> None:
    times: list[float] = []
    a = scripted(registry, callback=lambda *_: times.append(anyio.current_time()))
    registry.register("b")
    async with anyio.create_task_group() as tasks:
        began = anyio.current_time()
        ids = [
            await registry.request("b", b"", sender=a.entry.id, timeout=timeout)
            for timeout in (5.0, 2.0)
        ]
        tasks.start_soon(a.run)
        await anyio.sleep(1)
        await registry.send(a.entry.id, b"in between")
        await anyio.sleep(10)
        a.entry.mailbox.request_stop()

    assert times == [began + 2, began + 5]
    assert a.instance.called(HANDLE_CALLBACK) == [
        (ids[1], Err("actor 'b' did not reply within 2 s")),
        (ids[0], Err("actor 'b' did not reply within 5 s")),
    ]
    assert len(a.instance.called(HANDLE_MESSAGE)) == 1


async def test_an_error_of_handle_callback_is_logged(
    registry: Registry, recorder: Recorder
) -> None:
    a = scripted(registry, callback=WitError(Variant("resource-exhausted")))
    registry.register("b")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        request_id = await registry.request("b", b"", sender=a.entry.id)
        registry.remove("b")
        await wait_all_tasks_blocked()
        a.entry.mailbox.request_stop()

    (event,) = recorder.of(Logged)
    line = f"handle-callback of {request_id!r}: resource-exhausted"
    assert event.message == line


async def test_replies_that_a_crash_kept_from_its_asker_are_dead_letters(
    registry: Registry, recorder: Recorder
) -> None:
    a = scripted(registry, callback=TRAP)
    b = Inbox(registry.register("b").mailbox)
    for reply in (b"worked on", b"waiting"):
        await registry.request("b", b"?", sender=a.entry.id)
        await (await anext(b)).reply(reply)

    await a.run()

    assert [(who, payload) for who, payload, _ in dead(recorder)] == [
        (a.entry.id, b"worked on"),
        (a.entry.id, b"waiting"),
    ]
    assert {event.sender for event in recorder.of(DeadLettered)} == {"b"}


# --- health and shutdown ----------------------------------------------------------


async def test_only_unhealthy_is_a_failed_health_check(registry: Registry) -> None:
    states = [Variant("healthy"), Variant("degraded", "slow"), Variant("unknown", "?")]
    a = scripted(registry, health=[*states, Variant("unhealthy", "no disk")])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        for state in states:
            await a.entry.mailbox.check_health()
            assert a.entry.health == state
        with pytest.raises(Unhealthy, match="'acme/a#1' says it is unhealthy: no disk"):
            await a.entry.mailbox.check_health()
        assert a.entry.health == Variant("unhealthy", "no disk")
        a.entry.mailbox.request_stop()


async def test_a_trap_in_health_fails_the_check_and_crashes_the_actor(
    registry: Registry,
) -> None:
    a = scripted(registry, health=TRAP)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(a.run)
        with pytest.raises(ActorStopped, match="health check"):
            await a.entry.mailbox.check_health()

    assert a.error is TRAP


@pytest.mark.parametrize(
    ("turn", "level", "cut"),
    [
        (WitError(Variant("internal-error", "late")), "warn", []),
        (WitError("plain"), "warn", []),
        (TRAP, "error", ["trap"]),
    ],
)
async def test_a_shutdown_that_goes_wrong_is_reported_and_the_stop_goes_on(
    registry: Registry,
    recorder: Recorder,
    turn: Exception,
    level: str,
    cut: list[str],
) -> None:
    a = scripted(registry, shutdown=turn)
    a.entry.mailbox.request_stop()

    await a.run()

    assert a.error is None
    assert not a.instance.alive
    (event,) = recorder.of(Logged)
    assert event.level == level
    assert event.message.startswith("shutdown: ")
    assert [event.why for event in recorder.of(CallCut)] == cut
