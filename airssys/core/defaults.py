"""Hold the defaults that several rooms of the package share.

A default that only one class or function has stands there.
"""

from __future__ import annotations

from typing import Final

__all__ = (
    "ASK_TIMEOUT",
    "AUDIT_KEEP",
    "AUDIT_ROTATE",
    "GRACE",
    "HEALTH_EVERY",
    "HEALTH_FAILURES",
    "HEALTH_TIMEOUT",
    "LIFECYCLE",
    "LISTED",
    "MAILBOX",
    "MAILBOX_BYTES",
    "MESSAGING",
    "PATIENCE",
    "PAYLOAD",
    "ROOT",
)

LIFECYCLE: Final = "airssys:core/component-lifecycle@1.0.0"
"""The interface that a component exports to be an actor."""
MESSAGING: Final = "airssys:core/messaging@1.0.0"
"""The interface by which components send, ask, publish and subscribe."""
ROOT: Final = "root"
"""The name of the supervisor at the top."""

GRACE: Final = 5.0
"""Seconds from asking a child to stop to cutting it off. OTP's default for a worker."""
ASK_TIMEOUT: Final = 5.0
"""Seconds an ask waits for its reply. OTP's default for a call."""
PATIENCE: Final = 5.0
"""Seconds that the host's own processes have to come up, to answer and to end."""

HEALTH_EVERY: Final = 10.0
"""Seconds from one health check of a child to the next."""
HEALTH_TIMEOUT: Final = 1.0
"""Seconds a child has to answer a health check."""
HEALTH_FAILURES: Final = 3
"""Failed health checks in a row that end a child."""

MAILBOX: Final = 1000
"""Messages that a mailbox holds."""
MAILBOX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of payloads that a mailbox holds; one message it always does."""
PAYLOAD: Final = 1024 * 1024
"""Bytes of the largest payload an actor may send."""
LISTED: Final = 1000
"""Keys that a storage engine lists at a time."""

AUDIT_ROTATE: Final = 10 * 1024 * 1024
"""Bytes of an audit log's file at which the next one is begun."""
AUDIT_KEEP: Final = 5
"""Full files of an audit log that are kept beside the one being written."""
