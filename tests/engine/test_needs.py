"""What a component needs is known before an instance is made: as wasmtime has it."""

from __future__ import annotations

import re

import pytest
from wasmtime import wat2wasm

from airssys.core.errors import OutOfMemory
from airssys.core.limits import MIB, PAGE, Limits
from airssys.engine.component import Engine
from airssys.engine.needs import Needs, needs_of

pytestmark = pytest.mark.guest

TWO = "(core module $m (memory 1) (memory 3 9) (table 1 funcref) (table 2 4 externref))"
TEXTS = {
    "(component)": Needs(),
    "(component (core module (memory 9)))": Needs(),
    f"(component {TWO} (core instance (instantiate $m)))": Needs(2, 2, 1, 3 * PAGE, 2),
    f"""(component {TWO} (core instance $a (instantiate $m))
      (core instance $b (instantiate $m)))""": Needs(4, 4, 2, 3 * PAGE, 2),
    """(component
      (core module $a (memory (export "m") 2) (func (export "f")))
      (core module $b (import "a" "m" (memory 1)) (func (export "g")))
      (core instance $one (instantiate $a))
      (core instance $all (export "m" (memory $one "m")))
      (core instance $two (instantiate $b (with "a" (instance $all)))))""": Needs(
        1, 0, 2, 2 * PAGE, 0
    ),
    """(component
      (core module $outer (memory 5))
      (component $c
        (alias outer 1 $outer (core module $again))
        (core instance (instantiate $again)) (core instance (instantiate $again)))
      (instance (instantiate $c)) (instance (instantiate $c)))""": Needs(
        4, 0, 4, 5 * PAGE, 0
    ),
    """(component
      (component $c (core module $m (memory 1)) (core instance (instantiate $m))
        (export "m" (core module $m)))
      (export $d "c" (component $c))
      (instance $made (instantiate $d))
      (alias export $made "m" (core module $n))
      (core instance (instantiate $n)))""": Needs(1, 0, 2, PAGE, 0, known=False),
    """(component
      (import "k" (component $k)) (import "m" (core module $m))
      (import "i" (instance $i)) (import "t" (type (sub resource)))
      (core instance (instantiate $m)) (instance (instantiate $k))
      (instance (export "i" (instance $i))))""": Needs(0, 0, 1, known=False),
    """(component (core module $m (table 1 (ref null func)) (memory i64 2 3)
        (type $t (func)) (table 300 (ref null $t)))
      (core instance (instantiate $m)))""": Needs(1, 2, 1, 2 * PAGE, 300),
    """(component (core module $m (func $f) (elem declare func $f)
        (table 5 (ref func) (ref.func $f)))
      (core instance (instantiate $m)))""": Needs(0, 1, 1, 0, 0),
    """(component (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (instance $all (export "f" (func $f)))
      (export "all" (instance $all))
      (export "typed" (func $f) (func)))""": Needs(0, 0, 1),
    """(component (core module $m (type (struct (field i32))))
      (core instance (instantiate $m)))""": Needs(0, 0, 1, collects=True),
    f"""(component (core module $m {"(type (func (param i32) (result i64)))" * 80})
      (core instance (instantiate $m)))""": Needs(0, 0, 1),
}


@pytest.mark.parametrize(
    ("text", "needs"), TEXTS.items(), ids=[str(n) for n in range(len(TEXTS))]
)
def test_what_an_instance_has_is_read_from_the_binary(text: str, needs: Needs) -> None:
    assert needs_of(bytes(wat2wasm(text))) == needs


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (text, needs)
        for text, needs in TEXTS.items()
        if needs.instances
        # Not with components that the root takes or gives, which wasmtime does not.
        and '(import "k"' not in text
        and "(export $d" not in text
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["memories", "tables", "instances", "memory"])
async def test_wasmtime_counts_the_same(text: str, needs: Needs, key: str) -> None:
    component = await Engine(cache=False).compile(text)
    enough = Limits(
        memories=max(1, needs.memories),
        tables=max(1, needs.tables),
        instances=needs.instances,
        memory=max(1, needs.memory),
        total_memory=2**40,
    )
    assert component.needs == needs
    assert list(needs.beyond(enough)) == []
    (await component.instantiate(limits=enough)).close()
    less = getattr(needs, key) - 1
    if less < 1:
        return
    limits = Limits(
        **{each: getattr(enough, each) for each in ("memories", "tables", "instances")}
        | {"memory": enough.memory, "total_memory": enough.total_memory}
        | {key: less}
    )
    assert [found for found, _ in needs.beyond(limits)] == [key]
    with pytest.raises(OutOfMemory):
        await component.instantiate(limits=limits)


INSTANCES_AND_MEMORY = (
    """it has 129 core instances: say instances = 129, or more (limit: instances = 128)
a memory of it has 2MiB from the start: say memory = "2MiB", or more (limit: 1MiB)"""
).splitlines()


def test_each_limit_that_is_exceeded_is_named_with_what_it_should_be() -> None:
    needs = Needs(2, 9, 129, 2 * MIB, 100_001)
    limits = Limits(memory=MIB, memories=1, tables=8, instances=128)

    assert [words for _, words in needs.beyond(limits)] == [
        "it has 2 linear memories: say memories = 2, or more (limit: memories = 1)",
        "it has 9 tables: say tables = 9, or more (limit: tables = 8)",
        *INSTANCES_AND_MEMORY,
        "a table of it has 100_001 elements from the start (limit: 100_000)",
    ]


def test_what_one_memory_leaves_for_the_others_is_named() -> None:
    needs = Needs(memories=3, memory=2 * MIB)

    assert list(needs.beyond(Limits(memory=3 * MIB))) == []
    assert list(needs.beyond(Limits(memory=3 * MIB), added=1)) == [
        (
            "total_memory",
            (
                "a memory of it has 2MiB from the start, and 4 share total_memory: say "
                'total_memory = "8MiB", or more (limit: 6MiB)'
            ),
        )
    ]
    assert list(needs.beyond(Limits(memory=3 * MIB, total_memory=8 * MIB), 1)) == []


@pytest.mark.parametrize(
    ("needs", "sharing"),
    [
        (Needs(), 2),
        (Needs(memories=3), 5),
        (Needs(memories=3, collects=True), 6),
        (Needs(memories=2**90), 10),  # which is refused for that
        (Needs(known=False), 11),
    ],
)
def test_whatever_may_be_a_memory_has_its_share(needs: Needs, sharing: int) -> None:
    assert needs.sharing(Limits(memories=8), added=2) == sharing


async def test_what_cannot_be_followed_needs_nothing_that_is_known() -> None:
    component = await Engine(cache=False).compile('(component (import "f" (func)))')

    assert component.needs == Needs()


def test_a_malformed_component_has_no_needs_but_an_error() -> None:
    head = b"\0asm\x0d\0\1\0"
    for section in (
        b"\2\4\1\0\5\0",  # a core instance of a module that is not there
        b"\5\4\1\0\5\0",  # the same of a component
        b"\x0a\4\1\0\0\7",  # an import of an unknown kind
        b"\2\7\1",  # cut off
        b"\6\5\1\0\2\7\0",
    ):
        with pytest.raises(ValueError, match=re.compile(".")):
            needs_of(head + section)
    deep = head
    for _ in range(102):
        deep = head + b"\4" + _leb(len(deep)) + deep
    with pytest.raises(ValueError, match="too many components in components"):
        needs_of(deep)


def _leb(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))
