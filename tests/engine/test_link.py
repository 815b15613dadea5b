from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import UnknownImport
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest


def imports(*lines: str) -> str:
    """Return a component that imports interfaces and only needs to be linked."""
    return f"(component {' '.join(lines)})"


def interface(name: str, *functions: str) -> str:
    exports = " ".join(f'(export "{function}" (func))' for function in functions)
    return f'(import "{name}" (instance {exports}))'


def offer(name: str, *functions: str) -> HostInterface:
    made = HostInterface(name)
    for function in functions:
        made.function(lambda _call: None, name=function)
    return made


async def test_an_interface_that_nobody_offers_is_named_beside_what_is_offered(
    make: Any,
) -> None:
    with pytest.raises(UnknownImport) as raised:
        await make(
            imports(interface("acme:kv/store@1.0.0", "get")),
            [offer("acme:kv/cache@1.0.0", "get"), offer("", "log")],
        )

    assert str(raised.value) == (
        "component 'component' cannot be linked: interface 'acme:kv/store@1.0.0' is "
        "missing (offered: 'acme:kv/cache@1.0.0', 'functions of the world')"
    )


async def test_every_problem_of_linking_is_reported_at_once(make: Any) -> None:
    kv = offer("acme:kv/store@1.0.0", "get")
    kv.function(lambda _call, _key, _default=0: None, name="put")
    kv.function(lambda _call, _key, *_rest: None, name="drop")
    text = imports(
        '(import "log" (func (param "text" string)))',
        interface("acme:kv/store@1.0.0", "get", "list", "put", "drop"),
        interface("acme:kv/other", "a"),
        '(import "thing" (type (sub resource)))',
        """(import "acme:kv/handles" (instance
             (export "h" (type $h (sub resource)))
             (export "read" (func (param "s" (stream u8))))))""",
    )
    handles = HostInterface("acme:kv/handles")
    handles.function(lambda _call, _s: None, name="read")
    with pytest.raises(UnknownImport) as raised:
        await make(text, [kv, handles])

    assert raised.value.problems == (
        "'log' is missing: func(text: string)",
        "'acme:kv/store@1.0.0#list' is missing: func()",
        "'acme:kv/store@1.0.0#put' takes 0 parameters, the host's function 1 to 2",
        "'acme:kv/store@1.0.0#drop' takes 0 parameters, the host's function at least 1",
        "interface 'acme:kv/other' is missing",
        "'thing' is missing: resource",
        "'acme:kv/handles#h' is missing: resource",
        "'acme:kv/handles#read' has a stream in its type: func(s: stream)",
    )


async def test_a_function_of_another_arity_is_refused_before_anything_runs(
    make: Any,
) -> None:
    with pytest.raises(UnknownImport) as raised:
        await make(guests.asks_host(), [offer("test:host/api", "ask")])

    assert raised.value.problems == (
        "'test:host/api#ask' takes 1 parameters, the host's function 0",
    )


@pytest.mark.parametrize(
    ("wanted", "offered", "fits"),
    [
        ("@1.0.0", "@1.0.0", True),
        ("@1.0.1", "@1.0.0", True),
        ("@1.0.0", "@1.2.3", True),
        ("@1.0.0", "@2.0.0", False),
        ("@0.2.9", "@0.2.0", True),
        ("@0.2.0", "@0.3.0", False),
        ("@0.0.1", "@0.0.1", True),
        ("@0.0.1", "@0.0.2", False),
        ("@0.0.0", "@0.0.0", True),
        ("@1.0.0-rc1", "@1.0.0", False),
        ("@1.0.0-rc1", "@1.0.0-rc1", True),
        ("@1.0.0", "@1.0.0+build", True),
        ("@1.0.0", "", False),
        ("", "", True),
    ],
)
async def test_an_interface_fits_at_any_compatible_version(
    make: Any, wanted: str, offered: str, *, fits: bool
) -> None:
    text = imports(interface(f"acme:kv/store{wanted}", "get"))
    offers = [offer(f"acme:kv/store{offered}", "get")]
    if fits:
        (await make(text, offers)).close()
    else:
        with pytest.raises(UnknownImport, match="is missing"):
            await make(text, offers)


async def test_the_exact_version_is_preferred_to_a_compatible_one(make: Any) -> None:
    asked = []
    offers = []
    for version in ("1.0.0", "1.1.0"):
        made = HostInterface(f"acme:kv/store@{version}")

        def ask(call: Call, n: int) -> int:
            asked.append(call.function)
            return n

        made.function(ask)
        offers.append(made)
    text = guests.asks_host(interface="acme:kv/store@1.1.0")
    with await make(text, offers) as instance:
        await instance.call("run", 1)

    assert asked == ["acme:kv/store@1.1.0#ask"]


