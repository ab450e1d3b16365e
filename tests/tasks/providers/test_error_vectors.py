import json
from pathlib import Path

import pytest

from tasks.providers import classify

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "error_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_every_recorded_reply_has_its_class(vector):
    raw = vector["raw_body"]
    body = raw.encode() if raw is not None else json.dumps(vector["body"]).encode()
    failure = classify(vector["provider"], vector["status"], vector["headers"], body)
    assert failure.kind == vector["expect"]
    assert failure.retry_same_target is vector["retry_same_target"]
    assert failure.fallback is vector["fallback"]
