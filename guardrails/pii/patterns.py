# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Personal data with a form of its own: addresses of mail, web and network, cards, accounts, numbers of persons.

Every pattern is anchored at something rare and bounded in every repeat, so that no text costs more than its length;
what a pattern proposes a validator confirms (python-stdnum, ipaddress), or a word close before it. Most texts hold
nothing of most kinds, so each finder first looks for what its kind is never without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from guardrails.anchored_patterns import Anchored
from guardrails.pii.text import TOP, TOPS, Labels, NumberWords, PlainText, Words
from guardrails.text_matching import has_any


@dataclass(frozen=True, slots=True)
class Entity:
    """Personal data of one kind: characters ``start`` to ``end`` (exclusive) of the original text."""

    start: int
    end: int
    kind: str


_FILE = re.compile(
    r"(?i)png|jpe?g|gif|svg|webp|ico|bmp|pdf|[jt]sx?|css|html?|json|xml|ya?ml|toml|txt|csv|tsv|log|bak|zip|gz|exe|dll|docx?|"
    r"xlsx?|pptx?|eml|vcf|md|mbox|pem|key|asc"
)
"""Endings that make ``logo@2x.png`` a file."""

_LOCAL_REVERSED = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}|\"[^\"\r\n]{1,62}\"")
_DOMAIN = re.compile(r"[^\W_][\w-]{0,62}+(?:\.[^\W_][\w-]{0,62}+){1,8}+|\[(?:IPv6:)?[0-9A-Fa-f.:]{3,45}\]|localhost\b")
_IDN_DOMAIN = re.compile(
    r"[^\W_][\w-]{0,62}(?:\.[^\W_][\w-]{0,62}){0,6}\.(?:中国|中國|公司|网络|網絡|香港|台灣|台湾|みんな|コム|한국|닷컴|भारत|ไทย|"
    r"مصر|السعودية|امارات|قطر|الاردن|المغرب|ישראל|קום|中文网|商城|网址|在线|com|net|org|cn|jp|kr|tw|hk|in|th|il|sa|ae|eg)(?![^\W_])"
)
_IDN_LOCAL_REVERSED = re.compile(r"[\w.+-]{1,64}")
_HOST = r"[a-z0-9][a-z0-9-]{0,62}"
_AT = r"(?:at|ät|arroba|arr?obase|chez|snabel-?a|krøllalfa|zavináč|apenstaartje|klammeraffe|골뱅이|アット(?:マーク)?|chiocciola|kukac|małpa|собака)"
_DOT = r"(?:dot|punto|point|punkt|ponto|kropka|pont|piste|nokta|точка)"
_NO_HOST = r"(?!(?:\d+|a|an|the|this|that|these|those|my|our|your|his|her|its|their|each|every|some|any|least|most|first|last)[ _])"
_SPELLED = re.compile(
    rf"(?i)(?<![\w.+%-])[^\W_](?:[\w.+-]|%(?!40)[0-9a-f]{{2}}){{0,63}}(?:"
    rf"[ ]?[\[({{<][ ]?(?:{_AT}|@)[ ]?[\])}}>][ ]?{_HOST}(?:[ ]?(?:\.|[\[({{<][ ]?{_DOT}[ ]?[\])}}>]|[ ]{_DOT}[ ])[ ]?{_HOST}){{1,4}}"
    rf"|[ ]{_AT}[ ]{_NO_HOST}{_HOST}(?:[ ]{_DOT}[ ]{_HOST}){{0,3}}[ ]{_DOT}[ ](?:{TOPS})"
    rf"|(?<=[^\W_])_at_{_HOST}(?:_dot_{_HOST}){{0,3}}_dot_(?:{TOPS})"
    rf"|[ ]?@[ ]{_HOST}(?:[ ]?\.[ ]?{_HOST}){{0,3}}[ ]?\.[ ]?(?:{TOPS})"
    rf"|@{_HOST}(?:(?:\[\.\]|\(\.\)|\.){_HOST}){{1,4}}"
    rf"|=40{_HOST}(?:\.{_HOST}){{0,3}}\.(?:{TOPS})"
    rf"|(?:%40|&\#0{{0,4}}64;|&\#x0{{0,4}}40;|&commat;|\\u0040|\\x40){_HOST}"
    rf"(?:(?:\.|%2e|&\#0{{0,4}}46;|&\#x0{{0,4}}2e;|&period;|\\u002e){_HOST}){{1,4}})(?![\w-])"
)
_RARE_AT = ("snabel", "krøllalfa", "zavináč", "apenstaartje", "klammeraffe", "골뱅이", "アット")
_WORD_AT = (
    *(
        f" {word} "
        for word in ("at", "ät", "arroba", "arrobase", "arobase", "chez", "chiocciola", "kukac", "małpa", "собака")
    ),
    *_RARE_AT,
)
_WORD_DOT = tuple(
    f" {word} " for word in ("dot", "punto", "point", "punkt", "ponto", "kropka", "pont", "piste", "nokta", "точка")
)
_BRACKETED_AT = re.compile(r"[\[({<] ?(?:at|@|arr|arob|ät|chi|snab)")
_SPELLED_MAY_BE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("@",), ("@ ", "[.]", "(.)")),
    (("40",), ("%40", "=40", "\\u0040", "\\x40")),
    (("&",), ("&#", "&commat;")),
    (("[", "(", "{", "<"), _RARE_AT),
    (("_at_",), ("_dot_",)),
    (_WORD_DOT, _WORD_AT),
)
_SPELLED_IN_ASCII = tuple(
    (tuple(filter(str.isascii, some)), tuple(filter(str.isascii, others))) for some, others in _SPELLED_MAY_BE
)
"""Of each way to write an address otherwise than it is, texts one of which it has, and others of which it has one too:
a word for the at-sign alone is a word of its language.
"""


