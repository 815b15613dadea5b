from __future__ import annotations

import ctypes
import tomllib
from ctypes import Structure, c_char
from typing import Any, ClassVar

import pytest
from wasmtime import _ffi as library

from airssys.engine import _ffi

from ..where import PROJECT


def test_a_wasmtime_that_was_not_tested_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_ffi, "VERSION", "48.1.2")
    with pytest.raises(ImportError, match=r"not 48\.1\.2: install 'wasmtime>=49,<"):
        _ffi._check_layout()


def test_what_is_installed_is_what_was_tested() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    tested = f"wasmtime>={_ffi.TESTED.start},<{_ffi.TESTED.stop}"

    assert tested in project["project"]["dependencies"]


def test_a_struct_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Larger(Structure):
        _fields_: ClassVar[Any] = (("bytes", c_char * 40),)

    monkeypatch.setattr(library, "wasmtime_component_func_t", Larger)
    with pytest.raises(ImportError, match="wasmtime_component_func_t in 40 bytes, not"):
        _ffi._check_layout()


def test_a_value_with_its_payload_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Moved(Structure):
        _fields_: ClassVar[Any] = (("kind", c_char * 16), ("of", c_char * 16))

    monkeypatch.setattr(library, "wasmtime_component_val_t", Moved)
    with pytest.raises(ImportError, match="lays out component values differently"):
        _ffi._check_layout()


def test_a_slot_is_read_and_written_wherever_it_is() -> None:
    slot = _ffi.Slot(2)
    places = [ctypes.create_string_buffer(content) for content in (b"abc", b"def")]

    for place in (*places, *places[::-1]):
        at = ctypes.addressof(place)
        assert slot.at(at).raw == place.raw[:2]
        slot.at(at).raw = b"xy"
        assert place.raw[:2] == b"xy"
        place.raw = b"pqrs"
        assert slot.at(at).raw == b"pq"


def test_a_function_that_the_library_lacks_is_named() -> None:
    with pytest.raises(ImportError, match="has no wasmtime_of_tomorrow"):
        _ffi.function("wasmtime_of_tomorrow", None)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 9), (3, 14, 1), (3, 15, 0)])
def test_a_python_that_runs_callbacks_on_any_stack_is_taken(
    version: tuple[int, ...],
) -> None:
    _ffi.check_python(version)


def test_a_python_that_refuses_a_fibres_stack_is_refused_with_the_reason() -> None:
    with pytest.raises(ImportError, match=r"3\.14\.0 refuses .* use 3\.14\.1 or newer"):
        _ffi.check_python((3, 14, 0))
