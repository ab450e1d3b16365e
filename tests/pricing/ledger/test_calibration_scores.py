"""What a calibration notes of a case: over SQLite and Postgres."""

import uuid

import pytest

from pricing.db.database import Store
from pricing.ledger.calibration_scores import CaseScore, Results, paid_for
from pricing.ledger.facts import Completion, Intent, PriceBasis, Run
from pricing.ledger.ledger import Ledger
from pricing.usage import Usage

USED, UNKNOWN, REFUSED = (Usage(100, 20), 300, "usage"), (Usage(), 900, "worst_case"), (Usage(), 0, "unbilled")


def attempt(ledger: Ledger, usage: Usage, cost: int, priced: PriceBasis) -> None:
    intent = Intent(
        attempt_id=uuid.uuid4().hex, turn_id="t", run_id="r", operation="classify", hop=0, ordinal=0,
        reason="primary", target="x", provider="groq", account="default", model="m", tier="light", stand_in=False,
        worst_nano=900, rate_version="v", started_at=1,
    )  # fmt: skip
    ledger.begin(intent).result()
    ledger.end(intent, Completion("ok", usage, cost, priced, 1)).result()


@pytest.mark.parametrize(
    ("attempts", "cost", "tokens"),
    [
        ([USED, USED], 600, (200, 40)),
        ([REFUSED, USED], 300, (100, 20)),
        ([USED, UNKNOWN], 1_200, (None, None)),
        ([REFUSED], 0, (None, None)),
        ([], 0, (None, None)),
    ],
)
def test_tokens_are_known_only_where_all_that_was_billed_told_its_usage(
    store: Store, attempts: list[tuple[Usage, int, PriceBasis]], cost: int, tokens: tuple[int | None, int | None]
):
    ledger = Ledger(store)
    run = Run(
        run_id="r", automation="digest", quality="fast", plan="[]", routes="{}", rate_version="v", method="prior",
        history=0, point_nano=1, p50_nano=1, p95_nano=1, ceiling_nano=1, held_nano=1, stand_in=False, started_at=1,
    )  # fmt: skip
    assert ledger.admit(run, []) == []
    for one in attempts:
        attempt(ledger, *one)
    found = paid_for(store, ["t"], "classify")
    assert (found.cost_nano, (found.input_tokens, found.output_tokens)) == (cost, tokens)
    results = Results(store, "digest/classify")
    case = CaseScore(key="k", run_id="r", cost_nano=cost, input_tokens=tokens[0], output_tokens=tokens[1])
    assert results.claim(case) is None
    results.note(case)
    kept = results.read()["k"]
    assert (kept.cost_nano, kept.input_tokens, kept.output_tokens) == (cost, *tokens)