def _may_be_spelled(text: str) -> bool:
    ways = _SPELLED_IN_ASCII if text.isascii() else _SPELLED_MAY_BE
    for some, others in ways:
        if has_any(text, some) and has_any(text, others):
            return True
    return _BRACKETED_AT.search(text) is not None


_NO_LOCAL = (
    r"(?!(?:me|us|him|her|it|them|you|we|i|is|are|was|be|see|visit|join|follow|via|and|or|from|with|on|by|to|in|for|the|a|an|hosted|works?|"
    r"working|sold|met|look(?:ing)?|located|available|found|buy|bought|shop|online|site|page|host|server|run(?:ning)?|arrive|live|job|"
    r"website|account|signed|registered|posted|seen|now|only|that|this|what|who|here|there|not|mail|e-?mail)[ ])"
)
_AT_HOST = re.compile(
    rf"(?i)(?<![\w.+%@-]){_NO_LOCAL}(?P<local>[^\W_][\w.+-]{{0,63}})[ ](?:(?P<sign>@)|{_AT}[ ])"
    rf"(?P<host>{_HOST}(?:\.{_HOST}){{0,3}}\.(?:{TOPS}))(?![\w-]|\.\w)"
)
_AT_WORD = re.compile(rf"[ ](?:@|(?i:{_AT})[ ])")
_LONGEST_LOCAL, _LONGEST_HOST = 66, 280
_PROVIDER = re.compile(
    r"(?i)(?:g(?:oogle)?mail|yahoo|ymail|hotmail|outlook|live|msn|icloud|aol|gmx|web|t-online|freenet|proton(?:mail)?|pm|yandex|mail|qq|163|126|"
    r"sina|naver|daum|hanmail|orange|wanadoo|free|laposte|sfr|libero|virgilio|tiscali|wp|o2|onet|interia|seznam|uol|bol|terra|zoho|fastmail|"
    r"tutanota|hey|rediffmail|btinternet|sky|comcast|verizon|ziggo|telenet|bluewin|telia|abv|ukr|rambler|example)(?:\.[a-z]{2,3}){1,2}"
)
_MAIL_WORDS = (
    *(
        "email",
        "e-mail",
        "mail",
        "mailbox",
        "inbox",
        "write to",
        "reach me",
        "contact",
        "courriel",
        "correo",
        "posta",
        "mejl",
        "sähköposti",
    ),
    *("posteingang", "schreib", "écri", "escrib", "scriv", "почт", "邮箱", "メール", "메일", "بريد", "ईमेल"),
)
_MAIL_LABELS = Labels(_MAIL_WORDS)


