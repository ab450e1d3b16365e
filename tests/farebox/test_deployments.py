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
