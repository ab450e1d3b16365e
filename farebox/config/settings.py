"""farebox.toml and the environment, validated; errors list every place that was searched."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from farebox.config.content_settings import ContentSettings, Place
from farebox.config.extras import checked_body, checked_headers
from farebox.config.guard_settings import GuardsSettings
from farebox.project import FILE
from pricing import ConfigError, FareboxError, MoneyError, Nano, UsageError, parse_money
from pricing.ledger import SOFT, WILDCARD, Limit, MeteredValue, read_key, read_window, soft_threshold
from pricing.rates import SERVICE_TIERS, EndOfLife, Hours, OwnBand, OwnRate, end_of_life
from pricing.replica import LEAST_DAYS
from tasks.providers import LEVELS, Reasoning, check_provider, served_tier
from tasks.routing import Tier

PREFIX = "FAREBOX_"
"""The prefix of variables that override farebox.toml; two underscores stand for the dot of a table."""
_TIER_WORD = re.compile("[a-z0-9][a-z0-9_-]{0,39}")
_SECRETIVE = re.compile("key|secret|token|passw|credential", re.IGNORECASE)


def _money(value: object) -> Nano:
    try:
        return parse_money(value if isinstance(value, str | int | Decimal) else str(value))
    except MoneyError as error:
        raise ValueError(str(error)) from None


def _rate_tier(word: str) -> str:
    """A service tier as replies name it: another word for one would be a rate that never holds."""
    if not _TIER_WORD.fullmatch(word):
        raise ValueError(f"{word[:40]!r} is not a valid service tier: use small letters, digits, - and _, such as flex")
    served = served_tier(word)
    close = served if served != word else next(iter(get_close_matches(word, SERVICE_TIERS, 1, cutoff=0.8)), word)
    if close is None:
        raise ValueError(f"{word!r} leaves the service tier to the provider; write the one that replies name")
    if close != word:
        raise ValueError(f"{word!r} is not a service tier that replies name; write {close!r}")
    return word


def _address(text: str) -> str:
    try:
        url = urlsplit(text)
        sound = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        sound = False
    if text and not sound:
        raise ValueError("it is not a web address; write one like https://llm.example.org/v1")
    if text and (url.username or url.password):
        raise ValueError("an address must not contain a user name or password; use key_env")
    return text


def _variable(text: str) -> str:
    if text and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", text):
        raise ValueError("it takes the name of an environment variable, like OPENAI_API_KEY, and never a key itself")
    return text


def _block(text: str) -> str:
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9-]*", text):
        raise ValueError("it takes the name of a Prefect Secret block, like groq-key, and never a key itself")
    return text


def _window(text: str) -> str:
    try:
        return read_window(text)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _provider(text: str) -> str:
    try:
        return check_provider(text)
    except ConfigError as error:
        raise ValueError(f"{error.message} {error.next_step}") from None


def _reasoning(value: object) -> object:
    if isinstance(value, bool):
        levels = ", ".join(LEVELS)
        raise ValueError(f"it takes a level ({levels}), no list of levels")  # noqa: TRY004 - pydantic's
    return value


Provider = Annotated[str, AfterValidator(_provider)]
Money = Annotated[Nano, BeforeValidator(_money)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_S3: Final = r"^(?:s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()-]+)*/?)?$"
_ROLE: Final = r"^(?:arn:aws(?:-[a-z-]+)?:iam::[0-9]{12}:role/[\w+=,.@/-]+)?$"


class TargetSettings(_Table):
    """One of the ``[[targets]]``. Omitted values are the usual ones of the provider and the model.

    ``key_env``, ``key_file`` and ``key_secret`` name the place of the key: a variable, a file, a Prefect Secret block.
    ``ca_file`` is a PEM file that its server's certificate is checked against. ``extra_headers`` and ``extra_body`` are
    added to each request; a header's value may be ``env:`` and the name of an environment variable. ``batch_s3`` is
    where Bedrock's batches store requests and results, ``batch_role`` the role that reads and writes them.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,40}$")]
    provider: Provider
    model: Annotated[str, Field(min_length=1)]
    tier: Tier
    account: str = "default"
    region: str = ""
    base_url: Address = ""
    failure_domain: str = ""
    key_env: Annotated[str, AfterValidator(_variable)] = ""
    key_file: Path | None = None
    key_secret: Annotated[str, AfterValidator(_block)] = ""
    ca_file: Path | None = None
    extra_headers: Annotated[Mapping[str, str], AfterValidator(checked_headers)] = Field(default_factory=dict)
    extra_body: Annotated[Mapping[str, Any], AfterValidator(checked_body)] = Field(default_factory=dict)
    batch_s3: Annotated[str, Field(pattern=_S3)] = ""
    batch_role: Annotated[str, Field(pattern=_ROLE)] = ""
    window: Annotated[int, Field(gt=0)] | None = None
    retires: date | None = None
    max_output: Annotated[int, Field(gt=0)] = 16_384
    read_timeout: Seconds = 60.0
    tokens_per_minute: Annotated[int, Field(gt=0)] | None = None
    sends_temperature: bool = True
    reasoning: Annotated[Reasoning | None, BeforeValidator(_reasoning)] = None
    service_tier: Literal["standard", "priority", "flex"] | None = None

    @property
    def end_of_life(self) -> EndOfLife | None:
        """When its model is retired: from ``retires``, else from the known dates."""
        return EndOfLife(self.retires) if self.retires else end_of_life(self.provider, self.model)

    @model_validator(mode="before")
    @classmethod
    def _no_key_in_clear(cls, values: Any) -> Any:
        """Refuse a key in plain text, without repeating it."""
        unknown = values.keys() - cls.model_fields.keys() if isinstance(values, dict) else ()
        for name in unknown:
            misspelt = get_close_matches(str(name), cls.model_fields, 1, cutoff=0.85)
            if not misspelt and _SECRETIVE.search(str(name)):
                raise ValueError(
                    f"{str(name)[:40]!r} would store a key in plain text; remove it and put the key in the environment "
                    "or name its place: key_env, key_file or key_secret"
                )
        return values


