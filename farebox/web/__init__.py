"""The report server: read-only pages and JSON about a project's runs, budgets and guards, and notices of batches."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.web.app import web_app
    from farebox.web.server import checked_token, page_server, serve

__all__ = ["checked_token", "page_server", "serve", "web_app"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "checked_token": "farebox.web.server",
            "serve": "farebox.web.server",
            "page_server": "farebox.web.server",
            "web_app": "farebox.web.app",
        },
    )
