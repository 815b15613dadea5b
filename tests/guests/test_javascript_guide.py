from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

import airssys
from airssys.core.errors import OutOfMemory
from airssys.events import ChildExited, Logged
from airssys.testing import Recorder

from .probe import build

ROOT = Path(__file__).parent.parent.parent
GUIDE = ROOT / "docs" / "how-to" / "write-a-guest-in-javascript.md"

pytestmark = [pytest.mark.guest, pytest.mark.slow]


def block(language: str) -> str:
    text = GUIDE.read_text(encoding="utf-8")
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    return str(found)


def made(code: str) -> Path:
    try:
        return build.javascript(code, ROOT / "wit" / "core", "component")
    except build.ToolMissing as missing:
        pytest.skip(f"no guest in JavaScript: {missing}")


@pytest.fixture
def counter() -> Path:
    return made(block("js"))


async def test_the_guest_of_the_javascript_guide_builds_and_counts(
    counter: Path,
) -> None:
    guide: dict[str, Any] = {}
    code = block("py").replace('"counter.wasm"', repr(str(counter)))
    exec(code.replace("anyio.run(main)", ""), guide)  # noqa: S102 - the guide's own

    await guide["main"]()


def test_the_guide_installs_the_tool_that_is_tested() -> None:
    package = (build.HERE / "javascript" / "package.json").read_text()

    (version,) = re.findall(r'"componentize-qjs": "([\d.]+)"', package)

    assert f"npm install componentize-qjs@{version}" in GUIDE.read_text("utf-8")


async def test_a_guest_in_javascript_needs_the_memories_the_guide_says(
    counter: Path,
) -> None:
    async with airssys.open_system() as system:
        component = await system.engine.load(counter)

        with pytest.raises(OutOfMemory, match="memory count too high"):
            await system.spawn(component, limits=airssys.Limits(memories=1))


async def test_what_nobody_catches_is_in_the_log_and_in_the_report(
    recorder: Recorder,
) -> None:
    refusal = 'throw { tag: "internal-error", val: "I know get and inc" };'
    code = block("js")
    assert refusal in code
    thrown = code.replace(refusal, "throw new Error(`it was ${Date.now()}`);")

    async with airssys.open_system(instruments=[recorder]) as system:
        component = await system.engine.load(made(thrown), name="counter")
        counter = await system.spawn(component, limits=airssys.Limits(timeout=20.0))
        with pytest.raises(airssys.ActorStopped):
            await counter.ask("what?", timeout=20)
        ended = await recorder.wait_for(ChildExited)

    said = re.findall(r"it was (\d+)", ended.reason)
    assert abs(int(said[0]) / 1000 - time.time()) < 60
    logged = [each.message for each in recorder.of(Logged) if each.level == "warn"]
    assert any(f"it was {said[0]}" in each for each in logged)
