"""Whether a model id that a price list resolved loosely is the id that was asked for.

Price lists match by prefix or substring, so ``claude-sonnet-4-5-typo`` gets the price of ``claude-sonnet-4-5``. Here
an id counts as a model only if it *is* one of the model's names, once what does not change the model is set aside: a
release date, ``-latest``, and on Bedrock the ARN around it, the geography before it and the version behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_ARN = re.compile(r"arn:aws:bedrock:[a-z0-9-]*:\d*:(?:inference-profile|foundation-model)/([^/]+)")
_GEOGRAPHY = re.compile(r"(global|regional|apac|us|eu|jp|au|in|ca|sa)\.")
_VENDOR = re.compile(r"^(?:anthropic|openai)\.")
_VERSION = re.compile(r"-v(\d+)(?::(\d+))?$")
_DASHED_DATE = re.compile(r"([-@]20\d\d)-(\d\d)-(\d\d)(?=$|-v\d)")
_RELEASE = re.compile(r"[-@](?:20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|latest|default)$")
_LABELLED = re.compile(r"((?:[a-z]+\.)?anthropic\.(claude-[a-z]+-\d(?:-\d)?))-v1:0")
_VERSIONED = {"claude-opus-4-5": "-20251101-v1:0", "claude-opus-4-6": "-v1"}
"""What Bedrock's ids have behind the name, of those without a date in the list that have anything."""


def bare_id(asked: str, *, bedrock: bool) -> str:
    """The id in lower case; of a Bedrock ARN that contains a model id, that id.

    An ARN that contains none (an application inference profile, provisioned throughput, another partition) stays as
    it is, and so resolves to nothing.
    """
    text = asked.strip().lower()
    if bedrock and (arn := _ARN.fullmatch(text)):
        return arn[1]
    return text


def is_same_model(asked: str, listed: str, aliases: Iterable[str], *, bedrock: bool) -> bool:
    """Whether ``asked`` (from ``bare_id``) names the model listed as ``listed`` and known by ``aliases``."""
    if bedrock and not _prices_agree(asked, listed):
        return False
    names = {_plain(name, bedrock=bedrock) for name in (listed, *aliases)}
    plain = _plain(asked, bedrock=bedrock)
    return plain in names or _RELEASE.sub("", plain) in names


def _plain(name: str, *, bedrock: bool) -> str:
    text = _DASHED_DATE.sub(r"\1\2\3", name.lower().strip("/").rstrip("-@"))
    if bedrock:
        text = _VERSION.sub("", _VENDOR.sub("", _GEOGRAPHY.sub("", text, count=1)))
    return text


def _prices_agree(asked: str, listed: str) -> bool:
    """Whether geography and version are those of the listing.

    On Bedrock the ``global.`` profile has its own, lower price; all others and the bare id share the regional one. A
    listing without geography holds for every one of them. GovCloud costs more than any list here says, so none holds.
    """
    if asked.startswith("us-gov."):
        return False
    theirs, ours = _geography(listed), _geography(asked)
    if theirs and (theirs == "global") != (ours == "global"):
        return False
    listed_version, asked_version = _VERSION.search(listed), _VERSION.search(asked)
    if not (listed_version and asked_version):
        return True
    same_minor = None in {listed_version[2], asked_version[2]} or listed_version[2] == asked_version[2]
    return listed_version[1] == asked_version[1] and same_minor


@lru_cache(maxsize=256)
def same_name(asked: str, replied: str, *, bedrock: bool = False) -> bool:
    """Whether a reply names the model that was asked for, a release date set aside.

    >>> same_name("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"), same_name("gpt-4.1-mini", "gpt-4.1-nano")
    (True, False)
    """
    first, second = (released_name(name, bedrock=bedrock)[1] for name in (asked, replied))
    return first == second


def released_name(asked: str, *, bedrock: bool = False) -> tuple[str, str]:
    """The model's name with its release date, and without: what ids of one model have in common.

    >>> released_name("us.anthropic.claude-3-5-haiku-20241022-v1:0", bedrock=True)
    ('claude-3-5-haiku-20241022', 'claude-3-5-haiku')
    """
    plain = _plain(bare_id(asked, bedrock=bedrock), bedrock=bedrock)
    return plain, _RELEASE.sub("", plain)


def callable_id(listed: str, geography: str = "us") -> str:
    """The id that Bedrock takes for a model as price lists name it.

    Lists label Claude models without a release date ``-v1:0``, which Bedrock refuses, and put ``regional.`` before
    profiles of every geography but ``global``.

    >>> callable_id("regional.anthropic.claude-sonnet-4-6-v1:0", "eu")
    'eu.anthropic.claude-sonnet-4-6'
    >>> callable_id("global.anthropic.claude-opus-4-6-v1:0")
    'global.anthropic.claude-opus-4-6-v1'
    """
    name = re.sub(r"^regional\.", f"{geography}.", listed)
    if (found := _LABELLED.fullmatch(name)) is None:
        return name
    return found[1] + _VERSIONED.get(found[2], "")


def geography_of(model_id: str) -> str:
    """The geography that a Bedrock id begins with, ``global`` and ``us`` among them; empty where it has none."""
    return _geography(bare_id(model_id, bedrock=True))


def _geography(model_id: str) -> str:
    found = _GEOGRAPHY.match(model_id)
    return found[1] if found else ""
