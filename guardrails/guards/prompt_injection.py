# ruff: noqa: E501, ISC004 - a pattern is easier to check unbroken
"""Prompt injection: texts that try to take over the model, by what they say and by how they are built.

Each sign has a weight; a text is blocked when its signs reach the threshold. An order to forget the instructions is
enough by itself, a role to play is not. Texts are read as they look (``guardrails.text_matching``), so that letters of
other alphabets or between them hide nothing. Measured in ``docs/guardrails.md``: what is phrased as a plain request
passes. What keeps a system safe is few permissions and delimited data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block
from guardrails.text_matching import LOOKALIKES, has_any, longest_word, visible

_THRESHOLD = 2
_DROP = (
    r"(?:ignor(?:e|ing|iere[ne]?|ez|a|ar|en)|disregard(?:ing)?|forget|forgetting|override|overriding|bypass|neglect|skip|"
    r"do\ not\ (?:follow|obey)|don'?t\ (?:follow|obey)|stop\ following|erase|discard|vergiss|vergesse|vergessen|"
    r"missachte|oublie[zr]?|olvida|olvide|olvidar|dimentica|ignora|esque[çc]a|negeer|vergeet|zignoruj|zapomnij|забудь|игнорируй|忽略|忘记|無視して)"
)
_RULES = (
    r"(?:instructions?|prompts?|rules?|directions?|guidelines?|commands?|constraints?|restrictions?|polic(?:y|ies)|programming|training|"
    r"assignments?|tasks?|directives?|safeguards?|filters?|anweisungen|befehle|vorgaben|regeln|aufgaben|instruktionen|"
    r"instrucciones|órdenes|reglas|consignes|r[èe]gles|istruzioni|regole|instru[çc][õo]es|instructies|regels|polecenia|инструкции|指示|指令)"
)
_BEFORE = (
    r"(?:all|any|the|your|my|these|those|that|of|previous(?:ly)?|prior|above|earlier|preceding|initial|original|existing|current|every|"
    r"everything|old|last|given|such|system|safety|internal|alle|allen|aller|die|deine|bisherigen|vorherigen|vorigen|vorangegangenen|"
    r"obigen|todas?|las|los|tus|anteriores|previas|toutes?|les|vos|tes|pr[ée]c[ée]dentes?|tutte|le|precedenti|as|все|предыдущие|прошлые|alle\ vorige)"
)
_PATTERNS: dict[str, tuple[int, str]] = {
    "override": (2, rf"\b{_DROP}\ (?:{_BEFORE}\ ){{1,6}}(?:\w{{1,20}}\ ){{0,2}}{_RULES}\b(?!\ (?:of|at|on|in|from)\ (?:the|my|our)\b)|{_DROP}.{{0,12}}(?:指示|指令|规则)"),
    "forget": (
        2,
        rf"\b{_DROP}\ (?:about\ )?(?:everything|anything|what|whatever|all\ (?:of\ )?(?:the\ )?(?:that|this|above|previous)|alles|was|todo|tout|tutto|tudo)\b.{{0,40}}"
        r"\b(?:before|above|previous(?:ly)?|prior|said|told|earlier|know|so\ far|instructed|davor|zuvor|vorher|bisher|gesagt|anterior|"
        r"antes|avant|prima|dit|wei(?:ß|ss)t)\b",
    ),
    "replace": (
        2,
        r"\b(?:new|updated?|real|actual|neue?|nuevas?|nouvelles?)\ (?:system\ )?(?:instructions?|prompt|task|assignment|directives?|"
        r"objective|aufgaben?|anweisung(?:en)?|instrucciones)\ ?:|\b(?:your|deine|tu|this\ answer)\W.{0,12}(?:new|real|actual|only|neue)\ "
        r"(?:instructions?|prompt|task|assignment|directives?|objective|aufgabe|anweisung)\b.{0,4}(?:is|are|ist|sind|:|\.)|"
        r"\b(?:instead|stattdessen),?\ (?:of\ \w{1,20},?\ )?(?:just\ |only\ |please\ )?(?:say|print|output|write|respond|reply|answer|tell|give|do)\b.{0,60}"
        r"\b(?:nothing\ else|only|password|pwned|hacked|prompt)\b|"
        r"\b(?:stop|halt|end)\ (?:here|the\ (?:task|session|conversation))\W{1,4}(?:now|new|instead|your)\b",
    ),
    "reveal": (
        2,
        r"\b(?:reveal|show|print|repeat|output|display|tell|give|leak|expose|share|summari[sz]e|translate|spell|encode|reproduce|recite|list|"
        r"return|write|copy|what\ (?:is|are|were|was)|what's|zeige?|nenne?|verrate|wiederhole|muestra|r[ée]p[èe]te|affiche)\ (?:me\ |us\ |out\ |mir\ )?"
        r"(?:(?:all|the|of|everything|text|out|complete|whole)\ ){0,4}(?:(?:your|exact|full|entire|hidden|initial|original|above|verbatim|first|secret|internal|"
        r"own|previous|deine[nr]?|dein|tu|tus|votre|vos)\ ){1,5}(?:system\ ?|developer\ ?|initial\ ?|pre-?)?(?:prompts?|instructions?|"
        r"configuration|guidelines|directives|system\ message|anweisungen|instrucciones|consignes)\b|"
        r"\b(?:system|initial|hidden|developer)\ ?prompt\b.{0,40}\b(?:verbatim|word\ for\ word|exactly|in\ full|code\ block|above)\b|"
        r"\b(?:repeat|print|output|copy|write)\b.{0,30}\b(?:everything|all|words?|text|sentences?)\b.{0,12}\babove\b(?!\ (?:the|a|an|my|and|its?)\b)|"
        r"\b(?:reveal|show|print|repeat|output|leak|what\ (?:is|are|was))\ (?:me\ )?(?:the\ )?(?:system|developer|initial)\ (?:prompt|message|instructions?)\b|"
        r"\bstart(?:ing|s)?\ with\ [\"'“]?you\ are\b",
    ),
    "secret": (
        2,
        r"\b(?:what\ is|what's|tell\ (?:me|us)|give\ (?:me|us)|reveal|say|spell|print|show|share|leak|guess|hint)\b.{0,30}"
        r"\b(?:the|your|that|secret)\ (?:secret\ )?(?:password|passphrase|passcode|secret\ (?:key|word|phrase|code|number))\b(?!\ (?:reset|policy|page|field))",
    ),
    "unlimited": (
        2,
        r"\b(?:without|free\ (?:of|from)|not\ bound\ by|ignores?|you\ have\ no|(?:ai|model|dan)\ (?:with|has)\ no|with\ no|bypass(?:es|ing)?)\ (?:any\ |all\ |your\ |the\ |its\ |moral\ |ethical\ |content\ |"
        r"openai'?s?\ |safety\ |of\ ){0,4}(?:restrictions?|filters?|limitations?|censorship|guardrails|moral(?:s|ity)?|ethics|ethical\ guidelines|content\ polic(?:y|ies))\b"
        r"(?!\ (?:on|for|of|in|to|apply|applies|were|was)\b)|"
        r"\bdo\ anything\ now\b|\b(?:jailbr(?:eak|oken)|unfiltered|uncensored|amoral|unrestricted)\ (?:ai|model|mode|assistant|chatbot|version|bot|response)\b|"
        r"\b(?:DAN|jailbreak|god|evil|unrestricted|sudo|dev(?:eloper)?)\ mode\ (?:enabled|activated|on\b(?!\ (?:my|your|the|an?|his|her|their)\b)|output|is\ now)|"
        r"\b(?:enable|activate|enter|switch\ (?:in)?to|you\ are\ in|act\ (?:as\ )?in)\ (?:DAN|jailbreak|god|evil|unrestricted|developer|debug|maintenance)\ mode\b"
        r"(?!\ (?:on|in|of|for|under|to)\ (?:my|your|the|an?|android|ios|settings|windows|chrome)\b)|\byou\ are\ (?:now\ )?(?:going\ to\ be\ )?(?:DAN|AIM|STAN|DUDE|Mongo\ Tom)\b|"
        r"\bact\ as\ (?:if\ you\ (?:have\ no)|an?\ (?:unrestricted|unfiltered|evil|jailbroken|amoral|uncensored))\b",
    ),
    "markup": (
        2,
        r"<\|?(?:im_start|im_end|system|endoftext|assistant|start_header_id|eot_id)\|?>|\[/?INST\]|<</?SYS>>|</?(?:system|instructions?|prompt)>|"
        r"^\#{2,4}[ ]?(?:system|instruction|new\ instruction)s?[ ]?:?[ ]?$|^\s{0,4}(?:system|assistant|developer)\ ?(?:prompt|message|note|override)?\ ?:\ |"
        r"\[(?:system|admin|developer|assistant)(?:\ (?:message|note|override|prompt|instruction))?\]|"
        r"^[-=*_~]{5,60}\s{0,4}(?:end|begin|start|new|ende)\b.{0,40}\b(?:prompt|instructions?|context|document|session|conversation|input|text)",
    ),
    "data": (
        2,
        r"\b(?:ai|llm|language\ model|assistant|chatbot|agent|gpt|copilot|summari[sz]er)s?\b.{0,25}\b(?:reading|processing|summari[sz]ing|parsing|reviewing|"
        r"handling|analy[sz]ing|evaluating)\ (?:this|the\ following)\b|\b(?:note|attention|message|instructions?|important)\ (?:to|for)\ (?:the\ |any\ |all\ )?"
        r"(?:ai|llm|language\ models?|assistant|chatbot|agent|gpt|model)s?\b|\bif\ you\ are\ an?\ (?:ai|llm|large\ language\ model|language\ model|assistant|bot)\b|"
        r"\bdo\ not\ (?:tell|inform|mention|alert|notify|reveal)\b.{0,25}\b(?:the\ )?(?:users?|human)\b|"
        r"\b(?:send|forward|post|upload|email|exfiltrate|transmit)\b.{0,50}\b(?:conversation|chat\ history|api\ keys?|credentials|passwords?|system\ prompt|user'?s?\ (?:data|emails?))\b.{0,40}(?:\bto\b|https?:)|"
        r"!\[[^\]\n]{0,60}\]\(https?://[^)\s]{1,200}[?&][\w-]{1,20}=(?:\{|\[|<|%7B|DATA|SECRET)",
    ),
    "persona": (
        1,
        r"\b(?:you\ are\ now|from\ now\ on\b|pretend\ (?:to\ be|you(?:'re|\ are)|that\ you)|act\ (?:as|like)\b|role-?play|take\ on\ the\ (?:role|persona)|"
        r"i\ want\ you\ to\ (?:act|be|pretend|become|play)|imagine\ (?:you\ are|that\ you|being)|you\ will\ (?:now\ )?(?:act|play|be|pretend|respond)|"
        r"du\ bist\ (?:jetzt|nun)|ab\ (?:jetzt|sofort)|tu\ es\ maintenant|ahora\ eres|a\ partir\ de\ ahora|stay\ in\ character|play\ the\ (?:role|part))\b",
    ),
    "obedience": (
        1,
        r"\b(?:never\ (?:refuse|decline|break\ character|say\ no)|you\ (?:must|have\ to|will)\ (?:always\ )?(?:obey|comply|answer\ (?:every|all|any)|do\ (?:anything|everything|whatever))|"
        r"always\ (?:obey|comply)|(?:refus(?:e|al)|apologi[sz]e|disclaimers?|warnings?)\b.{0,20}\b(?:not\ allowed|forbidden|never|prohibited)|"
        r"(?:don'?t|do\ not|never|without)\ (?:apologi[sz]\w{1,3}|refus\w{1,3}|warn\w{0,3}|add(?:ing)?\ (?:any\ )?(?:warnings?|disclaimers?))|"
        r"you\ (?:can|may)\ (?:now\ )?(?:say|do)\ anything|regardless\ of\ (?:legality|ethics|consequences|the\ (?:rules|law))|"
        r"(?:don'?t|do\ not)\ (?:have\ to\ |need\ to\ )?(?:care|follow|abide|adhere|worry)\b.{0,20}\b(?:rules?|polic(?:y|ies)|guidelines|ethics|law|consequences))\b",
    ),
    "claim": (
        1,
        r"\b(?:i\ am|i'm|this\ is|as)\ (?:your|an?|the|openai'?s?)\ (?:(?:system\ )?(?:admin(?:istrator)?|developer|creator|programmer|engineer|operator|owner)|openai)\b|"
        r"\b(?:hypothetical(?:ly)?|fictional|for\ (?:educational|research)\ purposes|in\ a\ (?:movie|novel|game)|opposite\ day|the\ game|grandmother)\b|"
        r"\b(?:say|print|output|respond\ with|reply\ with|answer\ with|repeat|write)\ (?:only\ |just\ |exactly\ |the\ (?:words?|phrase|sentence|text)\ ){0,2}[\"'“«]",
    ),
    "topic": (
        1,
        r"\b(?:chat\ ?gpt|openai|gpt-?[345]|your\ (?:system\ )?(?:prompt|instructions?|programming|rules|guidelines|training)|as\ an\ ai|language\ model|the\ ai\b|"
        r"llm|chatbot)\b",
    ),
}  # fmt: skip
"""Weight and pattern of each sign; in them a blank stands for up to four of any kind."""
_COMPILED = {
    kind: (
        weight,
        re.compile(
            pattern.replace(r"\ ?", r"\s{0,3}").replace(r"\ ", r"\s{1,4}"), re.IGNORECASE | re.MULTILINE | re.VERBOSE
        ),
    )
    for kind, (weight, pattern) in _PATTERNS.items()
}
_TOLD = {
    "override": "orders to ignore instructions", "forget": "orders to ignore instructions", "replace": "new instructions",
    "reveal": "asks for the instructions", "secret": "asks for a password", "unlimited": "asks to drop all limits",
    "markup": "marks of a conversation", "data": "orders to a model inside data", "persona": "a role", "obedience": "asks to drop all limits",
    "claim": "a pretext", "topic": "a role", "encoded": "orders in Base64",
}  # fmt: skip
_HINTS = {
    "override": (
        *("ignor", "disregard", "forget", "overrid", "bypass", "neglect", "skip", "follow", "obey", "erase", "discard", "vergiss", "vergess"),
        *("missachte", "oublie", "olvid", "dimentica", "esque", "negeer", "vergeet", "zapomnij", "забудь", "игнорируй", "忽略", "忘记", "無視"),
    ),
    "replace": ("new ", "update", "real ", "actual", "only ", "neue", "nuev", "nouvel", "instead", "stattdessen", "stop", "halt", "end "),
    "reveal": (
        *("prompt", "instruction", "configuration", "guideline", "directive", "message", "anweisung", "instruccion", "consigne", "above"),
        "you are",
    ),
    "secret": ("passw", "passp", "passc", "secret"),
    "unlimited": (
        *("restrict", "filter", "limit", "censor", "guardrail", "moral", "ethic", "content polic", "anything now", " mode", "jailbr"),
        *("you are dan", "you are now", "you are going to be", "you are aim", "you are stan", "you are dude", "you are mongo", "evil", "unfilter", "have no"),
    ),
    "markup": ("<", "[", "##", "system", "assistant", "developer", "end", "begin", "start", "new"),
    "data": ("ai ", "llm", "model", "assistant", "chatbot", "agent", "gpt", "copilot", "summari", "do not", "send", "forward", "](http", "upload", "email", "post", "exfil", "transmit", " bot"),
    "persona": ("now", "jetzt", "nun", "pretend", "act", "role", "imagine", "persona", "character", "want you to", "ab sofort", "partir de", "part", "you will", "maintenant", "ahora eres"),
    "obedience": ("never", "always", "must", "have to", "refus", "apolog", "disclaimer", "warn", "anything", "regardless", "don't", "do not"),
}  # fmt: skip
"""Of each sign some text that it is never without, for texts that are not of ASCII alone."""
_HINTS["forget"] = _HINTS["override"]
_NO_WORD = {code: " " for code in range(128) if not chr(code).isalnum()}
_STARTS = 5
"""Letters of a word that tell which one it may be."""


def _words(starts: str) -> frozenset[str]:
    return frozenset(starts.split())


_DROPPING = _words(
    "ignor disre forge overr bypas negle skip follo obey erase disca vergi verge missa oubli olvid dimen esque negee zigno zapom"
)
_UNBOUND = _words("restr filte limit censo guard moral ethic polic")
_NEEDS: dict[str, tuple[tuple[frozenset[str], ...], ...]] = {
    "override": (
        (
            _DROPPING,
            _words(
                "instr promp rule rules direc guide comma const restr polic progr train assig task tasks safeg filte anwei befeh "
                "vorga regel regla aufga consi regle istru regol polec"
            ),
        ),
    ),
    "forget": (
        (
            _DROPPING,
            _words("every anyth what whate all alles was todo tout tutto tudo"),
            _words(
                "befor above previ prior said told earli know so instr davor zuvor vorhe bishe gesag anter antes avant prima dit weiss"
            ),
        ),
    ),
    "replace": (
        (
            _words("new updat real actua only neu neue nueva nouve"),
            _words("instr promp task assig direc objec aufga anwei"),
        ),
        (_words("your deine tu this"), _words("instr promp task assig direc objec aufga anwei")),
        (_words("inste statt"), _words("nothi only passw pwned hacke promp")),
        (_words("stop halt end"), _words("here task sessi conve"), _words("now new inste your")),
    ),
    "reveal": (
        (
            _words(
                "revea show print repea outpu displ tell give leak expos share summa trans spell encod repro recit list retur write "
                "copy what zeig zeige nenn nenne verra wiede muest repet affic"
            ),
            _words(
                "promp instr confi guide direc syste devel initi anwei consi prepr prein preco pregu predi presy prean"
            ),
        ),
        (_words("syste initi hidde devel"), _words("verba word exact full code above")),
        (_words("repea print outpu copy write"), _words("above")),
        (_words("start"), _words("with"), _words("you")),
    ),
    "secret": ((_words("passw passp passc secre"),),),
    "unlimited": (
        (_UNBOUND,),
        (_words("anyth"), _words("now")),
        (_words("jailb unfil uncen amora unres mode dan aim stan dude mongo"),),
        (_words("act"), _words("as"), _words("have evil")),
    ),
    "data": (
        (
            _words("ai ais llm llms langu large assis chatb agent gpt gpts copil summa"),
            _words("readi proce summa parsi revie handl analy evalu"),
        ),
        (
            _words("note atten messa instr impor if"),
            _words("ai ais llm llms langu large assis chatb agent gpt gpts model bot"),
        ),
        (_words("do"), _words("not"), _words("user users human")),
        (_words("send forwa post uploa email exfil trans"), _words("conve chat api crede passw syste user users")),
    ),
    "markup": ((_words("end begin start new ende"), _words("promp instr conte docum sessi conve input text")),),
    "persona": (
        (_words("now jetzt nun maint ahora sofor"), _words("are from bist ab es eres parti")),
        (_words("prete imagi rolep"),),
        (_words("role part perso"), _words("play take")),
        (_words("chara"), _words("stay")),
        (_words("act"), _words("as like")),
        (_words("want will"), _words("you"), _words("act be prete becom play respo")),
    ),
    "obedience": (
        (_words("never"), _words("refus decli break say")),
        (_words("alway must have will"), _words("obey compl answe")),
        (_words("anyth every whate"), _words("do say")),
        (_words("refus apolo discl warni"), _words("not forbi never prohi")),
        (
            _words("don dont do never witho"),
            _words("apolo refus discl warn") | {f"warn{sign}" for sign in "abcdefghijklmnopqrstuvwxyz0123456789"},
        ),
        (_words("regar"),),
        (_words("don dont do"), _words("care follo abide adher worry")),
    ),
}
"""Of each sign what a text of ASCII is never without: the beginnings of words, one of each set, of some row."""
_SOUGHT = frozenset().union(*(words for rows in _NEEDS.values() for row in rows for words in row))
_LITERALS = {"markup": ("<", "[", "##", "system", "assistant", "developer"), "data": ("](http",)}
"""Signs that are also found by what is no word."""
_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-z]", re.IGNORECASE)
_SECOND = frozenset({"claim", "topic"})
"""Signs that count only beside another one, and come last."""
_LEAST_BASE64 = 24
_BASE64 = re.compile(rf"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{{{_LEAST_BASE64},2000}}={{0,2}}(?![A-Za-z0-9+/])")
_MOST_SPANS, _MOST_DECODED = 50, 20


@dataclass(frozen=True, slots=True)
class InjectionGuard:
    """Finds texts that try to take over the model, among all but the system's, which is our own."""

    name: ClassVar[str] = "injection"
    version: ClassVar[str] = "2"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 20

    def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``safety``, else allow."""
        origins = exchange.origins or ("system",)
        read = [part for part in range(len(exchange.texts)) if part >= len(origins) or origins[part] != "system"]
        spans = [span for part in read for span in _found(part, exchange.texts[part])][:_MOST_SPANS]
        if not spans:
            return allow()
        kinds = ", ".join(sorted({_TOLD[span.kind] for span in spans}))
        return block(Reason.SAFETY, spans=tuple(spans), kinds=f"prompt injection: {kinds}"[:200])


def _found(part: int, text: str) -> list[Span]:
    """The signs in a text, if together they are enough."""
    looked = _remembered if len(text) <= _LONGEST_KEPT else _look
    return [Span(part, start, end, kind) for kind, start, end in looked(text)]


_LONGEST_KEPT = 8_000
"""Characters of a text whose signs are remembered: a conversation comes again with every turn."""


def _look(text: str) -> tuple[tuple[str, int, int], ...]:
    """Kind, start and end of each sign in a text, if together they are enough."""
    shown, places = visible(text)
    if not shown.isascii() and _MIXED.search(shown):  # letters of two alphabets in one word are meant to look like one
        shown = shown.translate(LOOKALIKES)
    signs = list(_signs(shown))
    if sum({kind: weight for kind, weight, *_ in signs}.values()) < _THRESHOLD:
        signs = [sign for sign in _decoded(shown) if sign[1] >= _THRESHOLD]
    return tuple((kind, places[start], places[end - 1] + 1) for kind, _, start, end in signs if end > start)


_remembered = lru_cache(maxsize=256)(_look)


def _signs(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Kind, weight, start and end of each."""
    lowered, found = text.casefold(), set[str]()
    starts: frozenset[str] | None = None
    if text.isascii():
        starts = _SOUGHT.intersection([word[:_STARTS] for word in set(lowered.translate(_NO_WORD).split())])
    for kind, (weight, pattern) in _COMPILED.items():
        if kind in _SECOND:
            if not found:
                return
        elif not _may_have(kind, lowered, starts):
            continue
        for count, match in enumerate(pattern.finditer(text)):
            if count >= _MOST_SPANS:
                break
            found.add(kind)
            yield kind, weight, match.start(), match.end()


def _may_have(kind: str, lowered: str, starts: frozenset[str] | None) -> bool:
    """Whether a look for a sign is worth its time."""
    if starts is None:
        return has_any(lowered, _HINTS[kind])
    for row in _NEEDS.get(kind, ()):
        for words in row:  # a plain loop: a generator costs more than most looks
            if words.isdisjoint(starts):
                break
        else:
            return True
    return has_any(lowered, _LITERALS.get(kind, ()))


def _decoded(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Signs in what Base64 hides."""
    if longest_word(text) < _LEAST_BASE64:
        return
    for count, match in enumerate(_BASE64.finditer(text)):
        if count >= _MOST_DECODED:
            return
        try:
            hidden = base64.b64decode(match[0] + "=" * (-len(match[0]) % 4)).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            continue
        if any(weight >= _THRESHOLD for _, weight, *_ in _signs(hidden)):
            yield "encoded", _THRESHOLD, *match.span()
