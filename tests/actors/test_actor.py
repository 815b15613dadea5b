from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.actor import Actor, run_actor
from airssys.actors.component_actor import (
    HANDLE_CALLBACK,
    HANDLE_MESSAGE,
    HEALTH,
    INIT,
    METADATA,
    SHUTDOWN,
    run_component,
)
from airssys.actors.control import Callback
from airssys.actors.post_office import PostOffice
from airssys.actors.reference import ActorRef
from airssys.actors.registry import ActorEntry, Registry
from airssys.core.budget import Budget
from airssys.core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    GuestTrapped,
    InitFailed,
    InstanceClosed,
    NoSuchActor,
    OutOfFuel,
    OutOfMemory,
    Overtime,
    Unhealthy,
    WitError,
)
from airssys.core.event import CallCut, DeadLettered, Denied, Logged
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Limits, Quota, Usage
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.host.host_services import host_services
from airssys.host.messaging import messaging
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder, ScriptedInstance, after, virtual_time
from airssys.witmodel.types import Err, Ok, Record, Variant

TRAP = GuestTrapped("acme/a", HANDLE_MESSAGE, "unreachable", "wasm trap")
QUIET: dict[str, Any] = {
    INIT: None,
    METADATA: Record(name="a"),
    HANDLE_MESSAGE: None,
    HANDLE_CALLBACK: None,
    HEALTH: Variant("healthy"),
    SHUTDOWN: None,
}


def in_virtual_time(test: Callable[..., Any]) -> Callable[..., Any]:
    mark = pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
    marked: Callable[..., Any] = mark(test)
    return marked


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def registry(recorder: Recorder) -> Registry:
    return Registry(PostOffice(recorder, lambda: 1.5))


def dead(recorder: Recorder) -> list[tuple[str, bytes, str]]:
    return [
        (event.subject, event.payload, event.reason)
        for event in recorder.of(DeadLettered)
    ]


# --- actors in Python -------------------------------------------------------------


async def echo(actor: Actor, mark: str = "") -> None:
    async for message in actor.inbox:
        if message.answer is not None:
            await message.reply(message.text + mark)