async def test_functions_of_the_world_come_from_the_interface_without_a_name(
    make: Any,
) -> None:
    world = HostInterface("")
    calls = []

    @world.function
    def double_it(call: Call, n: int) -> int:
        calls.append(call.function)
        return n * 2

    text = """(component
      (import "double-it" (func $double (param "n" u32) (result u32)))
      (core func $double (canon lower (func $double)))
      (func (export "run") (param "n" u32) (result u32)
        (canon lift (core func $double))))"""
    with await make(text, [world]) as instance:
        assert await instance.call("run", 21) == 42
    assert calls == ["double-it"]


async def test_an_interface_may_be_given_functions_after_it_was_used(
    make: Any,
) -> None:
    host = offer("test:host/api", "other")
    with pytest.raises(UnknownImport, match="'test:host/api#ask' is missing"):
        await make(guests.asks_host(), [host])

    host.function(lambda _call, n: n, name="ask")

    with await make(guests.asks_host(), [host]) as instance:
        assert await instance.call("run", 3) == 3


async def test_a_component_used_with_many_sets_of_interfaces_links_them_all(
    make: Any,
) -> None:
    for round_ in range(2):
        for number in range(12):
            host = HostInterface("test:host/api")
            host.function(lambda _call, _n, number=number: number, name="ask")
            with await make(guests.asks_host(), [host]) as instance:
                assert await instance.call("run", round_) == number


async def test_more_than_is_imported_may_be_offered(make: Any) -> None:
    with await make(guests.ADD, [offer("a:b/c", "d")]) as instance:
        assert await instance.call("add", 1, 2) == 3


async def test_what_an_interface_holds_but_cannot_be_offered_is_named(
    make: Any,
) -> None:
    text = """(component
      (import "acme:kv/deep" (instance (export "inner" (instance
        (export "f" (func)))))))"""
    with pytest.raises(UnknownImport, match="inner"):
        await make(text, [offer("acme:kv/deep")])


async def test_an_interface_of_types_alone_needs_no_offer(make: Any) -> None:
    text = """(component
      (type $n0 (enum "x" "y")) (import "named" (type $n (eq $n0)))
      (import "acme:kv/types" (instance $t
        (type $e0 (enum "a" "b")) (export "e" (type $e (eq $e0)))))
      (alias export $t "e" (type $e))
      (core module $code (func (export "f") (param i32) (result i32) (local.get 0)))
      (core instance $c (instantiate $code))
      (func (export "f") (param "x" $e) (result $e) (canon lift (core func $c "f"))))"""
    with await make(text) as instance:
        assert await instance.call("f", "b") == "b"


def typed(wit: str) -> HostInterface:
    made = HostInterface("test:host/api")
    made.function(lambda _call, n: n + 1, name="ask", wit=wit)
    return made


async def test_a_function_of_the_type_the_host_says_is_linked(make: Any) -> None:
    host = typed("func( other-name :u32, )->u32")
    with await make(guests.asks_host(), [host]) as instance:
        assert await instance.call("run", 1) == 2


@pytest.mark.parametrize(
    "wit",
    ["func(n: u64) -> u32", "func(n: u32)", "func() -> u32", "func(n: u32) -> s32"],
)
async def test_a_function_of_another_type_is_refused_with_both_types(
    make: Any, wit: str
) -> None:
    with pytest.raises(UnknownImport) as raised:
        await make(guests.asks_host(), [typed(wit)])

    assert raised.value.problems == (
        f"'test:host/api#ask' has type func(n: u32) -> u32, the host's is {wit}",
    )


async def test_a_body_must_still_take_the_parameters_of_its_own_type(make: Any) -> None:
    host = HostInterface("test:host/api")
    host.function(lambda _call: None, name="ask", wit="func(n: u32) -> u32")
    with pytest.raises(UnknownImport, match="takes 1 parameters, the host's function"):
        await make(guests.asks_host(), [host])


async def test_a_wrong_type_is_reported_among_the_other_problems(make: Any) -> None:
    kv = HostInterface("acme:kv/store")
    kv.function(lambda _call: None, name="get", wit="func(key: string)")
    with pytest.raises(UnknownImport) as raised:
        await make(
            imports(interface("acme:kv/store", "get", "list"), interface("a:b/c", "d")),
            [kv],
        )

    assert raised.value.problems == (
        "'acme:kv/store#get' has type func(), the host's is func(key: string)",
        "'acme:kv/store#list' is missing: func()",
        "interface 'a:b/c' is missing",
    )
