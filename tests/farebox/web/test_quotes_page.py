"""What the page of quotes says first."""

from dataclasses import replace

from farebox.web.pages.quotes import _verdict
from pricing.reports import ENOUGH, QuoteAudit, ShareEstimate

FEW = ShareEstimate(2, 2, 1.0, 0.34, 1.0)
AUDIT = QuoteAudit("digest", "fast", False, FEW, FEW, FEW, FEW, (), None, None, ())


def test_nothing_is_called_honest_that_cannot_be_judged():
    enough = replace(FEW, runs=ENOUGH, within=475)
    assert _verdict([]) == "No run has ended yet."
    assert _verdict([AUDIT, AUDIT]) == "No p95 can be judged yet: this takes 500 runs of an automation."
    assert _verdict([AUDIT, replace(AUDIT, p95=enough)]) == "Every p95 that can be judged is honest."
