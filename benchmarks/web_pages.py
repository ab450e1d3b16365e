"""How long each page of the report server takes: ``python -m benchmarks.web_pages``.

A history of ten million turns (a million runs; ``--turns``) is in the replica; ``--folder`` keeps it for another time.
Pages are asked for over HTTP, one after the other, first as they are found after the server has made its usual pages,
then again. What reads much is made beside requests (``made in``: how long that took); any other page reads the replica
while it is asked for. A page passes by its CPU time: how long one takes depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path

import httpx

from benchmarks import harness, synthetic_history
from farebox.web import page_server
from farebox.web.app import PAGES, made
from farebox.web.site import Site
from farebox.web.view import PageRequest
from pricing import to_us
from pricing.reports import RunLine, runs
from tests.support.project import make_project
from tests.support.web_company import free_port

MOST_MS = 150
SAMPLES = 9
STILL_FOR, STILL_SHARE = 6, 0.05
"""Seconds without work, and what a second may take that counts as such: the next page is begun after a pause."""
PATIENCE = 600.0


def paths(newest: RunLine) -> list[str]:
    """Those with ``{n}`` are another page for each sample, so that none is shown again."""
    run_id, automation = newest.run_id, newest.automation
    month, far = (newest.started_at - timedelta(days=days) for days in (30, 300))
    deep = f"{to_us(far)}.{{n}}"
    return [
        "/",
        f"/?since={month:%Y-%m-%d}",
        "/?since=7d",
        "/?since=90d",
        "/?since=ever",
        "/automations",
        "/automations?since=ever",
        f"/automations/{automation}",
        f"/automations/{automation}?since=ever",
        "/quotes",
        "/quotes?since=90d",
        "/guards",
        "/guards?since=ever",
        "/forecast",
        "/runs?until=2026-09-1{n}",
        f"/runs?automation={automation}&outcome=failed&until=2026-09-1{{n}}",
        "/runs?owner=org-{n}",
        "/runs?owner=nobody-{n}",
        f"/runs?id={run_id[4:7]}{{n}}",
        "/runs?id=zzzz{n}",
        "/runs?tag=nobody-has-it-{n}",
        f"/runs?after={deep}",
        f"/runs?automation={automation}&outcome=failed&after={deep}",
        f"/runs/{run_id[:7]}{{n}}",
        "/runs/no-such-run-{n}",
        f"/runs/{run_id}/trace",
        "/budgets",
        "/approvals",
        "/targets",
    ]


def milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path, headers={"accept": "text/html"})
    harness.expect(answer.status_code == (httpx.codes.NOT_FOUND if "no-such" in path else httpx.codes.OK))
    return (time.perf_counter() - began) * 1000


def quiet() -> None:
    """Wait until nothing is made beside requests for a while."""
    still, before = 0, time.process_time()
    while still < STILL_FOR:
        time.sleep(1)
        now = time.process_time()
        still, before = (still + 1 if now - before < STILL_SHARE else 0), now


def made_in(site: Site) -> dict[str, float]:
    """Seconds to make each page that is kept."""
    found = {}
    for page in PAGES:
        if page.kept == "stale" and "{" not in page.path:
            began = time.perf_counter()
            made(site, page, PageRequest({}, {}))
            found[page.path] = time.perf_counter() - began
    return found


def measure(folder: Path) -> int:
    runtime = make_project(folder, "http://127.0.0.1:9").runtime()
    try:
        [newest] = runs(runtime.replica, limit=1)
        took = made_in(Site(runtime))
        port = free_port()
        with (
            page_server(runtime, "127.0.0.1", port),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
        ):
            quiet()  # what is made beside requests is there, and takes no CPU from what follows
            rows, slow = [], 0
            for path in paths(newest):
                first = milliseconds(client, path.format(n=0))
                cpu = time.process_time()
                again = [milliseconds(client, path.format(n=number)) for number in range(1, SAMPLES + 1)]
                cpu = (time.process_time() - cpu) * 1000 / SAMPLES
                slow += cpu > MOST_MS
                quiet()
                own = f"{took[path]:.2f}" if path in took else ""
                rows.append((path, f"{first:.0f}", harness.spread(again, 0), f"{cpu:.0f}", own))
            heads = ("", "first, ms", "ms [quartiles]", "CPU ms", "made in, s")
            harness.table(f"pages, {SAMPLES} times each", heads, rows)
            print(f"every page takes less than {MOST_MS} ms of CPU" if not slow else f"{slow} pages take more")
            return slow
    finally:
        runtime.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the history is, or is to be kept for another time")
    options = parser.parse_args()
    harness.quiet_environment()
    with harness.workplace() as own:
        folder: Path = options.folder or own
        if not (folder / ".farebox" / "replica.duckdb").exists():
            runtime = make_project(folder, "http://127.0.0.1:9").runtime()
            filled = (
                harness.milliseconds(lambda: synthetic_history.fill(runtime.replica, runtime.store, options.turns))
                / 1000
            )
            runtime.close()
            print(f"{options.turns:,} turns were made and rolled up in {filled:.0f} s", flush=True)
        measure(folder)


if __name__ == "__main__":
    main()
