"""A thousand clean sentences, modern and archaic, pass every step unchanged: the modern clerk stays a modern clerk."""

import random

import pytest

from holdfast.text.clean import STEPS, StepName, clean

# Words that rules on letters have spoiled elsewhere: rn and m, cl and d, ii and n, vv and w, 1 and l, 0 and o.
WHO = [
    "The modern clerk",
    "A close friend",
    "My learned cousin",
    "The stern captain",
    "Skiing",
    "The radii of the wheel",
]
WHO += [
    "Thyne vvhole houshold",
    "The good wyfe of Bath",
    "Hir owne sonne",
    "Maister Iohn",
    "Ye olde clarke",
    "The poore man",
]
DID = [
    "was born in",
    "turned 10 corners of",
    "burned the corn near",
    "left room 101 of",
    "made £1 5s. 2d. at",
    "climbed",
]
DID += ["hath bene seene at", "goeth vnto", "did vpon a tyme forsake", "was borne neere", "dwelleth in", "cometh from"]
WHERE = [
    "the barn",
    "No. 1, Cloth Fair",
    "a well-known tavern",
    "Corn-\nhill",
    "the clinic; at 5 o'clock",
    "Hawaii & Oahu",
]
WHERE += [
    "the Citie of London",
    "a certaine towne",
    "Westmynster",
    "the vvoods (so they say)",
    "St. Paul's",
    "th' Exchange",
]
AND = [
    ".",
    ", I'll say.",
    "; to-day, at any rate!",
    " -- or so he said: 'no.'",
    ", as it is writ in the yeere 1597.",
    "?",
]
AND += [", quoth hee.", " [sic].", " <so to speak>.", " (a < b, and c > d).", " & soforth.", "... * * *"]
OPT_IN_LETTERS: set[StepName] = {"long_s", "ligatures"}


def sentences() -> list[str]:
    draw = random.Random(5)
    every = [f"{who} {did} {where}{end}" for who in WHO for did in DID for where in WHERE for end in AND]
    return draw.sample(every, 1000)


@pytest.mark.parametrize("name", STEPS)
def test_each_sentence_alone(name: StepName) -> None:
    assert [text for text in sentences() if STEPS[name](text) != text] == []


@pytest.mark.parametrize("between", ["\n", "\n\n", " "])
def test_all_of_them_together(between: str) -> None:
    text = between.join(sentences())
    assert clean(text, tuple(STEPS)) == text


def test_with_the_letters_of_old_print_nothing_changes_unless_asked() -> None:
    text = "\n".join(sentences()).replace("s", "ſ").replace("fi", "ﬁ")
    assert clean(text, tuple(set(STEPS) - OPT_IN_LETTERS)) == text
    assert clean(text, tuple(OPT_IN_LETTERS)) == "\n".join(sentences())
