"""Find the tools that some tests run, and check examples of use with type checkers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import pytest

__all__ = ("accepted_by_mypy", "accepted_by_pyright", "needs")

_ROOT: Final = Path(__file__).parent.parent


def needs(tool: str) -> str:
    """Return where a tool is; skip the test where it is not installed."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which(tool, path=scripts) or shutil.which(tool)
    if found is None:
        pytest.skip(f"needs {tool}: pip install airssys[lint,guests]")
    return found


def accepted_by_mypy(*files: Path) -> None:
    """Check files as strictly as their users may."""
    done = subprocess.run(
        [needs("mypy"), "--strict", *map(str, files)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def accepted_by_pyright(folder: Path) -> None:
    """Check what a folder's ``pyrightconfig.json`` names."""
    config = str(folder / "pyrightconfig.json")
    done = subprocess.run(
        [needs("pyright"), "--pythonpath", sys.executable, "-p", config],
        capture_output=True,
        text=True,
        check=False,
    )

    if "error" not in done.stdout and done.returncode > 1:
        pytest.skip(f"pyright does not run here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stdout
