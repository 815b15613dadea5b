from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ..tools import accepted_by_mypy, accepted_by_pyright, needs
from .goldens import GOLDEN, HERE, ROOT, WORLDS, generate

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.guest

_VERSION = re.compile(r"^Made by airssys [^:]*:", re.MULTILINE)
_TEXT = {".wat", ".wasm"}


@pytest.mark.parametrize("world", WORLDS)
def test_the_bindings_of_a_world_are_the_golden_ones(
    world: str, tmp_path: Path
) -> None:
    source, file = WORLDS[world], tmp_path / "made.py"
    if source.suffix not in _TEXT:
        needs("wasm-tools")

    generate(source, file)

    golden = (GOLDEN / f"{world}.py").read_text()
    assert _VERSION.sub("", file.read_text()) == _VERSION.sub("", golden)


@pytest.mark.parametrize("world", WORLDS)
def test_golden_bindings_can_be_imported_and_describe_their_world(world: str) -> None:
    spec = importlib.util.spec_from_file_location(world, GOLDEN / f"{world}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[world] = module  # where attrs looks names up
    spec.loader.exec_module(module)

    found = dict(module.Exports.__airssys__.named())

    assert None not in found.values()


def test_there_is_a_golden_file_for_each_world_and_no_other() -> None:
    assert {path.stem for path in GOLDEN.glob("*.py")} == set(WORLDS)


@pytest.mark.slow
def test_mypy_accepts_all_bindings_and_their_use() -> None:
    accepted_by_mypy(GOLDEN, HERE / "usage.py")


@pytest.mark.slow
def test_pyright_accepts_all_bindings_and_their_use() -> None:
    accepted_by_pyright(HERE)


def test_ruff_finds_nothing_to_format() -> None:
    tool = needs("ruff")

    done = subprocess.run(
        [tool, "format", "--diff", str(GOLDEN)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
