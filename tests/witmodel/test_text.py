from __future__ import annotations

from airssys.witmodel.text import render_wit
from airssys.witmodel.types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    List,
    Opaque,
    Option,
    Own,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Tuple,
    TypeDef,
    VariantType,
)

U8, STRING = Scalar("u8"), Scalar("string")
POINT = RecordType((("x", U8), ("y", U8)))
LINE = RecordType((("from", POINT), ("to", POINT)))
SHAPE = VariantType((("dot", POINT), ("none", None)))


def test_types_are_printed_by_name_and_once() -> None:
    types = {
        "point": TypeDef(POINT),
        "line": TypeDef(LINE),
        "shape": TypeDef(SHAPE),
        "side": TypeDef(Enum(("left", "right"))),
        "access": TypeDef(Flags(("read", "write"))),
        "name": TypeDef(STRING),
    }
    draw = FuncType((("what", SHAPE), ("along", List(LINE))), Option(POINT))
    canvas: dict[str, Extern] = {
        "shape": TypeDef(SHAPE),
        "line": TypeDef(LINE),
        "draw": draw,
    }

    text = render_wit(
        {
            "acme:art/types@1.0.0": InstanceType(types),
            "acme:art/canvas@1.0.0": InstanceType(canvas),
        },
        {"acme:art/types@1.0.0": InstanceType({"point": TypeDef(POINT)})},
        world="artist",
    )

    assert (
        text
        == """\
world artist {
  import acme:art/types@1.0.0: interface {
    record point { x: u8, y: u8 }
    record line { from: point, to: point }
    variant shape { dot(point), none }
    enum side { left, right }
    flags access { read, write }
    type name = string;
  }
  import acme:art/canvas@1.0.0: interface {
    use acme:art/types@1.0.0.{shape, line};
    draw: func(what: shape, along: list<line>) -> option<record { x: u8, y: u8 }>;
  }
  export acme:art/types@1.0.0: interface {
    record point { x: u8, y: u8 }
  }
}"""
    )


def test_what_has_no_name_is_printed_in_place() -> None:
    results = FuncType(
        (
            ("a", Result(None, None)),
            ("b", Result(U8, None)),
            ("c", Result(None, STRING)),
            ("d", Result(U8, U8)),
        )
    )
    pair = FuncType((("e", Tuple((U8, VariantType((("some", U8), ("none", None)))))),))

    text = render_wit(
        {
            "run": results,
            "pair": pair,
            "thing": TypeDef(POINT),
            "odd": Opaque("resource"),
        },
        {"stream": InstanceType({"input": Opaque("resource"), "go": FuncType(())})},
        world="w",
    )

    assert (
        text
        == """\
world w {
  import run: func(a: result, b: result<u8>, c: result<_, string>, d: result<u8, u8>);
  import pair: func(e: tuple<u8, variant { some(u8), none }>);
  import record thing { x: u8, y: u8 }
  import odd: resource;
  export stream: interface {
    input: resource;
    go: func();
  }
}"""
    )


def test_functions_of_the_world_use_types_of_its_interfaces() -> None:
    inside = ResourceType("thing", "a:b/c", imported=True)
    outside = ResourceType("thing", "a:b/c")
    look = FuncType((("it", Borrow(inside)), ("at", POINT)))
    api: dict[str, Extern] = {"thing": inside, "point": TypeDef(POINT)}

    text = render_wit(
        {"a:b/c": InstanceType(api), "look": look},
        {
            "a:b/c": InstanceType({"thing": outside}),
            "swap": FuncType((("one", Own(inside)),), Own(outside)),
        },
        world="w",
    )

    assert (
        text
        == """\
world w {
  import a:b/c: interface {
    resource thing;
    record point { x: u8, y: u8 }
  }
  use a:b/c.{thing, point};
  import look: func(it: borrow<thing>, at: point);
  export a:b/c: interface {
    resource thing;
  }
  use a:b/c.{thing as thing-2};
  export swap: func(one: thing) -> thing-2;
}"""
    )


def test_a_resource_of_another_interface_is_used() -> None:
    thing = ResourceType("thing", "a:b/c", imported=True)
    take = FuncType((("it", Own(thing)),))

    text = render_wit(
        {
            "a:b/c": InstanceType({"thing": thing}),
            "a:b/d": InstanceType({"other": thing, "take": take}),
        },
        {"a:b/e": InstanceType({"thing": thing, "take": take})},
        world="w",
    )

    assert (
        text
        == """\
world w {
  import a:b/c: interface {
    resource thing;
  }
  import a:b/d: interface {
    use a:b/c.{thing as other};
    take: func(it: other);
  }
  export a:b/e: interface {
    use a:b/c.{thing};
    take: func(it: thing);
  }
}"""
    )


def test_the_functions_of_a_resource_are_printed_within_it() -> None:
    cart = ResourceType("cart", "a:b/c")
    me = ("self", Borrow(cart))
    text = render_wit(
        {},
        {
            "a:b/c": InstanceType(
                {
                    "cart": cart,
                    "[constructor]cart": FuncType((("owner", U8),), Own(cart)),
                    "[method]cart.add": FuncType((me, ("item", U8)), U8),
                    "[method]cart.wait": FuncType((me,), None, is_async=True),
                    "[static]cart.merge": FuncType((("a", Own(cart)),), Own(cart)),
                    "[constructor]": FuncType(()),
                    "size": FuncType((("of", Borrow(cart)),), U8),
                }
            )
        },
        world="w",
    )

    assert (
        text
        == """\
world w {
  export a:b/c: interface {
    resource cart {
      constructor(owner: u8);
      add: func(item: u8) -> u8;
      wait: async func();
      merge: static func(a: cart) -> cart;
    }
    [constructor]: func();
    size: func(of: borrow<cart>) -> u8;
  }
}"""
    )


def test_a_constructor_that_may_fail_says_so() -> None:
    cart = ResourceType("cart", "a:b/c")
    make = FuncType((), Result(Own(cart), STRING))
    text = render_wit(
        {"a:b/c": InstanceType({"cart": cart, "[constructor]cart": make})},
        {},
        world="w",
    )

    assert "constructor() -> result<cart, string>;" in text
