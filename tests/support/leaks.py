"""Where planted values lie."""

import json
from collections.abc import Sequence
from pathlib import Path


def found_in(folder: Path, planted: Sequence[str], *besides: Path) -> list[tuple[str, str]]:
    """Which canary lies in which file, in any of the ways it may be written down."""
    hits = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(path.is_relative_to(other) for other in besides):
            continue
        data = path.read_bytes()
        for canary in planted:
            written = (canary.encode(), canary.encode("utf-16-le"), json.dumps(canary)[1:-1].encode())
            if any(form in data for form in written):
                hits.append((canary, str(path.relative_to(folder))))
    return hits
