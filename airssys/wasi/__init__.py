"""Run programs that know nothing of airssys: WASI 0.2 as host functions of our own.

Every wait of a guest is a wait of the caller's event loop, so that a cancel scope ends
it; every access is asked of the guest's grants.
"""

from __future__ import annotations

from .context import Context
from .descriptors import DescriptorInput, DescriptorOutput, open_input, open_output
from .filesystem.stdio import FileInput, FileOutput
from .http.served import asgi
from .offered import open_interfaces
from .seeded import deterministic
from .stdio import BytesInput, BytesOutput, Lines, NoOutput
from .streams import InputStream, OutputStream, StreamClosed, StreamFailed

__all__ = (
    "BytesInput",
    "BytesOutput",
    "Context",
    "DescriptorInput",
    "DescriptorOutput",
    "FileInput",
    "FileOutput",
    "InputStream",
    "Lines",
    "NoOutput",
    "OutputStream",
    "StreamClosed",
    "StreamFailed",
    "asgi",
    "deterministic",
    "open_input",
    "open_interfaces",
    "open_output",
)