def emails(plain: PlainText) -> Iterator[Entity]:
    """Around each ``@``: 64 characters of local part before it, a domain with a top level of letters behind it."""
    text = plain.text
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        length = _mail_domain(domain[0]) if domain else 0
        if not length and (domain := _IDN_DOMAIN.match(plain.source, at + 1)):
            length = len(domain[0])
        local = _LOCAL_REVERSED.match(text[max(0, at - 64) : at][::-1]) if length else None
        if length and local is None:  # letters of a script that is blanked
            local = _IDN_LOCAL_REVERSED.match(plain.source[max(0, at - 64) : at][::-1])
        if local and length:
            start = at - local.end() + _not_local(text[at - local.end() : at])
            end = at + 1 + length
            if start < at and text[start:end] != "git@github.com":
                yield Entity(start, end, "email")
        at = text.find("@", at + 1)
    yield from _spelled(plain)


def _spelled(plain: PlainText) -> Iterator[Entity]:
    """Addresses with a word, an entity or blanks for the ``@``."""
    if _may_be_spelled(plain.folded):
        for match in _SPELLED.finditer(plain.text):
            yield Entity(*match.span(), "email")
    if plain.has_top and (" @" in plain.text or has_any(plain.folded, _WORD_AT)):
        words = Words(_MAIL_LABELS, plain)
        for match in _at_hosts(plain.text):
            labelled = re.search(r"\d|\w[._]\w", match["local"]) or words.before(match.start())
            if match["sign"] or labelled or _PROVIDER.fullmatch(match["host"]):
                yield Entity(*match.span(), "email")


def _at_hosts(text: str) -> Iterator[re.Match[str]]:
    """What :data:`_AT_HOST` finds: looked for around each word or sign for "at" alone."""
    start = end = 0
    for word in _AT_WORD.finditer(text):
        if word.start() - _LONGEST_LOCAL > end:
            yield from _AT_HOST.finditer(text, start, end)
            start = word.start() - _LONGEST_LOCAL
        end = word.end() + _LONGEST_HOST
    yield from _AT_HOST.finditer(text, max(0, start), end)


def _mail_domain(domain: str) -> int:
    """How many characters of it are a domain that takes mail: a file's ending or the next sentence may follow it."""
    if domain[0] == "[" or domain == "localhost":
        return len(domain)
    labels = domain.rstrip("-_").split(".")
    while len(labels) > 2 and (_FILE.fullmatch(labels[-1]) or _is_sentence(labels)):  # noqa: PLR2004
        labels.pop()
    top = labels[-1]
    named = len(top) > 1 and not top[0].isdigit() and not _FILE.fullmatch(top)
    return len(".".join(labels)) if named and not re.match(r"\d+\.\d", domain) else 0


_KNOWN_TOP = re.compile(rf"(?i)(?:{TOPS})")


def _is_sentence(labels: list[str]) -> bool:
    """Whether the last label is the first word of what was written after the address, without a blank."""
    return labels[-1][0].isupper() and labels[-2].islower() and bool(_KNOWN_TOP.fullmatch(labels[-2]))


def _not_local(local: str) -> int:
    """How many characters before the local part are punctuation around the address, or the name of a field."""
    lead = 0 if local[0] == '"' else len(local) - len(local.lstrip(".!#$%&'*/=?^`{|}~-"))
    field = re.match(r"[A-Za-z_-]{1,20}=(?=.)|/?(?:[A-Za-z_-]{1,20}/){1,4}(?=.)", local[lead:])
    return lead + (field.end() if field else 0)


