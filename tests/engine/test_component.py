from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wasmtime

from airssys.core.errors import InvalidComponent, MissingExport
from airssys.engine.component import Engine
from airssys.witmodel.types import FuncType, Record, Scalar

from . import guests

pytestmark = pytest.mark.guest

API = """(component
  (import "acme:kv/store@1.0.0" (instance
    (type $e0 (variant (case "full") (case "other" string)))
    (export "error" (type $e (eq $e0)))
    (export "get" (func (param "key" string)
      (result (result (option (list u8)) (error $e)))))))
  (import "log" (func (param "text" string) (param "urgent" bool)))
  (core module $code
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))
    (func (export "stop")))
  (core instance $c (instantiate $code))
  (func $add (param "a" u8) (param "b" u8) (result u8)
    (canon lift (core func $c "add")))
  (func $stop (canon lift (core func $c "stop")))
  (instance $ops (export "add" (func $add)) (export "stop" (func $stop)))
  (export "acme:calc/ops@1.0.0" (instance $ops))
  (export "plus" (func $add))
  (type $pair (tuple f32 char))
  (export $pair2 "pair" (type $pair)))"""

STREAM = """(component
  (core module $code
    (func (export "f") (param i32) (result i32) (i32.const 5)))
  (core instance $c (instantiate $code))
  (func (export "use") (param "s" (stream u8)) (result u32)
    (canon lift (core func $c "f")))
  (func (export "plain") (param "n" u32) (result u32)
    (canon lift (core func $c "f"))))"""


async def test_imports_and_exports_print_as_wit(compile_: Any) -> None:
    component = await compile_(API)

    assert {name: str(extern) for name, extern in component.imports.items()} == {
        "acme:kv/store@1.0.0": (
            "interface {\n"
            "  error: type = variant { full, other(string) };\n"
            "  get: func(key: string) -> "
            "result<option<list<u8>>, variant { full, other(string) }>;\n"
            "}"
        ),
        "log": "func(text: string, urgent: bool)",
    }
    assert {name: str(extern) for name, extern in component.exports.items()} == {
        "acme:calc/ops@1.0.0": (
            "interface {\n  add: func(a: u8, b: u8) -> u8;\n  stop: func();\n}"
        ),
        "plus": "func(a: u8, b: u8) -> u8",
        "pair": "type = tuple<f32, char>",
    }
    assert repr(component) == (
        "<Component 'component': acme:calc/ops@1.0.0, plus, pair>"
    )
    assert component.size > 100


@pytest.mark.parametrize(
    ("type_", "wit"),
    [
        ("(result)", "result"),
        ("(result u8)", "result<u8>"),
        ("(result (error u8))", "result<_, u8>"),
        ("(result u8 (error string))", "result<u8, string>"),
        ("(list (option s64))", "list<option<s64>>"),
    ],
)
async def test_types_print_as_wit(compile_: Any, type_: str, wit: str) -> None:
    component = await compile_(guests.echo(f"(list {type_})"))

    assert str(component.exports["echo"].result) == f"list<{wit}>"


async def test_functions_are_listed_under_the_names_a_call_takes(
    compile_: Any,
) -> None:
    component = await compile_(API)

    add = FuncType((("a", Scalar("u8")), ("b", Scalar("u8"))), Scalar("u8"))
    assert component.functions() == {
        "acme:calc/ops@1.0.0#add": add,
        "acme:calc/ops@1.0.0#stop": FuncType(()),
        "plus": add,
    }


async def test_a_function_of_an_interface_is_called_by_both_names(make: Any) -> None:
    text = API[: API.index("(import")] + API[API.index("(core module") :]
    with await make(text) as instance:
        assert await instance.call("acme:calc/ops@1.0.0#add", 3, 4) == 7
        assert await instance.call("acme:calc/ops@1.0.0#stop") is None
        assert await instance.call("plus", 3, 4) == 7
        assert instance.usage.calls == 3
        assert instance.component.name == "component"


@pytest.mark.parametrize(
    "export", ["ad", "acme:calc/ops@1.0.0", "acme:calc/op#add", "#add", "pair", ""]
)
async def test_a_missing_export_is_named_beside_those_there_are(
    make: Any, export: str
) -> None:
    text = API[: API.index("(import")] + API[API.index("(core module") :]
    with await make(text) as instance:
        with pytest.raises(MissingExport) as raised:
            await instance.call(export)

        assert raised.value.export == export
        assert raised.value.near == (
            *("acme:calc/ops@1.0.0#add", "acme:calc/ops@1.0.0#stop", "plus"),
        )
        assert instance.alive


async def test_of_many_exports_only_near_names_are_offered(make: Any) -> None:
    names = [f"{word}-{n}" for word in ("send", "receive") for n in range(10)]
    body = '(func (export "f"))'
    exports = "".join(
        f'(func (export "{name}") (canon lift (core func $c "f")))' for name in names
    )
    text = f"""(component (core module $code {body})
      (core instance $c (instantiate $code)) {exports})"""
    with await make(text) as instance, pytest.raises(MissingExport) as raised:
        await instance.call("sent-3")

    assert raised.value.near[0] == "send-3"
    assert len(raised.value.near) == 8
    assert all(name.startswith("send") for name in raised.value.near)


