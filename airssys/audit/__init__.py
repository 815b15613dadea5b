"""Audit logs: what guests were refused, in files whose lines are chained by hashes."""

from __future__ import annotations

from .log import AuditLog
from .opening import audit_for, open_audit
from .record import Record
from .verify import Problem, Report, verify_audit

__all__ = (
    "AuditLog",
    "Problem",
    "Record",
    "Report",
    "audit_for",
    "open_audit",
    "verify_audit",
)
