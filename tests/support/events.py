"""The events for Prefect, caught instead of sent."""

import threading
from typing import Any

Emitted = list[tuple[str, Any]]


def all_of(emitted: Emitted) -> Emitted:
    """The events, once the threads that send them are done."""
    for thread in threading.enumerate():
        if thread.name == "farebox-event":
            thread.join(10)
    return sorted(emitted, key=lambda event: event[0])
