"""What several tests of the tenants share."""

from pricing.ledger.facts import Run
from pricing.money import USD
from tests.support.ledger import a_run


def a_run_for(org: str | None = None, user: str | None = None, price: int | None = None) -> Run:
    run = a_run(held=USD)
    known = {name: getattr(run, name) for name in run.__dataclass_fields__}
    return Run(**(known | {"org_id": org, "user_id": user, "price_credits": price}))
