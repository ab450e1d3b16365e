"""Views that are kept: pages that read much are made beside requests, and shown again while they are refreshed.

A view is of one state of the replica. Where the replica has moved on, a request is answered with the view that there
is, whose page says when it was made, and a thread of its own makes the next one. A page that nobody has asked for yet
is made by the request that does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from farebox.web.view import View

_MOST = 256
_SHARE = 4
"""Making views takes at most one part in this many plus one of the time, so that runs beside it have the rest."""
_RECENT_SECONDS = 900.0
"""A view that nobody has asked for in this time is made again when somebody does."""
_END_SECONDS = 30.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    view: View
    state: Hashable
    make: Callable[[], View]
    stale: bool
    asked: float
    """When somebody asked for it last, by the monotonic clock."""


class ViewCache:
    """The cached views of one site.

    Args:
        state: tells the state of what pages show now.
    """

    def __init__(self, state: Callable[[], Hashable]) -> None:
        self._state = state
        self._views: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._usual: set[Hashable] = set()
        self._waiting: OrderedDict[Hashable, Callable[[], View]] = OrderedDict()
        self._thread = threading.Thread(target=self._work, name="farebox-web-views", daemon=True)

    def start(self) -> None:
        """Begin to refresh views when the replica changes."""
        self._thread.start()

    def stop(self) -> None:
        """Stop refreshing views; a view under way is finished first."""
        self._ended.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def view(self, key: Hashable, make: Callable[[], View], *, stale: bool) -> View:
        """The cached view of a key, or else one made now.

        Args:
            key: of the view.
            make: makes it.
            stale: one of an older state of the replica will do while the next one is made.
        """
        state = self._state()
        with self._lock:
            kept = self._views.get(key)
            if kept is not None and (kept.state == state or (stale and self._is_followed(key, kept))):
                self._views.move_to_end(key)
                kept.asked = time.monotonic()
                if kept.state != state:
                    self._want(key, make)
                    self._waiting.move_to_end(key, last=False)
                return kept.view
        return self._made(key, make, stale=stale)

    def want(self, key: Hashable, make: Callable[[], View]) -> None:
        """Make a view soon unless it is cached, and refresh it from then on, requested or not."""
        with self._lock:
            self._usual.add(key)
            if key not in self._views:
                self._want(key, make)

    def expect(self, key: Hashable, make: Callable[[], View]) -> None:
        """Make a view soon that is likely to be requested next, and refresh it like a requested one."""
        with self._lock:
            kept = self._views.get(key)
            if kept is not None:
                kept.asked = time.monotonic()
            elif key not in self._waiting:
                self._want(key, make)

    def refresh(self) -> None:
        """Refresh the expensive views that show an older state of the replica and were requested recently."""
        state = self._state()
        with self._lock:
            for key, kept in self._views.items():
                if kept.stale and kept.state != state and self._is_followed(key, kept):
                    self._want(key, kept.make)

    def _is_followed(self, key: Hashable, kept: _Kept) -> bool:
        """Whether a view is refreshed with every change of the replica, so that it is never stale."""
        return key in self._usual or kept.asked > time.monotonic() - _RECENT_SECONDS

    def _want(self, key: Hashable, make: Callable[[], View]) -> None:
        self._waiting[key] = make
        self._wanted.set()

    def _made(self, key: Hashable, make: Callable[[], View], *, stale: bool = True) -> View:
        state = self._state()  # before it is read: a view that is newer than it says is only made once too often
        view = make()
        with self._lock:
            known = self._views.get(key)
            asked = time.monotonic() if known is None else known.asked
            self._views[key] = _Kept(view, state, make, stale, asked)
            self._views.move_to_end(key)
            while len(self._views) > _MOST:
                self._views.popitem(last=False)
        return view

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            if self._ended.is_set():
                return
            with self._lock:
                if not self._waiting:
                    self._wanted.clear()
                    continue
                key, make = self._waiting.popitem(last=False)
            began = time.monotonic()
            try:
                self._made(key, make)
            except Exception as error:  # noqa: BLE001 - the request that asks next meets it, and says what it is
                _logger.info("A page was not refreshed: %s", type(error).__name__)
                with self._lock:
                    self._views.pop(key, None)
            self._ended.wait(_SHARE * (time.monotonic() - began))
