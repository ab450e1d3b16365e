"""One turn: what is asked, and where."""

__all__ = ["repair", "request"]
