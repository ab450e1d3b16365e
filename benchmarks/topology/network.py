"""Where the parts run: a centre and hosts, each in a network namespace of its own where the machine lets us make them.

The centre is a namespace as well, so nothing of the machine's own network is touched; the benchmark moves into it. A
host reaches the centre by an address, and no other host's loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CENTRE = "10.77.0.1"
_BRIDGE = "fbx0"


@dataclass(frozen=True)
class Place:
    """A machine as the others see it: its address, and how a command is started there."""

    name: str
    address: str
    prefix: tuple[str, ...] = ()


def places(prefix: str, hosts: int) -> tuple[Place, list[Place]]:
    """The centre, which we are in, and the hosts; without namespaces all of them are on loopback."""
    if not prefix:
        return Place("centre", "127.0.0.1"), [Place(f"host-{n}", "127.0.0.1") for n in range(1, hosts + 1)]
    return Place("centre", CENTRE), [
        Place(f"host-{n}", f"10.77.0.{10 + n}", _entering(prefix, n)) for n in range(1, hosts + 1)
    ]


def _entering(prefix: str, number: int) -> tuple[str, ...]:
    """Into its network, with a host name of its own."""
    named = f'hostname host-{number}; exec "$@"'
    return ("ip", "netns", "exec", f"{prefix}{number}", "unshare", "--uts", "sh", "-c", named, "sh")


@contextmanager
def namespaces(hosts: int) -> Iterator[tuple[str, str]]:
    """Make them; the prefix of their names, or an empty one and why there are none."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        yield "", "no network namespaces: they take root and `ip` (Debian: iproute2); all hosts are on loopback"
        return
    prefix = f"fbx{os.getpid()}-"
    names = [f"{prefix}0", *(f"{prefix}{n}" for n in range(1, hosts + 1))]
    try:
        try:
            _wire(prefix, hosts)
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip().splitlines()[-1:] or ["ip failed"]
            yield "", f"no network namespaces ({why[0]}): all hosts are on loopback"
            return
        yield prefix, ""
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _wire(prefix: str, hosts: int) -> None:
    centre = f"{prefix}0"
    _ip("netns", "add", centre)
    _ip("-n", centre, "link", "set", "lo", "up")
    _ip("-n", centre, "link", "add", _BRIDGE, "type", "bridge")
    _ip("-n", centre, "addr", "add", f"{CENTRE}/24", "dev", _BRIDGE)
    _ip("-n", centre, "link", "set", _BRIDGE, "up")
    for number in range(1, hosts + 1):
        host, port = f"{prefix}{number}", f"host{number}"
        _ip("netns", "add", host)
        _ip("-n", centre, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
        _ip("-n", centre, "link", "set", port, "master", _BRIDGE, "up")
        _ip("-n", host, "addr", "add", f"10.77.0.{10 + number}/24", "dev", "eth0")
        _ip("-n", host, "link", "set", "eth0", "up")
        _ip("-n", host, "link", "set", "lo", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
