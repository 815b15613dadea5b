"""Do all that a system does, in rounds; after each, nothing of it is under way."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
from attrs import define, field

import airssys
from airssys.errors import (
    AirssysError,
    GuestTrapped,
    InitFailed,
    InstanceClosed,
    Overtime,
    StartTimeout,
)
from airssys.host.filesystem import filesystem_interfaces
from airssys.host.storage import storage_interface

from ..components import write_component
from ..engine.test_resources import BUCKETS, Buckets
from ..host.filesystem.guest import everything, options
from ..relay import relay
from .outcomes import Outcomes

__all__ = ("LINES", "Work", "opened")

PATIENT: Final = airssys.Intensity(restarts=10**9, period=1.0)
SHORT: Final = 'timeout = "100ms"'
"""What a spin may take."""
LIMITS: Final = airssys.Limits(memory=2**20, fuel=None, timeout=0.05)


@define(eq=False)
class Work:
    """A system at work, and what came of it."""

    system: airssys.System
    engine: airssys.Engine
    folder: Path
    outcomes: Outcomes
    chance: random.Random
    store: airssys.MemoryStorage
    buckets: airssys.Component
    until: float = field(default=0.0, init=False)
    """When the round ends."""
    made: int = field(default=0, init=False)
    done: dict[str, int] = field(factory=dict, init=False)
    """How often each line of work was done."""

    async def round(self, seconds: float) -> None:
        """Do all lines of work beside each other for that long, each to its end."""
        self.until = anyio.current_time() + seconds
        async with anyio.create_task_group() as tasks:
            for name, line in LINES.items():
                tasks.start_soon(self._repeat, name, line)
        # Actors that a line made fall are up again.
        for each in ("guest", "spinner", "front", "several", "dispatcher"):
            ready = False
            while not ready:
                kind = await self.outcomes.ask(self.system.actor(each), "echo up")
                ready = kind == "replied"
        self.outcomes.check()

    async def _repeat(self, name: str, line: Callable[[Work], Awaitable[None]]) -> None:
        first = True
        while first or anyio.current_time() < self.until:
            first = False
            with anyio.fail_after(60):
                await line(self)
            self.done[name] = self.done.get(name, 0) + 1
            await anyio.lowlevel.checkpoint()

    def new(self, stem: str) -> str:
        """Make up an id."""
        self.made += 1
        return f"soak/{stem}#{self.made}"


# --- actors -----------------------------------------------------------------------


async def work_at(actor: airssys.Actor, message: airssys.Message) -> None:
    """Obey a message: ``echo``, ``sleep``, ``crash`` or ``ask`` of the guest."""
    verb, _, rest = message.text.partition(" ")
    if message.topic is not None:
        return
    if verb == "crash":
        raise ValueError(rest)
    if verb == "sleep":
        await anyio.sleep(float(rest))
    if verb == "ask":
        try:
            await message.reply(await actor.ask("guest", f"echo {rest}", timeout=1.0))
        except airssys.DeliveryError as error:
            await message.reply(type(error).__name__)
        return
    await message.reply(rest)


async def several(actor: airssys.Actor) -> None:
    """Read in four tasks."""
    await actor.subscribe("soak.#")

    async def read() -> None:
        async for message in actor.inbox:
            await work_at(actor, message)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(read)


async def dispatcher(actor: airssys.Actor) -> None:
    """Work on each message in a task of its own."""
    async with anyio.create_task_group() as tasks:
        async for message in actor.inbox:
            tasks.start_soon(work_at, actor, message)


async def front(actor: airssys.Actor) -> None:
    """Work on one message after the other."""
    async for message in actor.inbox:
        await work_at(actor, message)


@asynccontextmanager
async def opened(
    engine: airssys.Engine, folder: Path, outcomes: Outcomes
) -> AsyncIterator[Work]:
    """Open a system with the actors that all lines of work share."""
    store = airssys.MemoryStorage()
    async with airssys.open_system(
        airssys.HostConfig(),
        engine=engine,
        intensity=PATIENT,
        facilities=airssys.Facilities(storage=store),
    ) as system:
        for name in ("guest", "spinner"):
            await system.spawn(folder / f"soak-{name}", id=name)
        for each in (front, several, dispatcher):
            await system.spawn(each, shutdown=0.5)
        yield Work(
            system,
            engine,
            folder,
            outcomes,
            random.Random(1),
            store,
            await engine.compile(BUCKETS, name="buckets"),
        )


def write_guests(folder: Path) -> None:
    """Write the components that the lines of work spawn."""
    write_component(folder, "soak/guest")
    write_component(
        folder, "soak/spinner", resources=SHORT, supervision='start = "10s"'
    )
    write_component(folder, "soak/spinning", resources=SHORT, config={"hang": "spin"})
    write_component(folder, "soak/failing", config={"fail": "not today"})
    write_component(
        folder, "soak/slow", config={"slow": "300"}, supervision='start = "50ms"'
    )


# --- lines of work ----------------------------------------------------------------


async def ask_guests(work: Work) -> None:
    """Replies, refusals, time-outs, cancels, and crashes of all kinds in between."""
    guest, ask = work.system.actor("guest"), work.outcomes.ask
    text = f"{work.chance.random()}"
    await ask(guest, f"echo {text}", expect=text.encode())
    await ask(guest, "err no")
    await ask(guest, "sleep 20", timeout=0.005)
    await ask(guest, "sleep 20", cancel=0.004)
    await ask(guest, f"echo {text}", cancel=0)
    await ask(guest, work.chance.choice(("trap", "oob", "deep", "divide")))
    await ask(work.system.actor("spinner"), "spin")


async def ask_at_once(work: Work) -> None:
    """Many asks of actors that fall among them."""
    ask = work.outcomes.ask
    async with anyio.create_task_group() as tasks:
        for each in ("several", "dispatcher", "front"):
            ref = work.system.actor(each)
            for number in range(6):
                tasks.start_soon(ask, ref, f"echo {number}")
                tasks.start_soon(ask, ref, f"ask {number}")
            tasks.start_soon(partial(ask, ref, "sleep 0.01", cancel=0.005))
            tasks.start_soon(partial(ask, ref, "sleep 0.05", timeout=0.01))
            if work.chance.random() < 0.5:
                tasks.start_soon(ask, ref, "crash now")


async def use_topics(work: Work) -> None:
    """Listen, publish, and count what arrives."""
    topic = f"soak.{work.new('t').partition('#')[2]}"
    async with work.system.subscribe(topic) as heard:
        for number in range(20):
            await work.system.publish(topic, str(number))
        got = [(await anext(heard)).text for _ in range(20)]
    work.outcomes.expect("topics", got, [str(number) for number in range(20)])
    guest = work.system.actor("guest")
    await work.outcomes.ask(guest, f"subscribe {topic}")
    await work.system.publish(topic, b"x" * 1000)
    await work.outcomes.ask(guest, f"unsubscribe {topic}")


async def spawn_and_stop(work: Work) -> None:
    """Actors that live for a moment, fail to start, or are cancelled as they start."""
    system, ask = work.system, work.outcomes.ask
    name = work.new("guest")
    ref = await system.spawn(work.folder / "soak-guest", id=name)
    await ask(ref, "echo 1", expect=b"1")
    await ref.send("note left")
    await system.stop(name)
    await ask(ref, "echo 2")
    for bad in ("failing", "slow", "spinning"):
        with suppress(InitFailed, StartTimeout, Overtime):
            await system.spawn(work.folder / f"soak-{bad}", id=work.new(bad))
            work.outcomes.problems.append(f"{bad} started")
    name = work.new("cut")
    with anyio.move_on_after(work.chance.random() * 0.004):
        await system.spawn(work.folder / "soak-guest", id=name)
    if any(child.id == name for child in system.children):
        await system.stop(name)
    name = work.new("python")
    ref = await system.spawn(dispatcher, id=name, shutdown=0.01)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask, ref, "sleep 5")
        await anyio.sleep(0.001)
        await system.stop(name)


async def revoke(work: Work) -> None:
    """A component whose grants go while it lives."""
    system, ask = work.system, work.outcomes.ask
    name = work.new("guest")
    ref = await system.spawn(work.folder / "soak-guest", id=name)
    topic = f"revoked.{name.partition('#')[2]}"
    await ask(ref, f"subscribe {topic}", expect=b"ok")
    await ask(ref, "publish soak.x 1", expect=b"ok")
    system.revoke(name)
    await work.system.publish(topic, b"1")
    await ask(ref, "publish soak.x 1")
    await ask(ref, "heard", expect=b"0 ")
    await system.stop(name)


async def store(work: Work) -> None:
    """Keys that come and go."""
    gate = airssys.Gate(None)
    own = "component:self/**"
    grants = airssys.Grants(
        storage=airssys.StorageGrants(read=[own], write=[own], delete=[own])
    )
    async with relay(
        [storage_interface(work.store, gate)],
        grants=grants,
        guard=gate,
    ) as guest:
        for number in range(20):
            await guest("storage#set", f"k{number}", b"v" * 1000)
        got = await guest("storage#get", "k7")
        for number in range(20):
            await guest("storage#delete", f"k{number}")
    work.outcomes.expect("storage", got, b"v" * 1000)


async def use_files(work: Work) -> None:
    """Files that are written, read, closed, and left open by a guest that ends."""
    gate, place = airssys.Gate(None), work.folder / "files"
    async with relay(
        filesystem_interfaces(gate),
        grants=everything(place),
        guard=gate,
    ) as guest:
        path = str(place / f"f{work.chance.randrange(4)}")
        wanted = options("write", create=True, truncate=True)
        file = await guest("filesystem#open", path, wanted)
        await guest("filesystem#[method]file.write", file, b"x" * 5000)
        await guest.drop(file)
        file = await guest("filesystem#open", path, options())
        found = await guest("filesystem#[method]file.read", file, 9000)
        await guest.keep(file)
    work.outcomes.expect("file", len(found.data), 5000)


async def call_host(work: Work) -> None:
    """Host functions that wait, raise, and are cancelled or out of time."""
    host = airssys.HostInterface("soak:test/host@1.0.0")

    @host.function
    async def wait(call: airssys.Call, how: int) -> int:
        if how == 1:
            raise RuntimeError("of the host's")
        await anyio.sleep(0 if how == 0 else 60)
        return how

    component = await work.engine.compile(_CALLS, name="calls")
    with await component.instantiate([host]) as instance:
        work.outcomes.expect("host call", await instance.call("run", 0), 0)
        with suppress(RuntimeError):
            await instance.call("run", 1)
    with (
        suppress(Overtime),
        await component.instantiate([host], limits=LIMITS) as instance,
    ):
        await instance.call("run", 2)
    with await component.instantiate([host]) as instance:
        with anyio.move_on_after(0.002):
            await instance.call("run", 2)
        with suppress(InstanceClosed):
            await instance.call("run", 0)


async def use_resources(work: Work) -> None:
    """Objects of the host's in a guest that drops, keeps, traps and spins."""
    for end in ("two", "trap", "spin"):
        buckets = Buckets()
        limits = LIMITS if end == "spin" else airssys.Limits(timeout=None)
        with (
            suppress(GuestTrapped, Overtime),
            await work.buckets.instantiate(
                [buckets.interface], limits=limits
            ) as instance,
        ):
            for number in range(20):
                await instance.call("use", number)
                await instance.call("hold", number)
            await instance.call("keep", buckets.made(1))
            await instance.call(end, *(() if end == "two" else (1,)))
        if end != "spin":  # Its time may be up before.
            # "two" makes three, of which one has two handles.
            made = 41 + (3 if end == "two" else 1)
            work.outcomes.expect(f"dropped ({end})", len(buckets.dropped), made)


