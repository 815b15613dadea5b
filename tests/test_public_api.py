from __future__ import annotations

import importlib
import pkgutil
from inspect import isfunction
from types import ModuleType
from typing import Any

import pytest

import airssys

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(airssys.__path__, "airssys.")
    if not name.endswith("__main__")
]


def public(module: ModuleType) -> set[str]:
    """Return what a module defines itself and does not hide."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (isinstance(value, type) or isfunction(value))
        and name != "evolve"  # of attrs, which does not say where it comes from
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_what_it_defines(name: str) -> None:
    module: Any = importlib.import_module(name)
    if name.rpartition(".")[2].startswith("_") or hasattr(module, "__path__"):
        return

    assert isinstance(module.__all__, tuple)
    assert all(hasattr(module, each) for each in module.__all__)
    assert public(module) <= set(module.__all__)


def test_the_front_door_is_small_and_sorted() -> None:
    assert len(airssys.__all__) <= 30
    assert list(airssys.__all__) == sorted(
        airssys.__all__, key=lambda name: (name.islower(), name)
    )


def test_the_front_door_opens_every_name_it_lists() -> None:
    homes = airssys._HOMES

    assert set(homes) == set(airssys.__all__)
    for name in airssys.__all__:
        assert getattr(airssys, name).__name__ == name
        assert name in dir(airssys)


def test_the_front_door_knows_its_version_and_nothing_else() -> None:
    assert airssys.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'Enigne'"):
        airssys.Enigne  # noqa: B018
