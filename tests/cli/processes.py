"""The command as a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT: Final = {
    **{name: os.environ[name] for name in os.environ if name[:8] != "AIRSSYS_"},
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    "COLUMNS": "100",
}
"""So that another process finds the same package, wherever it is started."""


def spawned(
    *tokens: str, folder: Path | None = None, memory: int | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must be near.

    Args:
        tokens: What follows ``airssys``.
        folder: Where it is run.
        memory: GiB of address space that it may have.
        more: For `subprocess.run`.
    """

    def bound() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory * 2**30,) * 2)

    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(
        [sys.executable, "-m", "airssys", *tokens],
        cwd=folder,
        env=ENVIRONMENT | more.pop("env", {}) if "env" in more else ENVIRONMENT,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=bound,
        **{name: options[name] for name in options if name != "env"},
    )
