# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Signs of prompt injection in how a text is built: marks of a conversation, hidden text, split orders.

Every pattern takes time that grows with the length of the text: each begins with a fixed text or at the beginning of a line, and
every repeat has a bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from guardrails.anchored_patterns import Anchored, Finditer
from guardrails.text_matching import has_any

_SIGNS: dict[str, tuple[tuple[str, ...], str]] = {
    "chat_marks": (
        ("<|", "##", "[inst", "[/inst", "<<sys", "<</sys", "<system", "</system", "<instruction", "</instruction", "</user", "<assistant", "</context", "</document", "</data", "</s>"),
        r"<\|[a-z_]{2,20}\|>|^\#{2,4}[ ]?(?:system|new\ instruction)s?[ ]?:[ ]?$|\[/?INST\]|<</?SYS>>|</?(?:system|instructions?|assistant)>|</(?:user|context|document|data|input|s)>\s{0,4}(?=\S)",
    ),
    "role_line": (
        ("system", "assistant", "developer", "admin"),
        r"^[ \t#*>\[(]{0,6}(?!admin:\ please\b)(?:system|assistant|developer|admin(?:istrator)?)[ ]?(?:prompt|message|note|notice|override|instructions?|update|alert)?[ \t*\])]{0,4}:[ \t*]{0,4}\S",
    ),
    "role_mark": (
        ("[system", "[admin", "[developer", "[assistant", "[inst", '"system"', "'system'", '"developer"'),
        r"\[(?:system|admin|developer|assistant)(?:[ _](?:message|note|override|prompt|instruction|update)s?)?\]|[\"']role[\"']\s{0,3}:\s{0,3}[\"'](?:system|developer)[\"']",
    ),
    "dialogue": (
        ("assistant:", "ai:", "bot:", "response:", "chatgpt:", "model:"),
        r"^[ \t#*]{0,6}(?:human|user|question|q)[ ]?:[^\n]{0,300}\n{1,3}[ \t#*]{0,6}(?:assistant|ai|bot|response|chatgpt|model)[ ]?:|^\#{2,4}[ ]?(?:response|assistant)[ ]?:",
    ),
    "divider": (
        ("---", "===", "***", "___", "~~~", "+++", "###", '"""', "```"),
        r"^[-=*_~+#]{4,60}[ \t]{0,4}\[?(?:end|begin|start|new|stop|ende|beginn|fin|ignore|important)\b[^\n]{0,80}",
    ),
    "quoted_answer": (
        ('"', "'", "“", "«", "„", "`"),
        r"\b(?:confirm|repeat|respond|reply|answer|acknowledge|begin|start|end|best[äa]tige)\b[^\n\"'.]{0,40}\b(?:with|by\ (?:saying|writing)|after\ me|mit)[ :]{1,3}[\"'“«„`]|\b(?:say|print|output|respond\ with|reply\ with|answer\ with|respond|reply|answer|write|sag(?:e)?|antworte|schreibe?|dis|r[ée]ponds|di|responde|scrivi|rispondi)[ ](?:(?:only|just|exactly|simply|with|nur|mit|the\ words?|the\ phrase|the\ sentence|the\ text|in\ all\ caps|uniquement|solo)[ :]{1,2}){0,3}[\"'“«„`]",
    ),
    "hidden_text": (
        ("<!--", "display:none", "display: none", "font-size:0", "font-size: 0", "color:white", "color: white", "opacity:0", "visibility:hidden", "aria-hidden"),
        r"<!--|(?:display|visibility):\s{0,2}(?:none|hidden)|font-size:\s{0,2}0|color:\s{0,2}(?:white|\#fff)|opacity:\s{0,2}0\b|aria-hidden",
    ),
    "image_leak": (
        ("](http", "<img"),
        r"!\[[^\]\n]{0,60}\]\(https?://[^)\s]{1,200}[?&/][\w-]{0,20}[=/]?(?:\{|\[|<|%7B|DATA|SECRET|\$|base64)|<img[^>]{1,80}src=[^>]{1,200}(?:\{|\[|DATA|SECRET)",
    ),
    "split": (
        ("+", "concat", "join", "combine"),
        r"\b(?:\$?[a-z]\w{0,8}[ ]?=[ ]?[\"'][^\"'\n]{1,60}[\"'][\s;,.]{1,4}(?:and[ ])?){2,8}|\b[a-z]\w{0,3}[ ]?\+[ ]?[a-z]\w{0,3}(?:[ ]?\+[ ]?[a-z]\w{0,3}){1,6}\b|\b(?:concatenate|combine|join)\b[^\n]{0,50}\b(?:strings?|parts?|variables?|pieces?|letters?)\b[^\n]{0,60}\b(?:execute|run|follow|answer|do|respond|obey)\b",
    ),
    "decode": (
        ("base64", "rot13", "rot-13", "hex", "caesar", "morse", "backwards", "reverse", "cipher", "decode"),
        r"\b(?:decode|decrypt|decipher|translate|read|reverse|unscramble)\b[^\n.]{0,80}\b(?:and|then)\b[ ](?:\w{1,12}[ ]){0,2}(?:follow|execute|obey|do|run|answer|perform|comply|act|respond)\b|\b(?:in|as|using|to|into)[ ](?:base64|rot-?13|hex|morse|leet(?:speak)?|caesar|pig\ latin|binary|reverse)\b",
    ),
    "addressed": (
        ("assistant", "ai ", "ai:", "ai,", "ai]", "ais", "llm", "agent", "bot", "model", "ki ", "ia ", "gpt", "copilot", "your summary", "the summary", "your answer", "modèle", "modell", "модел", "ии", "人工智能", "大模型", "语言模型", "言語モデル", "인공지능", "언어 모델"),
        r"^[ \t\"'(\[<!#*-]{0,8}(?:(?:hey|dear|hi|hello|attention|note|important|message|instructions?|notice|an|to|for|p\.?s\.?|hinweis|wichtig)[ ,:]{1,3}){1,2}(?:(?:to|for|für|an|a|à|al|all|any|the|der|die|das|den|alle|other|automated)[ ]){0,3}(?:ai|a\.i\.|llm|language\ model|assistant|chatbot|agent|sprachmodell|ki|ia|bot|gpt|copilot)(?:e|en|s|es)?(?:[ ](?:readers?|agents?|assistants?|models?|systems?))?(?:[ ](?:that|which|who|reading|processing|handling|summari[sz]ing)[^\n:,.]{0,40})?[ ]?[,:\]]|(?:^|[.!?\[\"][ ])[\[\"]?(?:ai|llm|assistants?|chatbots?|agents?|bots?|language\ models?)(?:,\ |:\ (?:please|you|do|also|when|ignore|forget|accept|add|say|tell|ask|grant|give|approve|send|end|state|before|now)\b)|\b(?:if|when)\ (?:you\ are|you're|an?|any)\ (?:an?\ )?(?:ai|llm|(?:large\ )?language\ model|automated\ assistant|assistant|bot|chatbot|agent)\b|\bwenn\ (?:du|sie|eine)\ (?:eine?\ )?(?:ki|sprachmodell|assistent|bot)\b|\bsi\ (?:tu\ es|vous\ [êe]tes|eres)\ une?\ (?:ia|mod[eè]le|asistente|modelo)|\bse\ (?:sei|você\ é|és)\ uma?\ (?:ia|modello|modelo|assistente)|если\ ты\ (?:ии|языковая|бот)|如果你是|もしあなたがAI|\b(?:ai|llm|language\ model|assistant|chatbot|agent|reviewer|summari[sz]er|model)s?\ (?:that\ |who\ |which\ )?(?:reads?|reading|process(?:es|ing)?|summari[sz](?:es|ing)|evaluat(?:es|ing)|handling|parsing|review(?:s|ing))\ (?:this|the\ following|it)\b|\b(?:state|say|mention|write|include|add)\ (?:\w{1,10}\ ){0,2}in\ (?:your|the)\ (?:summary|answer|reply|response|output)\b",
    ),
    "urgent": (
        ("important", "attention", "urgent", "critical", "wichtig", "warning", "override", "notice"),
        r"(?-i:\b(?:IMPORTANT|ATTENTION|URGENT|CRITICAL|WICHTIG|OVERRIDE|ACHTUNG|IMPORTANTE|STOP)\b)(?-i:[ A-Z]{0,30})[:!]{1,3}",
    ),
    "password": (
        ("passw", "passp", "passc", "secret"),
        r"(?<!not )(?<!n't )(?<!never )\b(?:what\ is|what's|tell\ (?:me|us)|give\ (?:me|us)|reveal|say|spell|print|show|share|leak|guess|hint|write|repeat|encode|reverse|rhymes?|first\ letters?|characters?|letters)\b[^\n.?!]{0,40}\b(?:the|your|that|secret|this)\ (?:secret\ )?(?:password|passphrase|passcode|secret(?:\ (?:key|word|phrase|code|number))?)\b(?!\ (?:reset|policy|policies|page|field|manager|rules?|requirements?|santa|sauce|garden|service|store|to|of|behind|for\ (?:my|our)))",
    ),
    "canary_game": (
        ("you are", "du bist"),
        r"\bstart(?:ing|s)?[ ]with[ :]{1,3}[\"'“‘]{0,2}(?:you\ are|du\ bist)\b",
    ),
    "no_limits": (
        ("restrict", "filter", "limit", "censor", "guardrail", "moral", "ethic", "polic", "anything now", " mode", "jailbr", "you are dan", "act as dan"),
        r"\bdo\ anything\ now\b|\b(?:jailbr(?:eak|oken)|unfiltered|uncensored|amoral|unrestricted|unaligned)\ (?:ai|model|mode|assistant|chatbot|version\ of\ (?:you(?:rself)?|chatgpt|gpt|an?\ ai)|bot|response|language)\b|\b(?:DAN|jailbreak|god|evil|unrestricted|sudo|dev(?:eloper)?|debug|maintenance)\ mode\ (?:enabled|activated|output|is\ now|on\b(?!\ (?:my|your|the|an?|his|her|their|its|our|every|each|all|by|after|when|android|ios|windows)\b))|\b(?:enable|activate|enter|switch\ (?:in)?to|you\ are\ (?:now\ )?in|act\ (?:as\ )?in)\ (?:DAN|jailbreak|god|evil|unrestricted|developer|debug|maintenance)\ mode\b(?!\ (?:on|in|of|for|under|to|from)\ (?:my|your|the|our|an?|android|ios|settings|windows|chrome|this)\b)|\b(?:you\ are|act\ as)\ (?:now\ )?(?:going\ to\ be\ )?(?-i:DAN|AIM|STAN|DUDE)\b",
    ),
}  # fmt: skip
"""Of each sign some texts one of which it is never without, and its pattern; in it a written blank stands for up to three."""

