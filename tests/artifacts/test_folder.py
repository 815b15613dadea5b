from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import anyio
import pytest
import wasmtime

import airssys
from airssys.artifacts.folder import WORLDS, load, load_manifest
from airssys.artifacts.runnable import check_actor
from airssys.core.defaults import LIFECYCLE
from airssys.core.errors import InvalidComponent, ManifestError, TrustError
from airssys.core.limits import KIB, MIB
from airssys.engine.component import Engine
from airssys.witmodel.signatures import SIGNATURES

from ..components import LIFECYCLE_WASM, QUICKSTART, with_extension, write_component

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", ["counter", "tally", "trapper", "spinner"])
async def test_the_components_of_the_quickstart_are_whole(
    engine: Engine, name: str
) -> None:
    artifact = await load(QUICKSTART / name, engine=engine)

    assert str(artifact.manifest.name) == f"quickstart/{name}"
    assert artifact.component.name == f"quickstart/{name}"
    assert artifact.path == QUICKSTART / name / "Component.toml"
    check_actor(artifact.component)


async def test_a_component_is_loaded_by_its_folder_or_its_manifest(
    engine: Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    by_folder = await load(str(folder), engine=engine)
    by_file = await load(folder / "Component.toml", engine=engine)

    assert by_folder.manifest == by_file.manifest
    assert by_folder.path == by_file.path == folder / "Component.toml"
    assert by_folder.component.size == LIFECYCLE_WASM.stat().st_size


async def test_a_manifest_that_is_not_there_is_refused_by_its_path(
    tmp_path: Path,
) -> None:
    with pytest.raises(ManifestError) as refused:
        await load_manifest(tmp_path)

    assert refused.value.source == str(tmp_path / "Component.toml")
    assert refused.value.problems == ("it cannot be read: No such file or directory",)


async def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Component.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ManifestError, match="it is not UTF-8 text"):
        await load_manifest(tmp_path)


async def test_the_hosts_ceiling_bounds_the_memory(
    engine: Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    with pytest.raises(ManifestError, match=r"1MiB is out of range: use 512KiB to"):
        await load(folder, engine=engine, ceiling=600 * KIB)
    assert (
        await load(folder, engine=engine, ceiling=MIB)
    ).manifest.limits.memory == MIB


async def test_code_that_is_not_there_is_a_problem_of_the_manifest(
    engine: Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path)
    (folder / "code.wasm").unlink()
    with pytest.raises(ManifestError) as refused:
        await load(folder, engine=engine)

    (problem,) = refused.value.problems
    assert problem == (
        "'code.wasm' cannot be read: No such file or directory @ component.wasm"
    )


async def test_a_pin_holds_what_it_names_and_nothing_else(
    engine: Engine, tmp_path: Path
) -> None:
    digest = hashlib.sha256(LIFECYCLE_WASM.read_bytes()).hexdigest()
    folder = write_component(tmp_path, component=f'sha256 = "{digest}"')
    assert (await load(folder, engine=engine)).manifest.digest is not None

    with (folder / "code.wasm").open("ab") as code:
        code.write(b"\0")
    with pytest.raises(TrustError) as refused:
        await load(folder, engine=engine)
    assert refused.value.expected == f"sha256:{digest}"
    assert refused.value.found.startswith("sha256:")
    assert str(folder / "code.wasm") in str(refused.value)


async def test_what_is_compiled_is_what_was_pinned(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(LIFECYCLE_WASM.read_bytes()).hexdigest()
    folder = write_component(tmp_path, component=f'sha256 = "{digest}"')
    read = anyio.Path.read_bytes

    async def read_and_replace(path: anyio.Path) -> bytes:
        code = await read(path)
        await path.write_bytes(b"something else")  # as soon as it was looked at
        return code

    monkeypatch.setattr(anyio.Path, "read_bytes", read_and_replace)

    artifact = await load(folder, engine=engine)
    assert artifact.component.size == LIFECYCLE_WASM.stat().st_size


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"", "does not start like WebAssembly"),
        (b"\x7fELF and more", "does not start like WebAssembly"),
        (bytes(wasmtime.wat2wasm("(module)")), "it is a core module"),
        (LIFECYCLE_WASM.read_bytes()[:-100], "unexpected end"),
    ],
)
async def test_code_that_is_no_component_is_refused_by_name(
    engine: Engine, tmp_path: Path, code: bytes, words: str
) -> None:
    folder = write_component(tmp_path)
    (folder / "code.wasm").write_bytes(code)
    with pytest.raises(InvalidComponent, match=words) as refused:
        await load(folder, engine=engine)
    assert refused.value.component == "acme/a"


