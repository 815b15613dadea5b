# ruff: noqa: ARG002 - methods have the parameters of WIT

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from attrs import define, field

from airssys.core.errors import InstanceClosed, InvalidComponent, ValueMismatch

from .conftest import WORLDS
from .golden import methods, odd, tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from airssys import Call, Component

pytestmark = pytest.mark.guest


@define(eq=False)
class Pot:
    n: int
    ended: list[int]
    closed: bool = False

    async def get(self, call: Call, by: int) -> int:
        assert call.function.endswith("#[method]pot.get")
        await anyio.lowlevel.checkpoint()
        return self.n + by

    def close(self, call: Call) -> None:
        self.closed = True

    def drop(self) -> None:
        self.ended.append(self.n)


@define
class Pots:
    ended: list[int] = field(factory=list)
    numbers: list[int] = field(factory=list)

    async def pot(self, call: Call, n: int) -> Pot:
        await anyio.lowlevel.checkpoint()
        return Pot(n, self.ended)

    def pot_join(self, call: Call, a: tokens.Pot, b: tokens.Pot) -> Pot:
        assert isinstance(a, Pot)
        assert isinstance(b, Pot)
        return Pot(a.n + b.n, self.ended)

    def tell(self, call: Call, n: int) -> None:
        self.numbers.append(n)


@pytest.fixture
def pots() -> Pots:
    return Pots()


@pytest.fixture
async def exports(
    compile_: Callable[[Path | str], Awaitable[Component]], pots: Pots
) -> AsyncIterator[tokens.Exports]:
    bound = (await compile_(WORLDS / "tokens.wat")).bind(tokens.Exports)
    with await bound.instantiate([tokens.offer_pots(pots)]) as made:
        yield made


async def test_the_guest_s_resources_are_objects_of_the_module(
    exports: tokens.Exports,
) -> None:
    token = await exports.tokens.token(5)

    assert type(token) is tokens.Token
    assert token.handle.type.name == "token"
    assert await exports.tokens.token_spend(token) == 5
    with pytest.raises(ValueMismatch, match="an open handle of token"):
        await exports.tokens.token_spend(token)


async def test_closing_one_runs_its_destructor(
    exports: tokens.Exports, pots: Pots
) -> None:
    first, second, third = [await exports.tokens.token(n) for n in (1, 2, 3)]
    async with first:
        await first.plus_one(1)
    assert pots.numbers == [1]

    second.close()
    await third.close()

    assert pots.numbers == [1, 2, 3]


async def test_one_outlives_its_instance_only_to_say_so(
    exports: tokens.Exports,
) -> None:
    token = await exports.tokens.token(1)
    exports.close()

    with pytest.raises(InstanceClosed):
        await token.plus_one(1)


async def test_a_host_s_resources_are_the_program_s_own_objects(
    exports: tokens.Exports, pots: Pots
) -> None:
    assert await exports.use(5) == 15
    assert pots.ended == [5]

    merged = await exports.merge(Pot(1, pots.ended), Pot(2, pots.ended))

    assert isinstance(merged, Pot)
    assert (merged.n, merged.closed) == (3, False)


async def test_an_object_without_the_methods_is_no_host_s_resource(
    exports: tokens.Exports,
) -> None:
    wrong: Any = "pot"

    with pytest.raises(ValueMismatch, match=r"a: expected pot \(a Pot\), got 'pot'"):
        await exports.merge(wrong, wrong)


async def test_resources_of_a_compatible_version_are_bound(
    compile_: Callable[[Path | str], Awaitable[Component]], pots: Pots
) -> None:
    text = (WORLDS / "tokens.wat").read_text()
    later = await compile_(text.replace("@1.0.0", "@1.0.1"))
    bound = later.bind(tokens.Exports)

    with await bound.instantiate([tokens.offer_pots(pots)]) as exports:
        token = await exports.tokens.token(5)
        assert type(token) is tokens.Token
        assert await token.plus_one(1) > 1
        assert await exports.tokens.token_spend(token) == 5


def test_the_destructor_is_the_method_that_wit_does_not_have() -> None:
    called = []

    class Ends:
        def drop(self) -> None:
            called.append("drop")

        def close(self) -> None:
            called.append("close")

    class Closes:
        def close(self) -> None:
            called.append("close only")

    class Waits:
        async def drop(self) -> None: ...

    for each in (Ends(), Closes(), Waits(), object()):
        drop = methods.offer_source(object()).resources["source"].drop
        assert drop is not None
        drop(each)
    other = tokens.offer_pots(Pots()).resources["pot"].drop
    assert other is not None
    other(Closes())

    assert called == ["drop", "close only"]


async def test_the_world_s_own_types_and_resources_are_bound_too(
    compile_: Callable[[Path | str], Awaitable[Component]],
) -> None:
    component = await compile_(WORLDS / "odd.wat")
    with pytest.raises(InvalidComponent, match="interface 'test:tokens/tokens@1.0.0'"):
        component.bind(tokens.Exports)

    class Things:
        def look(
            self, call: Call, pair: odd.LookPair, thing: odd.Thing
        ) -> dict[str, int]:
            return {}

    component.bind(odd.Exports)
    offered = odd.offer_world(Things())
    assert offered.functions.keys() == {"look", "[method]thing.be"}
    assert offered.resources.keys() == {"thing"}
