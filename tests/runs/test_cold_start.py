"""A new process's first request: what it loads and connects does not count against the time of a turn or an attempt."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.runs.admission import AdmittedRun
from farebox.runtime import Runtime
from tests.support.project import REPOSITORY, make_project
from tests.support.turns import admitted
from tests.support.waiting import until

TARGET = """
[[targets]]
name = "own"
provider = "openai_compatible"
model = "m"
tier = "light"
base_url = "{url}/own/v1"
read_timeout = 0.5

[[rates]]
provider = "openai_compatible"
model = "m"
input_per_mtok = 1
output_per_mtok = 1
"""

COLD = '''
"""The clock stands still, but for what is said to take time: it tells which work counts, not how fast a machine is."""
import asyncio, importlib.abc, json, sys, threading, time
from pathlib import Path
from types import SimpleNamespace

LIBRARIES = ("httpx", "aiohttp", "httpx_aiohttp")
now, connecting, threads = [1000.0], [0.0], set()


class Slow(importlib.abc.MetaPathFinder):
    """Each library of the HTTP client takes ten seconds to import."""

    def find_spec(self, name, path, target=None):
        if name in LIBRARIES:
            now[0] += 10.0
            threads.add(threading.current_thread().name)


from farebox.runtime import get_runtime
from tasks.turn import attempts
from tasks.turn.state import Limits
from tests.support.playback import Playback
from tests.support.project import make_project
from tests.support.replies import recorded
from tests.support.turns import admitted, ask_once

assert not set(LIBRARIES) & set(sys.modules), "imported before anything was asked"
sys.meta_path.insert(0, Slow())
usage = {"prompt_tokens": 20, "completion_tokens": 5}
playback, serving = Playback(), asyncio.new_event_loop()
threading.Thread(target=serving.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(playback.start(), serving).result()
dial = asyncio.SelectorEventLoop.sock_connect


async def dial_slowly(loop, *args):
    now[0] += connecting[0]
    return await dial(loop, *args)


asyncio.SelectorEventLoop.sock_connect = dial_slowly
attempts.time = SimpleNamespace(monotonic=lambda: now[0], perf_counter_ns=lambda: round(now[0] * 1e9))
project = make_project(
    Path("project"), "http://127.0.0.1:9", targets=sys.argv[1].replace("{url}", playback.url), deadline_seconds=0.5
)


async def stop_clock():
    asyncio.get_running_loop().time = lambda: now[0]


with project.runtime_here() as runtime, admitted(runtime) as run_id:
    runtime.engine.loop.run(stop_clock())
    answers = []
    for seconds, deadline in ((0.0, 0.5), (0.4, 100.0), (3.0, 100.0)):
        playback.put_on("own", recorded("openai_compatible", "whole", usage, text="It is done."))
        connecting[0], runtime.engine._turns._limits = seconds, Limits(deadline, 1)
        began = now[0]
        answers.append(str(runtime.engine.loop.run(ask_once(runtime, run_id, "It stopped on Monday."))))
    with runtime.ledger.store.read() as connection:
        rows = connection.exec_driver_sql("select outcome, priced, status from attempts order by seq").fetchall()
        shut = connection.exec_driver_sql("select count(*) from circuits").scalar()
print(json.dumps({"answers": answers, "attempts": [list(row) for row in rows], "shut": shut,
                  "passed": now[0] - 1000.0, "threads": sorted(threads)}))
'''


def test_a_cold_process_keeps_a_limit_of_half_a_second(tmp_path: Path):
    """Loading takes 20 seconds of a clock that stands still otherwise, and connecting 0, 0.4 and 3 seconds."""
    done = subprocess.run(
        [sys.executable, "-c", COLD, TARGET],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["answers"] == ["It is done."] * 3
    assert seen["attempts"] == [["ok", "usage", 200]] * 3
    assert seen["shut"] == 0
    assert seen["passed"] >= 33.4, "nothing was loaded or connected slowly, so nothing was shown"
    assert "farebox-loop" not in seen["threads"], "the loop waited for an import"


@pytest.fixture
async def listening():
    """A server that counts connections and bytes, and answers nothing."""
    seen = {"connections": 0, "bytes": 0}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen["connections"] += 1
        seen["bytes"] += len(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    server.close()


def admit(runtime: Runtime, run_id: str) -> AdmittedRun:
    run = runtime.ledger.run(run_id)
    assert run is not None
    run = type(run)(**{**{name: getattr(run, name) for name in run.__dataclass_fields__}, "routes": ROUTES})
    return AdmittedRun(runtime, run, runtime.ledger.execution(run_id))


ROUTES = json.dumps({"say": [{"target": "own", "provider": "openai_compatible", "model": "m", "reason": "first"}]})


async def test_an_admitted_run_connects_before_it_asks(tmp_path: Path, listening):
    url, seen = listening
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", targets=TARGET.replace("{url}", url))
    with project.runtime_here() as runtime, admitted(runtime) as run_id:
        ride = admit(runtime, run_id)
        await asyncio.to_thread(until, "connection", lambda: seen["connections"] == 1)
        assert runtime._transport.loaded
        again = admit(runtime, run_id)
        again.leave()
        ride.leave()
    assert seen == {"connections": 1, "bytes": 0}, "connected once, and sent nothing"


async def test_a_target_that_cannot_be_reached_does_not_stop_a_run(tmp_path: Path):
    project = make_project(
        tmp_path / "project", "http://127.0.0.1:9", targets=TARGET.replace("{url}", "http://127.0.0.1:9")
    )
    with project.runtime_here() as runtime, admitted(runtime) as run_id:
        admit(runtime, run_id).leave()
        await runtime.engine.loop.await_(runtime._warm_up(runtime.router.targets))
