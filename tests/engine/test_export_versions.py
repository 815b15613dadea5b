"""Exports are found at a compatible version, as imports are."""

from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import MissingExport
from airssys.engine.component import Engine

pytestmark = pytest.mark.guest


def exporting(*interfaces: str) -> str:
    """Return a component whose interfaces have a ``run`` that tells which it is of."""
    parts = "".join(
        f"""(core module $m{i} (func (export "run") (result i32) (i32.const {i})))
            (core instance $c{i} (instantiate $m{i}))
            (func $f{i} (result u32) (canon lift (core func $c{i} "run")))
            (instance $i{i} (export "run" (func $f{i})))
            (export "{name}" (instance $i{i}))"""
        for i, name in enumerate(interfaces)
    )
    return f"(component {parts})"


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("wasi:cli/run@0.2.0", "wasi:cli/run@0.2.3"),
        ("wasi:cli/run@0.2.3", "wasi:cli/run@0.2.0"),
        ("wasi:cli/run@0.2.3", "wasi:cli/run"),
        ("acme:calc/run@1.0.0", "acme:calc/run@1.9.2"),
        ("acme:calc/run@1.0.0-draft", "acme:calc/run"),
        ("acme:calc/run", "acme:calc/run"),
    ],
)
async def test_an_export_is_found_at_a_compatible_version(
    make: Any, there: str, asked: str
) -> None:
    with await make(exporting("acme:other/run@0.2.0", there)) as instance:
        assert await instance.call(f"{asked}#run") == 1
        assert await instance.call(f"{asked}#run") == 1  # and kept
        assert await instance.call(f"{there}#run") == 1


async def test_the_exact_version_is_preferred(make: Any) -> None:
    text = exporting("acme:calc/run@1.0.0", "acme:calc/run@2.0.0")
    with await make(text) as instance:
        assert await instance.call("acme:calc/run@2.0.0#run") == 1
        assert await instance.call("acme:calc/run@2.3.0#run") == 1
        assert await instance.call("acme:calc/run@1.3.0#run") == 0


@pytest.mark.parametrize(
    "asked",
    [
        "wasi:cli/run@0.3.0#run",
        "wasi:cli/run@1.0.0#run",
        "wasi:cli/run@0.2.0-draft#run",
        "wasi:cli/run@0.2.0#go",
        "cli/run#run",
        "run",
    ],
)
async def test_what_is_not_there_is_told_with_what_is(make: Any, asked: str) -> None:
    with (
        await make(exporting("wasi:cli/run@0.2.0")) as instance,
        pytest.raises(MissingExport) as missing,
    ):
        await instance.call(asked)

    assert str(missing.value) == (
        f"component 'component' exports no function {asked!r} "
        "(it exports: 'wasi:cli/run@0.2.0#run')"
    )


async def test_a_name_without_a_version_must_mean_one(make: Any) -> None:
    names = [f"acme:calc/run@{major}.0.0" for major in range(1, 10)]
    with (
        await make(exporting(*names, "acme:other/run@1.0.0")) as instance,
        pytest.raises(MissingExport) as missing,
    ):
        await instance.call("acme:calc/run#run")

    assert missing.value.near == tuple(f"{name}#run" for name in names)


async def test_errors_of_a_call_have_the_name_that_was_asked_for() -> None:
    text = exporting("wasi:cli/run@0.2.0").replace("(i32.const 0)", "unreachable")
    component = await Engine(cache=False).compile(text)
    with await component.instantiate() as instance:
        with pytest.raises(Exception, match=r"trapped in 'wasi:cli/run@0.2.9#run'"):
            await instance.call("wasi:cli/run@0.2.9#run")
        assert not instance.alive
