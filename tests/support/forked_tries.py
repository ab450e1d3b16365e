"""Tries in forks of one warm process: it takes a line per try from its input, and says on its output how each ended."""

import os
import sys
import threading
import traceback
from collections.abc import Callable


def fork(work: Callable[[], str]) -> int:
    """Run ``work`` in a fork, which ends with it and prints what it gives: the fork's process id."""
    if pid := os.fork():
        return pid
    try:
        os.write(1, f"{work()}\n".encode())
    except BaseException:  # noqa: BLE001 - whatever it is, a fork must not go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def serve_forks(begin: Callable[[str], int], *, say_pid: bool = False) -> None:
    """Begin a fork for each line of the input, one after the other, and print ``ended CODE`` after each.

    Args:
        begin: starts the fork of a line: its process id.
        say_pid: whether to print ``pid PID`` once it runs.
    """
    from pricing.rates.card import RateCard

    RateCard.load().worst("gpt-4.1-mini", "openai", 1, 1)  # reads the price list
    assert threading.active_count() == 1, "forking would lose a thread"
    for words in sys.stdin:
        pid = begin(words)
        if say_pid:
            os.write(1, f"pid {pid}\n".encode())
        _, code = os.waitpid(pid, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(code)}\n".encode())
