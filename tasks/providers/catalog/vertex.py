"""Vertex AI: Gemini at Google Cloud, with an API key (express mode) or an access token."""

from __future__ import annotations

from tasks.providers.gemini import FAILURES, OPTIONS, GeminiAdapter
from tasks.providers.media import MediaRules
from tasks.providers.prompt_caches import CACHED_GEMINI
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="vertex",
    dialect=GeminiAdapter,
    base_url="https://aiplatform.googleapis.com/v1/publishers/google",
    credentials=CredentialRule(kind="key", variable="GOOGLE_API_KEY"),
    failures=FAILURES,
    price_list="google",
    otel_name="gcp.vertex_ai",
    key_kind="google",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(
            takes=frozenset({"image data", "document data"}),
            largest={"image": 5_000_000, "document": 5_000_000},
            most={"image": 3_000},
            pages=1_000,
        ),
        service_tiers={},
        batches=None,
        truncates_silently=False,
        options=OPTIONS,
        cached=CACHED_GEMINI,
    ),
)
