"""A program of CPython's own library, which knows nothing of airssys.

Its first argument says what to do, as that of program.c does.
"""

# What it imports exists inside componentize-py only.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - only what is imported now is in the component
import http.client
import os
import random
import secrets
import socket
import stat
import sys
import time
import uuid
from collections.abc import Callable

from componentize_py_types import Err
from wit_world import exports

BUILT = time.time()


def args(*_: str) -> None:
    print(*sys.argv, sep="\n")


def env() -> None:
    print(*sorted(f"{name}={value}" for name, value in os.environ.items()), sep="\n")


def cat() -> None:
    while piece := sys.stdin.buffer.read(65536):
        sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def ask() -> None:
    print("hello", input("name? "))
    print("to stderr", file=sys.stderr)


def files(folder: str) -> None:
    """Do to a folder what programs do, and say what came of it."""
    new, other = f"{folder}/new.txt", f"{folder}/sub/other.txt"
    with open(new, "w", encoding="utf-8") as file:
        file.write("one\ntwo\n")
    with open(new, "ab") as file:
        file.write(b"three\n")
    with open(new, "r+b") as file:
        file.seek(4)
        print("read:", file.read().split())
        file.truncate(8)
    print("size:", os.stat(new).st_size, stat.S_ISREG(os.stat(new).st_mode))
    os.utime(new, (1, 2.5))
    print("times:", os.stat(new).st_atime, os.stat(new).st_mtime)
    os.mkdir(f"{folder}/sub")
    os.rename(new, other)
    os.link(other, new)
    print("same:", os.path.samefile(new, other), os.stat(new).st_nlink)
    os.symlink("sub/other.txt", f"{folder}/link")
    print("link:", os.readlink(f"{folder}/link"), os.path.islink(f"{folder}/link"))
    with open(f"{folder}/link", encoding="utf-8") as file:
        print("lines:", list(file))
    print("names:", sorted(os.listdir(folder)))
    kinds = {each.name: each.is_dir() for each in os.scandir(folder)}
    print("folders:", [name for name, is_folder in kinds.items() if is_folder])
    print("below:", sorted(inner for _, _, found in os.walk(folder) for inner in found))
    os.chdir(folder)
    print("here:", os.path.exists("new.txt"), os.path.exists("none.txt"))
    for path in ("link", "new.txt", other):
        os.unlink(path)
    os.rmdir("sub")
    for path in ("../secret.txt", "/etc/hostname", "none.txt"):
        refusal(open, path)
    refusal(os.mkdir, "/elsewhere")


def refusal(act: Callable[..., object], *arguments: str) -> None:
    try:
        act(*arguments)
    except OSError as error:
        print("refused:", type(error).__name__, *arguments)
    else:
        print("done:", *arguments)


def sleep(seconds: str) -> None:
    begun = time.monotonic()
    print("slept", flush=True)
    time.sleep(float(seconds))
    print(time.monotonic() - begun >= float(seconds))


def together(count: str, seconds: str) -> None:
    async def main() -> list[int]:
        async def wait(number: int) -> int:
            await asyncio.sleep(float(seconds))
            return number

        return await asyncio.gather(*map(wait, range(int(count))))

    begun = time.monotonic()
    print(asyncio.run(main()), time.monotonic() - begun < 2 * float(seconds))


def clock() -> None:
    print(time.time(), time.time() - BUILT, time.strftime("%Z"))


def draw() -> None:
    print(random.random())
    print(random.SystemRandom().random())
    print(secrets.token_hex())
    print(uuid.uuid4())


def get(host: str, port: str, path: str) -> None:
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        print(answer.status, answer.read().decode())
    except OSError as error:
        print(type(error).__name__)


def listen(port: str) -> None:
    with socket.create_server(("127.0.0.1", int(port))) as server:
        print("listening", flush=True)
        stream, _ = server.accept()
        with stream:
            stream.sendall(stream.recv(100).upper())


def leave(status: str) -> None:
    sys.exit(int(status))


def fail() -> None:
    print("it cannot be done", file=sys.stderr)
    raise Err(None)


def crash(word: str) -> None:
    raise ValueError(f"{word} is no number")


VERBS = {
    each.__name__: each
    for each in (args, env, cat, ask, files, sleep, together, clock, draw, get)
} | {each.__name__: each for each in (listen, leave, fail, crash)}


class Run(exports.Run):
    def run(self) -> None:
        _, *words = sys.argv
        verb, *words = words or ["args"]
        VERBS[verb](*words)
