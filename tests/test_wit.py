from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime.component import (
    Component,
    ComponentInstanceType,
    FuncType,
)

from airssys.witmodel.signatures import SIGNATURES

PROJECT = Path(__file__).parent.parent
WIT = PROJECT / "wit" / "core"
QUICKSTART = PROJECT / "examples" / "quickstart"
PACKAGE = "airssys:core/{}@1.0.0"
LIFECYCLE = PACKAGE.format("component-lifecycle")
CORE = "airssys:core/"
FUNCTIONS = {
    name.removeprefix(CORE).partition("@")[0]: set(functions)
    for name, functions in SIGNATURES.items()
    if name.startswith(CORE)
}
"""The functions of each interface of wit/core."""
IMPORTED = {
    PACKAGE.format("types"): set[str](),
    PACKAGE.format("host-services"): FUNCTIONS["host-services"],
    PACKAGE.format("messaging"): FUNCTIONS["messaging"],
}
GUESTS = [
    QUICKSTART / "counter" / "counter.wat",
    QUICKSTART / "tally" / "tally.wasm",
    QUICKSTART / "trapper" / "trapper.wat",
    QUICKSTART / "spinner" / "spinner.wat",
    PROJECT / "tests" / "guests" / "lifecycle.wasm",
]
CLERK = PROJECT / "examples" / "clerk"


@pytest.fixture
def wasm_tools() -> str:
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")
    if found is None:
        pytest.skip("needs the extra 'guests': wasm-tools is not installed")
    return found


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


def code_of(guest: Path) -> bytes:
    code = guest.read_bytes()
    return bytes(wasmtime.wat2wasm(code.decode())) if guest.suffix == ".wat" else code


def parsed(wasm_tools: str) -> Any:
    command = [wasm_tools, "component", "wit", "--json", str(WIT)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_the_wit_parses_and_has_every_function(wasm_tools: str) -> None:
    interfaces = {one["name"]: one for one in parsed(wasm_tools)["interfaces"]}

    functions = {name: set(one["functions"]) for name, one in interfaces.items()}
    assert functions == {**FUNCTIONS, "types": set()}


def test_types_is_the_one_source_of_types(wasm_tools: str) -> None:
    document = parsed(wasm_tools)
    owners = {
        document["interfaces"][one["owner"]["interface"]]["name"]
        for one in document["types"]
        if one["name"] and one["kind"] not in _aliases(document)
    }

    assert owners == {"types"}


def _aliases(document: Any) -> list[Any]:
    """What `use` leaves in the interface that uses a type: a type that is another."""
    return [{"type": number} for number in range(len(document["types"]))]


def test_the_world_imports_and_exports_what_an_actor_needs(wasm_tools: str) -> None:
    document = parsed(wasm_tools)
    (world,) = document["worlds"]
    names = [one["name"] for one in document["interfaces"]]

    def interfaces(side: str) -> set[str]:
        return {names[one["interface"]["id"]] for one in world[side].values()}

    assert world["name"] == "component"
    assert interfaces("imports") == {"types", *FUNCTIONS} - {"component-lifecycle"}
    assert interfaces("exports") == {"component-lifecycle"}


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.stem)
def test_a_guest_has_the_imports_and_exports_of_the_world(
    guest: Path, engine: wasmtime.Engine
) -> None:
    component = Component(engine, code_of(guest))

    exports = component.type.exports(engine)
    assert {*exports} == {LIFECYCLE}
    lifecycle = functions_of(exports[LIFECYCLE], engine)
    assert lifecycle == FUNCTIONS["component-lifecycle"]
    for name, interface in component.type.imports(engine).items():
        assert functions_of(interface, engine) <= IMPORTED[name]


def functions_of(interface: Any, engine: wasmtime.Engine) -> set[str]:
    instance = interface.ty
    assert isinstance(instance, ComponentInstanceType)
    exports = instance.exports(engine).items()
    return {name for name, one in exports if isinstance(one.ty, FuncType)}


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.stem)
def test_a_guest_targets_the_world(
    guest: Path, wasm_tools: str, tmp_path: Path
) -> None:
    binary = tmp_path / "guest.wasm"
    binary.write_bytes(code_of(guest))

    command = [wasm_tools, "component", "targets", str(WIT), "--world", "component"]
    done = subprocess.run(
        [*command, str(binary)], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_guest_with_a_world_of_its_own_targets_it(
    wasm_tools: str, tmp_path: Path
) -> None:
    shutil.copytree(
        PROJECT / "wit", tmp_path / "deps", ignore=shutil.ignore_patterns("wasi")
    )
    shutil.copy(CLERK / "clerk.wit", tmp_path)

    command = [wasm_tools, "component", "targets", str(tmp_path)]
    done = subprocess.run(
        [*command, str(CLERK / "clerk.wasm")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "guest", [*GUESTS, CLERK / "clerk.wasm"], ids=lambda guest: guest.stem
)
def test_a_shipped_guest_is_small(guest: Path) -> None:
    assert guest.stat().st_size < 25_000
