"""What a forked child does about what it inherits: threads, locks and connections that are its parent's.

A child of ``os.fork`` (and of multiprocessing's ``fork`` context) has one thread: the one that forked. Objects that
keep a thread, a lock or a connection register here, and restart in the child before anything else runs there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_resets: list[WeakMethod[Callable[[], None]]] = []


def after_fork(reset: Callable[[], None]) -> None:
    """Call a bound method in each forked child, as long as its object lives.

    It must neither wait nor take a lock that it did not make itself: its holder does not exist in the child.
    """
    _resets[:] = [known for known in _resets if known() is not None]
    _resets.append(WeakMethod(reset))


def abandon(inherited: object) -> None:
    """Keep an object of the parent's alive for ever: what it does when it is closed or collected would reach through
    shared sockets, files and selectors into the parent.
    """
    if inherited is not None:
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _in_child() -> None:
    for known in _resets:
        reset = known()
        if reset is not None:
            reset()


os.register_at_fork(after_in_child=_in_child)