class BudgetSettings(_Table):
    """One of the ``[[budgets]]``."""

    scope: Literal["automation", "operation", "user", "org", "tag"]
    key: Annotated[str, Field(min_length=1)]
    window: Annotated[str, AfterValidator(_window)]
    limit: Money
    soft: str = SOFT

    @model_validator(mode="after")
    def _soft_within_limit(self) -> Self:
        try:
            self.stated()
            if self.key != WILDCARD:
                read_key(self.scope, self.key)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def stated(self) -> Limit:
        """The limit."""
        return Limit(self.scope, self.key, self.window, self.limit, self.soft)


class RateBandSettings(_Table):
    """One of the bands ``above`` of a custom price: the price of all tokens of a request with more input tokens than
    that.
    """

    tokens: Annotated[int, Field(ge=1)]
    input_per_mtok: Annotated[Decimal, Field(ge=0)]
    output_per_mtok: Annotated[Decimal, Field(ge=0)]
    cache_read_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None
    cache_write_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None
    cache_write_1h_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None


class RateSettings(_Table):
    """One of the ``[[rates]]``: a custom price in dollars per million tokens, which takes precedence over the price
    list.
    """

    provider: Provider
    model: str
    input_per_mtok: Annotated[Decimal, Field(ge=0)]
    output_per_mtok: Annotated[Decimal, Field(ge=0)]
    cache_read_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None
    cache_write_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None
    cache_write_1h_per_mtok: Annotated[Decimal, Field(ge=0)] | None = None
    valid_from: date | None = None
    service_tier: Annotated[str, AfterValidator(_rate_tier)] = "standard"
    above: tuple[RateBandSettings, ...] = ()
    hours: tuple[str, ...] = ()
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _zone_of_hours(self) -> Self:
        if "timezone" in self.model_fields_set and not self.hours:
            raise ValueError('timezone is that of hours, and none are given; write hours = ["22:00-06:00"] too')
        return self

    def rate(self) -> OwnRate:
        """The rate."""
        bands = tuple(OwnBand(**band.model_dump()) for band in self.above)
        stated = self.model_dump(exclude={"above", "hours", "timezone"})
        return OwnRate(**stated, above=bands, hours=Hours(self.hours, self.timezone) if self.hours else None)