@pytest.mark.parametrize("code", [b"(component", b"(component \xff)"])
async def test_text_that_is_no_component_is_refused(
    engine: Engine, tmp_path: Path, code: bytes
) -> None:
    folder = write_component(tmp_path, code="")
    (folder / "code.wat").write_bytes(code)
    with pytest.raises(InvalidComponent):
        await load(folder, engine=engine)


async def test_a_binary_may_be_called_wat(engine: Engine, tmp_path: Path) -> None:
    folder = write_component(tmp_path, code="")
    (folder / "code.wat").write_bytes(LIFECYCLE_WASM.read_bytes())

    check_actor((await load(folder, engine=engine)).component)


async def test_a_world_that_is_not_known_is_refused(
    engine: Engine, tmp_path: Path
) -> None:
    world = "acme:other/world@1.0.0"
    folder = write_component(tmp_path, component=f'world = "{world}"')
    with pytest.raises(InvalidComponent) as refused:
        await load(folder, engine=engine)

    assert f"{world!r} is not known here (known: " in str(refused.value)
    assert all(repr(known) in str(refused.value) for known in WORLDS)


async def test_a_world_lets_its_own_packages_be_imported(
    engine: Engine, tmp_path: Path
) -> None:
    code = with_extension()
    for number, world in enumerate(WORLDS):
        for other in ("core", "ext-filesystem", "ext-network", "ext-process"):
            part = tmp_path / f"{number}-{other}"
            part.mkdir()
            known, unknown = (
                write_component(
                    part,
                    name,
                    code=code.replace("acme:kv/store", f"airssys:{other}/{name}"),
                    component=f'world = "{world}"',
                    capabilities="",
                )
                for name in ("storage" if other == "core" else "types", "unknown")
            )
            with pytest.raises(InvalidComponent, match="/unknown@"):
                await load(unknown, engine=engine)
            if other == "core" or f":{other}/" in world:
                await load(known, engine=engine)
            else:
                with pytest.raises(InvalidComponent, match="/types@"):
                    await load(known, engine=engine)


async def test_a_world_is_checked_against_imports_and_exports(
    engine: Engine, tmp_path: Path
) -> None:
    extended = with_extension()
    custom = 'custom = [{ name = "acme:kv/store", allow = ["*"] }]'
    granted = write_component(
        tmp_path, "acme/granted", code=extended, capabilities=custom
    )
    without = write_component(tmp_path, "acme/without", code=extended, capabilities="")
    nothing = write_component(tmp_path, "acme/nothing", code="(component)")

    await load(granted, engine=engine)
    with pytest.raises(InvalidComponent, match=r"it imports 'acme:kv/store@1\.0\.0'"):
        await load(without, engine=engine)
    with pytest.raises(InvalidComponent, match=f"does not export '{LIFECYCLE}'"):
        await load(nothing, engine=engine)


async def test_a_component_without_a_world_is_whatever_it_is(
    engine: Engine, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, code="(component)", component="# no world")

    artifact = await load(folder, engine=engine)
    with pytest.raises(InvalidComponent, match="as an actor must"):
        check_actor(artifact.component)


async def test_an_actor_exports_the_whole_life_cycle(engine: Engine) -> None:
    part = await engine.compile(
        f"""(component
  (core module $code (func (export "shutdown")))
  (core instance $made (instantiate $code))
  (func $shutdown (canon lift (core func $made "shutdown")))
  (instance $life (export "shutdown" (func $shutdown)))
  (export "{LIFECYCLE}" (instance $life)))""",
        name="part",
    )
    with pytest.raises(InvalidComponent, match="lacks 'init', 'execute'") as refused:
        check_actor(part)
    assert "'shutdown'" not in str(refused.value)


async def test_an_actor_whose_life_cycle_has_other_types_is_refused_by_their_names(
    engine: Engine,
) -> None:
    names = [*SIGNATURES[LIFECYCLE]]
    made = " ".join(
        f'(func $f{at} (canon lift (core func $made "f")))' for at in range(len(names))
    )
    exports = " ".join(
        f'(export "{name}" (func $f{at}))' for at, name in enumerate(names)
    )
    hollow = await engine.compile(
        f"""(component
  (core module $code (func (export "f")))
  (core instance $made (instantiate $code))
  {made}
  (instance $life {exports})
  (export "{LIFECYCLE}" (instance $life)))""",
        name="hollow",
    )
    with pytest.raises(InvalidComponent) as refused:
        check_actor(hollow)
    kind = "'health' has type func(), an actor's is func() -> variant {"
    assert kind in refused.value.reason
    assert f"of {', '.join(map(repr, names))}: " in str(refused.value)

    async with airssys.open_system(engine=engine) as system:
        with pytest.raises(InvalidComponent, match="'execute' has type"):
            await system.spawn(hollow)