_SCHEME = re.compile(
    r"(?i)(?<![a-z0-9])(?:https?|ftps?|sftp|wss?|ssh|git|s3|ldap|hxxps?|file):/{2,3}[^\s<>\"`{}|\\^]{1,2048}+"
)
_WWW = re.compile(r"(?i)(?<![\w@./-])www\d?\.[a-z0-9-]{1,63}\.[^\s<>\"`{}|\\^]{2,2048}+")
_BARE = re.compile(
    rf"(?i)(?<![\w@./\\:$-])(?P<host>(?:[a-z0-9][a-z0-9-]{{0,62}}+\.){{1,5}}"
    rf"(?:(?:{TOPS})(?=[:/?])|(?P<top>com|org|net|edu|gov|info|biz)(?![\w(=\[@-]|\.\w)))(?::\d{{1,5}})?"
    rf"(?P<path>[/?][^\s<>\"`{{}}|\\^]{{0,2048}}+)?"
)
_TO_WWW, _SLASHES, _LONGEST_SCHEME = Anchored(_WWW), re.compile("://"), 5
_BEFORE_TOP, _LONGEST_BEFORE = re.compile(r"[\w@./\\:$-]*"), 330
"""What stands without a gap before a top level, backwards, and how much of it a host may be."""
_SITE_WORDS = (
    *(
        "website",
        "web site",
        "site",
        "visit",
        "domain",
        "homepage",
        "url",
        "web",
        "portal",
        "blog",
        "browse",
        "link",
        "host",
    ),
    *("webseite", "sitio", "página", "pagina", "seite", "sito", "сайт", "网址", "网站", "サイト", "웹사이트", "موقع"),
)
_SITE_LABELS = Labels(_SITE_WORDS)
_MODULE_HOSTS = re.compile(
    r"(?i)(?:github\.com|gitlab\.com|bitbucket\.org|golang\.org|google\.golang\.org|cloud\.google\.com|gopkg\.in|k8s\.io|"
    r"sigs\.k8s\.io|go\.uber\.org|go\.etcd\.io|go\.opentelemetry\.io|rsc\.io|honnef\.co|mvdan\.cc)/"
)
_MODULES_ONLY = re.compile(
    r"(?i)(?:golang\.org/x|google\.golang\.org|gopkg\.in|k8s\.io|sigs\.k8s\.io|go\.uber\.org|go\.etcd\.io|go\.opentelemetry\.io|rsc\.io|"
    r"honnef\.co/go|mvdan\.cc)/"
)
"""Hosts that serve modules and nobody's pages."""
_IMPORT_BEFORE = re.compile(
    r"(?:\b(?:import|require|module|replace|go get(?: -\w)?|go install|go mod \w+|use|package|from|=>)[ (]{1,4}(?:[\w.]{1,40}[ ])?[\"'`]?"
    r"|^[ \t]{0,16}(?:[\w.]{1,40}[ ])?[\"`])$",
    re.MULTILINE,
)


def urls(plain: PlainText) -> Iterator[Entity]:
    """With a scheme, with ``www.``, or a host of a known top level; the whole address with path and query."""
    text = plain.text
    with_www = _TO_WWW.finditer(text) if "www" in plain.folded else ()
    for match in (*_near(_SCHEME, text, _SLASHES, _LONGEST_SCHEME), *with_www):
        yield Entity(match.start(), match.end() - _after_url(match[0]), "url")
    if plain.has_top:
        words = Words(_SITE_LABELS, plain)
        for match in _bare_hosts(text):
            by_form = match["path"] or match["top"] is None
            if not _is_import(text, match) if by_form else _is_host(match, words):
                yield Entity(match.start(), match.end() - _after_url(match[0]), "url")


def _near(pattern: re.Pattern[str], text: str, mark: re.Pattern[str], reach: int) -> Iterator[re.Match[str]]:
    """What a pattern finds whose matches begin at most ``reach`` characters before the first mark in them."""
    done = 0
    for found in mark.finditer(text):
        for place in range(max(done, found.start() - reach), found.start() + 1):
            if match := pattern.match(text, place):
                yield match
                done = match.end()
                break