class HoldSettings(_Table):
    """The size of holds, and their lease."""

    buffer_percent: Annotated[int, Field(ge=0, le=200)] = 25
    lease_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0


class AdHocSettings(_Table):
    """Limits of steps that are called outside an automation: per script or flow run, and for all of them per day."""

    per_run: Money = 1_000_000_000
    per_day: Money = 5_000_000_000
    soft: str = SOFT

    @model_validator(mode="after")
    def _soft_within_limit(self) -> Self:
        try:
            soft_threshold(self.soft, self.per_day)
        except MoneyError as error:
            raise ValueError(str(error)) from None
        return self


class CreditSettings(_Table):
    """The value of one credit in money; without it, outcomes sold in credits have no known margin."""

    value: Money | None = None


class TurnSettings(_Table):
    """Limits of one turn; one that begins at the service tier ``flex`` has ``flex_deadline_seconds`` for that tier
    first.

    ``cache_wait_seconds`` is the longest time that a turn waits for another one with the same prefix, to read its
    prompt cache; at most a quarter of its deadline, and not at all with 0.
    """

    deadline_seconds: Seconds = 120.0
    max_attempts: Annotated[int, Field(ge=1, le=50)] = 8
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    flex_deadline_seconds: Seconds = 900.0
    cache_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 15.0


class BatchSettings(_Table):
    """Batches of runs with a due time: when they are sent, how often they are polled, and how much time is reserved for
    sending unanswered lines live.

    ``webhook_secret_env`` names the variable of the secret with which the provider signs its notices; with it the
    report server takes them.
    """

    enabled: bool = True
    settle_seconds: Annotated[float, Field(gt=0, le=3_600)] = 0.5
    poll_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    longest_poll_seconds: Annotated[float, Field(gt=0, le=3_600)] = 600.0
    reserve_seconds: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    create_seconds: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    most_lines: Annotated[int, Field(ge=1, le=50_000)] = 1_000
    webhook_secret_env: Annotated[str, AfterValidator(_variable)] = ""


class BreakerSettings(_Table):
    """The quarantine of a target that lost service: 10 minutes × 2ⁿ; longer if a person must fix the cause."""

    quarantine_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    cap_seconds: Annotated[float, Field(gt=0, le=2_592_000)] = 86_400.0
    long_seconds: Annotated[float, Field(gt=0, le=2_592_000)] = 3_600.0


class RoutingSettings(_Table):
    """The spent share of a budget, or of a run's hold, above which steps are routed to the cheapest targets."""

    pressure: Annotated[float, Field(gt=0, le=1)] = 0.8


class ArchiveSettings(_Table):
    """How long runs stay in the ledger before ``farebox archive`` moves them, and the archive's folder."""

    keep_days: Annotated[int, Field(ge=LEAST_DAYS)] = 400
    folder: Path | None = None


