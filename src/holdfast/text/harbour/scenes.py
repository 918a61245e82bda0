"""Small things that happened, each with what can be asked about it. Stories tell them; chats state them and ask.

A scene holds two or three happenings of one kind with different people, so that a reply must pick the right one: the
chance of a guesser who knows every format is one in the number of happenings. Nothing in a scene is true of the town;
all that is needed to answer stands in its sentences.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from holdfast.text.harbour import lexicon
from holdfast.text.harbour.lexicon import Split


@dataclass(frozen=True, slots=True)
class Ask:
    """A question with its one right reply."""

    question: str
    reply: str
    chance: float


@dataclass(frozen=True, slots=True)
class Scene:
    """`asks[i]` are answered by `sentences[i]`, `unknown` by none: their reply says so."""

    sentences: tuple[str, ...]
    asks: tuple[tuple[Ask, ...], ...]
    unknown: tuple[Ask, ...]

    def told(self, rng: random.Random) -> str:
        """The sentences in any order."""
        return " ".join(rng.sample(self.sentences, len(self.sentences)))

    def questions(self, rng: random.Random, most: int) -> list[Ask]:
        """Up to `most` questions, each about another sentence: no reply gives the next one away."""
        count = rng.randint(1, min(most, len(self.asks)))
        return [rng.choice(asks) for asks in rng.sample(self.asks, count)]


# (sentences, [(question, reply), ...]): every wording of a kind of happening, with the slots that it fills.
_WHERE = (
    ("{a} is at the {place}.", "{a} waits at the {place}.", "At the {place} stands {a}.", "{a} went to the {place}."),
    (
        ("Where is {a}?", "{a} is at the {place}."),
        ("Where can I find {a}?", "{a} is at the {place}."),
        ("Who is at the {place}?", "{a} is at the {place}."),
        ("Whom would I meet at the {place}?", "{a} is at the {place}."),
    ),
    (
        ("Where is {other}?", "You did not say where {other} is."),
        ("Where can I find {other}?", "You did not say where {other} is."),
    ),
)
_GIFT = (
    ("{a} gave a {thing} to {b}.", "{b} got a {thing} from {a}.", "{a} bought a {thing} for {b}."),
    (
        ("Who has the {thing} now?", "{b} has the {thing}."),
        ("Who got the {thing}?", "{b} has the {thing}."),
        ("What did {b} get?", "{b} got a {thing}."),
        ("Who gave the {thing} away?", "{a} gave the {thing} away."),
        ("What did {a} give away?", "{a} gave a {thing} away."),
    ),
    (("What did {other} get?", "You did not say what {other} got."),),
)
_ARRIVAL = (
    (
        "The {ship} brought {cargo} from {port}.",
        "From {port} came the {ship} with {cargo}.",
        "The {ship} is here from {port} with {cargo}.",
    ),
    (
        ("What did the {ship} bring?", "The {ship} brought {cargo}."),
        ("Which ship brought {cargo}?", "The {ship} brought {cargo}."),
        ("Where did the {ship} come from?", "The {ship} came from {port}."),
        ("Which ship came from {port}?", "The {ship} came from {port}."),
    ),
    (("What did the {other_ship} bring?", "You did not say what the {other_ship} brought."),),
)
_VISIT = (
    ("{a} comes on {day}.", "On {day} comes {a}.", "{a} will be here on {day}."),
    (
        ("When does {a} come?", "{a} comes on {day}."),
        ("On which day does {a} come?", "{a} comes on {day}."),
        ("Who comes on {day}?", "{a} comes on {day}."),
    ),
    (("When does {other} come?", "You did not say when {other} comes."),),
)
_BELONGS = (
    ("The {colour} {thing} belongs to {a}.", "{a} has a {colour} {thing}.", "{a} came with a {colour} {thing}."),
    (
        ("Whose is the {thing}?", "The {thing} belongs to {a}."),
        ("Who owns the {colour} {thing}?", "The {thing} belongs to {a}."),
        ("What belongs to {a}?", "The {thing} belongs to {a}."),
        ("What colour is the {thing}?", "The {thing} is {colour}."),
    ),
    (("What belongs to {other}?", "You did not say what belongs to {other}."),),
)
_LOST = (
    (
        "{a} lost a {thing} near the {place}.",
        "Near the {place}, {a} lost a {thing}.",
        "{a} dropped a {thing} at the {place}.",
    ),
    (
        ("What did {a} lose?", "{a} lost a {thing}."),
        ("Who lost the {thing}?", "{a} lost the {thing}."),
        ("Where was the {thing} lost?", "The {thing} was lost at the {place}."),
        ("Where should I look for the {thing}?", "The {thing} was lost at the {place}."),
    ),
    (("What did {other} lose?", "You did not say what {other} lost."),),
)
_KINDS = (_WHERE, _GIFT, _ARRIVAL, _VISIT, _BELONGS, _LOST)


def scene(rng: random.Random, split: Split) -> Scene:
    """One scene of any kind."""
    sentences, asks, unknown = rng.choice(_KINDS)
    count = rng.choice((2, 2, 3))
    slots = _slots(rng, split, count)
    told = [rng.choice(sentences).format(**slot) for slot in slots]
    known = tuple(tuple(Ask(q.format(**s), r.format(**s), 1 / count) for q, r in asks) for s in slots)
    # A guesser here may also take the question for one that can be answered.
    open_ended = [Ask(q.format(**slots[0]), r.format(**slots[0]), 1 / (count + 1)) for q, r in unknown]
    return Scene(tuple(told), known, tuple(open_ended))


def _slots(rng: random.Random, split: Split, count: int) -> list[dict[str, str]]:
    names = rng.sample(lexicon.people(split), 2 * count + 1)
    ships = rng.sample(lexicon.ships(split), count + 1)
    columns: dict[str, list[str]] = {
        "a": names[:count],
        "b": names[count:],
        "ship": ships,
        "thing": rng.sample(lexicon.THINGS, count),
        "place": rng.sample(lexicon.PLACES, count),
        "cargo": rng.sample(lexicon.CARGOES, count),
        "port": rng.sample(lexicon.PORTS, count),
        "day": rng.sample(lexicon.DAYS, count),
        "colour": rng.sample(lexicon.COLOURS, count),
    }
    shared = {"other": names[-1], "other_ship": ships[-1]}
    return [{key: column[row] for key, column in columns.items()} | shared for row in range(count)]


# Two amounts and the words for the larger and the smaller.
_AMOUNTS: tuple[tuple[str, tuple[tuple[str, str, bool], ...]], ...] = (
    (
        "The {x} carries {m} {unit} of {cargo} and the {y} carries {n}.",
        (
            ("Which ship carries more?", "The {who} carries more.", True),
            ("Which ship carries less?", "The {who} carries less.", False),
        ),
    ),
    (
        "{x} is {m} years old and {y} is {n}.",
        (("Who is older?", "{who} is older.", True), ("Who is younger?", "{who} is younger.", False)),
    ),
    (
        "{x} caught {m} fish and {y} caught {n}.",
        (("Who caught more?", "{who} caught more.", True), ("Who caught fewer?", "{who} caught fewer.", False)),
    ),
    (
        "{x} walked {m} miles and {y} walked {n}.",
        (("Who walked further?", "{who} walked further.", True), ("Who walked less?", "{who} walked less.", False)),
    ),
)


def comparison(rng: random.Random, split: Split) -> Scene:
    """Two amounts that differ; the questions ask for the larger and the smaller."""
    told, questions = rng.choice(_AMOUNTS)
    names = lexicon.ships(split) if "ship" in questions[0][0] else lexicon.people(split)
    x, y = rng.sample(names, 2)
    m, n = rng.sample(range(2, 100), 2)
    sentence = told.format(x=x, y=y, m=m, n=n, unit=rng.choice(lexicon.UNITS), cargo=rng.choice(lexicon.CARGOES))
    asks = tuple(
        Ask(question, reply.format(who=x if (m > n) == larger else y), 0.5) for question, reply, larger in questions
    )
    return Scene((sentence,), (asks,), ())