def _bare_hosts(text: str) -> Iterator[re.Match[str]]:
    """What :data:`_BARE` finds: tried only where a stretch begins that has a top level."""
    done = 0
    for top in TOP.finditer(text):
        before = _BEFORE_TOP.match(text[max(0, top.start() - _LONGEST_BEFORE) : top.start()][::-1])
        start = top.start() - before.end() if before else top.start()
        if start >= done and (match := _BARE.match(text, start)):
            yield match
            done = match.end()


def _is_host(match: re.Match[str], words: Words) -> bool:
    """Whether a name that ends like a host is one: ``System.Net`` and ``user.info`` are names in programs."""
    host, top = match["host"], match["top"]
    if not (host.islower() or host.isupper()):
        return top.lower() in {"com", "org", "edu", "gov"} and top.islower()
    return top in {"com", "org", "edu", "gov", "COM", "ORG"} or words.before(match.start())


def _is_import(text: str, match: re.Match[str]) -> bool:
    """Whether it is a path by which a program names another, such as Go's import paths."""
    if not _MODULE_HOSTS.match(match[0]):
        return False
    if _MODULES_ONLY.match(match[0]):
        return True
    before, behind = text[max(0, match.start() - 64) : match.start()], text[match.end() : match.end() + 12]
    return bool(
        _IMPORT_BEFORE.search(before) and (before.rstrip(" ")[-1:] not in "\"'`" or behind[:1] in "\"'`")
    ) or bool(re.match(r"[ ]v\d+\.\d", behind))


def _after_url(url: str) -> int:
    """How many characters at the end belong to the sentence: stops, quotes, brackets that were not opened within."""
    end = len(url)
    while end and (url[end - 1] in ".,;:!?'*_~" or (url[end - 1] in ")]" and _unopened(url[:end]))):
        end -= 1
    return len(url) - end


def _unopened(url: str) -> bool:
    return url.count(url[-1]) > url.count("(" if url[-1] == ")" else "[")


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<!\w)(?<!\d\.)(?<!\w\.\d\.){_OCTET}(?:\.{_OCTET}){{3}}(?![\w]|\.\d)")
_DEFANGED = re.compile(rf"(?<!\w){_OCTET}(?:(?:\[\.\]|\(\.\)|\.){_OCTET}){{3}}(?!\w|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]|\.\d)"
)
_DOTTED = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
_TWO_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\bv|versi[oó]ne?n?|\bver\.?|release|sections?|chapter|abschnitt|kapitel|clause|article|art\.|§|build|[=~<>!]=|"
    r"[a-z_]/|\brev(?:ision)?|firmware|driver|kernel|treiber|patch|updated? to|upgraded? to|\boid|schema|luku|kohta|bölüm|madde|"
    r"rozdział|punkt|avsnitt|kapit\w{2,4}|capítulo|capitolo|chapitre|hoofdstuk|paragraaf|se[çc]ção|seção|sección|apartado|sezione|"
    r"раздел|глава|пункт|верси\w|第|条|條|版本|バージョン|섹션|버전|القسم|الفصل|البند|المادة|الإصدار|अनुभाग|धारा|संस्करण)[ .:=\"']{0,4}$"
)
_MAY_NAME = re.compile(r"[^\W\d_]|[§=<>~!]")
_NAME_BEFORE = re.compile(r"[A-Za-z][\w.+-]{1,30}[ ]$")
_HEADING_BEHIND = re.compile(r"\.?[ ]{1,4}[A-Z][a-z]|[ ]?(?:[節节章条條項项]|절|장)")
_IP_WORDS = (
    *(
        "ip",
        "ipv4",
        "ips",
        "host",
        "address",
        "server",
        "client",
        "ping",
        "dns",
        "gateway",
        "subnet",
        "login",
        "logged in",
    ),
    *(
        "from",
        "addr",
        "remote",
        "peer",
        "proxy",
        "connect",
        "network",
        "router",
        "firewall",
        "ssh",
        "nameserver",
        "dirección",
    ),
    *(
        "adresse",
        "indirizzo",
        "adres",
        "адрес",
        "地址",
        "アドレス",
        "주소",
        "عنوان",
        "source",
        "dest",
        "destination",
        "src",
        "dst",
    ),
)
_IP_LABELS = Labels(_IP_WORDS)
_RELEASES = 200
"""Browsers and the like count their releases below it: ``Chrome 120.0.0.0``."""
_EVERYBODYS = ("127.", "0.", "255.")


