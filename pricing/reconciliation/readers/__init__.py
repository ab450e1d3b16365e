"""Readers of providers' exports, one module each."""

from pricing.reconciliation.readers import anthropic, aws, groq, openai, openrouter
from pricing.reconciliation.readers.base import STANDARD, Reader, model_key, read_export

READERS: dict[str, Reader] = {
    "openai": openai.READER,
    "anthropic": anthropic.READER,
    "aws": aws.READER,
    "groq": groq.READER,
    "openrouter": openrouter.READER,
}
"""By the word that ``farebox reconcile`` takes."""

__all__ = ["READERS", "STANDARD", "Reader", "model_key", "read_export"]
