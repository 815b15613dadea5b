from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..components import LIFECYCLE_WASM

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

MANIFEST = """
[package]
name = "acme/{name}"
version = "1.0.0"
[component]
wasm = "{wasm}"
[resources]
memory = "1MiB"
fuel = 1000
timeout = "1s"
"""


def write(folder: Path, wasm: str, code: str = "", more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Component.toml").write_text(
        MANIFEST.format(name=folder.name, wasm=wasm) + more
    )
    if code:
        (folder / wasm).write_text(code)
    return folder


def test_files_without_problems_are_named(airssys: Command, quickstart: Path) -> None:
    host = quickstart.parents[1] / "pyproject.toml"
    paths = [quickstart / "tree.toml", quickstart / "tally"]

    ran = airssys("check", *paths)

    assert host.exists()
    assert ran.status == 0
    assert ran.out == "".join(f"{path}: no problems\n" for path in paths)


def test_five_mistakes_are_five_lines_with_places(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "Component.toml"
    file.write_text(
        """[package]
name = "Bad Name"
version = "1"
[component]
wasm = "x.exe"
[resources]
memory = "1MiB"
fuel = 0
timeout = "1s"
[capabilites]
"""
    )

    ran = airssys("check", file)

    assert ran.status == 1
    lines = ran.out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert [line.rpartition(" @ ")[2] for line in lines] == [
        "package.name, line 2",
        "package.version, line 3",
        "component.wasm, line 5",
        "resources.fuel, line 8",
        "capabilites, line 10",
    ]


def test_what_a_component_really_is_is_checked(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    needy = """(component
      (import "acme:kv/store@1.0.0" (instance (export "get" (func)))))"""
    stranger = write(tmp_path / "stranger", "a.wat", calculator.read_text())
    greedy = write(tmp_path / "greedy", "a.wat", needy)
    granted = write(
        tmp_path / "granted",
        "a.wat",
        needy,
        '[capabilities]\ncustom = [{ name = "acme:kv/store" }]\n',
    )
    empty = write(tmp_path / "empty", "gone.wasm")
    broken = write(tmp_path / "broken", "a.wat", "(component (")

    for folder, words in (
        (stranger, "does not export 'airssys:core/component-lifecycle@1.0.0'"),
        (greedy, "imports 'acme:kv/store@1.0.0', which is neither of airssys"),
        (empty, "'gone.wasm' cannot be read: No such file or directory"),
        (broken, "is no usable component"),
    ):
        ran = airssys("check", folder)
        assert ran.status == 1
        assert words in ran.out
    assert "acme:kv" not in airssys("check", granted).out


def test_a_pinned_digest_is_checked(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    folder = write(tmp_path / "pinned", "a.wat", calculator.read_text())
    text = (folder / "Component.toml").read_text()
    pin = f'wasm = "a.wat"\nsha256 = "{"0" * 64}"'
    (folder / "Component.toml").write_text(text.replace('wasm = "a.wat"', pin))

    ran = airssys("check", folder)

    assert ran.status == 1
    assert "is not trusted: expected sha256:000" in ran.out


def test_a_tree_is_checked_with_its_components_and_actors(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    write(tmp_path / "stranger", "a.wat", calculator.read_text())
    tree = tmp_path / "tree.toml"
    tree.write_text(
        """[[child]]
id = "top"
supervisor = {}
[[child.child]]
id = "stranger"
component = "stranger"
resources = { fuel = 2000 }
[[child.child]]
id = "gone"
component = "gone"
[[child.child]]
id = "stranger-again"
component = "stranger"
[[child]]
id = "nobody"
actor = "no_such_module:run"
"""
    )

    ran = airssys("check", tree)

    assert ran.status == 1
    raised, gone, stranger, nobody = ran.out.splitlines()
    assert "fuel of 2000 is more than the component's 1000 @ child[0]" in raised
    assert "it cannot be read: No such file or directory" in gone
    assert "does not export" in stranger
    assert "No module named 'no_such_module'" in nobody


def test_two_components_of_a_tree_that_would_share_their_keys_are_a_problem(
    airssys: Command, tmp_path: Path
) -> None:
    for name, quota in (("one", "1KiB"), ("two", "2KiB")):
        write(tmp_path / name, "a.wasm", more=f'storage = "{quota}"')
        (tmp_path / name / "a.wasm").write_bytes(LIFECYCLE_WASM.read_bytes())
        manifest = tmp_path / name / "Component.toml"
        manifest.write_text(manifest.read_text().replace(f"acme/{name}", "acme/a"))
    tree = tmp_path / "tree.toml"
    text = "".join(
        f'[[child]]\nid = "{id_}"\ncomponent = "{folder}"\n'
        for id_, folder in (("a", "one"), ("b", "one"), ("c", "two"))
    )
    tree.write_text(text)
    ran = airssys("check", tree)
    tree.write_text(text + 'namespace = "acme/a"\n')
    said = airssys("check", tree)

    assert ran.status == 1
    (line,) = ran.out.splitlines()
    assert "may not have the storage namespace 'acme/a'" in line
    assert str(tmp_path / "one" / "Component.toml") in line
    assert said.status == 0, said.out


MODULE = """
import pathlib
pathlib.Path(__file__).with_name("ran").touch()
from os import getpid as imported, missing_at_run_time
async def defined(actor): ...
class Made: ...
if True:
    try:
        nested = lambda actor: None
    finally:
        one, (two, *three) = defined, (defined, defined)
    def inner(actor):
        hidden = 1
number = 3
"""


def actor_tree(folder: Path, *names: str) -> Path:
    tree = folder / "tree.toml"
    tree.write_text(
        "".join(
            f'[[child]]\nid = "c{number}"\nactor = "{name}"\n'
            for number, name in enumerate(names)
        )
    )
    return tree


def test_nothing_of_a_python_actor_is_run_by_a_check(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "acts.py").write_text(MODULE)
    good = ("defined", "Made", "imported", "nested", "one", "two", "three", "inner")
    tree = actor_tree(tmp_path, *(f"acts:{name}" for name in good), "email.mime.text:x")

    ran = airssys("check", tree)

    assert ran.out.splitlines() == [
        f"{tree}: actor 'email.mime.text:x': 'email.mime.text' has no such function"
    ]
    assert not (tmp_path / "ran").exists()
    for name in ("number", "hidden", "gone", "actor"):
        ran = airssys("check", actor_tree(tmp_path, f"acts:{name}"))
        assert ran.out.endswith("'acts' has no such function\n"), name
        assert ran.status == 1


def test_a_check_imports_python_actors_where_it_is_asked_to(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "acts.py").write_text(MODULE)

    ran = airssys("check", actor_tree(tmp_path, "acts:defined"), "--import")

    assert "cannot import name 'missing_at_run_time'" in ran.out
    assert ran.status == 1
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("module", "text"),
    [("open", "from os import *"), ("open", "def __getattr__(name): ..."), ("sys", "")],
)
def test_what_a_text_does_not_tell_is_a_warning(
    airssys: Command, tmp_path: Path, module: str, text: str
) -> None:
    if text:
        (tmp_path / "open.py").write_text(text)

    ran = airssys("check", actor_tree(tmp_path, f"{module}:getpid"))

    assert "warning: " in ran.out
    assert "its module does not tell before it runs (--import)" in ran.out
    assert ran.status == 0


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("broken", "invalid syntax"),
        ("nulls", "null bytes"),
        ("fifo", "no regular file"),
        ("os.path.nothing", "No module named"),
        ("email.nothing", "No module named"),
    ],
)
def test_a_module_that_is_no_python_is_a_problem(
    airssys: Command, tmp_path: Path, module: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "nulls.py").write_text("a = '\0'")
    os.mkfifo(tmp_path / "fifo.py")

    ran = airssys("check", actor_tree(tmp_path, f"{module}:run"))

    assert words in ran.out
    assert ran.status == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "host.toml",
            b'memry = "1MiB"',
            "unknown key 'memry' (did you mean 'memory'?)",
        ),
        ("tree.toml", b"[[child", "expected ']]' at the end of an array declaration"),
        ("tree.toml", b"\xff", "it is not UTF-8 text"),
        ("code.wasm", b"\0asm\1\0\0\0", "it is a core module"),
        ("gone.toml", None, "gone.toml: no such file or folder"),
        ("other.toml", b'[package]\nname = "a"', "missing key 'version'"),
    ],
)
def test_every_kind_of_file_is_checked(
    airssys: Command, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    ran = airssys("check", tmp_path / name)

    assert ran.status == 1
    assert words in ran.out
    assert ran.err == ""


def test_good_host_files_and_code_have_no_problems(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    host = tmp_path / "host.toml"
    host.write_text('profile = "strict"\n')

    assert airssys("check", host, calculator).status == 0


def test_grants_above_the_host_s_ceiling_are_all_named(
    airssys: Command, tmp_path: Path
) -> None:
    lifecycle = LIFECYCLE_WASM.read_bytes()
    folder = write(
        tmp_path / "greedy",
        "a.wasm",
        more="""[capabilities]
network = { outbound = ["a.com:443", "b.com:443"], resolve = ["a.com"] }
storage = { read = ["component:self/**"] }
""",
    )
    (folder / "a.wasm").write_bytes(lifecycle)
    host = tmp_path / "host.toml"
    host.write_text("[capabilities.network]\noutbound = ['a.com:443']\n")

    assert airssys("check", folder).status == 0
    ran = airssys("check", folder, "--config", host)

    assert ran.status == 1
    assert ran.out.splitlines() == [
        f"{folder}: may not {words}: the host's ceiling does not cover it "
        "@ capabilities.network"
        for words in ("connect to 'b.com:443'", "resolve 'a.com'")
    ]


def test_a_tree_can_bring_grants_below_the_ceiling(
    airssys: Command, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "greedy",
        "a.wasm",
        more="[capabilities]\nnetwork = { resolve = ['a.com', 'b.com'] }\n",
    )
    (folder / "a.wasm").write_bytes(LIFECYCLE_WASM.read_bytes())
    host = tmp_path / "host.toml"
    host.write_text("[capabilities.network]\nresolve = ['a.com']\n")
    tree = tmp_path / "tree.toml"
    child = "[[child]]\nid = 'greedy'\ncomponent = 'greedy'\n"
    tree.write_text(f"{child}capabilities.network = {{ resolve = ['a.com'] }}\n")

    assert airssys("check", tree, "--config", host).status == 0
    drawn = airssys("tree", tree, "--config", host)
    tree.write_text(child)
    refused = airssys("tree", tree, "--config", host)

    assert drawn.status == 0
    assert airssys("check", tree, "--config", host).status == 1
    assert refused.status == 2
    assert "may not resolve 'b.com': the host's ceiling" in refused.err


def test_warnings_are_no_problems(airssys: Command, tmp_path: Path) -> None:
    real = tmp_path.resolve()
    (real / "real").mkdir()
    (real / "link").symlink_to("real")
    folder = write(
        real / "old",
        "a.wasm",
        more=f"""[capabilities]
filesystem = {{ read = ["{real}/link/**", "{real}/real/*"], list = ["{real}/link/**"] }}
process = {{ spawn = ["{real}/{{link,real}}/git"] }}
storage = {{ read = ["/link"] }}
expires = {{ storage = 2001-01-01T00:00:00Z, filesystem = 3001-01-01T00:00:00Z }}
""",
    )
    (folder / "a.wasm").write_bytes(LIFECYCLE_WASM.read_bytes())

    ran = airssys("check", folder)

    assert ran.status == 0
    assert ran.out.splitlines() == [
        (f"{folder}: warning: the grants of 'storage' expired at 2001-01-01T00:00:00Z"),
        *(
            f"{folder}: warning: '{real}/link/{rest}' leads through a symlink, and "
            f"real paths are what is matched: write '{real}/real/{rest}'"
            for rest in ("**", "git")
        ),
        f"{folder}: no problems",
    ]


def test_a_host_file_is_warned_of_ceilings_over_symlinks(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    host = tmp_path / "host.toml"
    host.write_text(f"capabilities.filesystem.read = ['{tmp_path}/link/**']\n")

    ran = airssys("check", host)

    assert ran.status == 0
    assert "/link/**' leads through a symlink" in ran.out


def test_a_component_is_called_within_the_host_s_ceiling(
    airssys: Command, tmp_path: Path, calculator: Path
) -> None:
    folder = write(
        tmp_path / "calculator",
        "a.wat",
        calculator.read_text(),
        "[capabilities]\nmessaging = { send = ['**'] }\n",
    )
    host = tmp_path / "host.toml"
    host.write_text("[capabilities]\nmessaging = {}\n")

    ran = airssys("call", folder, "add", "1", "2", "--config", host)

    assert ran.status == 2
    assert "may not send to '**': the host's ceiling does not cover it" in ran.err


def test_nothing_to_check_is_wrong_usage(airssys: Command) -> None:
    ran = airssys("check")

    assert (ran.status, ran.err) == (2, "airssys: give at least one file to check\n")


def test_what_a_file_calls_itself_neither_steers_a_terminal_nor_forges_lines(
    airssys: Command, tmp_path: Path
) -> None:
    folder = write(tmp_path / "a", "x.wat", more='["\\u001b[2J\\nall: fine"]\n')
    tree = tmp_path / "tree.toml"
    tree.write_text('[[child]]\nid = "a"\ncomponent = "a\\u001b[2J\\nall: fine"\n')

    for ran in (airssys("check", folder, tree), airssys("tree", tree)):
        shown = ran.out + ran.err
        assert ran.status
        assert "\x1b" not in shown
        assert "\\x1b[2J\\nall: fine" in shown
        assert not any(line.startswith("all: fine") for line in shown.splitlines())


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
def test_a_file_without_an_end_is_refused(airssys: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "x.wat")
    (folder / "x.wat").symlink_to("/dev/zero")
    manifest, tree = tmp_path / "Component.toml", tmp_path / "tree.toml"
    for endless in (manifest, tree):
        endless.symlink_to("/dev/zero")

    ran = airssys("check", folder, manifest, tree)

    assert ran.status
    assert "'x.wat' cannot be read: it is no regular file" in ran.out
    assert ran.out.count("it is no regular file") == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "(memory 0)" * 17,
            "it has 17 linear memories: say memories = 17, or more (limit: memories = ",
        ),
        (
            "(memory 12) (memory 1) (memory 1)",
            'and 3 share total_memory: say total_memory = "2304KiB", or more',
        ),
        ("(memory 32)", 'say memory = "2MiB", or more (limit: 1MiB)'),
        ("(table 0 funcref)" * 33, "it has 33 tables: say tables = 33, or more"),
        ("(table 200_000 funcref)", "200_000 elements from the start"),
    ],
)
def test_limits_that_no_instance_keeps_are_foreseen(
    airssys: Command, tmp_path: Path, code: str, words: str
) -> None:
    text = f"(component (core module $m {code}) (core instance (instantiate $m)))"
    folder = write(tmp_path / "a", "code.wat", text)

    ran = airssys("check", folder)

    assert ran.status == 1
    assert f"{folder}: no instance of 'acme/a': " in ran.out
    assert words in ran.out


def test_a_tree_that_lowers_the_limits_of_a_component_is_checked_by_its_own(
    airssys: Command, tmp_path: Path
) -> None:
    text = "(component (core module $m (memory 12)) (core instance (instantiate $m)))"
    write(tmp_path / "a", "code.wat", text)
    tree = tmp_path / "tree.toml"
    tree.write_text(
        '[[child]]\nid = "a"\ncomponent = "a"\nresources = { memory = "512KiB" }\n'
    )

    assert "no instance of" not in airssys("check", tmp_path / "a").out
    assert (
        'say memory = "768KiB", or more (limit: 512KiB)' in airssys("check", tree).out
    )
