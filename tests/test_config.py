from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from airssys.config import load_config
from airssys.core.errors import ManifestError
from airssys.core.grants.capabilities import Filesystem, Network, Process
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    FilesystemGrants,
    NetworkGrants,
    ProcessGrants,
    Sections,
)
from airssys.core.levels import LogLevel
from airssys.core.limits import CompileLimits
from airssys.core.manifests.host import (
    Audit,
    CompilerPlace,
    HostConfig,
    Profile,
    Slices,
    host_schema,
)

MIB = 2**20

FULL = """\
name = "edge"
profile = "strict"
memory = "8MiB"
cache = "compiled"
cache_size = "2GiB"
compiler = "thread"
threads = 3
log = "debug"
[slices]
inline = 1000
inline_slices = 4
threaded = 2000
quantum = "10ms"
[compile]
memory = "512MiB"
time = "10s"
size = "1MiB"
[audit]
file = "log/audit.jsonl"
grants = true
rotate = "1MiB"
keep = 2
key = "audit.key"
[capabilities]
network = { outbound = ["10.0.0.0/8:*", "*.example.com:443"] }
[forbidden]
filesystem = { read = ["/etc/**"] }
network = { outbound = ["10.0.0.1:*"] }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "host.toml"
    path.write_text(FULL)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    config = load_config(environ={"HOME": "/root", "PATH": "/bin"})

    assert config == HostConfig()
    assert config.ceiling == 64 * MIB


def test_a_file_is_read_as_written(file: Path) -> None:
    assert load_config(file, environ={}) == HostConfig(
        name="edge",
        profile=Profile.STRICT,
        memory=8 * MIB,
        cache=str(file.parent / "compiled"),
        cache_size=2048 * MIB,
        compiler=CompilerPlace.THREAD,
        compile=CompileLimits(memory=512 * MIB, time=10.0, size=MIB),
        threads=3,
        log=LogLevel.DEBUG,
        slices=Slices(inline=1000, inline_slices=4, threaded=2000, quantum=0.01),
        audit=Audit(
            file=str(file.parent / "log/audit.jsonl"),
            grants=True,
            rotate=MIB,
            keep=2,
            key=str(file.parent / "audit.key"),
        ),
        capabilities=Sections(
            network=NetworkGrants(outbound=["10.0.0.0/8:*", "*.example.com:443"])
        ),
        forbidden=Sections(
            filesystem=FilesystemGrants(read=["/etc/**"]),
            network=NetworkGrants(outbound=["10.0.0.1:*"]),
        ),
    )


def test_the_environment_wins_over_the_file(file: Path) -> None:
    config = load_config(
        file,
        environ={
            "AIRSSYS_NAME": "7",
            "AIRSSYS_MEMORY": "16777216",
            "AIRSSYS_SLICES_INLINE": "5",
            "AIRSSYS_CACHE": "/var/cache/x",
        },
    )

    assert config.name == "7"
    assert config.memory == 16 * MIB
    assert config.cache == "/var/cache/x"
    assert config.slices == Slices(
        inline=5, inline_slices=4, threaded=2000, quantum=0.01
    )
    assert config.log is LogLevel.DEBUG


def test_the_environment_alone_is_enough() -> None:
    config = load_config(environ={"AIRSSYS_SLICES_QUANTUM": "5ms"})

    assert config.slices == Slices(quantum=0.005)


def test_the_environment_reaches_into_the_audit(file: Path) -> None:
    audit = load_config(
        file,
        environ={
            "AIRSSYS_AUDIT_FILE": "7",
            "AIRSSYS_AUDIT_GRANTS": "false",
            "AIRSSYS_AUDIT_KEEP": "9",
            "AIRSSYS_AUDIT_KEY": "8",
        },
    ).audit

    assert audit == Audit(file="7", grants=False, rotate=MIB, keep=9, key="8")
    assert load_config(environ={"AIRSSYS_AUDIT_GRANTS": "true"}).audit.grants
    with pytest.raises(ManifestError, match="AIRSSYS_AUDIT_GRANTS"):
        load_config(environ={"AIRSSYS_AUDIT_GRANTS": "yes"})


GIVEN: dict[str, tuple[tuple[str, object], ...]] = {
    "name": (("7", "7"), ("true", "true")),
    "profile": (("strict", Profile.STRICT),),
    "memory": (("1048576", MIB), ("2MiB", 2 * MIB)),
    "cache": (("7", "7"), ("0.5", "0.5"), ("true", "true")),
    "threads": (("7", 7),),
    "log": (("debug", LogLevel.DEBUG),),
    "cache_size": (("1MiB", MIB),),
    "compiler": (("thread", CompilerPlace.THREAD),),
    "compile.memory": (("800MiB", 800 * MIB),),
    "compile.time": (("7", 7.0), ("0.5", 0.5)),
    "compile.size": (("2097152", 2 * MIB),),
    "slices.inline": (("7", 7),),
    "slices.inline_slices": (("7", 7),),
    "slices.threaded": (("7", 7),),
    "slices.quantum": (("0.02", 0.02), ("2", 2.0), ("20ms", 0.02)),
    "audit.file": (("7", "7"), ("false", "false")),
    "audit.grants": (("true", True), ("false", False)),
    "audit.rotate": (("2097152", 2 * MIB), ("1MiB", MIB)),
    "audit.keep": (("7", 7),),
    "audit.key": (("0.5", "0.5"),),
    "audit.sync": (("true", True), ("false", False)),
    "audit.strict": (("true", True), ("false", False)),
}
"""What a variable for each key may say, and what that is."""


def _keys_of_the_schema() -> list[str]:
    schema: Any = host_schema()
    keys = []
    for key, written in schema["$defs"]["HostConfig"]["properties"].items():
        table = written.get("$ref", "").removeprefix("#/$defs/")
        if not table:
            keys.append(key)
        elif table != "Sections":
            keys += [f"{key}.{each}" for each in schema["$defs"][table]["properties"]]
    return keys


@pytest.mark.parametrize("key", _keys_of_the_schema())
def test_every_key_of_the_host_file_is_a_variable(key: str) -> None:
    variable = f"AIRSSYS_{key.replace('.', '_').upper()}"
    assert GIVEN[key], "each key needs an example"

    for text, value in GIVEN[key]:
        config = load_config(environ={variable: text})

        assert attrgetter(key)(config) == value
        assert type(attrgetter(key)(config)) is type(value)


@pytest.mark.parametrize("text", ["yes", "1", "True", "", "0x10", "1_000", "-1", "1e3"])
@pytest.mark.parametrize("key", ["AUDIT_SYNC", "THREADS", "SLICES_QUANTUM"])
def test_a_variable_is_written_as_its_type_is(key: str, text: str) -> None:
    if (key, text) in {("THREADS", "1"), ("SLICES_QUANTUM", "1")}:
        return

    with pytest.raises(ManifestError, match=f"AIRSSYS_{key}"):
        load_config(environ={f"AIRSSYS_{key}": text})


@pytest.mark.parametrize("variable", ["AIRSSYS_CAPABILITIES", "AIRSSYS_FORBIDDEN"])
def test_only_the_file_has_capabilities(variable: str) -> None:
    with pytest.raises(ManifestError, match="unknown variable"):
        load_config(environ={variable: "network"})


def test_a_host_admits_grants_below_its_ceiling(file: Path) -> None:
    config = load_config(file, environ={})
    wanted = Grants(
        network=NetworkGrants(outbound=["10.1.0.0/16:80", "10.0.0.1:80"]),
        filesystem=FilesystemGrants(read=["/**"]),
    )

    admitted = config.admit(wanted)

    assert admitted.check(Network("outbound", "10.1.2.3:80")) is None
    assert admitted.check(Network("outbound", "10.0.0.1:80")) is not None
    assert HostConfig().admit(wanted) == wanted
    with pytest.raises(ManifestError, match=r"connect to 'b\.com:443'.*ceiling"):
        config.admit(Grants(network=NetworkGrants(outbound=["b.com:443"])))


def test_what_is_forbidden_by_a_symlink_is_so_by_its_real_path(tmp_path: Path) -> None:
    real = tmp_path.resolve() / "re[a]l"
    (real / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "root").symlink_to("/")
    host = tmp_path / "host.toml"
    host.write_text(
        f"""[forbidden]