def addresses(plain: PlainText) -> Iterator[Entity]:
    """IPv4 and IPv6; not versions, not numbers of sections, not the loopback, no slices like ``a[::2]``."""
    text = plain.text
    if not plain.has_digit:
        return
    words = NumberWords(_IP_LABELS, plain, reach=20)
    for match in plain.numbers_at_words(_IPV4, 4) if _DOTTED.search(text) else ():
        if match[0].startswith(_EVERYBODYS) or _is_version(plain.source, match, words):
            continue
        yield Entity(*match.span(), "ip")
    for match in _DEFANGED.finditer(text) if "[.]" in text or "(.)" in text else ():
        yield Entity(*match.span(), "ip")
    for match in _near(_IPV6, text, _TWO_COLONS, 4):
        if _is_ipv6(match[0]):
            yield Entity(*match.span(), "ip")


def _is_version(text: str, match: re.Match[str], words: Words) -> bool:
    """Whether four small numbers are those of a release or a section: a word says so, or nothing speaks for a host."""
    before = text[max(0, match.start() - 32) : match.start()]
    if _MAY_NAME.search(before[-16:]) and _VERSION_BEFORE.search(before[-16:]):
        return True
    parts = [int(part) for part in match[0].split(".")]
    small = parts[0] < 32 and max(parts[1:]) < 100 and parts[0] != 10  # noqa: PLR2004 - no address that a network is given
    if not small:
        return bool(
            parts[0] < _RELEASES
            and parts[1:3] == [0, 0]
            and _NAME_BEFORE.search(before)
            and not words.before(match.start())
        )
    behind = text[match.end() : match.end() + 4]
    if words.before(match.start()) or re.match(r":\d{2}|/\d{1,2}(?!\d)|[ ]-[ ]", behind):
        return False
    if _HEADING_BEHIND.match(text, match.end()):
        return True
    return bool(_NAME_BEFORE.search(before)) or before[-1:] in "-_/="


def _is_ipv6(text: str) -> bool:
    groups = [group for group in text.split(":") if group]
    try:
        address = IPv6Address(text)
        if "." in text:
            IPv4Address(groups[-1])
    except AddressValueError:
        return False
    full = len(groups) > 3 or (groups != [] and len(groups[0]) == 4 and text[0] != ":")  # noqa: PLR2004
    return (full or "." in text) and any(map(str.isdigit, text)) and not address.is_unspecified


_MAC = re.compile(
    r"(?=[0-9A-Fa-f]{2}(?:[:-]|[0-9A-Fa-f]{2}\.))(?<![\w:.-])(?:[0-9A-Fa-f]{2}(?P<sep>[:-])(?:[0-9A-Fa-f]{2}(?P=sep)){4}(?:[0-9A-Fa-f]{2}(?P=sep)[0-9A-Fa-f]{2}(?P=sep))?"
    r"[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-]|\.\w)"
)
_MAC_HINTS = tuple(
    map(
        re.compile,
        (r":[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:", r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-", r"\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}"),
    )
)
_MAC_PLAIN = re.compile(r"(?i)\bmac(?: ?address)?[ :=#is]{1,6}(?P<value>[0-9a-f]{12})(?!\w)")
_TO_MAC_PLAIN = Anchored(_MAC_PLAIN)