_NEEDED = {
    "split": re.compile("=[ ]?[\"']|[+][ ]?\\w{1,4}[ ]?[+]|conca|comb|jo[i\u0131]n"),
    "quoted_answer": re.compile("[\"'“«„`](?<=[ :].)"),
}
"""Of signs with a pattern that takes long, what a text in small letters is not without that has one."""


@cache
def _finditer(kind: str) -> Finditer:
    """What finds a sign; made when a text first hints at it."""
    _, pattern = _SIGNS[kind]
    compiled = re.compile(pattern.replace(r"\ ", r"[ \t]{1,3}"), re.IGNORECASE | re.MULTILINE)
    finditer: Finditer
    try:
        finditer = Anchored(compiled).finditer
    except ValueError:  # it may begin with any letter
        finditer = _everywhere(compiled)
    needed = _NEEDED.get(kind)
    return (
        finditer if needed is None else lambda text, lowered: finditer(text, lowered) if needed.search(lowered) else ()
    )


def _everywhere(pattern: re.Pattern[str]) -> Finditer:
    return lambda text, _: pattern.finditer(text)


_MOST_FOUND = 50
KINDS = tuple(_SIGNS)
_WORD = re.compile("[a-z0-9]+")
_Bounds = tuple[str, bool, bool]
"""A word, and whether it begins and ends where a word of the text does."""


