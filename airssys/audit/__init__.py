"""Audit logs: what guests were refused, in files whose lines are chained by hashes."""

from __future__ import annotations

from .log import AuditLog, open_audit
from .record import Record
from .verify import Problem, Report, verify

__all__ = (
    "AuditLog",
    "Problem",
    "Record",
    "Report",
    "open_audit",
    "verify",
)
