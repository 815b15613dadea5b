"""Run programs that know nothing of airssys: WASI 0.2 as host functions of our own.

Every wait of a guest is a wait of the caller's event loop, so that a cancel scope ends
it; every access is asked of the guest's grants.
"""

from __future__ import annotations

from .context import Context as Context
from .descriptors import DescriptorInput as DescriptorInput
from .descriptors import DescriptorOutput as DescriptorOutput
from .descriptors import open_input as open_input
from .descriptors import open_output as open_output
from .http.served import asgi as asgi
from .offered import open_interfaces as open_interfaces
from .stdio import BytesInput as BytesInput
from .stdio import BytesOutput as BytesOutput
from .stdio import Lines as Lines
from .stdio import NoOutput as NoOutput
from .streams import InputStream as InputStream
from .streams import OutputStream as OutputStream
from .streams import StreamClosed as StreamClosed
from .streams import StreamFailed as StreamFailed
