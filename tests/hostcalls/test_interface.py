from __future__ import annotations

from typing import Any

import pytest

from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface


@pytest.fixture
def kv() -> HostInterface:
    return HostInterface("acme:kv/store@1.0.0")


def test_a_function_is_offered_under_its_name_in_kebab_case(kv: HostInterface) -> None:
    @kv.function
    def list_keys(call: Call) -> list[str]:
        return [call.component]

    @kv.function()
    async def get_(_call: Call, _key: str) -> None: ...

    @kv.function(name="drop")
    def remove(_call: Call, _key: str) -> None: ...

    assert list(kv.functions) == ["list-keys", "get", "drop"]
    assert list_keys(Call("me")) == ["me"], "a decorated function stays a function"
    assert kv.functions["drop"].body is remove
    assert kv.functions["get"].body is get_


def test_a_name_is_offered_once(kv: HostInterface) -> None:
    kv.function(lambda _call: None, name="get")
    with pytest.raises(ValueError, match="already has a function 'get'"):
        kv.function(lambda _call: None, name="get")


def none() -> None: ...


def keywords(*, call: Call) -> None: ...


@pytest.mark.parametrize("body", [none, keywords])
def test_a_function_must_take_a_call(kv: HostInterface, body: Any) -> None:
    with pytest.raises(TypeError, match=r"acme:kv/store@1\.0\.0#.* takes no Call"):
        kv.function(body)


class Store:
    def get(self, _call: Call, _key: str) -> None: ...


@pytest.mark.parametrize(
    ("body", "fewest", "most"),
    [
        (lambda _call: None, 0, 0),
        (lambda _call, _a, _b: None, 2, 2),
        (lambda _call, _a, _b=1: None, 1, 2),
        (lambda _call=None: None, 0, 0),
        (lambda _call, *_rest: None, 0, None),
        (lambda _call, _a, *_rest: None, 1, None),
        (lambda *_all: None, 0, None),
        (lambda _call, _a, *, _b=1: None, 1, 1),
        (lambda _call, **_named: None, 0, 0),
        (Store().get, 1, 1),
    ],
    ids=range(10),
)
def test_the_parameters_of_a_function_are_counted(
    kv: HostInterface, body: Any, fewest: int, most: int | None
) -> None:
    kv.function(body, name="get")
    function = kv.functions["get"]

    assert (function.fewest, function.most) == (fewest, most)
    for count in range(6):
        fits = fewest <= count and (most is None or count <= most)
        assert function.takes(count) is fits


def test_a_body_that_needs_more_than_wit_parameters_is_refused() -> None:
    kv = HostInterface("acme:kv/store@1.0.0")

    def get(call: Call, key: str, *, pool: object) -> bytes | None:
        return None

    with pytest.raises(TypeError, match="cannot be called without 'pool'"):
        kv.function(get)


def test_a_type_that_is_none_is_refused_where_the_function_is_offered(
    kv: HostInterface,
) -> None:
    with pytest.raises(ValueError, match="is no function's type: write func"):
        kv.function(lambda _call: None, name="get", wit="u32")
    kv.function(lambda _call: None, name="get", wit="func()")

    assert kv.functions["get"].wit == "func()"


def test_what_a_function_needs_cannot_be_waited_for() -> None:
    kv = HostInterface("acme:kv/store@1.0.0")

    async def needs(key: str) -> None: ...

    with pytest.raises(TypeError, match="needs= is an async def"):

        @kv.function(needs=needs)  # type: ignore[arg-type]
        def get(call: Call, key: str) -> None: ...

    assert not kv.functions


class Shop:
    """What an instance has of its own."""


@pytest.mark.parametrize(
    ("annotation", "takes"),
    [
        (Call, True),
        (Call[Shop], True),
        ("Call", True),
        ("Call[Shop]", True),
        ("airssys.Call[shop.Shop]", True),
        ("airssys.Call", True),
        ("list[Call]", False),
        ("Caller", False),
        (str, False),
        (None, True),  # by its name
    ],
    ids=repr,
)
def test_a_method_takes_the_call_however_it_is_written(
    annotation: Any, *, takes: bool
) -> None:
    def get(self: object, call: Any) -> object:
        return call

    get.__annotations__ = {} if annotation is None else {"call": annotation}
    host = HostInterface("acme:shop/things")
    host.resource(type("Thing", (), {"get": get}))

    assert host.functions["[method]thing.get"].takes(1) is takes
