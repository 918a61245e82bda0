"""Which language a text is in, by the share of its words that only hold the others together.

Cavnar and Trenkle's n-grams (1994) tell more languages apart; for prose the few dozen commonest words do as well, are
faster, and can be read. The English ones have the spellings of four centuries: vnto, haue, hee, ye.
"""

from __future__ import annotations

import re
from collections import Counter

from holdfast.text.clean.words import listed

FEWEST_WORDS = 30  # with fewer nothing is said
LEAST_SHARE = 0.09  # lists of facts in English reach 0.14, other languages' words among English ones 0.03
_WORD = re.compile(r"[^\W\d_]+")

FUNCTION_WORDS = {
    "en": listed(
        "the of and to in a that it is was he for as with his her be not on by at but had have which this from or they "
        "you an we are him all were so she if one no their there when who would will them been has my more said what "
        "out up than into then could do our some your its ye thou thee thy hath doth unto upon shall should must may "
        "haue hee shee bee wee vnto vpon vs hir theyr whiche wyth wyll shal nat hys wherof yt yf doe hauing ouer euery "
        "al suche other these those any such very did how can"
    ),
    "fr": listed(
        "le la les de des du et à un une en que qui dans pour pas sur est il elle ne se ce par plus son sa ses au aux "
        "avec je nous vous ils leur mais ou comme cette était être fait tout lui sont on y l d qu n s c j"
    ),
    "de": listed(
        "der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
        "daß dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur "
        "ich wir ihr wenn doch vnd"
    ),
    "nl": listed(
        "de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij of uit nog naar heeft ze "
        "wordt hij door over ik je wat zo die deze werd was had haar hem ende"
    ),
    "la": listed(
        "et in est non ad ut cum quod qui sed si quae ex per ab atque esse etiam aut nec quam a hoc enim sunt autem "
        "ac ne de pro quo id vel eius nunc omnia sine sit quid tamen inter iam fuit haec nam se te me sibi qua vt vel"
    ),
    "it": listed(
        "di e il la che in a un per è non con del da una i le si dei nel alla come più al lo gli della ma ha sono "
        "anche delle questo se o ed era dal suo sua mi ne essere io cosí così"
    ),
    "es": listed(
        "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si "
        "sin sobre este ya entre cuando todo esta ser son también fue había era muy hasta desde"
    ),
    "cy": listed(
        "y yr yn a i o ar ac mae ei eu am oedd ond wedi fel nid hyn ni yw gan hwn bod hi fod at dan wrth ym neu na pan "
        "rhai hefyd eich ein drwy dros er efe hwy"
    ),
}


def language(text: str) -> tuple[str, float]:
    """(code of the language, share of its function words); ("unknown", share) for any other, and for a few words."""
    words = Counter(_WORD.findall(text.lower()))
    total = words.total()
    if total < FEWEST_WORDS:
        return "unknown", 0.0
    counts = {code: sum(words[word] for word in some) for code, some in FUNCTION_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    share = counts[best] / total
    return (best if share >= LEAST_SHARE else "unknown"), share
