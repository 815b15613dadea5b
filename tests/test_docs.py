from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path

import anyio
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import airssys
from airssys.core.manifests.manifest import parse_manifest

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md"))
)
C_GUIDE = ROOT / "docs" / "how-to" / "write-a-guest-in-c.md"

pytestmark = pytest.mark.guest


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$",
        page.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)  # where a reader of the page is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / page)
    examples = list(document.examples())

    for example in examples:
        example.evaluate()

    assert len(examples) == len(blocks(ROOT / page, "python"))


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_to_files(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"),
                  flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith(("https:", "http:", "mailto:")):
            assert ((ROOT / page).parent / link).exists(), link


def test_the_files_a_page_names_are_there() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in re.findall(r"\b((?:examples|tests|wit)/[\w./-]*\w)", text):
            assert (ROOT / name).exists() or name.endswith(".wasm"), f"{page}: {name}"


@pytest.mark.slow
def test_the_guest_of_the_c_guide_builds_and_counts(tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is missing: pip install 'airssys[guests]'")
    (code,) = blocks(C_GUIDE, "c")
    (manifest,) = blocks(C_GUIDE, "toml")
    (tmp_path / "counter.c").write_text(code)
    (tmp_path / "Component.toml").write_text(manifest)
    build = runpy.run_path(str(ROOT / "examples" / "guest_c" / "build.py"))["build"]
    build(tmp_path / "counter.c", tmp_path / "counter.wasm")

    async def main() -> None:
        async with airssys.open_system() as system, system.subscribe("tens") as tens:
            counter = await system.spawn(tmp_path)
            for _ in range(6):
                await counter.send("inc")
            assert await counter.ask("get") == b"12"
            assert (await anext(tens)).payload == b"10"

    anyio.run(main)


def test_the_manifest_of_the_c_guide_is_one() -> None:
    (manifest,) = blocks(C_GUIDE, "toml")

    assert str(parse_manifest(manifest).name) == "acme/counter"