async def test_a_function_that_takes_a_stream_is_refused_and_others_work(
    make: Any,
) -> None:
    with await make(STREAM) as instance:
        with pytest.raises(InvalidComponent) as raised:
            await instance.call("use", 1)

        assert str(raised.value) == (
            "'component' is no usable component: function 'use' has a stream in its "
            "type, which wasmtime's C API cannot pass: func(s: stream) -> u32"
        )
        assert await instance.call("plain", 1) == 5


# --- what can be loaded -----------------------------------------------------------


async def test_text_and_binary_files_are_loaded_under_their_names(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "adder.wat").write_text(guests.ADD)
    binary = bytes(wasmtime.wat2wasm(guests.ADD))
    (tmp_path / "binary.wasm").write_bytes(binary)
    (tmp_path / "misnamed.wat").write_bytes(binary)
    for name in ("adder.wat", "binary.wasm", "misnamed.wat"):
        component = await engine.load(tmp_path / name)
        with await component.instantiate() as instance:
            assert await instance.call("add", 1, 2) == 3
        assert component.name == name.partition(".")[0]
        assert component.size == len(binary)
    named = await engine.load(str(tmp_path / "adder.wat"), name="acme/adder")
    assert named.name == "acme/adder"


BINARY = bytes(wasmtime.wat2wasm(guests.ADD))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "it does not start like WebAssembly"),
        (b"\x7fELF" + b"\0" * 100, "it does not start like WebAssembly"),
        (b"(component)", "it does not start like WebAssembly"),
        (b"\0asm", "unexpected end"),
        (BINARY[: len(BINARY) // 2], "unexpected end"),
        (BINARY[:-1], "unexpected end"),
        (BINARY[:8] + b"\xff" * 20, "(at offset 0x"),
        (
            bytes(wasmtime.wat2wasm("(module)")),
            "make one with: wasm-tools component new",
        ),
        ("(module)", "it is a core module"),
        ("(component", "expected"),
        ("(component (func))", "expected"),
        ("", "expected at least one module field"),
        ("(component) \ud800", "not valid utf-8"),
        (guests.echo("(list $none)"), "unknown type"),
    ],
)
async def test_what_is_no_component_is_refused_with_the_reason(
    engine: Engine, source: Any, reason: str
) -> None:
    with pytest.raises(InvalidComponent) as raised:
        await engine.compile(source, name="acme/broken")

    assert raised.value.component == "acme/broken"
    assert reason in raised.value.reason
    assert "\n" not in str(raised.value)


async def test_a_file_that_cannot_be_read_is_an_os_error(
    engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.wasm"):
        await engine.load(tmp_path / "none.wasm")
    with pytest.raises(IsADirectoryError):
        await engine.load(tmp_path)


async def test_a_file_with_a_syntax_error_is_refused_with_its_place(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "bad.wat").write_text("(component\n  (fanc))")
    with pytest.raises(InvalidComponent, match="line 2, column 4") as raised:
        await engine.load(tmp_path / "bad.wat")

    assert raised.value.component == "bad"
    assert "fanc" not in str(raised.value), "a file may be another's"


# --- records ----------------------------------------------------------------------


def test_a_record_says_which_fields_it_has() -> None:
    record = Record(reply_to="a", size=3)

    assert repr(record) == "Record(reply_to='a', size=3)"
    assert list(record) == ["reply_to", "size"]
    assert record != Record(reply_to="a", size=4)
    assert record != ("a", 3)
    with pytest.raises(AttributeError, match=r"no field 'to' \(fields: reply_to, size"):
        _ = record.to
    with pytest.raises(TypeError, match="unhashable"):
        hash(record)


def _doubling(levels: int) -> str:
    """A component whose one parameter is a tuple of tuples, 2 ** levels numbers."""
    types = "(type $t0 u8)" + "".join(
        f"(type $t{level + 1} (tuple $t{level} $t{level}))" for level in range(levels)
    )
    return f"""
    (component {types}
      (core module $m
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
        (func (export "take") (param i32))
        (func (export "one") (result i32) i32.const 1))
      (core instance $i (instantiate $m))
      (alias core export $i "memory" (core memory $memory))
      (alias core export $i "realloc" (core func $realloc))
      (func (export "take") (param "x" $t{levels})
        (canon lift (core func $i "take") (memory $memory) (realloc $realloc)))
      (func (export "one") (result u32) (canon lift (core func $i "one"))))
    """


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = (value, value)
    return value


async def test_a_large_type_works() -> None:
    component = await Engine(cache=False).compile(_doubling(9))
    with await component.instantiate() as instance:
        assert await instance.call("take", _nested(9)) is None


async def test_a_type_of_too_many_parts_is_refused_and_the_rest_works() -> None:
    component = await Engine(cache=False).compile(_doubling(16), name="acme/big")
    with await component.instantiate() as instance:
        with pytest.raises(InvalidComponent, match="more than 5_000 parts") as raised:
            await instance.call("take", _nested(16))

        assert len(str(raised.value)) < 500
        assert await instance.call("one") == 1
