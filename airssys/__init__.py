"""Run WebAssembly components under supervision inside async programs.

Every name that a program writes is here, or in one of the modules for reading:
`airssys.errors`, `airssys.events`, `airssys.grants` and `airssys.testing`. All other
modules are private: their names may move.

Names are imported when they are first used: ``airssys --help`` needs none of them.
What there is stands in ``__init__.pyi``.
"""

from __future__ import annotations

from typing import Any

from ._door import find, names


def __getattr__(name: str) -> Any:
    value = globals()[name] = find(name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *names()})
