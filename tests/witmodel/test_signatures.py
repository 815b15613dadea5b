from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from airssys.core.defaults import LIFECYCLE
from airssys.core.errors import UnknownImport
from airssys.engine.component import Component, Engine
from airssys.host.host_services import HOST_SERVICES, host_services
from airssys.host.messaging import MESSAGING, messaging
from airssys.hostcalls.gate import Gate
from airssys.witmodel.functype import compared
from airssys.witmodel.signatures import RESOURCES, SIGNATURES

from ..offers import offered as all_offered
from ..signatures import (
    CORE_DEPS,
    PROJECT,
    Package,
    core_deps,
    dummy,
    functions_of,
    module_text,
    packages,
    wasm_tools,
)

if TYPE_CHECKING:
    from airssys.hostcalls.interface import HostInterface

pytestmark = pytest.mark.guest

LIFECYCLE_WASM = PROJECT / "tests" / "guests" / "lifecycle.wasm"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(cache=False, optimize=False)


Made: TypeAlias = Callable[[Package], Awaitable[Component]]


@pytest.fixture(scope="module")
def made_from_wit(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what makes a guest of a package's world that does nothing, once."""
    tools = wasm_tools()
    if tools is None:
        pytest.skip("needs the extra 'guests': wasm-tools is not installed")
    folder = tmp_path_factory.mktemp("dummies")
    made: dict[str, Component] = {}

    async def make(package: Package) -> Component:
        if package.name not in made:
            made[package.name] = await engine.load(dummy(tools, package, folder))
        return made[package.name]

    return make


@pytest.fixture
def offered() -> list[HostInterface]:
    nobody: Any = None  # linking calls nothing
    return [host_services(nobody), messaging(nobody, Gate())]


async def test_a_guest_made_from_the_wit_has_the_types(engine: Engine) -> None:
    found = functions_of(await engine.load(LIFECYCLE_WASM))

    assert found == {name: SIGNATURES[name] for name in found}
    assert LIFECYCLE in found


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
async def test_the_types_are_those_of_the_wit(
    made_from_wit: Made, package: Package
) -> None:
    component = await made_from_wit(package)

    assert package.module.read_text() == module_text(package, component)


@pytest.mark.parametrize(
    "package",
    [each for each in packages()[1:] if each.own],
    ids=lambda package: package.name,
)
def test_an_extension_brings_the_text_of_the_core(package: Package) -> None:
    assert (package.folder / CORE_DEPS).read_text() == core_deps()


def test_a_guest_may_have_a_world_of_several_extensions(tmp_path: Path) -> None:
    tools = wasm_tools()
    if tools is None:
        pytest.skip("needs the extra 'guests': wasm-tools is not installed")
    guide = (PROJECT / "wit" / "README.md").read_text()
    (world,) = re.findall(r"<<'END'\n(.*?)^END$", guide, re.MULTILINE | re.DOTALL)
    shutil.copytree(
        PROJECT / "wit", tmp_path / "deps", ignore=shutil.ignore_patterns("wasi")
    )
    (tmp_path / "tool.wit").write_text(world)
    shown = subprocess.check_output([tools, "component", "wit", str(tmp_path)])

    assert b"import airssys:ext-filesystem/filesystem@1.0.0;" in shown
    assert b"import airssys:ext-network/socket@1.0.0;" in shown


def test_every_package_has_its_types_here() -> None:
    for package in packages():
        module = importlib.import_module(
            f"airssys.witmodel.signatures.{package.module.stem}"
        )
        assert module.SIGNATURES
        for interface, functions in module.SIGNATURES.items():
            assert SIGNATURES[interface] == functions
        for interface, resources in module.RESOURCES.items():
            assert RESOURCES[interface] == resources


async def test_every_function_of_the_wit_is_offered_with_its_type() -> None:
    interfaces = await all_offered()
    names = {one.name for one in interfaces}
    assert names == {*SIGNATURES, *RESOURCES} - {LIFECYCLE}
    for interface in interfaces:
        types = {name: one.wit for name, one in interface.functions.items()}
        # An interface may have a resource and no functions.
        assert types == SIGNATURES.get(interface.name, {})
        assert set(interface.resources) == set(RESOURCES.get(interface.name, ()))


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
async def test_a_guest_made_from_the_wit_is_linked(
    made_from_wit: Made, package: Package
) -> None:
    component = await made_from_wit(package)

    (await component.instantiate(await all_offered())).close()


async def test_a_component_with_a_wrong_type_of_ours_is_refused_with_both(
    engine: Engine, offered: list[HostInterface]
) -> None:
    wrong = await engine.compile(
        f"""(component
  (import "{HOST_SERVICES}" (instance
    (export "sleep-millis" (func (param "duration" string)))
    (export "current-time-millis" (func (result u64)))
    (export "get-config" (func (param "key" string) (result string)))
    (export "sleep-well" (func))))
  (import "{MESSAGING}" (instance
    (export "subscribe" (func (param "pattern" string)))))
  (import "acme:kv/store" (instance (export "get" (func)))))""",
        name="wrong",
    )
    with pytest.raises(UnknownImport) as refused:
        await wrong.instantiate(offered)

    *problems, subscribe, missing = refused.value.problems
    sleep, config, well = problems
    assert sleep == (
        f"'{HOST_SERVICES}#sleep-millis' has type func(duration: string), the host's "
        "is func(duration: u64)"
    )
    assert config == (
        f"'{HOST_SERVICES}#get-config' has type func(key: string) -> string, the "
        "host's is func(key: string) -> option<string>"
    )
    assert well == f"'{HOST_SERVICES}#sleep-well' is missing: func()"
    assert subscribe.startswith(
        f"'{MESSAGING}#subscribe' has type func(pattern: string), the host's is "
        "func(pattern: string) -> result<_, variant { component-not-found(string)"
    )
    assert missing == "interface 'acme:kv/store' is missing"


async def test_names_of_parameters_are_the_guests_own(
    engine: Engine, offered: list[HostInterface]
) -> None:
    renamed = await engine.compile(
        f"""(component (import "{HOST_SERVICES}" (instance
          (export "sleep-millis" (func (param "for-how-long" u64))))))"""
    )
    (await renamed.instantiate(offered)).close()

    right = SIGNATURES[HOST_SERVICES]["sleep-millis"]
    assert compared("func(for-how-long: u64)", right) is None
