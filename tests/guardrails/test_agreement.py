import json
from collections import Counter
from pathlib import Path

import pytest

from guardrails.agreement import as_lines, measure_agreement, pairs_of, read_labels
from pricing.errors import UsageError


def test_rates_and_kappa_do_not_sink_with_the_share_of_fails():
    balanced = measure_agreement(
        Counter({("fail", "fail"): 90, ("fail", "pass"): 10, ("pass", "pass"): 90, ("pass", "fail"): 10})
    )
    rare = measure_agreement(
        Counter({("fail", "fail"): 9, ("fail", "pass"): 1, ("pass", "pass"): 171, ("pass", "fail"): 19})
    )
    assert balanced.kappa == pytest.approx(0.8)
    assert rare.kappa == pytest.approx(0.8)
    assert (balanced.tpr.low, balanced.tpr.high) == pytest.approx((0.826, 0.945), abs=0.001)
    assert rare.kappa_low < balanced.kappa_low < 0.8 < balanced.kappa_high < rare.kappa_high


def test_labels_are_read_and_wrong_lines_told(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"label": "fail", "judged": "pass"}) + "\n\n")
    assert pairs_of(read_labels(path)) == {("fail", "pass"): 1}
    path.write_text('{"label": "fail", "answer": "It is cheese.", "facts": "It is rock."}\n')
    [row] = read_labels(path)
    assert (row.judged, row.answer, row.facts) == (None, "It is cheese.", "It is rock.")
    assert "cheese" not in repr(row)
    path.write_text(as_lines([row]))
    assert read_labels(path) == [row]
    assert pairs_of([row]) == {}
    path.write_text('{"label": "private text", "judged": "pass"}')
    with pytest.raises(UsageError, match="line 1") as failed:
        read_labels(path)
    assert "private" not in str(failed.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="labelled pass"):
        measure_agreement(Counter({("fail", "fail"): 3}))