async def test_a_python_actor_answers_until_it_is_asked_to_stop(
    registry: Registry,
) -> None:
    entry = registry.register("echo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, echo, entry, registry, "!")

        assert await registry.ask("echo", "hi") == b"hi!"
        entry.mailbox.request_stop()


async def test_actors_send_ask_publish_and_subscribe_by_id_or_reference(
    registry: Registry,
) -> None:
    got: list[tuple[str, str, str | None, str | None]] = []

    async def front(actor: Actor) -> None:
        ref = actor.ref("echo")
        assert await actor.ask("echo", "1") == b"1"
        assert await actor.ask(ref, "2", timeout=None) == b"2"
        await actor.subscribe("t.*")
        assert await actor.publish("t.x", "3") == 1
        assert await actor.unsubscribe("t.*")
        assert not await actor.unsubscribe("t.*")
        await actor.send(actor.id, "4", content_type="text/plain")
        with pytest.raises(NoSuchActor):
            await actor.send("nobody", b"")
        for _ in range(2):
            message = await actor.inbox.__anext__()
            sent = (message.sender, message.text, message.topic, message.content_type)
            got.append(sent)

    other = registry.register("echo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, echo, other, registry)
        await run_actor(front, registry.register("acme/front"), registry)
        other.mailbox.request_stop()

    assert got == [
        ("acme/front", "3", "t.x", None),
        ("acme/front", "4", None, "text/plain"),
    ]


async def test_a_reference_is_looked_up_again_when_its_actor_was_replaced(
    registry: Registry,
) -> None:
    async def front(actor: Actor) -> None:
        await actor.send("b", b"1")
        registry.remove("b")
        registry.register("b")
        await actor.send("b", b"2")

    registry.register("b")
    await run_actor(front, registry.register("a"), registry)

    assert registry.entry("b").mailbox.statistics().queued == 1


async def test_a_python_actor_writes_log_lines(
    registry: Registry, recorder: Recorder
) -> None:
    async def talk(actor: Actor) -> None:
        await actor.subscribe("x")
        actor.log("info", "hello", count=3)

    await run_actor(talk, registry.register("a"), registry)

    (event,) = recorder.of(Logged)
    assert (event.subject, event.level, event.message) == ("a", "info", "hello")
    assert event.fields == (("count", "3"),)


async def test_a_crash_loses_the_message_under_work_and_no_other(
    registry: Registry, recorder: Recorder
) -> None:
    async def fragile(actor: Actor) -> None:
        async for message in actor.inbox:
            if message.payload == b"bad":
                raise ValueError("cannot")
            await message.reply(b"ok")

    entry = registry.register("a")
    async with anyio.create_task_group() as tasks:

        async def ask(payload: bytes) -> None:
            with pytest.raises(ActorStopped, match="ValueError: cannot"):
                await registry.ask("a", payload)

        tasks.start_soon(ask, b"bad")
        await wait_all_tasks_blocked()
        with pytest.raises(ValueError, match="cannot"):
            await run_actor(fragile, entry, registry)

    assert dead(recorder) == [("a", b"bad", "ValueError: cannot")]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, fragile, entry, registry)
        assert await registry.ask("a", b"good") == b"ok"
        entry.mailbox.request_stop()


async def test_an_actor_that_is_cut_off_loses_what_it_worked_on(
    registry: Registry, recorder: Recorder
) -> None:
    async def stuck(actor: Actor) -> None:
        async for _ in actor.inbox:
            await anyio.sleep_forever()

    await registry.send(registry.register("a").id, b"1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, stuck, registry.entry("a"), registry)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert dead(recorder) == [("a", b"1", "cut off")]


async def test_actors_that_ask_in_a_circle_are_told_at_once(
    registry: Registry,
) -> None:
    async def relay(actor: Actor, target: str) -> None:
        async for message in actor.inbox:
            try:
                await message.reply(await actor.ask(target, b"?", timeout=None))
            except AskCycle as error:
                await message.reply(" ".join(error.cycle))

    async with anyio.create_task_group() as tasks:
        for name, target in (("a", "b"), ("b", "c"), ("c", "a")):
            entry = registry.register(name)
            tasks.start_soon(run_actor, relay, entry, registry, target)

        assert await registry.ask("a", b"go", timeout=None) == b"c a b c"
        tasks.cancel_scope.cancel()


# --- components -------------------------------------------------------------------


class Running:
    """A component actor at work, and how its run ended."""

    def __init__(
        self,
        registry: Registry,
        instance: ScriptedInstance,
        cpu: float | None = None,
    ) -> None:
        self.registry = registry
        self.instance = instance
        budget = None if cpu is None else Budget("acme/a#1", Quota(cpu=cpu))
        self.entry: ActorEntry = registry.register(
            "acme/a#1",
            standing=Standing(Grants(), budget),
            config={"step": "2"},
        )
        self.error: Exception | None = None
        self.ended = anyio.Event()

    async def instantiate(self) -> ScriptedInstance:
        return self.instance

    async def run(self, **options: Any) -> None:
        try:
            await run_component(
                self.instantiate,
                self.entry,
                self.registry,
                {"HOME": "/"},
                **options,
            )
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error
        self.ended.set()

    async def ask(self, payload: bytes = b"?") -> bytes:
        return await self.registry.ask(self.entry.id, payload, timeout=None)


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
        (OutOfMemory("acme/a", "grew", 1), "memory"),
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
    told = f"handle-callback of {request_id!r}: resource-exhausted"
    assert event.message == told


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


# --- a real guest -----------------------------------------------------------------

LIFECYCLE = Path(__file__).parents[1] / "guests" / "lifecycle.wasm"
ALL = Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    )
)


