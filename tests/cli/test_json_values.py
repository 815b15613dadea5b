from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest

from airssys.cli.failure import BadInput
from airssys.cli.json_values import from_json, to_json
from airssys.witmodel.types import (
    Enum,
    Err,
    Flags,
    List,
    Ok,
    Opaque,
    Option,
    Record,
    RecordType,
    Result,
    Scalar,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
)

U8, U32, F64 = Scalar("u8"), Scalar("u32"), Scalar("f64")
BOOL, CHAR, STRING = Scalar("bool"), Scalar("char"), Scalar("string")
POINT = RecordType((("x-at", U32), ("label", Option(STRING))))
SHAPE = VariantType((("circle", U32), ("empty", None)))


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (BOOL, "true", True),
        (U32, "7", 7),
        (F64, "1.5", 1.5),
        (F64, '"-inf"', -inf),
        (CHAR, '"x"', "x"),
        (STRING, '"é"', "é"),
        (List(U32), "[1, 2]", [1, 2]),
        (List(U8), "[1, 2]", b"\1\2"),
        (Tuple((U8, STRING)), '[1, "a"]', (1, "a")),
        (POINT, '{"x-at": 1, "label": "a"}', Record(x_at=1, label="a")),
        (SHAPE, '{"circle": 3}', Variant("circle", 3)),
        (SHAPE, '"empty"', Variant("empty")),
        (Enum(("a", "b")), '"b"', "b"),
        (Flags(("a", "b")), '["a", "b"]', frozenset({"a", "b"})),
        (Option(U8), "null", None),
        (Option(U8), "3", 3),
        (Option(Option(U8)), '{"some": null}', Some(None)),
        (Result(U8, STRING), '{"ok": 3}', Ok(3)),
        (Result(None, STRING), '{"ok": null}', Ok()),
        (Result(U8, STRING), '{"err": "no"}', Err("no")),
    ],
)
def test_values_and_json_stand_for_each_other(
    type_: WitType, text: str, value: Any
) -> None:
    data = json.loads(text)

    assert from_json(data, type_) == value
    assert json.loads(json.dumps(to_json(value, type_))) == data


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (F64, "2", 2.0),
        (List(U8), '"hé"', "hé".encode()),
        (POINT, '{"x-at": 1}', Record(x_at=1, label=None)),
        (SHAPE, '{"empty": null}', Variant("empty")),
    ],
)
def test_some_values_can_be_written_in_another_way(
    type_: WitType, text: str, value: Any
) -> None:
    assert from_json(json.loads(text), type_) == value


@pytest.mark.parametrize(
    ("type_", "text", "complaint"),
    [
        (BOOL, "1", "expected bool, got 1"),
        (U32, "true", "expected u32, got True"),
        (F64, "true", "expected f64, got True"),
        (F64, '"1"', "expected f64, got '1'"),
        (CHAR, '"ab"', "expected char, got 'ab'"),
        (STRING, "1", "expected string, got 1"),
        (List(U8), "[1, 256]", "[1]: expected u8, got 256"),
        (List(U32), "[1, []]", "[1]: expected u32, got []"),
        (Tuple((U8,)), "[1, 2]", "expected tuple<u8>, got [1, 2]"),
        (POINT, '{"label": 1}', "a field 'x-at' is missing"),
        (List(POINT), "[{}]", "[0]: a field 'x-at' is missing"),
        (POINT, '{"x-at": 1, "label": 2}', "label: expected string, got 2"),
        (POINT, '{"y": 1}', "y: no such field (there are: x-at, label)"),
        (List(POINT), '[{"y": 1}]', "[0].y: no such field (there are: x-at, label)"),
        (SHAPE, '"circle"', f"expected {SHAPE}, got 'circle'"),
        (SHAPE, '{"square": 1}', f"expected {SHAPE}, got {{'square': 1}}"),
        (SHAPE, "{}", f"expected {SHAPE}, got {{}}"),
        (SHAPE, '{"empty": 1}', "empty: it has no value: use null"),
        (SHAPE, '{"circle": "x"}', "circle: expected u32, got 'x'"),
        (Enum(("a",)), '"b"', "expected enum { a }, got 'b'"),
        (Flags(("a",)), '["b"]', "expected flags { a }, got ['b']"),
        (Option(Option(U8)), "3", "expected option<option<u8>>, got 3"),
        (Result(U8, None), '{"ok": 1, "err": 2}', "expected result<u8>, got {"),
        (
            STRING,
            json.dumps(["x" * 99]),
            f"expected string, got ['{'x' * 35}...",
        ),
        (Opaque("resource"), "1", "expected resource, got 1"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(
    type_: WitType, text: str, complaint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        from_json(json.loads(text), type_)

    assert str(caught.value).startswith(complaint)


def test_what_cannot_be_passed_is_shown_by_its_type() -> None:
    assert to_json(object(), Opaque("resource")) == "<resource>"
