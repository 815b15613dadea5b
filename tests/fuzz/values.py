# ruff: noqa: PT017 - errors are judged here, not expected
"""Fuzz values: right ones, wrong ones and hostile ones, through a guest and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Final

import anyio
from attrs import define, field
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from airssys.core.errors import ValueMismatch
from airssys.engine.component import Component, Engine
from airssys.engine.instance import Instance
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Tuple, WitType

from .hostile import RAISED, disguised, raisers
from .journal import Journal
from .made import INTERFACE, TAIL, Bucket, Types, guest, rights
from .wrong import spoiled

__all__ = ("RUNS", "World", "engine", "own_error", "round_")

RUNS: Final = settings(
    database=None,
    deadline=None,
    max_examples=40,
    phases=(Phase.generate, Phase.shrink)[: 1 + ("FUZZ_SHRINK" in os.environ)],
    suppress_health_check=list(HealthCheck),
)


@cache
def engine(*, bytes_lane: bool) -> Engine:
    """Return the one engine of each kind: code is not kept, as it is new each time."""
    return Engine(cache=False, optimize=False, bytes_lane=bytes_lane)


@define
class World:
    """A guest of made-up types, and its host."""

    number: int
    params: list[WitType] = field(init=False)
    types: Types = field(init=False)
    host: HostInterface = field(init=False)
    component: Component = field(init=False)
    scope: anyio.CancelScope = field(init=False)
    """What a call of the guest runs in."""
    answer: Callable[[], object] | None = None
    """Answers the guest; None: with what it asks."""

    def __attrs_post_init__(self) -> None:
        random = Random(self.number)
        self.types = Types(random)
        count = random.randint(1, 3)
        made = [self.types.any(random.randint(0, 3)) for _ in range(count)]
        self.params = [*made, TAIL]
        self.host = HostInterface(INTERFACE)
        self.host.resource(Bucket)

        @self.host.function(name="pass")
        def pass_(_call: Call, *args: Any) -> object:
            return args if self.answer is None else self.answer()

    async def compile(self) -> None:
        text = guest(self.types, self.params)
        chosen = engine(bytes_lane=self.number % 3 > 0)
        self.component = await chosen.compile(text)

    @property
    def backend(self) -> str:
        return "trio" if self.number % 2 else "asyncio"


def own_error(error: BaseException, raised: BaseException) -> bool:
    """Tell whether an error is what a value's own code raised."""
    if isinstance(raised, StopIteration) and isinstance(error, RuntimeError):
        return error.__cause__ is raised  # so does Python in every coroutine
    if isinstance(raised, BaseExceptionGroup):  # cancel scopes make groups anew
        same: object = getattr(error, "exceptions", ())
        return same == raised.exceptions
    return error is raised


def round_(number: int, journal: Journal) -> None:
    """Pass values of made-up types."""
    world = World(number)
    journal.begin(f"compile {guest(world.types, world.params)}")
    anyio.run(world.compile, backend=world.backend)
    right = st.lists(rights(Tuple(tuple(world.params))), min_size=1, max_size=4)
    several = [[rights(param) for param in world.params] for _ in world.params]

    async def with_instance(journal_text: str, run: Any) -> None:
        journal.begin(f"{journal_text}\nof {[str(t) for t in world.params]}")
        with await world.component.instantiate([world.host]) as instance:
            await run(instance)

    async def back(instance: Instance, args: tuple[Any, ...]) -> None:
        found = await instance.call("run", *args)
        assert found == args, f"{found!r} came back for {args!r}"

    @seed(number)
    @RUNS
    @given(right)
    def same(calls: list[tuple[Any, ...]]) -> None:
        async def run(instance: Instance) -> None:
            for args in calls:
                await back(instance, args)

        anyio.run(with_instance, f"right {calls!r}", run, backend=world.backend)

    @seed(number)
    @RUNS
    @given(st.data())
    def refused(data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(world.params) - 1))
        args = [data.draw(each) for each in several[index]]
        fitting = tuple(data.draw(each) for each in several[index])
        args[index], path = data.draw(spoiled(world.params[index]))

        async def run(instance: Instance) -> None:
            try:
                found = await instance.call("run", *args)
            except ValueMismatch as error:
                place = error.where, error.path
                assert place == ("run", f"p{index}{path}"), error
                assert error.expected, error
                assert error.got, error
            else:
                raise AssertionError(f"taken: {args!r} -> {found!r}")
            assert instance.alive
            await back(instance, fitting)

        text = f"wrong at p{index}{path}: {_shown(args)}"
        anyio.run(with_instance, text, run, backend=world.backend)

    @seed(number)
    @RUNS
    @given(st.data())
    def survived(data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(world.params) - 1))
        args = [data.draw(each) for each in several[index]]
        fitting = tuple(data.draw(each) for each in several[index])
        raised = data.draw(st.sampled_from(RAISED))("own")
        if data.draw(st.booleans()):
            spoil = data.draw(spoiled(world.params[index]))[0]
            args[index] = disguised(data.draw, spoil)
        else:
            args[index] = disguised(data.draw, args[index])
        if data.draw(st.integers(0, 3)) == 0:
            made = raisers(raised)
            args[index] = made[data.draw(st.integers(0, len(made) - 1))]

        async def run(instance: Instance) -> None:
            try:
                await instance.call("run", *args)
            except ValueMismatch as error:
                assert error.path.startswith(f"p{index}"), error
            except BaseException as error:
                if not own_error(error, raised):
                    raise
            assert instance.alive
            await back(instance, fitting)

        text = f"hostile: {_shown(args)}"
        anyio.run(with_instance, text, run, backend=world.backend)

    same()
    refused()
    survived()


def _shown(args: list[Any]) -> str:
    """Show values some of which cannot be shown."""
    try:
        return repr(args)
    except BaseException:  # noqa: BLE001 - hostile ones
        return ", ".join(str(type(each)) for each in args)
