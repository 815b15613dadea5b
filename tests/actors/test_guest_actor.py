from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.actors.actor import run_actor
from airssys.actors.component_actor import (
    HANDLE_CALLBACK,
    HANDLE_MESSAGE,
    run_component,
)
from airssys.actors.control import Callback
from airssys.actors.reference import ActorRef
from airssys.actors.registry import Registry
from airssys.core.errors import (
    ActorStopped,
    AskRefused,
    GuestTrapped,
    InitFailed,
    Overtime,
    Unhealthy,
)
from airssys.core.event import CallCut, DeadLettered, Denied, Logged
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Limits, Usage
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.host.guest_log import GuestLog
from airssys.host.host_services import host_services
from airssys.host.messaging import messaging
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder, ScriptedInstance

from ..virtual import in_virtual_time
from .support import (
    QUIET,
    TRAP,
    Running,
    echo,
)

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
        running.entry.mailbox.put_ahead(Callback("1", b"callbacks wait"))
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
        host_services(
            registry, guest_log=GuestLog(gate.emitter), wall_clock=lambda: 12 * 10**9
        ),
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
        reply = (await guest.ask(order)).decode().strip()

    if needs_grant:
        assert "denied" in reply
        assert [event.subject for event in recorder.of(Denied)] == ["acme/a"]
    else:
        assert reply.startswith(answer)
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
