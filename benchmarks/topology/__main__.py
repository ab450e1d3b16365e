"""The documented topology, run: ``python -m benchmarks topology [--hosts 3] [--runs 24] [--limit 2]``.

Two Postgres servers (Prefect's, the ledger's), Redis, two API servers of Prefect and its services apart from them, the
sandbox provider with its billing journal, and hosts: each in a network namespace with a clone of the project, homes of
its own and a worker; one more keeps the replica. Deployments are made with ``farebox deploy``, runs are triggered
through Prefect's API. The settings are those of docs/topology.md. Then the books are compared.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks import harness
from benchmarks.topology import servers, story
from benchmarks.topology.network import namespaces, places
from benchmarks.topology.processes import Failed
from benchmarks.topology.runs import Ran
from benchmarks.topology.story import Findings

ALONE = 3


def play(options: argparse.Namespace) -> Findings:
    """Set everything up, and let it happen."""
    here, hosts = places(options.inside, options.hosts)
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        centre = servers.start(stack, folder, here.address, api_servers=options.api_servers, latency=options.latency)
        stage = story.set_up(stack, folder, centre, [here, *hosts], limit=options.limit)
        story.alone(stage, ALONE)
        story.all_at_once(stage, options.runs)
        story.a_host_dies(stage)
        story.compare(stage)
        return stage.findings


def show(findings: Findings, options: argparse.Namespace) -> None:
    load = findings.load
    title = (
        f"{options.hosts} hosts, {options.limit} runs at once on each, {options.api_servers} API servers; "
        f"a run makes 4 calls of {options.latency:g} s"
    )
    harness.table(
        title,
        ("", "runs", "runs/min", "due to running p50 / p95 s", "gate p50 / p95 s", "run p50 s"),
        [_row("one after the other", findings.alone), _row("all at once", findings.at_once)],
        ["Gate: from the process saying that it runs to the flow's first line: imports, runtime, quote, hold."],
    )
    runs, total = len(findings.at_once), sum(load.cpu.values())
    costliest = sorted(load.cpu.items(), key=lambda item: -item[1])
    rows = [(name, f"{cpu / runs:.2f}", f"{cpu / total:.0%}", f"{cpu / load.seconds:.2f}") for name, cpu in costliest]
    work = ", ".join(f"{name} {count / runs:.0f}" for name, count in load.transactions.items())
    harness.table(
        f"all at once: where the CPU went, {load.seconds:.0f} s",
        ("", "s per run", "share", "cores busy"),
        rows,
        [
            f"Transactions per run in the database of: {work} (with the polling of services, workers and this benchmark).",
            f"First bottleneck: {costliest[0][0]}; of {os.cpu_count()} cores {total / load.seconds:.1f} were busy with it all.",
        ],
    )
    print()
    for what, holds, said in findings.checks:
        print(f"{'✓' if holds else '✗'} {what}: {said}")


def _row(name: str, ran: Sequence[Ran]) -> tuple[str, ...]:
    took = max(run.ended or 0 for run in ran) - min(run.due for run in ran)
    waits = [run.waited for run in ran if run.waited is not None]
    gates = [run.gated for run in ran if run.gated is not None]
    whole = [run.ended - run.started for run in ran if run.ended and run.started and run.state == "Completed"]
    cells = [f"{median(some):.1f} / {harness.p95(some):.1f}" for some in (waits, gates)]
    return name, str(len(ran)), f"{len(ran) / took * 60:.0f}", *cells, f"{median(whole):.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--runs", type=int, default=24, help="triggered at once")
    parser.add_argument("--limit", type=int, default=2, help="runs at once on each host")
    parser.add_argument("--api-servers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.3, help="of the sandbox, in seconds")
    parser.add_argument("--inside", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        try:
            servers.need()
        except servers.Missing as what:
            print(f"not run: {what}")
            return 1
        with namespaces(options.hosts) as (prefix, why):
            print(why or "each host in a network namespace of its own", flush=True)
            entering = ["ip", "netns", "exec", f"{prefix}0"] if prefix else []
            again = [sys.executable, "-m", "benchmarks.topology", *sys.argv[1:], f"--inside={prefix}"]
            return subprocess.run([*entering, *again], check=False).returncode
    harness.quiet_environment()
    os.environ |= {"NO_PROXY": "*", "no_proxy": "*"}  # a machine's proxy does not reach its namespaces
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # what was started ends with us
    started = time.monotonic()
    try:
        findings = play(options)
    except Failed as error:
        print(f"failed after {time.monotonic() - started:.0f} s: {error}")
        return 1
    show(findings, options)
    return 0 if all(holds for _, holds, _ in findings.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