def macs(plain: PlainText) -> Iterator[Entity]:
    """Six or eight octets, Cisco's three groups, or twelve digits named as such."""
    text = plain.text
    for match in _MAC.finditer(text) if any(hint.search(text) for hint in _MAC_HINTS) else ():
        yield Entity(*match.span(), "mac")
    for match in _TO_MAC_PLAIN.finditer(text) if "mac" in plain.folded else ():
        yield Entity(*match.span("value"), "mac")


_CARD_GAP = r"(?:[ ._/-]{0,2}|[ ._-]?\r?\n[ ]?)"
_CARD = re.compile(
    rf"(?=\d)(?:(?<![^\W_])|(?<=\b[Cc][Cc])|(?<=\b(?i:card))|(?<=\b(?i:visa))|(?<=\bMC)|(?<=\b(?i:amex)))(?<!\d[.,_/-])(?<!\+)(?=(?P<run>\d(?:{_CARD_GAP}\d){{11,18}}(?![^\W_]|[-_]\w|\.\d)))\d+"
)
_CARD_WORDS = (
    *("card", "cards", "credit", "debit", "visa", "mastercard", "master card", "maestro", "amex", "american express"),
    *("charge", "charged", "billed", "pay with", "paid with", "payment method", "ccnum", "cardnumber", "creditcard"),
    *(
        "diners",
        "discover",
        "jcb",
        "cc",
        "pan",
        "karte",
        "kreditkarte",
        "carte",
        "tarjeta",
        "cartão",
        "carta di credito",
    ),
    *(
        "kaart",
        "kort",
        "karta",
        "карт",
        "クレジットカード",
        "カード",
        "信用卡",
        "卡号",
        "银行卡",
        "카드",
        "بطاقة",
        "कार्ड",
    ),
)
_CARD_LABELS = Labels(_CARD_WORDS)
_ISSUERS = re.compile(
    r"4\d{15}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|"
    r"(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|220[0-4]\d{12}|(?:60|8[12])\d{14}"
)
_LESS_COMMON = re.compile(r"[3456]\d{11,18}|2131\d{11}|1800\d{11}")
_CARD_SEP = r"(?:[ ._/-]{1,2}|[ ._-]?\r?\n[ ]?)"
_GROUPED = re.compile(
    rf"\d{{4}}{_CARD_SEP}\d{{4}}{_CARD_SEP}\d{{4}}{_CARD_SEP}\d{{1,4}}(?:[ ._-]\d{{1,3}})?|\d{{4}}{_CARD_SEP}\d{{6}}{_CARD_SEP}\d{{4,5}}|\d{{12,19}}"
)
_DIGIT_BY_DIGIT = re.compile(r"(?<![^\W_])(?<!\d[ .,-])\d(?:[ -]\d){12,18}(?![^\W_]|[ .,-]\d)")
_FIRST_GROUP = 3
_ROUGHLY = re.compile(r"\d{3,}(?:[ ._-]{1,2}\d{2,}){0,5}")


def cards(plain: PlainText) -> Iterator[Entity]:
    """12 to 19 digits that an issuer's range has and that satisfy Luhn, or stand behind a word for cards."""
    words = NumberWords(_CARD_LABELS, plain)
    for match in plain.numbers(_CARD, 12):
        if not match["run"][:_FIRST_GROUP].isdigit():
            continue
        end = _card_end(match["run"], words, match.start())
        if not end and _ROUGHLY.fullmatch(match["run"]):
            end = len(match["run"]) if words.before(match.start()) else 0
        if end and not _is_column(plain.text, match.start(), match.start() + end):
            yield Entity(match.start(), match.start() + end, "card")
    for match in plain.numbers_at_words(_DIGIT_BY_DIGIT, 13):
        if _is_issued(re.sub(r"\D", "", match[0]), words, match.start()):
            yield Entity(*match.span(), "card")


def _is_column(text: str, start: int, end: int) -> bool:
    """Whether the lines of a number are some of a longer list."""
    if "\n" not in text[start:end]:
        return False
    return bool(
        re.search(r"\d[ ]?\r?\n[ ]?$", text[max(0, start - 4) : start])
        or re.match(r"[ ]?\r?\n[ ]?\d", text[end : end + 4])
    )