class Hungry(ScriptedInstance):
    """Computes half a second in a worker thread whenever it handles a message."""

    def __init__(self, *turns: object) -> None:
        super().__init__(QUIET | {HANDLE_MESSAGE: list(turns)})

    @property
    def usage(self) -> Usage:
        return Usage(threaded=0.5 * len(self.called(HANDLE_MESSAGE)))


@in_virtual_time
async def test_an_actor_that_computed_too_much_stands_still_but_for_what_is_urgent(
    registry: Registry,
) -> None:
    running = Running(registry, Hungry(b"1", b"2", b"3"), cpu=0.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.run)
        start = anyio.current_time()

        def passed() -> float:
            return anyio.current_time() - start

        assert await running.ask() == b"1"
        assert passed() == pytest.approx(0, abs=0.05)
        assert await running.ask() == b"2"
        assert passed() == pytest.approx(0, abs=0.1)
        running.entry.mailbox.tell(Callback("1", b"callbacks wait"))
        await running.entry.mailbox.check_health()
        assert passed() < 0.9
        assert running.instance.called(HANDLE_CALLBACK) == []
        assert await running.ask() == b"3"
        assert passed() == pytest.approx(1, abs=0.1)
        assert len(running.instance.called(HANDLE_CALLBACK)) == 1
        await registry.send(running.entry.id, b"not taken any more")
        running.entry.mailbox.request_stop()
        await running.ended.wait()
        assert passed() < 1.5

    assert running.error is None
    assert running.entry.mailbox.statistics().queued == 1


@in_virtual_time
async def test_a_debt_of_computing_outlives_a_crash(registry: Registry) -> None:
    running = Running(registry, Hungry(TRAP), cpu=0.5)
    assert running.entry.standing is not None
    budget = running.entry.standing.budget
    assert budget is not None
    budget.charge("cpu", 0.5, anyio.current_time())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.run)
        with pytest.raises(ActorStopped):
            await running.ask()
        await running.ended.wait()

    assert running.error is TRAP
    assert budget.debt("cpu", anyio.current_time()) == pytest.approx(1, abs=0.1)


@asynccontextmanager
async def real_guest(
    registry: Registry,
    recorder: Recorder,
    grants: Grants = ALL,
    limits: Limits | None = None,
    config: dict[str, str] | None = None,
) -> AsyncIterator[ActorRef]:
    """Run the guest that obeys its messages, beside an actor ``b`` that echoes."""
    component = await Engine().load(LIFECYCLE)
    standing, gate = Standing(grants), Gate(recorder)
    entry = registry.register("acme/a", standing=standing, config=config)
    imports = [
        messaging(registry, gate),
        host_services(registry, emitter=gate.emitter, wall_clock=lambda: 12 * 10**9),
    ]

    async def instantiate() -> Instance:
        return await component.instantiate(
            imports,
            limits=limits or Limits(fuel=100_000_000, timeout=10),
            grants=standing,
            actor=entry.id,
            guard=gate,
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_actor, echo, registry.register("b"), registry, "!")
        await tasks.start(run_component, instantiate, entry, registry)
        yield registry.ref("acme/a")
        entry.mailbox.request_stop()
        registry.entry("b").mailbox.request_stop()


@pytest.mark.guest
@pytest.mark.parametrize(
    ("order", "answer", "needs_grant"),
    [
        ("self", "acme/a", False),
        ("time", "12000", False),
        ("now", "12.0", False),
        ("sleep 1", "ok", False),
        ("config key", "value", False),
        ("config other", "error: no such key", False),
        ("about acme/a", "acme/a lifecycle", False),
        ("cancel nothing", "false", False),
        ("unsubscribe t", "ok", False),
        ("send b 1", "ok", True),
        ("ask b hi", "hi!", True),
        ("later b 1", "acme/a:1", True),
        ("broadcast b 1", "ok", True),
        ("publish t 1", "ok", True),
        ("subscribe t.#", "ok", True),
    ],
)
async def test_a_real_guest_calls_every_function_and_is_denied_without_grants(
    registry: Registry,
    recorder: Recorder,
    order: str,
    answer: str,
    needs_grant: bool,  # noqa: FBT001
) -> None:
    async with real_guest(registry, recorder, config={"key": "value"}) as guest:
        assert (await guest.ask(order)).decode().strip().startswith(answer)
    registry.remove("acme/a")
    registry.remove("b")

    async with real_guest(
        registry, recorder, Grants(), config={"key": "value"}
    ) as guest:
        told = (await guest.ask(order)).decode().strip()

    if needs_grant:
        assert "denied" in told
        assert [event.subject for event in recorder.of(Denied)] == ["acme/a"]
    else:
        assert told.startswith(answer)
        assert recorder.of(Denied) == []


