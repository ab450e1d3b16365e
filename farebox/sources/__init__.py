"""What automations read: folders, git repositories, feeds and tables of tickets, as documents fit to send."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.sources.collecting import collect, count_documents
    from farebox.sources.documents import Collection, Document
    from farebox.sources.tickets import Ticket, load_rows, load_tickets
    from tasks.providers import fetch

__all__ = ["Collection", "Document", "Ticket", "collect", "count_documents", "fetch", "load_rows", "load_tickets"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Collection": "farebox.sources.documents",
            "Document": "farebox.sources.documents",
            "Ticket": "farebox.sources.tickets",
            "collect": "farebox.sources.collecting",
            "count_documents": "farebox.sources.collecting",
            "fetch": "tasks.providers",
            "load_rows": "farebox.sources.tickets",
            "load_tickets": "farebox.sources.tickets",
        },
    )
