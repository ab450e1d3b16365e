"""AWS: the Cost and Usage Report 2.0, as CSV or Parquet.

A usage type is ``USE1-Claude4.6Sonnet-input-tokens``: a region, the model, the kind of token, and marks of the service
tier and of inference across regions.
"""

import re

from pricing.reconciliation.readers.base import Item, Reader, tier_of, token_kind

_REGION = re.compile(r"^[A-Z]{2,4}\d+-(?:MP:)?")
_KIND = re.compile(
    r"[-_](?:mantle-)?(?:(?:input|output|text-input|text-output)-tokens?|"
    r"cache-(?:read|write)(?:-1h)?-input-tokens?|cache-(?:read|write)).*$",
    re.IGNORECASE,
)
_MARKS = re.compile(
    r"[-_](?:cross-region(?:-global)?|global|geo|mantle|batch|flex|priority|standard|on-demand)(?=$|[-_])",
    re.IGNORECASE,
)


def describe(item: str) -> Item:
    """What a usage type is for.

    >>> describe("USE1-Claude4.6Sonnet-cache-write-input-token-count-batch")
    Item(model='Claude4.6Sonnet', kind='cache_write', service_tier='batch')
    """
    named = _REGION.sub("", item)
    model = _MARKS.sub("", _KIND.sub("", named))
    return Item(model, token_kind(named[len(_KIND.sub("", named)) :]), tier_of(named))


READER = Reader(
    name="AWS",
    provider="bedrock",
    stages={".csv": "aws", ".parquet": "aws"},
    describe=describe,
    splits_tiers=True,
    expects="a Cost and Usage Report 2.0 (.csv, .csv.gz or .parquet) that includes Amazon Bedrock",
)