@pytest.mark.guest
async def test_a_real_guest_logs_lists_and_draws_random_bytes(
    registry: Registry, recorder: Recorder
) -> None:
    async with real_guest(registry, recorder) as guest:
        with pytest.raises(AskRefused, match="gave no reply"):
            await guest.ask("log careful")
        assert (await guest.ask("list")).split() == [b"acme/a", b"b"]
        assert len(await guest.ask("random 32")) == 32

    (event,) = recorder.of(Logged)
    assert (event.subject, event.level, event.message) == ("acme/a", "info", "careful")
    assert event.fields == (("verb", "log"),)


@pytest.mark.guest
async def test_a_real_guest_takes_callbacks_topics_and_health_checks(
    registry: Registry, recorder: Recorder
) -> None:
    async with real_guest(registry, recorder, config={"subscribe": "t.#"}) as guest:
        request_id = (await guest.ask("later b hi")).decode()
        await wait_all_tasks_blocked()
        assert (await guest.ask("got")).decode() == f"{request_id} ok hi!"
        await registry.publish("t.x", b"news")
        assert await guest.ask("heard") == b"1 t.x news"
        with pytest.raises(AskRefused, match="internal-error: no"):
            await guest.ask("err no")
        mailbox = registry.entry("acme/a").mailbox
        await mailbox.check_health()
        await guest.ask("sick no disk")
        with pytest.raises(Unhealthy, match="no disk"):
            await mailbox.check_health()


@pytest.mark.guest
@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"fail": "no"}, InitFailed),
        ({"hang": "spin"}, Overtime),
        ({"hang": "sleep"}, Overtime),
        ({"init-trap": "yes"}, GuestTrapped),
    ],
)
async def test_a_real_guest_whose_init_fails_does_not_start(
    registry: Registry,
    recorder: Recorder,
    config: dict[str, str],
    error: type[Exception],
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await real_guest(
            registry, recorder, limits=Limits(timeout=0.2), config=config
        ).__aenter__()

    assert caught.group_contains(error)


@pytest.mark.guest
@pytest.mark.parametrize("how", ["trap", "spin", "sleep", "err"])
async def test_a_real_guest_that_fails_in_shutdown_stops_all_the_same(
    registry: Registry, recorder: Recorder, how: str
) -> None:
    limits = Limits(timeout=0.2)
    async with real_guest(
        registry, recorder, limits=limits, config={"bad-shutdown": how}
    ):
        pass

    (event,) = recorder.of(Logged)
    assert event.message.startswith("shutdown: ")


@pytest.mark.guest
@pytest.mark.parametrize(
    ("order", "why"), [("trap", "trap"), ("spin", "time"), ("deep", "trap")]
)
async def test_a_real_guest_that_is_cut_crashes_its_actor_alone(
    registry: Registry, recorder: Recorder, order: str, why: str
) -> None:
    async def order_it() -> None:
        async with real_guest(registry, recorder, limits=Limits(timeout=0.2)) as guest:
            with pytest.raises(ActorStopped):
                await guest.ask(order)
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup):
        await order_it()

    assert [event.why for event in recorder.of(CallCut)] == [why]
    assert [event.payload for event in recorder.of(DeadLettered)] == [order.encode()]
