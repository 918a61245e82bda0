"""Documents of the harbour: short stories, ledgers, dialogues, lessons, diaries and what everyone knows of the town.

Most of a document can be foretold from its beginning: who is told of at first is asked for later. That is what a small
model learns most from, as no loss is spent on names that nobody could guess.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from holdfast.base.records import Document
from holdfast.text.harbour import lessons, lexicon, scenes, world
from holdfast.text.harbour.lexicon import draw
from holdfast.text.harbour.scenes import Ask

_SKY = {
    "rain": ("Rain fell on the roofs of Gullhaven", "and every gull looked for a dry chimney."),
    "fog": ("Fog lay on the harbour", "and the ships talked to each other with their bells."),
    "snow": ("Snow came in the night", "and the piers were as white as flour."),
    "sunshine": ("The sun shone on the water", "and the nets dried before noon."),
    "a storm": ("A storm came over the sea", "and nobody left the inn but the goat."),
    "hail": ("Hail drummed on the boats", "and the fiddler played along with it."),
    "a soft wind": ("A soft wind came from the south", "and the sails filled without a sound."),
    "thunder": ("Thunder rolled behind the cliffs", "and the cats of the town went under the beds."),
}
_ENDS = (
    "Then they all went to the Dry Whale for soup.",
    "The bell rang at noon, and that was that.",
    "A gull saw it all and said nothing.",
    "And the tide went out, as it always does.",
    "So the day ended, and the lamps were lit.",
    "It is still told in the inn on long evenings.",
    "The goat was pleased.",
    "Then a gull stole a bun, and everyone laughed.",
)
_ASKED = ("{name} asked:", "Then {name} asked:", "A child asked:", "A sailor wanted to know:", "Someone called:")
_SAID = ("{name} said:", "And {name} said:", "The answer was:", "A gull could have told it:", "They all knew:")
_TASKS = (
    *(
        "mended a net",
        "painted a boat blue",
        "counted the barrels twice",
        "fed the gulls by mistake",
        "baked nine pies",
    ),
    *("lost one boot in the mud", "sang to the seals", "swept the north pier", "tied a very good knot", "fell asleep"),
    *("read a letter aloud", "learned to whistle", "chased a goose", "found a silver coin", "told a long story"),
)


def _sky(rng: random.Random) -> str:
    first, second = _SKY[rng.choice(lexicon.WEATHERS)]
    return f"{first}, {second}"


def _exchange(rng: random.Random, asks: list[Ask]) -> str:
    """Questions and replies as spoken text."""
    a, b = rng.sample(lexicon.people("train"), 2)
    if rng.random() < 0.5:
        return "\n".join(f"{a}: {ask.question}\n{b}: {ask.reply}" for ask in asks)
    asked, said = rng.choice(_ASKED).format(name=a), rng.choice(_SAID).format(name=b)
    return "\n".join(f"{asked} {ask.question} {said} {ask.reply}" for ask in asks)


def _story(rng: random.Random) -> str:
    scene = scenes.scene(rng, "train")
    opening = f"{_sky(rng)} " if rng.random() < 0.5 else ""
    ending = f"\n{rng.choice(_ENDS)}" if rng.random() < 0.5 else ""
    return f"{opening}{scene.told(rng)}\n{_exchange(rng, scene.questions(rng, 3))}{ending}"


def _diary(rng: random.Random) -> str:
    hero, friend = rng.sample(lexicon.people("train"), 2)
    tasks = rng.sample(_TASKS, 3)
    place = rng.choice(lexicon.PLACES)
    return (
        f"{_sky(rng)} {hero} went to the {place} with {friend}. First {hero} {tasks[0]}, and {friend} {tasks[1]}. "
        f"Later {hero} {tasks[2]}.\nWhat did {friend} do? {friend} {tasks[1]}.\n"
        f"What did {hero} do? {hero} {tasks[0]} and then {tasks[2]}. {rng.choice(_ENDS)}"
    )


def _ledger(rng: random.Random) -> str:
    sums = [lessons.sums(rng, "train") for _ in range(4)]
    return "\n".join([f"Ledger of {rng.choice(lexicon.DAYS)}.", *(f"{ask.question} {ask.reply}" for ask in sums)])


def _lesson(rng: random.Random) -> str:
    exercises = [rng.choice((lessons.spelling, lessons.counting))(rng, "train") for _ in range(4)]
    return "A lesson in the harbour school.\n" + "\n".join(f"{ask.question} {ask.reply}" for ask in exercises)


def _town(rng: random.Random) -> str:
    told = [fact.said for fact in rng.sample(world.facts(), 5)]
    asked = rng.sample(world.asked("train"), 4)
    answers = "\n".join(f"{question} {fact.said}" for fact, question in asked)
    return f"What everyone knows in {world.TOWN}. {' '.join(told)}\n{answers}"


def _slate(rng: random.Random) -> str:
    """The slate of the harbour office: who belongs to what, and quick questions about it both ways. Hardly anything
    else in it has to be learnt than to look back, which is what all answers from a prompt are made of."""
    count = rng.randint(2, 4)
    left = lexicon.company(rng, "train", count) if rng.random() < 0.6 else rng.sample(lexicon.ships("train"), count)
    numbers = [str(number) for number in rng.sample(range(10, 100), count)]
    right = rng.choice((rng.sample(lexicon.PLACES, count), rng.sample(lexicon.CARGOES, count), numbers))
    rows = list(zip(left, right, strict=True))
    both_ways = rows + [(b, a) for a, b in rows]
    asked = [pair for _ in range(3) for pair in rng.sample(both_ways, len(both_ways))]
    told = ", ".join(f"{a} {b}" for a, b in rows)
    return f"On the slate: {told}.\n" + " ".join(f"{a}? {b}." for a, b in asked[:9])


_KINDS: dict[str, tuple[float, Callable[[random.Random], str]]] = {
    "slate": (0.35, _slate),
    "story": (0.25, _story),
    "diary": (0.05, _diary),
    "ledger": (0.14, _ledger),
    "lesson": (0.12, _lesson),
    "town": (0.09, _town),
}


def document(index: int, seed: int) -> Document:
    """The index-th document of a seed."""
    rng = draw("document", seed, index)
    kind = rng.choices(tuple(_KINDS), [share for share, _ in _KINDS.values()])[0]
    return Document(f"harbour-{seed}-{index}", _KINDS[kind][1](rng), {"kind": kind})
