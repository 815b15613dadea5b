# ruff: noqa: PT017 - errors are judged here, not expected
"""Fuzz hosts: functions and resources that return, raise and wait for wrong things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import anyio
import anyio.lowlevel
from attrs import define, field
from hypothesis import given, seed
from hypothesis import strategies as st

from airssys.core.errors import (
    CapabilityDenied,
    InstanceClosed,
    Overtime,
    ValueMismatch,
    WitError,
)
from airssys.core.limits import Limits
from airssys.engine.component import Component
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Ok, Result, Scalar, Tuple

from ..engine.guests import PAD, through_host
from .hostile import Own, OwnBase, disguised, raisers
from .journal import Journal
from .made import INTERFACE, guest, rights
from .values import RUNS, World, engine, own_error
from .wrong import spoiled

__all__ = ("round_",)

_PASS: Final = f"{INTERFACE}#pass"
_FALLIBLE: Final = Result(Tuple((Scalar("u32"),)), Scalar("string"))
_FALLIBLE_TEXT: Final = "(result (tuple u32) (error string))"


class Unspeakable(Exception):
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class Demanding(Exception):
    """An error that cannot be made again from its arguments."""

    def __init__(self, *, one: int) -> None:
        super().__init__()
        self.one = one


ODD: Final[tuple[Callable[[], BaseException], ...]] = (
    *(Own, OwnBase, Unspeakable, KeyboardInterrupt, SystemExit, GeneratorExit),
    *(StopIteration, StopAsyncIteration, RecursionError, MemoryError, TypeError),
    *(asyncio.CancelledError, TimeoutError, WitError, AssertionError, OSError),
    lambda: Demanding(one=1),
    lambda: CapabilityDenied("c", "do it"),
    lambda: ValueMismatch("elsewhere", "x", "u8", "'a'"),
    lambda: InstanceClosed("other", "closed"),
    lambda: ExceptionGroup("several", [Own(), ValueError()]),
    lambda: BaseExceptionGroup("several", [OwnBase()]),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"),
)
"""What hosts raise."""


class Waits:
    """Something to await that does what it was made with."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def __await__(self) -> Any:
        return self.action()


def _stubborn(value: Any) -> Any:
    """Do not let a cancel through."""

    async def wait() -> Any:
        try:
            await anyio.sleep_forever()
        except BaseException:  # noqa: BLE001 - what it is about
            return value

    return wait()


def _replacing(raised: BaseException) -> Any:
    """Raise another error where it is cancelled."""

    async def wait() -> Any:
        try:
            await anyio.sleep_forever()
        finally:
            raise raised

    return wait()


def _cancelled(
    scope: Callable[[], anyio.CancelScope], answer: Callable[[], Any]
) -> Any:
    """Cancel the caller of the guest, then answer."""
    scope().cancel()
    return answer()


