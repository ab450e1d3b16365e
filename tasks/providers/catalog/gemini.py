"""Google AI: Gemini by its native API, with a key."""

from __future__ import annotations

from tasks.providers.gemini import FAILURES, OPTIONS, GeminiAdapter
from tasks.providers.media import MediaRules
from tasks.providers.prompt_caches import CACHED_GEMINI
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

MEDIA = MediaRules(
    takes=frozenset({"image data", "document data"}),
    largest={"image": 14_000_000, "document": 14_000_000},
    most={"image": 3_000},
    pages=1_000,
    whole=20_000_000,
)
"""A request may have 20 MB, as base64; of that 14 MB are left for one part."""

SPEC = ProviderSpec(
    name="gemini",
    dialect=GeminiAdapter,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    credentials=CredentialRule(kind="key", variable="GEMINI_API_KEY"),
    failures=FAILURES,
    price_list="google",
    otel_name="gcp.gemini",
    key_kind="google",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MEDIA,
        service_tiers={"standard": "standard", "flex": "flex", "priority": "priority"},
        batches=None,
        truncates_silently=False,
        options=OPTIONS,
        cached=CACHED_GEMINI,
    ),
)