class JournalSettings(_Table):
    """The journals of durable runs: stored until a run has completed, so that nothing is paid twice.

    ``exclude`` names places whose content must not be stored, as in ``[content] keep``; with ``enabled = false``
    nothing is stored. ``key_env`` names the variable of an encryption key; without it, a key in the ledger's database
    is used.
    """

    enabled: bool = True
    exclude: tuple[Place, ...] = ()
    days: Annotated[int, Field(ge=1, le=365)] = 7
    megabytes: Annotated[int, Field(ge=1, le=10_000)] = 64
    key_env: Annotated[str, AfterValidator(_variable)] = ""

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether answers of an operation of an automation may be stored."""
        places = {"*", automation, f"{automation}/{operation}", f"*/{operation}"}
        return self.enabled and places.isdisjoint(self.exclude)

    def keeps_any(self, automation: str) -> bool:
        """Whether any answer of an automation may be stored."""
        return self.enabled and {"*", automation}.isdisjoint(self.exclude)

    def key(self) -> str:
        """The encryption key that was set; empty if there is none.

        Raises:
            ConfigError: the named variable is not set.
        """
        if not self.key_env:
            return ""
        if not (found := os.environ.get(self.key_env, "")):
            raise ConfigError(
                f"journal.key_env names {self.key_env}, which is not set.",
                next_step="Set it to the same secret text on every machine that may continue a run.",
            )
        return found


class ReplicaSettings(_Table):
    """Whether runs update this machine's replica; off where another machine does it for several."""

    after_runs: bool = True


def _path_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", prefix):
        raise ValueError("it takes the prefix of paths, like /farebox")
    return prefix


class WebSettings(_Table):
    """The report server. ``url`` is its public address, used in links from Prefect.

    ``prefix`` is the path prefix behind a reverse proxy, by default that of ``url``. ``token_env`` names the variable
    with the token that requests must carry; without one the server listens on loopback only.
    """

    url: Address = ""
    prefix: Annotated[str, AfterValidator(_path_prefix)] = ""
    token_env: Annotated[str, AfterValidator(_variable)] = ""
    sync_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = 5.0

    @property
    def path_prefix(self) -> str:
        """The prefix of its paths."""
        return self.prefix or _path_prefix(urlsplit(self.url).path)

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that it answers to, beside those of loopback."""
        name = urlsplit(self.url).hostname
        return frozenset({name.lower()} if name else ())


class MeteringSettings(_Table):
    """Outcomes sent to a metered-billing service; off unless ``enabled``.

    Outcomes that ended on or after ``since`` are sent, under the name ``event``, as 1, as credits or in dollars
    (``value``). ``customers`` maps an organisation or a user to the service's customer id.
    """

    enabled: bool = False
    sink: Literal["stripe", "openmeter", "lago"] | None = None
    url: Address = ""
    key_env: Annotated[str, AfterValidator(_variable)] = ""
    event: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "farebox_outcome"
    value: MeteredValue = "outcomes"
    since: date | None = None
    customers: dict[str, Annotated[str, Field(min_length=1, max_length=200)]] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.enabled and (self.sink is None or self.since is None):
            raise ValueError(
                'enabled needs sink ("stripe", "openmeter" or "lago") and since (the first day, 2026-11-01)'
            )
        return self

    def begins(self, zone: ZoneInfo) -> datetime:
        """The first midnight from which outcomes are sent."""
        return datetime.combine(self.since or date.max, time(), zone)


class SandboxSettings(_Table):
    """The sandbox provider. With ``url``, one that runs already is used.

    Without ``stand_in`` every target must have a key (like FAREBOX_SANDBOX=never). With ``only`` the sandbox answers
    for every target, regardless of keys (like FAREBOX_SANDBOX=always).
    """

    stand_in: bool = True
    only: bool = False
    url: Address = ""
    latency_seconds: Annotated[float, Field(ge=0, le=60)] = 0.02


class OpenAIBridgeSettings(_Table):
    """``[integrations.openai]``: a tier or a target for each ``model`` name in client code; ``"*"`` for all others."""

    models: dict[str, str] = {}


class IntegrationSettings(_Table):
    """``[integrations]``."""

    openai: OpenAIBridgeSettings = OpenAIBridgeSettings()


class Settings(_Table):
    """All settings."""

    timezone: str = "UTC"
    home: Path = Path(".farebox")
    ledger_url: str = ""
    prompts: tuple[Path, ...] = (Path("flows/prompts"),)
    holds: HoldSettings = HoldSettings()
    credits: CreditSettings = CreditSettings()
    adhoc: AdHocSettings = AdHocSettings()
    turns: TurnSettings = TurnSettings()
    batches: BatchSettings = BatchSettings()
    breaker: BreakerSettings = BreakerSettings()
    routing: RoutingSettings = RoutingSettings()
    guards: GuardsSettings = GuardsSettings()
    archive: ArchiveSettings = ArchiveSettings()
    replica: ReplicaSettings = ReplicaSettings()
    metering: MeteringSettings = MeteringSettings()
    web: WebSettings = WebSettings()
    content: ContentSettings = ContentSettings()
    journal: JournalSettings = JournalSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    sandbox: SandboxSettings = SandboxSettings()
    targets: tuple[TargetSettings, ...] = ()
    budgets: tuple[BudgetSettings, ...] = ()
    rates: tuple[RateSettings, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a valid time zone; write one like Europe/Madrid") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which days begin."""
        return ZoneInfo(self.timezone)


