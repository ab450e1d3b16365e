"""What axe-core finds on a page."""

import json
from pathlib import Path
from typing import Any

from tests.support.browser import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""Installed by ``make axe``; it is not part of this project."""
_RUN = "axe.run(document).then(r => JSON.stringify(r.violations.map(v => [v.impact, v.id, v.nodes[0].html])))"


def serious(page: Page) -> list[Any]:
    """Serious and critical violations on the page that is shown."""
    page.evaluate(AXE.read_text("utf-8") + "; undefined")
    found = json.loads(page.evaluate(_RUN))
    return [one for one in found if one[0] in {"serious", "critical"}]
