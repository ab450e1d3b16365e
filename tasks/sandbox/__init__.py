"""The sandbox provider: stands in for real providers on loopback, keeps a billing journal, fails on demand."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.sandbox.faults import Fault
    from tasks.sandbox.journal import SandboxEntry, read_journal
    from tasks.sandbox.latency import Latency
    from tasks.sandbox.protocol import SandboxRequest
    from tasks.sandbox.script import ScriptedCalls, ScriptedValue
    from tasks.sandbox.server import Sandbox

__all__ = [
    "Fault",
    "Latency",
    "Sandbox",
    "SandboxEntry",
    "SandboxRequest",
    "ScriptedCalls",
    "ScriptedValue",
    "read_journal",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "SandboxEntry": "tasks.sandbox.journal",
            "Fault": "tasks.sandbox.faults",
            "Latency": "tasks.sandbox.latency",
            "Sandbox": "tasks.sandbox.server",
            "SandboxRequest": "tasks.sandbox.protocol",
            "ScriptedCalls": "tasks.sandbox.script",
            "ScriptedValue": "tasks.sandbox.script",
            "read_journal": "tasks.sandbox.journal",
        },
    )
