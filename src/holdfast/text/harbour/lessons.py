"""What the harbour school teaches: spelling, counting letters, and small sums with numbers that fit a ledger."""

from __future__ import annotations

import random
from functools import cache

from holdfast.text.harbour import lexicon
from holdfast.text.harbour.lexicon import Split, is_heldout
from holdfast.text.harbour.scenes import Ask

LARGEST_ADDEND = 50

_SPELL = ("Spell {word}.", "How do you spell {word}?", "Spell the word {word}, please.", "Please spell {word} for me.")
_COUNT = ("How many letters has {word}?", "How long is the word {word}?", "Count the letters of {word}.")
_COUNT_ONE = (
    "How often is {letter} in {word}?",
    "Count the letter {letter} in {word}.",
    "How many {letter} has {word}?",
)
_ADD = (
    "What is {m} + {n}?",
    "What is {m} plus {n}?",
    "How much is {m} and {n}?",
    "{name} has {m} {unit} and buys {n} more. How many is that?",
    "{m} {unit} of {cargo} and {n} {unit} of {cargo}: how many in all?",
)
_SUBTRACT = (
    "What is {m} - {n}?",
    "What is {m} minus {n}?",
    "{name} has {m} {unit} and sells {n}. How many are left?",
    "Of {m} {unit} of {cargo}, {n} are sold. How many are left?",
)


def letters(word: str) -> str:
    """The letters of a word one by one: l-a-m-p."""
    return "-".join(word)


def spelling(rng: random.Random, split: Split) -> Ask:
    """Spell a word or a name. Nobody guesses a whole word: the chance counts as zero."""
    word = _word(rng, split)
    return Ask(rng.choice(_SPELL).format(word=word), f"{letters(word)}.", 0.0)


def counting(rng: random.Random, split: Split) -> Ask:
    """How many letters a word has, or how often one letter stands in it. The reply spells the word while counting."""
    word = _word(rng, split).lower()
    if rng.random() < 0.5:
        return Ask(
            rng.choice(_COUNT).format(word=word),
            f"{letters(word)}: I count {len(word)} letters.",
            _commonest_length_share(split),
        )
    # As often a letter that comes more than once as one that comes once, when the word has such a letter.
    repeated = [letter for letter in sorted(set(word)) if word.count(letter) > 1]
    letter = rng.choice(repeated if repeated and rng.random() < 0.7 else sorted(set(word)))
    return Ask(
        rng.choice(_COUNT_ONE).format(word=word, letter=letter),
        f"{letters(word)}: I count {letter} {word.count(letter)}.",
        0.5,
    )


def _word(rng: random.Random, split: Split) -> str:
    return rng.choice(lexicon.words(split) if rng.random() < 0.6 else lexicon.people(split))


@cache
def _commonest_length_share(split: Split) -> float:
    lengths = [len(word) for word in lexicon.words(split)]
    return max(map(lengths.count, lengths)) / len(lengths)


@cache
def _pairs(split: Split) -> tuple[tuple[int, int], ...]:
    """Pairs of addends; a pair and its mirror image fall on one side of the split."""
    numbers = range(1, LARGEST_ADDEND + 1)
    wanted = split == "heldout"
    return tuple((m, n) for m in numbers for n in numbers if is_heldout("sum", min(m, n), max(m, n)) == wanted)


def sums(rng: random.Random, split: Split) -> Ask:
    """An addition or the subtraction that undoes it; held-out pairs of addends occur in no training sum of either."""
    m, n = rng.choice(_pairs(split))
    slots = {
        "name": rng.choice(lexicon.people(split)),
        "unit": rng.choice(lexicon.UNITS),
        "cargo": rng.choice(lexicon.CARGOES),
    }
    # The commonest result is one of about as many as there are addends.
    chance = 1 / LARGEST_ADDEND
    if rng.random() < 0.6:
        return Ask(rng.choice(_ADD).format(m=m, n=n, **slots), f"{m} + {n} = {m + n}.", chance)
    return Ask(rng.choice(_SUBTRACT).format(m=m + n, n=n, **slots), f"{m + n} - {n} = {m}.", chance)
