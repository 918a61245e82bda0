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
    """A word or a name; in training as often a word that only sailors use, so that no letter is always seen in the
    same company."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(lexicon.people(split))
    if kind < 0.6 and split == "train":
        return lexicon.sailors_word(rng)
    return rng.choice(lexicon.words(split))


@cache
def _commonest_length_share(split: Split) -> float:
    lengths = [len(word) for word in lexicon.words(split)]
    return max(map(lengths.count, lengths)) / len(lengths)


@cache
def _pairs(split: Split) -> tuple[tuple[int, int], ...]:
    """Pairs of addends; a pair and its mirror image fall on one side of the split. Pairs of single digits are all on
    the training side: they are what every longer sum is worked out with."""
    numbers = range(1, LARGEST_ADDEND + 1)
    return tuple((m, n) for m in numbers for n in numbers if _is_heldout_pair(m, n) == (split == "heldout"))


def _is_heldout_pair(m: int, n: int) -> bool:
    return max(m, n) > 9 and is_heldout("sum", min(m, n), max(m, n))


def sums(rng: random.Random, split: Split) -> Ask:
    """An addition or the subtraction that undoes it, worked out digit by digit as on a slate; held-out pairs of
    addends occur in no training sum of either."""
    m, n = rng.choice(_pairs(split))
    slots = {
        "name": rng.choice(lexicon.people(split)),
        "unit": rng.choice(lexicon.UNITS),
        "cargo": rng.choice(lexicon.CARGOES),
    }
    # The commonest result is one of about as many as there are addends.
    chance = 1 / LARGEST_ADDEND
    if rng.random() < 0.6:
        return Ask(rng.choice(_ADD).format(m=m, n=n, **slots), added(m, n), chance)
    return Ask(rng.choice(_SUBTRACT).format(m=m + n, n=n, **slots), subtracted(m + n, n), chance)


def added(m: int, n: int) -> str:
    """The ones, the tens with what is carried, the sum: 9 + 2 = 11, 1 + 3 + 1 = 5: 51."""
    ones = m % 10 + n % 10
    carried = " + 1" if ones > 9 else ""
    tens = m // 10 + n // 10 + ones // 10
    return f"{m % 10} + {n % 10} = {ones}, {m // 10} + {n // 10}{carried} = {tens}: {m + n}."


def subtracted(m: int, n: int) -> str:
    """The ones, with a ten borrowed where they fall short, the tens, the rest: 12 - 7 = 5, 4 - 1 - 1 = 2: 25."""
    short = m % 10 < n % 10
    ones = m % 10 + (10 if short else 0)
    borrowed = " - 1" if short else ""
    tens = m // 10 - n // 10 - short
    return f"{ones} - {n % 10} = {ones - n % 10}, {m // 10} - {n // 10}{borrowed} = {tens}: {m - n}."
