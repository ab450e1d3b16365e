"""Orders not to forget or ignore something, which are the opposite of an attack.

*Don't forget the instructions above*, *n'oubliez pas les consignes* and 不要忘记上面的规则 have all the
words of an order to drop instructions. Their verb is taken out of what is read; a threat or a question (*if you do not
ignore them*, *why don't you ignore them*) keeps it, and so does every other verb: *don't forget to ignore the rules*.
So is the *si* of *si vous n'êtes pas le destinataire*: in other languages it says what somebody is.
"""

from __future__ import annotations

import re

from guardrails.text_matching import has_any

_VERBS = (
    "forget", "ignor", "disregard", "overlook", "neglect", "vergess", "vergiss", "vergeet", "vergeten", "missacht",
    "negeer", "oubli", "neglig", "olvid", "dimentic", "scord", "trascur", "esquec", "zapom", "забу", "забы", "ігнор",
    "игнор", "glom", "glem", "unohd", "uit", "felejt", "ξεχ", "αγνο", "lupa", "abaikan", "quen", "تنس", "تتجاهل",
    "si vous", "si usted", "si on ", "si no ", "忘", "忽略", "忽视", "忽視", "无视", "無視", "잊", "무시",
)  # fmt: skip
"""One of them stands in every text that the pattern finds something in, without accents."""
_GAP = r"[ \t]{1,3}"
_PERSON = rf"(?:(?:sie|du|ihr|bitte|mir|aber|auch|dabei|u|je|dan|ook|ce|pas|point|jamais|det|dette){_GAP}){{0,2}}"
_NEGATED = re.compile(
    rf"""(?x)
    (?P<open> \b(?:if|when|unless|until|why|should|could|would|can|will|or){_GAP}(?:you{_GAP})? )?
    \b(?:do{_GAP}not|don't|dont|never|must{_GAP}not|mustn't|should{_GAP}not|shouldn't|not{_GAP}to)
    (?P<you> {_GAP}you )? {_GAP} (?:(?:please|ever|simply|also){_GAP})?
    (?P<en> (?:forget|ignor|disregard|overlook|neglect)\w{{0,4}} )\b
    | \b(?P<germanic> (?:vergess|vergiss|missacht|ignorier|vergeet|vergeten|negeer|glom|glem|ignorera)\w{{0,4}} )
      (?={_GAP}{_PERSON} (?:nicht|nie|niemals|niet|nooit|inte|aldrig|ikke|aldri)\b (?!{_GAP}(?:nur|alleen|bara|kun)\b) )
    | \b(?:nicht|niemals|nie|niet)(?:{_GAP}(?:zu|te))?{_GAP}
      (?P<behind> (?:vergessen|ignorieren|missachten|vergeten|negeren) )\b
    | \bn(?:e{_GAP}(?:(?:pas|jamais|rien){_GAP})?|') (?P<fr> (?:oubli|ignor|neglig)\w{{1,5}} )\b
      (?! [^.!?\n]{{0,40}} d' (?:oubli|ignor|neglig) )
    | \b(?:no|nunca|non|mai|nao|nu) (?:{_GAP}(?:te|se|lo|la|les|os|vi|ti|si|debes|deve|devi)){{0,2}} {_GAP}
      (?P<romance> (?:olvid|ignor|dimentic|scord|trascur|esquec|neglig|uit)\w{{1,6}} )\b
    | \b(?P<be> si )(?={_GAP}(?:vous|usted|ustedes|on|no)\b)
    | \b(?:nie{_GAP}|ne) (?P<slavic> (?:zapom|ignoruj)\w{{1,6}} )\b
    | \bне{_GAP} (?P<cyrillic> (?:забу|забы|игнор|ігнор)\w{{1,8}} )\b
    | \b(?:ala{_GAP}|alka{_GAP}|ne{_GAP}|μην?{_GAP}|jangan{_GAP}(?:sampai{_GAP})?|dung{_GAP}|لا{_GAP})
      (?P<other> (?:unohd|felejt|ξεχ|αγνο|lupa|abaikan|quen|تنس|تتجاهل)\w{{0,6}} )
    | (?:不要|不能|不可|不得|别|別|请勿|請勿|切勿|勿) (?P<chinese> 忘[记記掉]?|忽略|忽[视視]|无视|無視 )
    | (?P<japanese> 忘れ|無視 )(?=(?:し|する)?(?:ないで|ずに|ないよう|てはいけ|てはなら|せず))
    | (?P<korean> 잊|무시 )(?=하?지[ ]{{0,2}}(?:마|말|않))
    """
)


def without_negated_verbs(folded: str) -> str:
    """A text in small letters without accents, with an ``x`` for each letter that means nothing: of a verb that it says
    not to do, and of *if* where that reads like another word.
    """
    return _NEGATED.sub(_crossed_out, folded) if has_any(folded, _VERBS) else folded


def _crossed_out(match: re.Match[str]) -> str:
    if match["open"] or match["you"]:
        return match[0]
    start, end = next(match.span(name) for name in _GROUPS if match[name] is not None)
    return f"{match[0][: start - match.start()]}{'x' * (end - start)}{match[0][end - match.start() :]}"


_GROUPS = tuple(name for name in _NEGATED.groupindex if name not in {"open", "you"})
