"""Look every locked package up among known vulnerabilities: ``make audit``.

pip-audit runs in an environment of its own. Exit code 1 where a vulnerability is known, 0 where none is, or where no
source of advisories can be reached: then this says so, for nothing was found out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv" / "audit"
LOCKS = ("requirements.lock", "requirements-dev.lock")
SOURCES = ("pypi", "osv")
SECONDS = 600


def auditor() -> list[str] | None:
    """The command, installed when missing; none where that cannot be."""
    command = [str(HOME / "bin" / "python"), "-m", "pip_audit"]
    if HOME.exists() and subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0:
        return command
    venv.create(HOME, with_pip=True)
    install = [command[0], "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements-audit.lock"]
    done = subprocess.run(install, cwd=ROOT, capture_output=True, check=False, timeout=SECONDS)
    return command if done.returncode == 0 else None


def look_up(command: list[str], lock: str) -> list[dict[str, Any]]:
    """Each package of a lock that a source knows, with what is known against it."""
    for source in SOURCES:
        asked = [
            "--service",
            source,
            "--format",
            "json",
            "--require-hashes",
            "--disable-pip",
            "--progress-spinner",
            "off",
        ]
        done = subprocess.run(
            [*command, *asked, "-r", lock], cwd=ROOT, capture_output=True, check=False, timeout=SECONDS
        )
        try:
            found = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            continue
        if known := [package for package in found if "skip_reason" not in package]:
            return known
    return []


def main() -> int:
    """Tell what is known; the exit code."""
    command = auditor()
    if command is None:
        print("audit: pip-audit cannot be installed here, so nothing was looked up.")
        return 0
    vulnerable = 0
    for lock in LOCKS:
        packages = look_up(command, lock)
        if not packages:
            print(f"audit: {lock}: no source of advisories can be reached from here, so nothing was looked up.")
            continue
        for package in packages:
            for advisory in package["vulns"]:
                vulnerable += 1
                fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
                print(f"audit: {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
        print(f"audit: {lock}: {len(packages)} packages looked up")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
