"""What reading machines add and break. Only what can be shown to be wrong is mended.

Never by rules on letters: "rn" is not a badly read "m", nor "cl" a "d". A modern clerk stays a modern clerk.
"""

from __future__ import annotations

import re
from collections.abc import Set

from holdfast.text.clean.words import counted, listed

LONGEST_NOISE = 80  # characters of a line
MOST_LETTERS = 0.3  # share of letters and digits in a line of noise
_NO_WORD = re.compile(rf"^(?![^\n]*[^\W\d_]{{2}})[^\n]{{2,{LONGEST_NOISE}}}$\n?", re.MULTILINE)
_LETTER = re.compile(r"[^\W_]")
_SYMBOL = re.compile(r"[^\w\s]|_")
# Scraps that no typesetter sets: tables, rules, ornaments, dialogue and program code are made of the others.
# Nor are • and ◊ among them, with which transcribers mark what they could not read.
_SCRAPS = frozenset("^~°«»■□●◆♦§¦¬®©™¢£¥\\")

LONGEST_SCRAP = 3  # letters broken off a word
SHORTEST_STEM = 4  # longer than any scrap, so that no word is both
_BROKEN = re.compile(rf"(?<![\w'’-])([^\W\d_]{{{SHORTEST_STEM},}}) ([^\W\d_]{{1,{LONGEST_SCRAP}}})(?![\w'’-])")


def noise_lines(text: str) -> str:
    """Lines go that hold no two letters in a row, few letters at all, and scraps that nobody sets in type."""
    if not any(scrap in text for scrap in _SCRAPS):
        return text
    return _NO_WORD.sub(lambda match: "" if _is_noise(match[0]) else match[0], text)


def _is_noise(line: str) -> bool:
    symbols = set(_SYMBOL.findall(line))
    letters, size = len(_LETTER.findall(line)), len("".join(line.split()))
    return len(symbols) >= 2 and bool(symbols & _SCRAPS) and letters <= MOST_LETTERS * size


def broken_words(text: str, known: Set[str] = frozenset()) -> str:
    """`curiou s` becomes `curious` if that occurs twice or is known, and neither `curiou` nor `s` is a word.

    A word is what is known; where nothing is known, what occurs more than once.
    """
    seen = counted(text)

    def joined(match: re.Match[str]) -> str:
        stem, scrap = match[1].lower(), match[2].lower()
        whole = stem + scrap
        if seen[stem] > 1 or stem in known or match[2] != scrap or scrap in _SHORT_WORDS:
            return match[0]
        if len(scrap) > 1 and (scrap in known or seen[scrap] > 1):
            return match[0]
        return match[1] + match[2] if whole in known or seen[whole] > 1 else match[0]

    return _BROKEN.sub(joined, text)


# Whatever a list or a document says: these stand alone.
_SHORT_WORDS = listed(
    "a i o an am as at be by do go ha he hi ho if in is it la lo me my no of oh on or ox pi so st th to up us we ye yo "
    "act add age ago aid aim air all and any are arm art ask ate bad bag bar bed big bit bow box boy but buy can cap "
    "car cat cow cry cup cut day did die dig dog dry due ear eat egg end eye far few fig fit fix fly for fox fun gas "
    "get god got gun had has hat her hid him his hit hot how ice ill ink its jar jaw job joy key kin law lay leg let "
    "lid lie lip lot low mad man map may men met mix mud new nor not now nut oak odd off oft oil old one our out owe "
    "own pay pen per pig pin pit put ran raw red rid rim rob rod row rub run sad sat saw say sea see set sew she sin "
    "sir sit six sky son sun tax tea ten the thy tie tin tip toe too top toy try two use van vow war was way wet who "
    "why win wit won yea yes yet you de du en et ex il la le un von ye"
)