def _word_of(hint: str) -> _Bounds | None:
    """The longest word of a hint; an apostrophe may stand within a word of a text."""
    found = max(_WORD.finditer(hint), key=lambda word: len(word[0]), default=None)
    if found is None or not hint.isascii():
        return None
    before, after = hint[: found.start()], hint[found.end() :]
    return found[0], before[-1:] not in ("", "'"), after[:1] not in ("", "'")


_WORDS: dict[_Bounds, int] = {}
"""Words without which no hint of theirs stands in a text, and the signs hinted at, as bits in the order of the signs."""
_BY_SIGN: dict[str, int] = {}
"""Likewise by one sign of each hint without such a word."""
for _bit, (_hints, _) in enumerate(_SIGNS.values()):
    for _hint in _hints:
        if (_word := _word_of(_hint)) is not None:
            _WORDS[_word] = _WORDS.get(_word, 0) | 1 << _bit
        else:
            _sign = next((sign for sign in _hint if not sign.isascii()), _hint[0])
            _BY_SIGN[_sign] = _BY_SIGN.get(_sign, 0) | 1 << _bit
_BY_PAIR: dict[str, list[tuple[str, bool, bool, int]]] = {}
"""Such words by their first two letters, whether each begins and ends where a word of the text does, and its signs."""
for (_hint, _begins, _ends), _bits in _WORDS.items():
    if len(_hint) == 1 and not _ends:
        raise ValueError(f"{_hint!r} alone hints at nothing")
    _BY_PAIR.setdefault(_hint[:2], []).append((_hint, _begins, _ends, _bits))