def _is_issued(digits: str, words: Words, start: int) -> bool:
    """Whether an issuer gives such numbers, and the check digit is right."""
    from stdnum import luhn

    issued = _ISSUERS.fullmatch(digits) or (_LESS_COMMON.fullmatch(digits) and words.before(start))
    return bool(issued) and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _card_end(run: str, words: Words, start: int) -> int:
    """Where the card number at the start of ``run`` ends, which other digits may follow; 0 if there is none."""
    for group in reversed(list(re.finditer(r"\d+", run))):
        number = run[: group.end()]
        if _GROUPED.fullmatch(number) and _is_issued(re.sub(r"\D", "", number), words, start):
            return group.end()
    return 0


_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=(?P<run>[A-Za-z]{2}[ ._-]?\d{2}(?:[ ._\n-]?[A-Za-z0-9]){11,30}))[A-Za-z]{2}")
_IBAN_BEGINS = re.compile(r"[A-Za-z]{2}(?<![A-Za-z0-9]..)(?=[ ._-]?\d{2})")
_IBAN_START = re.compile(r"[A-Za-z]{2}[ ._-]?\d{2}(?:[ ._\n-]?[A-Za-z0-9]){11}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country: SWIFT's IBAN registry."""


_IBAN_LABELS = Labels(("iban", "account", "konto", "cuenta", "compte", "conto", "rekening", "账号", "口座"))
_IN_FOURS = re.compile(r"[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?")
_UNBROKEN = re.compile(r"[A-Z]{2}\d{2}(?:\d{12,24}|[A-Z]{4}\d{8,18}|[A-Z]\d{10}[A-Z0-9]{12}|\d{10}[A-Z0-9]{11}\d{2})")


def _is_iban_by_form(plain: PlainText, start: int, end: int) -> bool:
    """Whether it is written as accounts are and has its country's length: people mistype, and who copies is not asked."""
    written = plain.text[start:end]
    if sum(map(str.isdigit, written)) < _LEAST_IBAN_DIGITS:
        return False
    unbroken = _UNBROKEN.fullmatch(written) and not plain.is_named_otherwise(start)
    return bool(unbroken or _IN_FOURS.fullmatch(written))


_LEAST_IBAN_DIGITS = 10
_ANY_IBAN = re.compile(r"[A-Z]{2}\d{2}(?=[A-Z]{0,4}\d{6})[A-Z0-9]{10,30}(?![A-Za-z0-9])")
"""Of whatever length: people and programs make them up, with check digits that are right."""


def ibans(plain: PlainText) -> Iterator[Entity]:
    """A country's letters and as many characters as it has; check digits hold, or the word IBAN stands before."""
    text = plain.text
    if next(iter(plain.numbers(_IBAN_START, 2)), None) is None:
        return
    from stdnum.iso7064 import mod_97_10

    words = NumberWords(_IBAN_LABELS, plain)
    for match in filter(None, (_IBAN.match(text, begun.start()) for begun in plain.numbers(_IBAN_BEGINS, 2))):
        length = _IBAN_LENGTHS.get(match[0].upper(), 0)
        if unbroken := _ANY_IBAN.match(text, match.start()):
            number = unbroken[0].upper()
            if mod_97_10.is_valid(number[4:] + number[:4]) or words.directly_before(match.start()):
                yield Entity(*unbroken.span(), "iban")
                continue
        places = [at for at in range(match.start(), match.end("run")) if text[at].isalnum()] if length else []
        if not length or len(places) < length:
            continue
        end = places[length - 1] + 1
        number = "".join(text[at] for at in places[:length]).upper()
        whole = not text[end : end + 1].isalnum()
        right = whole and (mod_97_10.is_valid(number[4:] + number[:4]) or _is_iban_by_form(plain, match.start(), end))
        if right or words.before(match.start()):
            yield Entity(match.start(), end, "iban")
