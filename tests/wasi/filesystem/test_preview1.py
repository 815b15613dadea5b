"""What programs of WASI preview 1 find, who come through the adapter.

Each script is what the program is told, with what it says to it: a line for each call.
They follow what POSIX, and the suites for WASI, say of such calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from airssys.engine.component import Engine
from airssys.hostcalls.gate import Gate
from airssys.wasi import BytesOutput, Context, open_interfaces

from ...host.filesystem.guest import names
from .guest import grants, read_only

_PROGRAM: Final = Path(__file__).parent / "preview1.wasm"
_ERRORS: Final = {
    8: "BADF",
    10: "BUSY",
    20: "EXIST",
    28: "INVAL",
    31: "ISDIR",
    32: "LOOP",
    44: "NOENT",
    54: "NOTDIR",
    55: "NOTEMPTY",
    63: "PERM",
    69: "ROFS",
    76: "NOTCAPABLE",
}
SCRIPTS: Final = {
    "links are not followed unless that is wanted": """
        symlink nowhere s: ok
        open a . s -: LOOP
        open a . s d: NOTDIR
        open a . s f: NOENT
        open a . s cxfw: EXIST
        open a . s cw: LOOP
        open a . s cfw: ok
        stat nowhere -: file 0 *
        stat s -: link 7 *
        unlink nowhere: ok
        unlink s: ok
        symlink s s: ok
        open a . s f: LOOP
        open a . s/x -: LOOP
        stat s f: LOOP
        unlink s: ok
        mkdir d: ok
        symlink d s: ok
        open a . s -: LOOP
        open a . s df: ok
        open a . s/ -: ok
        rmdir s: NOTDIR
        rmdir s/: NOTDIR
        unlink s/: NOTDIR
        rename s/ t: NOTDIR
        mkdir s/: EXIST
        symlink x s/: EXIST
        unlink s: ok
        rmdir d: ok
    """,
    "a slash at the end is for directories": """
        mkdir d/: ok
        open a . d/// -: ok
        open a . f cw: ok
        open b . f/ -: NOTDIR
        open b . f/. -: NOTDIR
        stat f/ -: NOTDIR
        unlink f/: NOTDIR
        rmdir f/: NOTDIR
        unlink d/: ISDIR
        symlink f n/: NOENT
        symlink f d/: EXIST
        link f n/: NOENT
        link f d/: EXIST
        link f/ n: NOTDIR
        rename f n/: NOTDIR
        rename f/ n: NOTDIR
        rename d/ e: ok
        rename e d/: ok
        rename d/ e/: ok
        rmdir e/: ok
        unlink f: ok
    """,
    "dots and nothing name no entry": """
        mkdir d: ok
        mkdir .: EXIST
        mkdir d/.: EXIST
        mkdir n/.: NOENT
        rmdir .: INVAL
        rmdir d/.: INVAL
        unlink d/.: ISDIR
        rename d/. n: BUSY
        rename . n: BUSY
        open a . d/../d/./ -: ok
        mkdir '': NOENT
        open a . '' -: NOENT
        rename '' n: NOENT
        symlink '' n: NOENT
        rmdir d: ok
    """,
    "nothing leads out": """
        mkdir d: ok
        open a . .. d: PERM
        open a . d/../../x -: PERM
        open a . /d -: PERM
        mkdir ../x: PERM
        rmdir ..: PERM
        rename d ../x: PERM
        stat ../x -: PERM
        symlink / s: PERM
        open a . d d: ok
        open b a .. d: PERM
        open b a ../d d: PERM
        rmdir d: ok
    """,
    "renaming": """
        mkdir s: ok
        mkdir t: ok
        rename s t: ok
        open a . s d: NOENT
        mkdir s: ok
        open a . t/f c: ok
        rename s t: NOTEMPTY
        rename s t/f: NOTDIR
        rename t t/x: INVAL
        rename t/f s: ISDIR
        rename t/f t/f: ok
        rename n s: NOENT
        rename t/f n/x: NOENT
        rename t/f g: ok
        open a . h c: ok
        rename g h: ok
        stat g -: NOENT
        unlink h: ok
        rmdir s: ok
        rmdir t: ok
    """,
    "second names": """
        open a . f crw: ok
        link f g: ok
        fstat a: file 0 2
        open b . g r: ok
        fstat b: file 0 2
        link f g: EXIST
        link f f: EXIST
        link n h: NOENT
        mkdir d: ok
        link d h: PERM
        link f d: EXIST
        unlink g: ok
        fstat a: file 0 1
        symlink n s: ok
        link s h: ok
        stat h -: link 1 *
        unlink h: ok
        unlink s: ok
        unlink f: ok
        fstat a: file 0 0
        rmdir d: ok
    """,
    "opening": """
        open a . f -: NOENT
        open a . f cx: ok
        open a . f cx: EXIST
        open a . f w: ok
        write a hello: 5
        read a 1: BADF
        open b . f r: ok
        read b 10: hello
        write b x: BADF
        size b 1: BADF
        open c . f t: ok
        fstat b: file 0 1
        open c a x c: NOTDIR
        open c . f/x c: NOTDIR
        mkdir d: ok
        open c . d w: ISDIR
        open c . d c: ISDIR
        open c . d t: ISDIR
        open c . d dc: INVAL
        open c . d cx: EXIST
        open c . d r: ok
        read c 1: BADF
        write c x: BADF
        seek c 0 0: BADF
        rmdir d: ok
        unlink f: ok
        close a: ok
        close a: BADF
    """,
    "places in a file": """
        open a . f crw: ok
        write a abcdef: 6
        seek a -2 1: 4
        read a 9: ef
        seek a -7 1: INVAL
        seek a 4 1: 10
        write a x: 1
        fstat a: file 11 1
        seek a 0 2: 11
        read a 2 3: de
        write a QQ 1: 2
        seek a 0 1: 11
        read a 4 0: aQQd
        size a 3: ok
        read a 9 0: aQQ
        open b . f ra: ok
        open b . f rwa: ok
        write b z: 1
        seek b 0 0: 0
        write b y: 1
        flags b 0: ok
        seek b 0 0: 0
        write b A: 1
        read a 9 0: AQQzy
        unlink f: ok
        read a 9 0: AQQzy
    """,
    "numbers of open files": """
        open a . f crw: ok
        open b . g crw: ok
        write a one: 3
        renumber a b: ok
        close a: BADF
        renumber b a: BADF
        read b 9 0: one
        open d . . d: ok
        close .: ok
        fstat .: BADF
        list d: 4
        open e d f r: ok
        read e 9: one
    """,
    "directories in pieces": """
        open d . . d: ok
        list d: 2
        open a . a-file-with-a-long-name c: ok
        open a . another-one c: ok
        symlink n l: ok
        mkdir m: ok
        list d: 6
        list a: NOTDIR
        rmdir m: ok
        list d: 5
    """,
    "times and links": """
        open a . f c: ok
        symlink f l: ok
        touch f - 7: ok
        touch l - 9: ok
        stat f -: file 0 7
        stat l -: link 1 9
        stat l f: file 0 7
        touch l f 8: ok
        stat f -: file 0 8
        stat l -: link 1 9
        touch . - 6: ok
        stat . -: directory * 6
        touch n - 6: NOENT
        readlink l 9: f
        readlink f 9: INVAL
        readlink n 9: NOENT
    """,
    "waiting for files": """
        open a . f cw: ok
        open b . f r: ok
        poll b a: 2
        poll b z: BADF
    """,
}


async def said(folder: Path, script: str, *, changes: bool = True) -> None:
    """Have the program do what a script says, and compare what it says to it."""
    lines = [line.strip().rpartition(": ") for line in script.strip().splitlines()]
    stdout = BytesOutput()
    context = Context(
        args=("preview1", *(told for told, _, _ in lines)),
        preopens={"/": str(folder)},
        stdout=stdout,
    )
    all_ = [str(folder), f"{folder}/**"]
    granted = (
        grants(read=all_, write=all_, delete=all_, list=all_)
        if changes
        else read_only(folder)
    )
    component = await Engine().load(_PROGRAM)
    async with open_interfaces() as offered:
        with await component.instantiate(
            offered, grants=granted, guard=Gate(), context=context
        ) as instance:
            await instance.call("wasi:cli/run@0.2.12#run")
    found = [
        _compared(*pair)
        for pair in zip(lines, stdout.content.decode().splitlines(), strict=True)
    ]
    assert found == [f"{told}: {answer}" for told, _, answer in lines]


def _compared(expected: tuple[str, str, str], line: str) -> str:
    """Return a line with its error's name, and with `*` where anything will do."""
    told, _, answer = line.rpartition(": ")
    kind, _, number = answer.partition(" ")
    if kind == "error":
        answer = _ERRORS.get(int(number), answer)
    parts = answer.split(" ")
    for place, part in enumerate(expected[2].split(" ")[: len(parts)]):
        if part == "*":
            parts[place] = part
    return f"{told}: {' '.join(parts)}"


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_a_program_of_preview_1_finds_what_it_knows(
    tmp_path: Path, script: str
) -> None:
    folder = tmp_path.resolve() / "data"
    folder.mkdir()
    await said(folder, script)


async def test_a_read_only_folder_is_one_to_such_a_program(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "data"
    (folder / "d").mkdir(parents=True)
    (folder / "f").write_bytes(b"there")

    await said(
        folder,
        """
        open a . f r: ok
        read a 9: there
        open b . f w: ROFS
        open b . f t: ROFS
        open b . n c: ROFS
        mkdir n: ROFS
        rmdir d: ROFS
        unlink f: ROFS
        rename f n: ROFS
        link f n: ROFS
        symlink f n: ROFS
        touch f - 1: ROFS
        open b . . d: ok
        list b: 4
        """,
        changes=False,
    )

    assert names(folder) == ["d", "f"]
