"""A program in C that knows of no host but POSIX."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from airssys.core.grants.grants import Grants
from airssys.engine.component import Engine
from airssys.hostcalls.gate import Gate
from airssys.wasi import BytesOutput, Context, open_interfaces

from ...host.filesystem.guest import names
from .guest import everything, read_only

_STOCK: Final = Path(__file__).parent / "stock.wasm"
_DONE: Final = """\
fopen to write: done
fclose: done
fopen to append: done
fread: two
three
fwrite: 10000
ftell: 10000
ftruncate: done
stat: done
size: 10
mkdir: done
mkdir again: File exists
rename: done
same inode: 1
symlink: done
lstat: done
link: 1
open by link: done
names: dir new.txt short
names: small
rmdir: Directory not empty
unlink: done
rmdir: done
unlink: done
open above: Operation not permitted
open elsewhere: No such file or directory
open none: No such file or directory
names: new.txt
"""


async def printed(folder: Path, granted: Grants) -> str:
    """Run the program with a folder as its ``/data``; return what it prints."""
    component = await Engine().load(_STOCK)
    stdout = BytesOutput()
    context = Context(args=["stock"], preopens={"/data": str(folder)}, stdout=stdout)
    async with open_interfaces() as offered:
        with await component.instantiate(
            offered, grants=granted, guard=Gate(), context=context
        ) as instance:
            await instance.call("wasi:cli/run@0.2.12#run")
    return stdout.content.decode()


async def test_a_program_does_to_files_what_it_does_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "data"
    folder.mkdir()
    (tmp_path / "secret.txt").write_bytes(b"secret")

    assert await printed(folder, everything(folder)) == _DONE
    assert names(folder) == ["new.txt"]
    assert (folder / "new.txt").read_bytes() == b"one\ntwo\nthree\n"


async def test_a_program_that_may_only_read_is_on_a_read_only_disk(
    tmp_path: Path,
) -> None:
    folder = tmp_path.resolve() / "data"
    folder.mkdir()
    (folder / "there").touch()

    found = await printed(folder, read_only(folder))

    assert "fopen to write: Read-only file system\n" in found
    assert "mkdir: Read-only file system\n" in found
    assert "names: there\n" in found
    assert names(folder) == ["there"]
