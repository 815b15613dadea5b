from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from airssys.core.errors import InvalidComponent
from airssys.engine.component import Engine

from . import guests

pytestmark = pytest.mark.guest

ONE, TWO = (
    guests.code(f'(func (export "n") (result i32) (i32.const {n}))', "n -> u32")
    for n in (1, 2)
)


async def answer(engine: Engine, text: str = ONE) -> Any:
    with await (await engine.compile(text)).instantiate() as instance:
        return await instance.call("n")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def entry(folder: Path) -> tuple[Path, Path]:
    """Return the only entry of a cache: its code and its digest."""
    code, digest = sorted(folder.iterdir())
    assert (code.suffix, digest.suffix) == (".cwasm", ".digest")
    return code, digest


def sign(code: Path, digest: Path) -> None:
    digest.write_text(hashlib.blake2b(code.read_bytes()).hexdigest())


async def test_a_component_found_in_the_cache_is_not_compiled(tmp_path: Path) -> None:
    await answer(Engine(cache=tmp_path / "two"), TWO)
    await answer(Engine(cache=tmp_path / "one"))
    code, digest = entry(tmp_path / "one")
    other, _ = entry(tmp_path / "two")
    code.write_bytes(other.read_bytes())
    sign(code, digest)

    # Only whoever takes the planted code answers with the other number.
    assert await answer(Engine(cache=tmp_path / "one")) == 2
    assert await answer(Engine(cache=False)) == 1


@pytest.mark.parametrize("damage", ["code", "digest", "digest-bytes", "no-code"])
async def test_a_damaged_entry_is_rebuilt(tmp_path: Path, damage: str) -> None:
    await answer(Engine(cache=tmp_path))
    code, digest = entry(tmp_path)
    good = code.read_bytes()
    match damage:
        case "code":
            code.write_bytes(good[:-100])
        case "digest":
            digest.write_text("0" * 128)
        case "digest-bytes":
            digest.write_bytes(b"\xff\xfe\x80")
        case _:
            code.unlink()

    assert await answer(Engine(cache=tmp_path)) == 1
    code, digest = entry(tmp_path)
    assert digest.read_text() == hashlib.blake2b(code.read_bytes()).hexdigest()
    assert len(code.read_bytes()) == len(good)


async def test_sound_code_that_this_machine_cannot_run_is_rebuilt(
    tmp_path: Path,
) -> None:
    await answer(Engine(cache=tmp_path))
    code, digest = entry(tmp_path)
    code.write_bytes(b"compiled for something else")
    sign(code, digest)

    assert await answer(Engine(cache=tmp_path)) == 1
    assert code.read_bytes() != b"compiled for something else"


async def test_engines_with_other_settings_do_not_share_entries(tmp_path: Path) -> None:
    settings: Any
    for settings in (
        {},
        {"optimize": False},
        {"stack": 256 * 1024},
        {"memory_reservation": 1 << 20},
        {"exceptions": True},
    ):
        assert await answer(Engine(cache=tmp_path, **settings)) == 1

    assert len([name for name in names(tmp_path) if name.endswith("cwasm")]) == 5


async def test_an_entry_leaves_no_other_files_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    await answer(Engine(cache=folder))

    assert len(names(folder)) == 2
    assert folder.stat().st_mode & 0o077 == 0


async def test_what_does_not_compile_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InvalidComponent):
        await Engine(cache=tmp_path).compile("(component (export))")

    assert not names(tmp_path)


async def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    assert await answer(Engine(cache=blocked / "folder")) == 1
    assert await answer(Engine(cache=blocked)) == 1
    assert blocked.read_text() == "not a folder"


async def test_an_entry_that_cannot_be_put_in_place_is_taken_away(
    tmp_path: Path,
) -> None:
    await answer(Engine(cache=tmp_path))
    code, digest = entry(tmp_path)
    code.unlink()
    code.mkdir()
    digest.unlink()

    assert await answer(Engine(cache=tmp_path)) == 1
    assert names(tmp_path) == [code.name]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
@pytest.mark.parametrize("mode", [0o770, 0o707])
async def test_a_folder_that_others_can_write_to_is_not_used(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "cache"
    await answer(Engine(cache=folder))
    code, digest = entry(folder)
    await answer(Engine(cache=tmp_path / "two"), TWO)
    code.write_bytes(entry(tmp_path / "two")[0].read_bytes())
    sign(code, digest)
    folder.chmod(mode)

    assert await answer(Engine(cache=folder)) == 1
    assert await answer(Engine(cache=folder), TWO) == 2
    assert len(names(folder)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="XDG")
async def test_the_users_cache_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    await answer(Engine())
    await answer(Engine(cache=True))

    entry(tmp_path / "airssys" / "compiled")


# --- who else can have written it -----------------------------------------------------

NOBODY = 65534
root = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root gives files away"
)


