"""Write down the case that is about to run, where a crash cannot take it away."""

from __future__ import annotations

import faulthandler
import os
import time
from pathlib import Path
from typing import Final

from attrs import define, field

__all__ = ("STUCK", "Journal")

STUCK: Final = float(os.environ.get("FUZZ_STUCK", "20"))
"""Seconds that a case may take. More, or not much less, is a hang: the child ends."""


@define
class Journal:
    """The case under way, in a file that outlives the child."""

    path: Path
    round: str = ""
    """How to name the round under way to `child`."""
    cases: int = 0
    """How many began."""
    _file: int = field(init=False)
    _armed: float = -STUCK

    def __attrs_post_init__(self) -> None:
        self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)

    def begin(self, case: str) -> None:
        """Write a case down; what is not over in time is a hang."""
        text = f"{self.round}: {case}".encode(errors="backslashreplace")
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
        self.cases += 1
        if (now := time.monotonic()) > self._armed + STUCK / 4:  # it takes a thread
            self._armed = now
            faulthandler.dump_traceback_later(STUCK, exit=True)

    def end(self) -> None:
        """Forget the case: what comes next is the fuzzer's own."""
        os.ftruncate(self._file, 0)
        self._armed = -STUCK
        faulthandler.cancel_dump_traceback_later()
