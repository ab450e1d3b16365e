"""Headless Chromium, driven over its DevTools protocol: what a page asks the network for, how it looks, what it says."""

import asyncio
import base64
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp

from tests.support.waiting import PATIENCE

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
MISSING = None if CHROMIUM else "Chromium is not installed: pages are not looked at"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--mute-audio"),
)


class Page:
    """A page that was opened. ``requests`` are the addresses it asked for, its own included; ``complaints`` what the
    console said, and errors of scripts.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, loop: asyncio.AbstractEventLoop) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._loop = loop
        self._numbers = itertools.count(1)
        self._loaded = False

    def open(self, path: Path, *, width: int, height: int = 900, scheme: Literal["light", "dark"] = "light") -> None:
        """Show a file at a size, by day or by night."""
        self.visit(path.absolute().as_uri(), width=width, height=height, scheme=scheme)

    def visit(self, url: str, *, width: int, height: int = 900, scheme: Literal["light", "dark"] = "light") -> None:
        """Show the page at an address at a size, by day or by night."""
        self.requests.clear()
        self.complaints.clear()
        self._loaded = False
        self._call("Network.enable")
        self._call("Log.enable")
        self._call("Runtime.enable")
        self._call("Page.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._call("Page.navigate", url=url)
        self.wait_for_load()

    def wait_for_load(self) -> None:
        """Wait for the page that is on its way, after a link or a form was followed."""
        self._loop.run_until_complete(asyncio.wait_for(self._until_loaded(), PATIENCE))
        self._loaded = False

    def follow(self, script: str) -> None:
        """Run a script that leads to another page, and wait for that page."""
        self._loaded = False
        self._call("Runtime.evaluate", expression=script)
        self.wait_for_load()

    def evaluate(self, script: str) -> Any:
        """What a script, or the promise that it gives, comes to."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page, as PNG or, by the name of the file, as WebP."""
        kind: dict[str, Any] = {"format": "webp", "quality": 85} if path.suffix == ".webp" else {"format": "png"}
        taken = self._call("Page.captureScreenshot", captureBeyondViewport=True, **kind)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(self._answer(method, parameters), PATIENCE))

    async def _answer(self, method: str, parameters: dict[str, Any]) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._heard()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def _until_loaded(self) -> None:
        while not self._loaded:
            await self._heard()

    async def _heard(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json()
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(message["params"]["exceptionDetails"]["text"])
        if message.get("method") == "Runtime.consoleAPICalled" and message["params"]["type"] in {"error", "warning"}:
            self.complaints.append(str(message["params"]["args"]))
        self._loaded |= message.get("method") == "Page.loadEventFired"
        return message


@contextmanager
def browser() -> Iterator[Page]:
    """A browser of its own, with one empty page."""
    folder = tempfile.mkdtemp(prefix="farebox-browser-")
    command = [CHROMIUM, *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    loop = asyncio.new_event_loop()
    try:
        assert process.stderr is not None
        address = next(line for line in process.stderr if line.startswith("DevTools listening on ")).split()[-1]
        host = address.split("/")[2]

        async def connected() -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
            session = aiohttp.ClientSession()
            async with session.get(f"http://{host}/json/list") as listed:
                pages = [one for one in await listed.json() if one["type"] == "page"]
            return session, await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

        session, socket = loop.run_until_complete(connected())
        yield Page(socket, loop)
        loop.run_until_complete(socket.close())
        loop.run_until_complete(session.close())
    finally:
        process.terminate()
        process.wait(PATIENCE)
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)
