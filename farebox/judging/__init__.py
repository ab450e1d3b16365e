"""The judge: model calls of guards, audits of past answers, trials of a judge."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.judging.audit import Audit, Audited, audit_answer, audit_page, due

__all__ = ["Audit", "Audited", "audit_answer", "audit_page", "due"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Audit": "farebox.judging.audit",
            "Audited": "farebox.judging.audit",
            "audit_answer": "farebox.judging.audit",
            "audit_page": "farebox.judging.audit",
            "due": "farebox.judging.audit",
        },
    )