def load_settings(root: Path) -> Settings:
    """The settings of the project in ``root``; relative paths in them are relative to it.

    Raises:
        ConfigError: the file is not TOML, or a value is wrong; the message lists the places that were searched.
    """
    path = root / FILE
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", next_step="Fix that line.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).", next_step="Make it readable.") from None
    try:
        settings = Settings(**_with_environment(found))
    except ValidationError as error:
        raise _explained(error, path) from None
    folders = tuple(root / folder for folder in settings.prompts)
    targets = tuple(
        target.model_copy(update={"key_file": root / target.key_file.expanduser()}) if target.key_file else target
        for target in settings.targets
    )
    messages = settings.guards.messages
    guards = settings.guards.model_copy(update={"messages": root / messages}) if messages else settings.guards
    folder = settings.archive.folder
    archive = settings.archive.model_copy(update={"folder": root / folder.expanduser() if folder else None})
    home = root / settings.home.expanduser()
    return settings.model_copy(
        update={"home": home, "prompts": folders, "targets": targets, "guards": guards, "archive": archive}
    )


def _with_environment(found: dict[str, Any]) -> dict[str, Any]:
    """The file's settings with those of the environment, if there are any: reading them loads a library."""
    if not any(name.upper().startswith(PREFIX) for name in os.environ):
        return found
    from farebox.config.environment import with_environment

    return with_environment(found)


def _explained(error: ValidationError, path: Path) -> FareboxError:
    faults = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ").rstrip(".")
        if fault["type"] == "extra_forbidden":
            message = "unknown setting" + _meant(fault["loc"])
        variable = PREFIX + "__".join(str(part) for part in fault["loc"]).upper()
        tried = f"in {path}" + (f" and {variable}" if variable in os.environ else f" ({variable} is not set)")
        faults.append(f"{place}: {message}, {tried}")
    return ConfigError(
        "The settings are wrong: " + "; ".join(faults) + ".",
        next_step="Fix them in farebox.toml or in the environment.",
        faults=faults,
    )


def _meant(location: tuple[int | str, ...]) -> str:
    tables: dict[str, type[BaseModel]] = {
        "targets": TargetSettings,
        "budgets": BudgetSettings,
        "rates": RateSettings,
        "holds": HoldSettings,
        "credits": CreditSettings,
        "adhoc": AdHocSettings,
        "turns": TurnSettings,
        "routing": RoutingSettings,
        "batches": BatchSettings,
        "breaker": BreakerSettings,
        "content": ContentSettings,
        "journal": JournalSettings,
        "sandbox": SandboxSettings,
        "archive": ArchiveSettings,
        "replica": ReplicaSettings,
        "metering": MeteringSettings,
        "web": WebSettings,
    }
    table = tables.get(str(location[0]), Settings) if len(location) > 1 else Settings
    near = get_close_matches(str(location[-1]), table.model_fields, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
