# ruff: noqa: PT017 - errors are judged here, not expected
"""Fuzz resources: a guest's handles in any order, and host classes that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import anyio
import anyio.lowlevel
from attrs import Factory, define
from hypothesis import given, seed
from hypothesis import strategies as st

from airssys.core.errors import (
    AirssysError,
    GuestTrapped,
    InstanceClosed,
    ValueMismatch,
)
from airssys.core.limits import Limits
from airssys.engine.component import Component
from airssys.engine.instance import Instance
from airssys.engine.resource import Handle
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from ..engine.test_resources import BUCKETS, COUNTERS
from .hosts import ODD, Waits
from .journal import Journal
from .values import RUNS, engine, own_error

__all__ = ("round_",)

_API: Final = "test:guest/counters@0.1.0#"
_FUNCTIONS: Final = ("use", "two", "hold", "trap", "spin", "look", "keep", "pass")


@cache
def _compiled(text: str, lane: bool) -> Component:  # noqa: FBT001 - a key of the cache
    return anyio.run(engine(bytes_lane=lane).compile, text)


class Closer:
    """A number whose reading closes a handle, or an instance."""

    def __init__(self, close: Callable[[], Any]) -> None:
        self.close = close

    def __index__(self) -> int:
        self.close()
        return 1


@define
class Counters:
    """An instance of the guest that makes counters, and its handles."""

    instance: Instance
    other: Instance
    handles: list[Any] = Factory(list)

    def chosen(self, index: int) -> Any:
        """Return a handle, which may be gone, or what is none."""
        known = [*self.handles, None, self, b"", Handle]
        return known[index % len(known)]

    async def step(self, what: str, one: int, two: int) -> None:
        a, b = self.chosen(one), self.chosen(two)
        match what:
            case "new":
                number = 2 + one % 50
                new = await self.instance.call(f"{_API}[constructor]counter", number)
                assert isinstance(new, Handle)
                self.handles.append(new)
            case "foreign":
                self.handles.append(
                    await self.other.call(f"{_API}[constructor]counter", 3)
                )
            case "merge":
                name = f"{_API}[static]counter.merge"
                self.handles.append(await self.instance.call(name, a, b))
            case "sum":
                await self.instance.call(f"{_API}sum", a, b)
            case "plus":
                await self.instance.call(f"{_API}[method]counter.plus-one", a, two)
            case "method" if isinstance(a, Handle):
                await a.call("plus_one", two % 100)
            case "plus and close" if isinstance(b, Handle):
                name = f"{_API}[method]counter.plus-one"
                await self.instance.call(name, a, Closer(b.close))
            case "plus and end":
                name = f"{_API}[method]counter.plus-one"
                await self.instance.call(name, a, Closer(self.instance.close))
            case "close" if isinstance(a, Handle):
                a.close()
            case "close now" if isinstance(a, Handle):
                await a.close()
            case "forget" if self.handles:
                self.handles.pop(one % len(self.handles))
            case "end":
                self.instance.close()
            case "drop":
                await self.instance.drop()
            case _:
                pass


_STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("new", "new", "new", "new", "foreign", "merge", "sum", "plus"),
                *("method", "close", "close now", "forget", "drop"),
                *("merge", "plus and close", "plus and end", "end"),
            )
        ),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    min_size=3,
    max_size=25,
)
_ANSWERS: Final = ("right", "raise", "raise later", "class", "none", "other", "junk")


def round_(number: int, journal: Journal) -> None:
    """Use handles in made-up orders, and make classes of the host misbehave."""
    backend = "trio" if number % 2 else "asyncio"
    lane = number % 4 < 2
    counters, buckets = _compiled(COUNTERS, lane), _compiled(BUCKETS, lane)

    @seed(number)
    @RUNS
    @given(_STEPS)
    def law(steps: list[tuple[str, int, int]]) -> None:
        journal.begin(repr(steps))
        anyio.run(_steps, counters, steps, backend=backend)

    @seed(number)
    @RUNS
    @given(
        st.dictionaries(
            st.sampled_from(("make", "get", "same", "itself", "merge", "drop")),
            st.sampled_from(_ANSWERS),
            min_size=1,
            max_size=2,
        ),
        st.sampled_from(ODD),
        st.lists(st.sampled_from(_FUNCTIONS), min_size=1, max_size=4),
    )
    def misbehaves(
        orders: dict[str, str], odd: Callable[[], BaseException], calls: list[str]
    ) -> None:
        raised = odd()
        journal.begin(f"{orders} {type(raised)} {calls}")
        anyio.run(_misbehave, buckets, orders, raised, calls, backend=backend)

    law()
    misbehaves()


async def _steps(component: Component, steps: list[tuple[str, int, int]]) -> None:
    dropped: list[int] = []
    host = HostInterface("test:host/log")
    host.function(lambda _call, n: dropped.append(n), name="tell")
    with (
        await component.instantiate([host]) as instance,
        await component.instantiate([host]) as other,
    ):
        counters = Counters(instance, other)
        for step in steps:
            try:
                await counters.step(*step)
            except (ValueMismatch, InstanceClosed) as error:
                assert str(error), step
            except GuestTrapped as error:  # made with 66: see the guest
                assert "unreachable" in error.kind, error


def _obey(way: str, right: Any, raised: BaseException) -> Any:
    async def later() -> Any:
        await anyio.lowlevel.checkpoint()
        raise raised

    match way:
        case "raise":
            raise raised
        case "raise later":
            return later()
        case "class":
            return HostInterface
        case "none":
            return None
        case "other":
            return ["other"]
        case "junk":
            return Waits(lambda: 5)
        case _:
            return right


def _offered(
    orders: dict[str, str], raised: BaseException, made: list[Any], drops: list[Any]
) -> tuple[HostInterface, type]:
    host = HostInterface("test:host/buckets@1.0.0")

    def say(what: str, right: Any) -> Any:
        return _obey(orders.get(what, "right"), right, raised)

    @host.resource(constructor="make")
    class Bucket:
        @staticmethod
        def make(_n: int) -> Any:
            made.append(new := Bucket())
            return say("make", new)

        def get(self, call: Call, by: int) -> Any:
            assert call.function.endswith("get")
            return say("get", by)

        def same(self, other: Any) -> Any:
            return say("same", self is other)

        def itself(self) -> Any:
            return say("itself", self)

        @staticmethod
        def merge(a: Any, _b: Any) -> Any:
            return say("merge", a)

        def drop(self) -> None:
            drops.append(self)
            if orders.get("drop", "right") in {"raise", "raise later"}:
                raise raised

    return host, Bucket


async def _misbehave(
    component: Component,
    orders: dict[str, str],
    raised: BaseException,
    calls: list[str],
) -> None:
    made: list[Any] = []
    drops: list[Any] = []
    host, bucket = _offered(orders, raised, made, drops)
    limits = Limits(fuel=100_000, timeout=2.0)
    try:
        with await component.instantiate([host], limits=limits) as instance:
            for name in calls:
                args = [] if name == "two" else [1]
                if name in {"look", "keep", "pass"}:
                    args = [bucket()]
                try:
                    await instance.call(name, *args)
                except BaseException as error:  # noqa: BLE001 - see there
                    _judge(error, orders, raised)
    except BaseException as error:  # noqa: BLE001 - what destructors raise at the end
        _judge(error, orders, raised)
    assert all(drops.count(each) == 1 for each in drops), "dropped twice"
    if orders.get("make", "right") == "right" and isinstance(raised, Exception):
        assert all(each in drops for each in made), "not dropped"


def _judge(error: BaseException, orders: dict[str, str], raised: BaseException) -> None:
    """Let through only what the host raised, or an error of ours that fits."""
    if isinstance(error, AirssysError) or own_error(error, raised):
        return
    if isinstance(error, ExceptionGroup) and set(error.exceptions) <= {raised}:
        return
    if isinstance(error, TypeError) and "junk" in orders.values():
        return
    raise error
