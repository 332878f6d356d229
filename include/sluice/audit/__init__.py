"""The checkpoint audit: four sides of a pipeline must agree."""

from sluice.audit.report import AuditReport
from sluice.audit.run import run_audit

__all__ = ["AuditReport", "run_audit"]
