"""What automations read: folders, git repositories, feeds and tables of tickets, as documents fit to send."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from flows.sources.collect import collect, count_documents
    from flows.sources.documents import Collection, Document
    from flows.sources.media import media_file, media_files
    from flows.sources.tickets import Ticket, load_rows, load_tickets
    from tasks.providers import fetch

__all__ = [
    "Collection",
    "Document",
    "Ticket",
    "collect",
    "count_documents",
    "fetch",
    "load_rows",
    "load_tickets",
    "media_file",
    "media_files",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Collection": "flows.sources.documents",
            "Document": "flows.sources.documents",
            "Ticket": "flows.sources.tickets",
            "collect": "flows.sources.collect",
            "count_documents": "flows.sources.collect",
            "fetch": "tasks.providers",
            "load_rows": "flows.sources.tickets",
            "load_tickets": "flows.sources.tickets",
            "media_file": "flows.sources.media",
            "media_files": "flows.sources.media",
        },
    )