async def supervise(work: Work) -> None:
    """Supervisors in supervisors, with children that fall."""

    async def child() -> None:
        await anyio.sleep(0.005)
        raise ValueError

    async def steady() -> None:
        await anyio.sleep_forever()

    async with airssys.open_supervisor(
        strategy=airssys.Strategy.ONE_FOR_ALL, intensity=PATIENT
    ) as supervisor:
        await supervisor.start(airssys.ChildSpec("steady", steady))
        await supervisor.start(airssys.ChildSpec("falling", child))
        await supervisor.start(
            airssys.supervise("below", [airssys.ChildSpec("steady", steady)])
        )
        await supervisor.restart("steady")
        await anyio.sleep(0.02)
        await supervisor.stop("below")


async def compile_new(work: Work) -> None:
    """A component that nobody has seen before, and text that is none."""
    work.made += 1
    text = f'(component (core module (data "{work.made}")))'
    component = await work.engine.compile(text, name="new")
    with await component.instantiate():
        pass
    with suppress(AirssysError):
        await work.engine.compile(f"(component {work.made})")
    with anyio.move_on_after(0):
        await work.engine.compile(text + " ")
    await anyio.sleep(0.05)  # All others are why we are here.


LINES: Final[dict[str, Callable[[Work], Awaitable[None]]]] = {
    "asks of guests": ask_guests,
    "asks at once": ask_at_once,
    "topics": use_topics,
    "spawn and stop": spawn_and_stop,
    "revocations": revoke,
    "storage": store,
    "files": use_files,
    "host calls": call_host,
    "resources": use_resources,
    "supervisors": supervise,
    "compiling": compile_new,
}

_CALLS: Final = """(component
  (import "soak:test/host@1.0.0" (instance $host
    (export "wait" (func (param "how" u32) (result u32)))))
  (core func $wait (canon lower (func $host "wait")))
  (core module $code
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (func (export "run") (param i32) (result i32) (call $wait (local.get 0))))
  (core instance $c (instantiate $code (with "h" (instance
    (export "wait" (func $wait))))))
  (func (export "run") (param "how" u32) (result u32)
    (canon lift (core func $c "run"))))"""
