"""What automations read: folders, git repositories, feeds and tables of tickets, as documents fit to send."""

from farebox.sources.collecting import collect, count_documents
from farebox.sources.documents import Collection, Document
from farebox.sources.tickets import Ticket, load_rows, load_tickets
from tasks.providers import fetch

__all__ = ["Collection", "Document", "Ticket", "collect", "count_documents", "fetch", "load_rows", "load_tickets"]