async def _later(value: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return value


async def _raise_later(raised: BaseException) -> Any:
    await anyio.lowlevel.checkpoint()
    raise raised


@define
class Fallible:
    """A guest that passes a result on, and its host."""

    component: Component
    host: HostInterface = field(factory=lambda: HostInterface(INTERFACE))
    answer: Callable[[], Any] = lambda: None

    def __attrs_post_init__(self) -> None:
        @self.host.function(name="pass")
        def pass_(_call: Call, _x: Any, _pad: Any) -> Any:
            return self.answer()


@cache
def fallible() -> Fallible:
    text = through_host(_FALLIBLE_TEXT)
    return Fallible(anyio.run(engine(bytes_lane=True).compile, text))


def round_(number: int, journal: Journal) -> None:
    """Let the host of a guest of made-up types misbehave."""
    world = World(number)
    journal.begin(f"compile {guest(world.types, world.params)}")
    anyio.run(world.compile, backend=world.backend)
    fallible()
    whole = Tuple(tuple(world.params))

    def run(case: str, answer: Callable[[], Any], args: Any, check: Any) -> None:
        journal.begin(f"{case}\nof {[str(t) for t in world.params]}")
        world.answer = answer
        limits = Limits(timeout=0.02 if "forever" in case else 5.0)
        anyio.run(_ask, world, args, limits, check, backend=world.backend)

    @seed(number)
    @RUNS
    @given(rights(whole), spoiled(whole), st.booleans())
    def wrong(args: Any, bad: tuple[Any, str], late: bool) -> None:  # noqa: FBT001
        value, path = bad

        def check(error: BaseException | None, back: Any) -> None:
            assert isinstance(error, ValueMismatch), error or back
            assert (error.where, error.path) == (_PASS, f"result{path}"), error

        answer = (lambda: _later(value)) if late else lambda: value
        run(f"wrong at result{path}: {_shown(value)}", answer, args, check)

    @seed(number)
    @RUNS
    @given(rights(whole), st.data())
    def odd(args: Any, data: st.DataObject) -> None:
        raised = data.draw(st.sampled_from(ODD))()
        value = data.draw(rights(whole))
        liar = disguised(data.draw, value)
        made = raisers(raised)
        hostile = made[data.draw(st.integers(0, len(made) - 1))]
        ways = _ways(raised, value, liar, hostile, lambda: world.scope)
        way = data.draw(st.sampled_from(sorted(ways)))

        if "cancel" in way and isinstance(raised, asyncio.CancelledError):
            return  # nobody could tell them apart

        def check(error: BaseException | None, back: Any) -> None:
            assert way not in _MUST_RAISE or error is not None, back
            if error is None or own_error(error, raised):
                return
            if isinstance(error, ValueMismatch):
                assert error.where == _PASS, error
                assert error.path.startswith("result"), error
                return
            if isinstance(error, Overtime) and "forever" in way:
                return
            if type(error) in _JUNK and "junk" in way:
                return
            raise error

        run(f"{way}, {type(raised)}", ways[way], args, check)

    @seed(number)
    @RUNS
    @given(st.data())
    def results(data: st.DataObject) -> None:
        value, path = data.draw(
            spoiled(_FALLIBLE.ok or Scalar("u8")).map(lambda f: (f[0], f"(ok){f[1]}"))
            | spoiled(Scalar("string")).map(lambda f: (WitError(f[0]), "(err)"))
        )
        journal.begin(f"result wrong at {path}: {_shown(value)}")
        anyio.run(_result, value, path, backend=world.backend)

    wrong()
    odd()
    results()


_JUNK: Final = (TypeError, RuntimeError)
"""What the event loop, or Python, raises on awaitables that are none."""
_MUST_RAISE: Final = {"raise", "raise later", "nothing", "raise in await"}


def _ways(
    raised: BaseException,
    value: Any,
    liar: Any,
    hostile: Any,
    scope: Callable[[], anyio.CancelScope],
) -> dict[str, Callable[[], Any]]:
    def fail() -> Any:
        raise raised

    async def generates() -> Any:
        yield value

    return {
        "raise": fail,
        "raise later": lambda: _raise_later(raised),
        "raise in await": lambda: Waits(fail),
        "nothing": lambda: None,
        "nothing later": lambda: _later(None),
        "the class": lambda: type(value),
        "an async generator": generates,
        "a liar": lambda: liar,
        "a liar later": lambda: _later(liar),
        "hostile": lambda: hostile,
        "hostile later": lambda: _later(hostile),
        "junk: no iterator": lambda: Waits(lambda: 5),
        "junk: yields": lambda: Waits(lambda: iter([5])),
        "nothing by await": lambda: Waits(lambda: iter(())),
        "cancel, then right": lambda: _cancelled(scope, lambda: value),
        "cancel, then a liar": lambda: _cancelled(scope, lambda: liar),
        "cancel, then raise": lambda: _cancelled(scope, fail),
        "cancel, then wait": lambda: _cancelled(scope, lambda: _later(value)),
        "cancel, then forever": lambda: _cancelled(scope, anyio.sleep_forever),
        "forever": anyio.sleep_forever,
        "forever stubborn": lambda: _stubborn(value),
        "forever stubborn liar": lambda: _stubborn(liar),
        "forever replacing": lambda: _replacing(raised),
    }


async def _ask(world: World, args: Any, limits: Limits, check: Any) -> None:
    with await world.component.instantiate([world.host], limits=limits) as instance:
        error: BaseException | None = None
        back = None
        with anyio.CancelScope() as world.scope:
            try:
                back = await instance.call("run", *args)
            except anyio.get_cancelled_exc_class() as caught:
                error = caught
                if world.scope.cancel_called:
                    raise
            except BaseException as caught:  # noqa: BLE001 - also what ends programs
                error = caught
        if not world.scope.cancelled_caught:
            check(error, back)
        if error is not None:
            await _closed(instance)
        else:
            assert instance.alive


async def _closed(instance: Any) -> None:
    assert not instance.alive
    try:
        await instance.call("run")
    except InstanceClosed as error:
        assert error.reason, error
    else:
        raise AssertionError("called after its end")


async def _result(value: Any, path: str) -> None:
    guest = fallible()

    def answer() -> Any:
        if isinstance(value, WitError):
            raise value
        return value

    guest.answer = answer
    with await guest.component.instantiate([guest.host]) as instance:
        try:
            back = await instance.call("echo", Ok((1,)), PAD)
        except ValueMismatch as error:
            assert (error.where, error.path) == (_PASS, f"result{path}"), error
        else:
            raise AssertionError(f"taken: {value!r} -> {back!r}")
        await _closed(instance)


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001 - hostile ones
        return str(type(value))