filesystem.read = ["{tmp_path}/{{link,loop}}/*", "/usr/*", "{tmp_path}/root"]
process.spawn = ["{tmp_path}/link/bin/sh"]
"""
    )
    everything = Grants(
        filesystem=FilesystemGrants(read=["/**"]), process=ProcessGrants(spawn=["/**"])
    )

    held = load_config(host, environ={}).admit(everything)

    assert held.check(Filesystem("read", f"{tmp_path}/link/x")) is not None
    assert held.check(Filesystem("read", f"{real}/x")) is not None
    assert held.check(Filesystem("read", f"{real}/x/y")) is None
    assert held.check(Filesystem("read", "/")) is not None
    assert held.check(Process("spawn", f"{real}/bin/sh")) is not None
    assert held.check(Process("spawn", f"{real}/bin/cat")) is None


def test_a_forbidden_path_must_lead_somewhere_that_can_be_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a\nb")
    host = tmp_path / "host.toml"
    host.write_text(f"forbidden.filesystem.read = ['{tmp_path}/link/*']\n")

    with pytest.raises(ManifestError, match="must be printable @ forbidden"):
        load_config(host, environ={})


def test_the_environment_can_name_the_file(file: Path) -> None:
    assert load_config(environ={"AIRSSYS_CONFIG": str(file)}).name == "edge"


def test_the_environment_of_the_process_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRSSYS_NAME", "from-process")

    assert load_config().name == "from-process"


def test_every_problem_of_file_and_environment_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(
        "nam = 'x'\nprofile = 'strickt'\nmemory = '1KiB'\nslices = 3\ncache = 1"
    )

    with pytest.raises(ManifestError) as caught:
        load_config(
            path,
            environ={
                "AIRSSYS_MEMROY": "1MiB",
                "AIRSSYS_ODD": "1",
                "AIRSSYS_SLICES_INLINE": "x",
                "AIRSSYS_MEMORY": "1B",
            },
        )

    assert caught.value.source == str(path)
    assert list(caught.value.problems) == [
        "unknown key 'nam' (did you mean 'name'?) @ nam, line 1",
        "unknown word 'strickt' (did you mean 'strict'?) @ profile, line 2",
        "memory of 1KiB is less than 512KiB @ memory, line 3",
        "expected a table, got the number 3 @ slices, line 4",
        "expected a string, got the number 1 @ cache, line 5",
        "unknown variable 'AIRSSYS_MEMROY' (did you mean 'AIRSSYS_MEMORY'?)",
        (
            "unknown variable 'AIRSSYS_ODD' (known: AIRSSYS_NAME, AIRSSYS_PROFILE, "
            "AIRSSYS_MEMORY, AIRSSYS_CACHE, AIRSSYS_CACHE_SIZE, AIRSSYS_COMPILER, "
            "AIRSSYS_THREADS, AIRSSYS_LOG, "
            "AIRSSYS_SLICES_INLINE, AIRSSYS_SLICES_INLINE_SLICES, "
            "AIRSSYS_SLICES_THREADED, AIRSSYS_SLICES_QUANTUM, "
            "AIRSSYS_COMPILE_MEMORY, AIRSSYS_COMPILE_TIME, AIRSSYS_COMPILE_SIZE, "
            "AIRSSYS_AUDIT_FILE, "
            "AIRSSYS_AUDIT_GRANTS, AIRSSYS_AUDIT_ROTATE, AIRSSYS_AUDIT_KEEP, "
            "AIRSSYS_AUDIT_KEY, AIRSSYS_AUDIT_SYNC, AIRSSYS_AUDIT_STRICT)"
        ),
        "expected a whole number, got the string 'x' @ AIRSSYS_SLICES_INLINE",
        "memory of 1B is less than 512KiB @ AIRSSYS_MEMORY",
    ]


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.toml", environ={})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = "])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "host.toml"
    path.write_bytes(content)

    with pytest.raises(ManifestError) as caught:
        load_config(path, environ={})

    assert caught.value.source == str(path)


def test_what_it_takes_to_compile_is_set_by_the_environment_too() -> None:
    config = load_config(
        environ={
            "AIRSSYS_COMPILE_MEMORY": "256MiB",
            "AIRSSYS_COMPILE_TIME": "5s",
            "AIRSSYS_COMPILE_SIZE": "1000",
            "AIRSSYS_COMPILER": "thread",
            "AIRSSYS_CACHE_SIZE": "1MiB",
        }
    )

    assert config.compile == CompileLimits(memory=256 * MIB, time=5.0, size=1000)
    assert config.compiler is CompilerPlace.THREAD
    assert config.cache_size == MIB


def test_less_memory_than_a_compiler_takes_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text('memory = "?"\n[compile]\nmemory = "127MiB"\n')

    with pytest.raises(ManifestError) as caught:
        load_config(path, environ={"AIRSSYS_COMPILE_MEMORY": "1MiB"})

    assert [text for text in caught.value.problems if "less than" in text] == [
        "memory of 127MiB is less than 128MiB @ compile.memory, line 3",
        "memory of 1MiB is less than 128MiB @ AIRSSYS_COMPILE_MEMORY",
    ]
    for zero in ('memory = "0B"', 'size = "0B"', 'time = "0s"'):
        path.write_text(f"[compile]\n{zero}\n")
        with pytest.raises(ManifestError, match="0"):
            load_config(path, environ={})
