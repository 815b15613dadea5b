from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict

from airssys.witmodel.parse import World, parse_world
from airssys.witmodel.text import render_wit
from airssys.witmodel.types import InstanceType, ResourceType

from ..bindgen.golden import (
    buckets,
    clashes,
    core,
    counters,
    geometry,
    marks,
    methods,
    middleware,
    odd,
    probe,
    records,
    results,
    scalars,
    tokens,
    types_only,
    variants,
    versions,
    waiting,
)

if TYPE_CHECKING:
    from airssys import Bindings

MODULES: list[Any] = [
    *(buckets, clashes, core, counters, geometry, marks, middleware, probe, records),
    *(methods, odd, results, scalars, tokens, types_only, variants, versions, waiting),
]
KINDS = """world kinds {
  import use: interface {
    record use { use: tuple<>, import: map<string, list<list<char>>> }
    type resource = option<option<use>>;
    use: func(use: use, x: resource);
    resource: async func() -> result<_, use>;
  }
  import resource thing;
  export plain: func(t: borrow<thing>) -> result;
  export more: func() -> result<record { a: flags { b } }, variant { c, d(u8) }>;
}"""


@pytest.mark.parametrize("module", MODULES)
def test_what_is_printed_is_read_as_it_was(module: Any) -> None:
    bindings: Bindings = module.Exports.__airssys__

    world = parse_world(bindings.wit)

    again = render_wit(world.imports, world.exports, world=world.name)
    assert again == bindings.wit.rstrip("\n")


def test_every_kind_of_type_is_read_also_where_its_name_is_a_word_of_wit() -> None:
    world = parse_world(KINDS)

    assert world.name == "kinds"
    assert asdict(world.imports["use"])["exports"].keys() == {"use", "resource"}
    assert str(world.exports["plain"]) == "func(t: borrow<thing>) -> result"
    assert str(world.exports["more"]) == (
        "func() -> result<record { a: flags { b } }, variant { c, d(u8) }>"
    )
    assert isinstance(world.imports["thing"], ResourceType)


def test_functions_of_a_resource_may_use_types_that_come_after_it() -> None:
    world = parse_world(
        """world w {
          import later: interface {
            resource thing {
              constructor(at: point) -> result<thing, flaw>;
              constructor: async func(at: point) -> option<flaw>;
              make: static func() -> thing;
            }
            record point { of: thing, x: u8 }
            enum flaw { one }
          }
        }"""
    )

    later = world.imports["later"]
    assert isinstance(later, InstanceType)
    assert {name: str(type_) for name, type_ in later.functions()} == {
        "[constructor]thing": "func(at: record { of: thing, x: u8 }) -> "
        "result<thing, enum { one }>",
        "[method]thing.constructor": "async func(self: borrow<thing>, "
        "at: record { of: thing, x: u8 }) -> option<enum { one }>",
        "[static]thing.make": "func() -> thing",
    }


def test_resources_can_be_those_of_a_component() -> None:
    thing = ResourceType("thing", "", imported=True)

    def find(resource: ResourceType) -> ResourceType:
        assert (resource.name, resource.home, resource.imported) == ("thing", "", True)
        return thing

    world = parse_world(KINDS, find)

    assert world.imports["thing"] is thing
    assert world == World("kinds", world.imports, world.exports)
