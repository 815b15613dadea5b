from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airssys.core.errors import UnknownImport
from airssys.core.functype import compared
from airssys.engine.component import Component, Engine
from airssys.engine.types import InstanceType
from airssys.host.host_services import HOST_SERVICES, host_services
from airssys.host.messaging import MESSAGING, messaging
from airssys.signatures import SIGNATURES

if TYPE_CHECKING:
    from airssys.abc import HostInterface

pytestmark = pytest.mark.guest

PROJECT = Path(__file__).parent.parent.parent
WIT = PROJECT / "wit" / "core"
LIFECYCLE_WASM = PROJECT / "tests" / "guests" / "lifecycle.wasm"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(cache=False)


@pytest.fixture
def offered() -> list[HostInterface]:
    nobody: Any = None  # linking calls nothing
    return [host_services(nobody), messaging(nobody)]


def functions_of(component: Component) -> dict[str, dict[str, str]]:
    """Return interface, function and type of all it imports and exports."""
    interfaces = {**component.imports, **component.exports}
    found = {
        name: {function: str(type_) for function, type_ in interface.functions()}
        for name, interface in interfaces.items()
        if isinstance(interface, InstanceType)
    }
    return {name: functions for name, functions in found.items() if functions}


async def test_the_types_are_those_of_a_guest_made_from_the_wit(engine: Engine) -> None:
    assert functions_of(await engine.load(LIFECYCLE_WASM)) == SIGNATURES


async def test_the_types_are_those_of_the_wit(engine: Engine, tmp_path: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    tools = shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")
    if tools is None:
        pytest.skip("needs the extra 'guests': wasm-tools is not installed")
    embedded, dummy = tmp_path / "embedded.wasm", tmp_path / "dummy.wasm"
    embed = [tools, "component", "embed", "--dummy", "--world", "component", str(WIT)]
    subprocess.run([*embed, "-o", str(embedded)], check=True)  # noqa: ASYNC221 - short
    new = [tools, "component", "new", str(embedded), "-o", str(dummy)]
    subprocess.run(new, check=True)  # noqa: ASYNC221 - short

    assert functions_of(await engine.load(dummy)) == SIGNATURES


def test_every_function_of_our_own_carries_its_type(
    offered: list[HostInterface],
) -> None:
    for interface in offered:
        types = {name: one.wit for name, one in interface.functions.items()}
        assert types == SIGNATURES[interface.name]


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