_MARKS = tuple(
    re.compile("|".join(re.escape(hint) for hint in hints if _word_of(hint) is None) or "(?!)")
    for hints, _ in _SIGNS.values()
)
"""Of each sign its hints without a word: all begin with signs that few texts have."""
_ANY_MARK = re.compile(f"[{re.escape(''.join(sorted(_BY_SIGN)))}]")
_ALL = (1 << len(_SIGNS)) - 1


def hinted_by(word: str) -> int:
    """The signs that a word of a text, in lower case, hints at, as bits in the order of :data:`KINDS`."""
    found, length = 0, len(word)
    for start in range(length):
        for hint, begins, ends, bits in _BY_PAIR.get(word[start : start + 2], ()):
            if word.startswith(hint, start) and not (begins and start) and not (ends and start + len(hint) < length):
                found |= bits
    return found


def signs(text: str, lowered: str, hinted: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each sign in a text.

    Args:
        text: as it reads.
        lowered: the text in lower case.
        hinted: the signs that its words hint at, as bits; None if they have not been looked at.
    """
    if hinted is None:
        hinted = _ALL
    marked = 0
    for sign in set(_ANY_MARK.findall(lowered)):
        marked |= _BY_SIGN[sign]
    if not hinted | marked:
        return
    for bit, (kind, (hints, _)) in enumerate(_SIGNS.items()):
        may_be = marked >> bit & 1 and _MARKS[bit].search(lowered)
        if may_be or (hinted >> bit & 1 and has_any(lowered, hints)):
            for count, match in enumerate(_finditer(kind)(text, lowered)):
                if count >= _MOST_FOUND:
                    break
                yield kind, match.start(), match.end()
