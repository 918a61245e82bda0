"""Small things that happened, each with what can be asked about it. Stories tell them; chats state them and ask.

A scene holds one happening or two, of different people; a reply must pick the right one and copy it out. Nothing in a
scene is true of the town; all that is needed to answer stands in its sentences.
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
    """`asks[i]` are answered by `sentences[i]`."""

    sentences: tuple[str, ...]
    asks: tuple[tuple[Ask, ...], ...]

    def told(self, rng: random.Random) -> str:
        """The sentences in any order."""
        return " ".join(rng.sample(self.sentences, len(self.sentences)))

    def questions(self, rng: random.Random, most: int) -> list[Ask]:
        """At most `most` questions, each about another sentence: no reply gives the next one away."""
        return [rng.choice(asks) for asks in rng.sample(self.asks, min(most, len(self.asks)))]


# (sentences, [(question, reply), ...]): every wording of a kind of happening, with the slots that it fills.
_WHERE = (
    ("{a} is at the {place}.", "{a} waits at the {place}.", "{a} stands at the {place}.", "{a} went to the {place}."),
    (
        ("Where is {a}?", "{a} is at the {place}."),
        ("Where can I find {a}?", "{a} is at the {place}."),
        ("Who is at the {place}?", "{a} is at the {place}."),
        ("Whom would I meet at the {place}?", "{a} is at the {place}."),
    ),
)
_ARRIVAL = (
    (
        "The {ship} brought {cargo} from {port}.",
        "The {ship} came with {cargo} from {port}.",
        "The {ship} carried {cargo} from {port}.",
    ),
    (
        ("What did the {ship} bring?", "The {ship} brought {cargo}."),
        ("Which ship brought {cargo}?", "The {ship} brought {cargo}."),
        ("Where did the {ship} come from?", "The {ship} came from {port}."),
        ("Which ship came from {port}?", "The {ship} came from {port}."),
    ),
)
_VISIT = (
    ("{a} comes on {day}.", "{a} will come on {day}.", "{a} arrives on {day}."),
    (
        ("When does {a} come?", "{a} comes on {day}."),
        ("On which day does {a} come?", "{a} comes on {day}."),
        ("Who comes on {day}?", "{a} comes on {day}."),
    ),
)
_BELONGS = (
    ("{a} has a {colour} {thing}.", "{a} owns a {colour} {thing}.", "{a} came with a {colour} {thing}."),
    (
        ("Whose is the {thing}?", "The {thing} belongs to {a}."),
        ("Who owns the {colour} {thing}?", "The {thing} belongs to {a}."),
        ("What belongs to {a}?", "The {thing} belongs to {a}."),
        ("What colour is the {thing}?", "The {thing} is {colour}."),
    ),
)
ALIKE = 0.25  # how often two happenings are of one kind
_KINDS = (_WHERE, _ARRIVAL, _VISIT, _BELONGS)


def scene(rng: random.Random, split: Split) -> Scene:
    """One happening, or two: mostly of different kinds, at times of the same kind and then to be told apart."""
    count = rng.choice((1, 2, 2))
    alike = count == 2 and rng.random() < ALIKE
    kinds = [rng.choice(_KINDS)] * 2 if alike else rng.sample(_KINDS, count)
    slots = _slots(rng, split, count)
    # Two of a kind leave a choice of two; else the guesser has to name a person, a day or a thing out of many.
    chance = 0.5 if alike else 1 / len(lexicon.DAYS)
    told = [rng.choice(sentences).format(**slot) for (sentences, _), slot in zip(kinds, slots, strict=True)]
    known = [
        tuple(Ask(question.format(**slot), reply.format(**slot), chance) for question, reply in asks)
        for (_, asks), slot in zip(kinds, slots, strict=True)
    ]
    return Scene(tuple(told), tuple(known))


def _slots(rng: random.Random, split: Split, count: int) -> list[dict[str, str]]:
    columns: dict[str, list[str]] = {
        "a": lexicon.company(rng, split, count),
        "ship": rng.sample(lexicon.ships(split), count),
        "thing": rng.sample(lexicon.THINGS, count),
        "place": rng.sample(lexicon.PLACES, count),
        "cargo": rng.sample(lexicon.CARGOES, count),
        "port": rng.sample(lexicon.PORTS, count),
        "day": rng.sample(lexicon.DAYS, count),
        "colour": rng.sample(lexicon.COLOURS, count),
    }
    return [{key: column[row] for key, column in columns.items()} for row in range(count)]
