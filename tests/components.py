"""Components for tests of artifacts and systems, as folders with a Component.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

TESTS = Path(__file__).parent
QUICKSTART = TESTS.parent / "examples" / "quickstart"
LIFECYCLE_WASM = TESTS / "guests" / "lifecycle.wasm"
PROGRAM_WASM = TESTS / "guests" / "program" / "program.wasm"
"""What a C compiler made of program.c, whose first argument says what to do."""

WORLD = 'world = "airssys:core/component@1.0.0"'
EVERYTHING = (
    'messaging = { send = ["**"], request = ["**"], publish = ["#"], '
    'subscribe = ["#"], receive = ["**"] }'
)


def write_component(
    parent: Path,
    name: str = "acme/a",
    *,
    code: str | None = None,
    component: str = "",
    config: dict[str, str] | None = None,
    resources: str = "",
    capabilities: str = EVERYTHING,
    supervision: str = "",
    wasm: Path = LIFECYCLE_WASM,
    wasi: str = "",
) -> Path:
    """Write a folder with a component and return it.

    Args:
        parent: Where to make the folder.
        name: The package's name.
        code: Component text; by default it is the guest that payloads tell what to do.
        component: Further lines of [component]; by default the world.
        config: What ``init`` is given.
        resources: Further lines of [resources], which win over those here.
        capabilities: The lines of [capabilities]; by default all of messaging.
        supervision: The lines of [supervision].
        wasm: The component, where there is no text of it.
        wasi: The lines of [wasi].
    """
    folder = parent / name.replace("/", "-")
    folder.mkdir()
    if code is None:
        shutil.copy(wasm, folder / "code.wasm")
    else:
        (folder / "code.wat").write_text(code)
    table = {
        "memory": '"1MiB"',
        "fuel": "1_000_000_000_000",
        "timeout": '"5s"',
        **dict(line.split(" = ", 1) for line in resources.splitlines()),
    }
    configured = ", ".join(f'{key} = "{text}"' for key, text in (config or {}).items())
    (folder / "Component.toml").write_text(
        f"""\
[package]
name = "{name}"
version = "1.0.0"

[component]
wasm = "code.{"wasm" if code is None else "wat"}"
{component or WORLD}
config = {{ {configured} }}

[resources]
{chr(10).join(f"{key} = {value}" for key, value in table.items())}

[capabilities]
{capabilities}

[wasi]
{wasi}

[supervision]
{supervision}
"""
    )
    return folder


def with_extension() -> str:
    """Return the quickstart's counter, importing a host extension.

    It calls ``acme:kv/store@1.0.0#touch`` with 7 whenever it counts.
    """
    text = (QUICKSTART / "counter" / "counter.wat").read_text()
    for before, after in (
        (
            "  (core module $program\n",
            """\
  (import "acme:kv/store@1.0.0" (instance $kv
    (export "touch" (func (param "key" u32)))))
  (core func $touch (canon lower (func $kv "touch")))
  (core module $program
    (import "kv" "touch" (func $touch (param i32)))
""",
        ),
        (
            "(global.set $count (i64.add",
            "(call $touch (i32.const 7)) (global.set $count (i64.add",
        ),
        (
            "(instantiate $program)",
            """(instantiate $program
              (with "kv" (instance (export "touch" (func $touch)))))""",
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


def write_program(
    parent: Path,
    *args: str,
    name: str = "acme/program",
    wasi: str = "",
    resources: str = "",
    capabilities: str = "",
    supervision: str = 'restart = "temporary"',
) -> Path:
    """Write a folder with a stock program that runs once, and return it.

    Args:
        parent: Where to make the folder.
        args: The program's arguments, of which the first says what to do.
        name: The package's name.
        wasi: Further lines of [wasi].
        resources: As for `write_component`; likewise the others.
        capabilities: By default none.
        supervision: By default it is started once.
    """
    words = ", ".join(f"'{each}'" for each in args)
    return write_component(
        parent,
        name,
        component='world = "wasi:cli/command@0.2.0"',
        wasm=PROGRAM_WASM,
        wasi=f"args = [{words}]\n{wasi}",
        resources=resources,
        capabilities=capabilities,
        supervision=supervision,
    )
