# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Keys that their issuers begin with a fixed text, then so many characters of an alphabet. Sources: the issuers' pages."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TypeAlias

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_PREFIXED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("aws_key", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"), r"(?:A(?:KIA|SIA|BIA|CCA)|A3T[A-Z0-9])[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("bedrock", ("ABSK", "bedrock-api-key-"), r"(?:ABSK[A-Za-z0-9+/]{100,300}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{20,2000})"),
    ("alibaba", ("LTAI",), r"LTAI[A-Za-z0-9]{16,24}(?![A-Za-z0-9])"),
    ("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{36,255}"),
    ("gitlab", ("gl",), r"gl(?:pat|dt|rt|rtr|cbt|ptt|soat|ft|ffct|imt|agent|oas|wt)-[A-Za-z0-9_.=-]{20,300}"),
    ("gitlab", ("GR1348941",), r"GR1348941[\w-]{20,40}"),
    ("slack", ("xox", "xapp-", "xoxe"), r"(?i:xox[abeoprs](?:[.-][a-z]{3,4})?-|xapp-)[A-Za-z0-9-]{10,250}"),
    ("slack", ("hooks.slack.com/",), r"(?:https?://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,120}"),
    ("discord", ("discord",), r"(?:https?://)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,80}"),
    ("discord", (".",), r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])"),
    ("teams", ("webhook.office.com",), r"(?:https://)?[a-z0-9-]{1,60}\.webhook\.office\.com/webhookb2/[\w@/-]{60,250}"),
    ("stripe", ("_live_", "_test_", "_prod_", "whsec_"), r"(?:[sr]k_(?:live|test|prod)_|whsec_)[A-Za-z0-9]{10,250}"),
    ("shippo", ("shippo_",), r"shippo_(?:live|test)_[a-fA-F0-9]{40}"),
    ("duffel", ("duffel_",), r"duffel_(?:test|live)_[\w=-]{43}"),
    ("lob", ("live_", "test_"), r"(?:live|test)_(?:pub_)?[a-f0-9]{31,35}(?![A-Za-z0-9])"),
    ("gocardless", ("live_",), r"live_[\w=-]{40}(?![\w=-])"),
    ("flutterwave", ("FLW",), r"FLW(?:PUB|SEC)K(?:_TEST)?-[a-h0-9A-H]{12,32}(?:-X)?"),
    ("plaid", ("access-",), rf"access-(?:sandbox|development|production)-{_UUID}"),
    ("easypost", ("EZ",), r"EZ[AT]K[A-Za-z0-9]{54}"),
    ("square", ("sq0", "EAAA"), r"(?:sq0(?:atp|csp|idp)-[\w-]{22,60}|EAAA[\w-]{60}(?![\w-]))"),
    ("facebook", ("EAA",), r"EAA[A-Za-z0-9]{81,400}"),
    ("facebook", ("|", "%7C"), r"\d{15,17}(?:\||%7C)(?=[a-z\d_-]{0,39}[A-Z])(?=[A-Za-z_-]{0,39}\d)[\w-]{27,40}(?![\w-])"),
    ("shopify", ("shp",), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("anthropic", ("sk-ant-",), r"sk-ant-[A-Za-z0-9]{2,10}-[\w-]{20,200}"),
    ("openai", ("sk-",), r"sk-(?:(?:proj|svcacct|admin|or-v1|lf|None)-[\w-]{20,250}|[A-Za-z0-9]{20,64}(?![\w-]))"),
    ("groq", ("gsk_",), r"gsk_[A-Za-z0-9]{40,80}"),
    ("xai", ("xai-",), r"xai-[A-Za-z0-9]{60,100}"),
    ("perplexity", ("pplx-",), r"pplx-[A-Za-z0-9]{40,60}"),
    ("replicate", ("r8_",), r"r8_[A-Za-z0-9]{37,40}"),
    ("langsmith", ("lsv2_",), r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("hugging_face", ("hf_", "api_org_"), r"(?:hf_|api_org_)[A-Za-z0-9]{34,40}(?![A-Za-z0-9_])"),
    ("google", ("AIza",), r"AIza[\w-]{35}(?![\w-])"),
    ("google", ("GOCSPX-",), r"GOCSPX-[\w-]{24,40}"),
    ("google", ("ya29.",), r"ya29\.[\w-]{20,400}"),
    ("azure", ("AccountKey=", "SharedAccessKey=", "sig="), r"(?:(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,90}={0,2}|sig=[A-Za-z0-9%]{43,63}%3[dD])"),
    ("azure", ("8Q~", "7Q~"), r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}"),
    ("npm", ("npm_",), r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("nuget", ("oy2",), r"oy2[a-z0-9]{43}(?![A-Za-z0-9])"),
    ("pypi", ("pypi-",), r"pypi-[\w-]{50,1000}"),
    ("rubygems", ("rubygems_",), r"rubygems_[a-f0-9]{48}"),
    ("crates", ("cio",), r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("clojars", ("CLOJARS_", "clojars_"), r"(?i:CLOJARS_)[a-z0-9]{60}"),
    ("docker", ("dckr_", ), r"dckr_(?:pat|oat)_[\w-]{20,40}"),
    ("sendgrid", ("SG.",), r"SG\.[\w=.-]{16,32}\.?[\w=.-]{30,64}"),
    ("brevo", ("xkeysib-",), r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("mailgun", ("key-",), r"(?:pub)?key-[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("mailchimp", ("-us",), r"[a-f0-9]{32}-us\d{1,2}(?!\w)"),
    ("twilio", ("SK", "AC"), r"(?:SK|AC)[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("digitalocean", ("_v1_",), r"do[opr]_v1_[a-f0-9]{64}"),
    ("databricks", ("dapi",), r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("cloudflare", ("v1.0-",), r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    ("linear", ("lin_",), r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    ("notion", ("ntn_", "secret_"), r"(?:ntn_|secret_)[A-Za-z0-9]{43,50}(?![A-Za-z0-9])"),
    ("airtable", ("pat",), r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("atlassian", ("AT",), r"AT(?:ATT3|CTT3)[\w=-]{100,300}|ATBB[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("asana", ("/",), r"[012]/\d{10,20}[/:][a-f0-9]{32}(?![A-Za-z0-9])"),
    ("contentful", ("CFPAT-",), r"CFPAT-[\w-]{43}"),
    ("hubspot", ("pat-",), rf"pat-(?:na|eu)\d-{_UUID}"),
    ("figma", ("fig",), r"fig(?:d|dr|oh|or)_[\w-]{40,60}"),
    ("postman", ("PMAK-",), r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("newrelic", ("NR",), r"NR(?:AK|AL|II|RA)-[A-Za-z0-9_-]{27,32}|NRJS-[a-f0-9]{19}"),
    ("dynatrace", ("dt0",), r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("sentry", ("sntry",), r"sntry[us]_[A-Za-z0-9+/=_]{64,400}"),
    ("sonar", ("sq",), r"sq[uap]_[a-z0-9]{40}"),
    ("grafana", ("gl", "eyJrIjoi"), r"(?:gl(?:sa|c)_[A-Za-z0-9+/_]{32,400}={0,2}|eyJrIjoi[A-Za-z0-9]{60,400}={0,3})"),
    ("vault", ("hv", "s."), r"(?:hv[bsr]\.[\w-]{24,300}|s\.(?=[A-Za-z]{0,23}\d)[A-Za-z0-9]{24}(?![\w.(]))"),
    ("doppler", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    ("pulumi", ("pul-",), r"pul-[a-f0-9]{40}"),
    ("prefect", ("pnu_", "pnb_"), r"pn[ub]_[A-Za-z0-9]{36}"),
    ("planetscale", ("pscale_",), r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}"),
    ("supabase", ("sbp_", "sb_secret_"), r"(?:sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,60})"),
    ("netlify", ("nfp_",), r"nfp_[A-Za-z0-9]{36}"),
    ("fly", ("fo1_", "fm1", "fm2_"), r"(?:fo1_[\w-]{43}|fm1[ar]_[A-Za-z0-9+/]{100,1000}={0,3}|fm2_[A-Za-z0-9+/]{100,1000}={0,3})"),
    ("heroku", ("HRKU-",), r"HRKU-[\w-]{36,70}"),
    ("tailscale", ("tskey-",), r"tskey-(?:[a-z]{3,10}-)?[A-Za-z0-9]{10,40}-?[A-Za-z0-9]{10,60}"),
    ("posthog", ("phc_", "phx_"), r"ph[cx]_[A-Za-z0-9]{43}"),
    ("readme", ("rdme_",), r"rdme_[a-z0-9]{70}"),
    ("typeform", ("tfp_",), r"tfp_[\w.=-]{59}"),
    ("infracost", ("ico-",), r"ico-[A-Za-z0-9]{32}"),
    ("scalingo", ("tk-us-",), r"tk-us-[\w-]{48}"),
    ("settlemint", ("sm_",), r"sm_(?:aat|pat|sat)_[A-Za-z0-9]{16}"),
    ("sourcegraph", ("sgp_",), r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    ("harness", ("pat.", "sat."), r"(?:pat|sat)\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    ("intra42", ("s-s4t2",), r"s-s4t2(?:ud|af)-[a-f0-9]{64}"),
    ("frameio", ("fio-u-",), r"fio-u-[\w=-]{64}"),
    ("definednetworking", ("dnkey-",), r"dnkey-[\w=-]{26}-[\w=-]{52}"),
    ("adobe", ("p8e-",), r"p8e-[A-Za-z0-9]{32}"),
    ("artifactory", ("AKCp", "cmVmd"), r"(?:AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59})(?![A-Za-z0-9])"),
    ("authress", ("sc_", "ext_", "auth"), r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.(?:acc[_-])?[a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}"),
    ("clickhouse", ("4b1d",), r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])"),
    ("octopus", ("API-",), r"API-[A-Z0-9]{26}(?![A-Za-z0-9])"),
    ("openshift", ("sha256~",), r"sha256~[\w-]{43}(?![\w-])"),
    ("mapbox", ("pk.", "sk."), r"[ps]k\.[A-Za-z0-9]{60}\.[A-Za-z0-9]{22}"),
    ("maxmind", ("_mmk",), r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    ("yandex", ("t1.", "AQVN", "YC"), r"(?:t1\.[\w-]{20,300}={0,2}\.[\w-]{86}={0,2}|AQVN[\w-]{35,38}|YC[\w-]{38}(?![\w-]))"),
    ("buildkite", ("bkua_",), r"bkua_[a-f0-9]{40}"),
    ("circleci", ("CCIPAT_",), r"CCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    ("1password", ("ops_eyJ", "A3-"), r"(?:ops_eyJ[A-Za-z0-9+/]{250,4000}={0,3}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5})"),
    ("twitter", ("AAAAAAAAAAAAAAAAAAAA",), r"A{20,22}[A-Za-z0-9%]{60,110}"),
    ("terraform", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}"),
    ("age", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("telegram", (":A",), r"\d{5,16}:A[\w-]{34}(?![\w-])"),
    ("sidekiq", ("gems.contribsys.com",), r"[a-f0-9]{8}:[a-f0-9]{8}@(?:gems|enterprise)\.contribsys\.com"),
    ("zapier", ("hooks.zapier.com/",), r"(?:https://)?hooks\.zapier\.com/hooks/(?:catch|standard)/\d{5,10}/[a-z0-9]{6,12}"),
    ("make", ("hook.",), r"(?:https://)?hook\.(?:eu|us)\d\.make\.com/[a-z0-9]{32}(?![a-z0-9])"),
    ("wandb", ("wandb_v1_",), r"wandb_v1_[\w-]{40,100}"),
    ("neon", ("napi_",), r"napi_[a-z0-9]{64}"),
    ("browserbase", ("bb_live_",), r"bb_live_[\w-]{27,40}"),
    ("mercury", ("secret-token:",), r"secret-token:mercury_(?:production|sandbox)_[a-z]{2,6}_[A-Za-z0-9]{40,60}(?:_yrucrem)?"),
    ("resend", ("re_",), r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}(?![A-Za-z0-9_])"),
    ("pinecone", ("pcsk_",), r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{50,70}"),
    ("together", ("tgp_v1_",), r"tgp_v1_[\w-]{40,50}"),
    ("launchdarkly", ("sdk-", "api-"), rf"(?:sdk|api)-{_UUID}"),
    ("cloudflare", ("cfut_", "cfat_", "cfk_"), r"cf(?:ut|at|k)_[A-Za-z0-9]{40}[a-f0-9]{8}"),
    ("snyk", ("snyk_",), r"snyk_(?:uat|sat)\.[a-f0-9]{8}\.[\w.-]{40,120}"),
    ("vercel", ("vcp_", "vck_", "vca_", "vci_"), r"vc[pkaicr]_[A-Za-z0-9]{40,70}"),
    ("elevenlabs", ("sk_",), r"sk_[a-f0-9]{48}(?![A-Za-z0-9])"),
    ("fireworks", ("fw_",), r"fw_[A-Za-z0-9]{22,24}(?![A-Za-z0-9_])"),
    ("tavily", ("tvly-",), r"tvly-(?:dev-|prod-)?[A-Za-z0-9-]{32,50}"),
    ("intercom", ("dG9rO",), r"dG9rO[A-Za-z0-9+/]{50,60}={0,2}(?![A-Za-z0-9+/])"),
    ("razorpay", ("rzp_",), r"rzp_(?:live|test)_[A-Za-z0-9]{14}(?![A-Za-z0-9])"),
    ("render", ("rnd_",), r"rnd_[A-Za-z0-9]{28,32}(?![A-Za-z0-9_])"),
    ("nvidia", ("nvapi-",), r"nvapi-[\w-]{60,70}"),
    ("cerebras", ("csk-",), r"csk-[a-z0-9]{40,60}"),
    ("apify", ("apify_api_",), r"apify_api_[A-Za-z0-9]{36}"),
    ("dropbox", ("sl.",), r"sl\.(?:u\.)?[\w-]{130,1500}"),
    ("expo", ("expo_",), r"expo_[A-Za-z0-9]{40}(?![A-Za-z0-9_])"),
    ("mailgun", ("-",), r"[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}(?![\w-])"),
    ("jwt", ("eyJ",), r"(?<!-)eyJ[\w-]{10,2000}+\.eyJ[\w/-]{10,8000}+\.[\w/-]{10,1000}={0,2}"),
    ("jwt", ("ZXlK",), r"ZXlK[\w+/-]{60,8000}+={0,2}"),
)  # fmt: skip
"""Kind, the texts one of which must occur for the pattern to be tried, the pattern."""


class SecretRule:
    """How the keys of an issuer look. None of them has a blank in it.

    Args:
        place: among the rules; of two that find the same the one that comes first names the kind.
        kind: of the key.
        hints: texts one of which every key has.
        form: the pattern of a key, as a regular expression.
    """

    def __init__(self, place: int, kind: str, hints: tuple[str, ...], form: str) -> None:
        self.place = place
        self.kind = kind
        self.hints = hints
        self._form = form

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds a key; made when first asked for, as most rules are never tried."""
        return re.compile(rf"(?<![A-Za-z0-9_])(?:{self._form})")

    @cached_property
    def shortest(self) -> int:
        """Characters of the shortest key that it finds."""
        return int(parser.parse(self._form).getwidth()[0])


_Pair: TypeAlias = tuple[str, ...]
_BY_PAIR: dict[_Pair, list[tuple[str, SecretRule]]] = {}
"""Texts without which a rule finds nothing, and the rule, by the first two signs of the text."""
_BY_SIGN: list[tuple[str, SecretRule]] = []
"""Likewise of texts of one sign."""
RULES = tuple(SecretRule(_place, *_row) for _place, _row in enumerate(_PREFIXED))
for _rule in RULES:
    for _hint in _rule.hints:
        if len(_hint) > 1:
            _BY_PAIR.setdefault(tuple(_hint[:2]), []).append((_hint, _rule))
        else:
            _BY_SIGN.append((_hint, _rule))
_PAIRS = frozenset(_BY_PAIR)
SHORTEST = 15
"""Characters of the shortest key that any of the rules finds."""


def rules_for(word: str) -> list[SecretRule]:
    """The rules that may find something in a stretch without a blank."""
    length = len(word)
    found = [
        rule
        for pair in _PAIRS.intersection(pairwise(word))
        for hint, rule in _BY_PAIR[pair]
        if hint in word and rule.shortest <= length
    ]
    found += [rule for sign, rule in _BY_SIGN if sign in word and rule.shortest <= length]
    return found