async def plant(folder: Path, apart: Path) -> tuple[Path, Path]:
    """Make an entry for one component whose code is another's; return its files."""
    await answer(Engine(cache=folder))
    code, digest = entry(folder)
    await answer(Engine(cache=apart), TWO)
    code.write_bytes(entry(apart)[0].read_bytes())
    sign(code, digest)
    assert await answer(Engine(cache=folder)) == 2  # whoever takes it answers so
    return code, digest


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
@pytest.mark.parametrize("which", ["code", "digest"])
async def test_an_entry_that_is_a_link_is_not_used(tmp_path: Path, which: str) -> None:
    code, digest = await plant(tmp_path / "one", tmp_path / "two")
    file = code if which == "code" else digest
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)

    assert await answer(Engine(cache=tmp_path / "one")) == 1
    assert not file.is_symlink()
    assert elsewhere.exists()


@root
@pytest.mark.parametrize("which", ["code", "digest"])
async def test_an_entry_of_another_user_is_not_used(tmp_path: Path, which: str) -> None:
    code, digest = await plant(tmp_path / "one", tmp_path / "two")
    os.chown(code if which == "code" else digest, NOBODY, NOBODY)

    assert await answer(Engine(cache=tmp_path / "one")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_an_entry_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    code, _ = await plant(tmp_path / "one", tmp_path / "two")
    code.chmod(0o666)

    assert await answer(Engine(cache=tmp_path / "one")) == 1


@root
@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_folder_below_one_of_another_user_is_not_used(
    tmp_path: Path, depth: int
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    await plant(folder, tmp_path / "two")
    os.chown((folder, *folder.parents)[depth], NOBODY, NOBODY)

    assert await answer(Engine(cache=folder)) == 1
    assert await answer(Engine(cache=folder), TWO) == 2
    assert len(names(folder)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
async def test_a_folder_below_one_that_others_can_write_to_is_not_used(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a" / "b"
    await plant(folder, tmp_path / "two")
    folder.parent.chmod(0o777)
    assert await answer(Engine(cache=folder)) == 1

    # As in /tmp: others can add to it, and not put anything in another's place.
    folder.parent.chmod(0o1777)
    assert await answer(Engine(cache=folder)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
async def test_links_of_ones_own_are_followed_on_the_way(tmp_path: Path) -> None:
    code, _ = await plant(tmp_path / "real" / "one", tmp_path / "two")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "relative").symlink_to("absolute")
    (tmp_path / "round").symlink_to("round")

    for link in ("absolute", "relative"):
        assert await answer(Engine(cache=tmp_path / link / "one")) == 2
    assert await answer(Engine(cache=tmp_path / "round" / "one")) == 1
    assert code.exists()


@root
async def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    await plant(tmp_path / "real" / "one", tmp_path / "two")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)

    assert await answer(Engine(cache=link / "one")) == 1


# --- how much of it -------------------------------------------------------------------


async def test_what_was_not_used_for_the_longest_time_makes_room(
    tmp_path: Path,
) -> None:
    texts = [
        guests.code(f'(func (export "n") (result i32) (i32.const {n}))', "n -> u32")
        for n in range(4)
    ]
    files = []
    for number, text in enumerate(texts[:3]):
        before = set(tmp_path.glob("*.cwasm"))
        await answer(Engine(cache=tmp_path), text)
        (file,) = set(tmp_path.glob("*.cwasm")) - before
        os.utime(file, (1000 + number, 1000 + number))
        files.append(file)
    size = files[0].stat().st_size
    # The first is used again, so the second is the oldest.
    assert await answer(Engine(cache=tmp_path), texts[0]) == 0

    limit = 3 * size + size // 2
    assert await answer(Engine(cache=tmp_path, cache_size=limit), texts[3]) == 3

    left = set(tmp_path.glob("*.cwasm"))
    assert {files[0], files[2]} < left
    assert files[1] not in left
    assert len(left) == 3
    assert not files[1].with_suffix(".digest").exists()


async def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    await answer(Engine(cache=tmp_path))
    held = names(tmp_path)

    assert await answer(Engine(cache=tmp_path, cache_size=100), TWO) == 2
    assert names(tmp_path) == held


async def test_what_those_who_died_left_behind_is_taken_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    await answer(Engine(cache=tmp_path))

    assert not old.exists()
    assert new.exists()
