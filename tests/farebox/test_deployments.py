"""The deployments of prefect.yaml, as they are read before anything is put on a server."""

from pathlib import Path

import pytest

from farebox.prefect.deployments import declared
from pricing.errors import ConfigError

FLOWS = """
from prefect import flow

@flow
def returns() -> list[str]:
    return ["one"]

@flow
def yields():
    yield "one"

@flow
async def yields_async():
    yield "one"
"""
YAML = """
deployments:
  - name: daily
    entrypoint: {module}.{flow}
"""


@pytest.mark.parametrize("flow", ["returns", "yields", "yields_async"])
def test_a_flow_that_yields_is_not_deployed(flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"deployed_{flow}"
    (tmp_path / f"{module}.py").write_text(FLOWS)
    (tmp_path / "prefect.yaml").write_text(YAML.format(module=module, flow=flow))
    if flow == "returns":
        assert [one.full_name for one in declared(tmp_path)] == ["returns/daily"]
        return
    with pytest.raises(ConfigError, match=rf"{module}.{flow} in prefect.yaml yields,") as refused:
        declared(tmp_path)
    assert "return list" in refused.value.next_step


DUE_FLOWS = """
from prefect import flow

from farebox import Due

@flow
def returns(due: Due = None) -> str:
    return "one"

@flow
def hurries() -> str:
    return "one"
"""
DUE_YAML = """
deployments:
  - name: nightly
    entrypoint: {module}.{flow}
    schedules:
      - cron: "0 1 * * *"
        timezone: Europe/Madrid
        parameters: {{due: {due}}}
"""


@pytest.mark.parametrize(
    ("flow", "due", "told"),
    [
        ("returns", '"07:00"', None),
        ("returns", '"6h"', None),
        ("returns", "null", None),
        ("returns", '"in the morning"', "returns/nightly: 'in the morning' is not a due time"),
        ("returns", "7", "A value of type int is not a due time"),
        ("hurries", '"07:00"', "its flow has no parameter 'due'"),
    ],
)
def test_due_times_of_schedules_are_read_before_anything_is_deployed(
    flow: str, due: str, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"due_{flow}"
    (tmp_path / f"{module}.py").write_text(DUE_FLOWS)
    (tmp_path / "prefect.yaml").write_text(DUE_YAML.format(module=module, flow=flow, due=due))
    if told is None:
        [one] = declared(tmp_path)
        [schedule] = one.entry.schedules
        assert schedule.parameters["due"] == (None if due == "null" else due.strip('"'))
        return
    with pytest.raises(ConfigError, match=told):
        declared(tmp_path)
