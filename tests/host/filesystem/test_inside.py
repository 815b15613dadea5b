from __future__ import annotations

import os
import stat
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys.core.errors import WitError
from airssys.host.filesystem.access import Access, Disk
from airssys.host.filesystem.linux import openat2_works
from airssys.host.filesystem.open_file import OpenFile, open_file
from airssys.host.filesystem.pin import Pin, pin_at_once, pin_by_walk
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.witmodel.types import Record

from .guest import everything, options

PINS: Final = [pin_by_walk, *([pin_at_once] if openat2_works() else [])]

steps = st.sampled_from(["a", "b", "c", "..", ".", "", "granted", "outside"])
texts = st.lists(steps, min_size=1, max_size=6).map("/".join)
names = st.sampled_from("abc")
places = st.tuples(
    st.sampled_from(["granted", "outside"]),
    st.lists(names, min_size=1, max_size=3),
)
entries = st.lists(
    st.tuples(places, st.sampled_from(["file", "directory", "link", "away"]), texts),
    min_size=3,
    max_size=14,
)


def build(root: Path, wanted: list[tuple[tuple[str, list[str]], str, str]]) -> None:
    for (where, path), kind, text in wanted:
        at = root.joinpath(where, *path)
        if not Path(os.path.realpath(at.parent)).is_relative_to(root):
            continue  # a link made before leads out, and what is out there is not ours
        try:
            if kind == "directory":
                at.mkdir(parents=True)
            elif kind == "file":
                at.write_bytes(str(at).encode())
            else:
                # An absolute target for one of the two.
                at.symlink_to(f"{root}/{text}" if kind == "away" else text or ".")
        except OSError:
            continue  # what was there before stays


def inside(folder: Path) -> set[tuple[int, int]]:
    """Return device and number of all below a folder, by the kernel's own look."""
    found = set()
    for here, _, files in os.walk(folder):
        for name in files:
            info = os.lstat(os.path.join(here, name))  # noqa: PTH118
            if stat.S_ISREG(info.st_mode):
                found.add((info.st_dev, info.st_ino))
    return found


def opened(granted: Path, pin: Pin, path: str) -> OpenFile | None:
    call = Call("acme/guest", "", "", everything(granted))
    access = Access(Disk(Gate(), pin=pin), call)
    work = partial(open_file, path=path, options=Record(**options()))
    try:
        return access.settle(work)
    except WitError:
        return None


@pytest.mark.parametrize("pin", PINS)
@settings(max_examples=40, deadline=None)
@given(wanted=entries, asked=st.lists(texts, min_size=1, max_size=5))
def test_what_is_opened_is_inside_and_what_is_inside_is_opened(
    pin: Pin,
    wanted: list[tuple[tuple[str, list[str]], str, str]],
    asked: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve()
        granted = root / "granted"
        granted.mkdir()
        (root / "outside").mkdir()
        build(root, wanted)
        allowed = inside(granted)

        for text in asked:
            path = f"{granted}/{text}"
            file = opened(granted, pin, path)
            if file is not None:
                found = os.fstat(file.descriptor)
                file.close()
                assert (found.st_dev, found.st_ino) in allowed
            elif ".." not in text and os.path.isfile(path):  # noqa: PTH113
                target = os.path.realpath(path)
                assert not target.startswith(f"{granted}/") or ".." in "".join(
                    text for _, _, text in wanted
                )
