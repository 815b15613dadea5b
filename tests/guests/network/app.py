"""A program for the network, as CPython's own library has it, that knows no airssys."""

# What it imports exists inside componentize-py only.
# mypy: ignore-errors

from __future__ import annotations

import encodings.idna  # noqa: F401 - only what is imported now is in the component
import socket

import wit_world


def told(error: OSError) -> str:
    return f"{type(error).__name__} {error.errno}"


def received(stream: socket.socket) -> str:
    return b"".join(iter(lambda: stream.recv(4096), b"")).decode()


class WitWorld(wit_world.WitWorld):
    def fetch(self, host: str, port: int, text: str) -> str:
        try:
            with socket.create_connection((host, port), timeout=5) as stream:
                stream.sendall(text.encode())
                stream.shutdown(socket.SHUT_WR)
                return received(stream)
        except OSError as error:
            return told(error)

    def names(self, host: str) -> str:
        try:
            found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
        except OSError as error:
            return told(error)
        return " ".join(sorted({each[4][0] for each in found}))

    def serve(self, port: int) -> str:
        try:
            with socket.create_server(("127.0.0.1", port)) as server:
                stream, _ = server.accept()
                with stream:
                    text = received(stream)
                    stream.sendall(text.upper().encode())
                    return text
        except OSError as error:
            return told(error)

    def datagram(self, host: str, port: int, text: str) -> str:
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as box:
                box.settimeout(5)
                box.sendto(text.encode(), (host, port))
                return box.recv(100).decode()
        except OSError as error:
            return told(error)
