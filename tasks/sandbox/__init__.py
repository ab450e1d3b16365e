"""The sandbox provider: stands in for real providers on loopback, keeps a billing journal, fails on demand."""

from tasks.sandbox.faults import Fault
from tasks.sandbox.journal import Entry, read_journal
from tasks.sandbox.latency import Latency
from tasks.sandbox.server import Sandbox

__all__ = ["Entry", "Fault", "Latency", "Sandbox", "read_journal"]
