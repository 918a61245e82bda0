"""Chats that can be marked: a family is a function from a generator and a side of the split to a few turns.

The last reply of a conversation is the one that is marked; what was said before it is part of the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from holdfast.base.records import Conversation, Message
from holdfast.text.harbour import lessons, lexicon, manners, scenes, world
from holdfast.text.harbour.lexicon import Split, draw
from holdfast.text.harbour.scenes import Ask

Turns = list[Ask]


def _stated(rng: random.Random, split: Split) -> Turns:
    """Facts in the first message; one to three questions about them."""
    scene = scenes.scene(rng, split)
    return _after(scene.told(rng), scene.questions(rng, rng.choice((1, 2, 3, 3))))


def _after(told: str, asks: Turns) -> Turns:
    """The questions, the first of them in one message with what was told."""
    first, *more = asks
    return [Ask(f"{told} {first.question}", first.reply, first.chance), *more]


_OWN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("I come from {port}.", ("Where do I come from?", "Where am I from?"), "You come from {port}."),
    ("I have a {colour} {thing}.", ("What do I have?", "What did I bring?"), "You have a {colour} {thing}."),
    ("I sail on the {ship}.", ("On which ship do I sail?", "What is my ship?"), "You sail on the {ship}."),
    ("I am looking for {friend}.", ("Whom am I looking for?", "Who should I find?"), "You are looking for {friend}."),
)
_NAME = (("What is my name?", "Who am I?", "Do you know my name?", "What am I called?"), "You are {name}.")


def _memory(rng: random.Random, split: Split) -> Turns:
    """The user says who they are and something about themselves, and asks for it later."""
    name, friend = lexicon.company(rng, split, 2)
    slots = {
        "name": name,
        "friend": friend,
        "ship": rng.choice(lexicon.ships(split)),
        "port": rng.choice(lexicon.PORTS),
        "colour": rng.choice(lexicon.COLOURS),
        "thing": rng.choice(lexicon.THINGS),
    }
    told, questions, reply = rng.choice(_OWN)
    greeting = manners.introduction(name, rng)
    opening = Ask(f"{greeting.question} {told.format(**slots)}", greeting.reply, greeting.chance)
    own = Ask(rng.choice(questions), reply.format(**slots), 1 / len(lexicon.COLOURS))
    named = Ask(rng.choice(_NAME[0]), _NAME[1].format(**slots), 0.0)
    turns = [opening, *rng.sample((own, named), rng.choice((1, 2)))]
    if len(turns) == 2 and rng.random() < 0.4:
        turns.insert(1, manners.courtesy(rng, split))
    return turns


def _world(rng: random.Random, split: Split) -> Turns:
    """One to three facts of the town; the marked one is asked in a held-out wording on that side of the split."""
    turns = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        fact, question = rng.choice(world.asked(split))
        turns.append(Ask(question, fact.said, 1 / fact.rivals))
    return turns


def _single(ask: Callable[[random.Random, Split], Ask], most: int) -> Callable[[random.Random, Split], Turns]:
    """A family of unconnected questions: up to `most` of them in a row."""

    def turns(rng: random.Random, split: Split) -> Turns:
        return [ask(rng, split) for _ in range(rng.randint(1, most))]

    return turns


def _manners(rng: random.Random, split: Split) -> Turns:
    """Small talk, or a question about what lies beyond the harbour."""
    if rng.random() < 0.4:
        return [manners.beyond(rng, split)]
    return [manners.smalltalk(rng, split) for _ in range(rng.randint(1, 2))]


# Family -> (share of the conversations, how its turns are made).
_FAMILIES: dict[str, tuple[float, Callable[[random.Random, Split], Turns]]] = {
    "stated": (0.36, _stated),
    "memory": (0.09, _memory),
    "world": (0.14, _world),
    "spelling": (0.12, _single(lessons.spelling, 3)),
    "counting": (0.12, _single(lessons.counting, 2)),
    "sums": (0.12, _single(lessons.sums, 2)),
    "manners": (0.05, _manners),
}
FAMILIES: tuple[str, ...] = tuple(_FAMILIES)


def conversation(index: int, seed: int, split: Split) -> Conversation:
    """The index-th conversation of a seed: the same whatever was made before it."""
    rng = draw("chat", seed, split, index)
    # The examination asks every family equally often; training as often as each needs.
    weights = [share if split == "train" else 1.0 for share, _ in _FAMILIES.values()]
    family = rng.choices(FAMILIES, weights)[0]
    turns = _FAMILIES[family][1](rng, split)
    messages = tuple(
        message for turn in turns for message in (Message("user", turn.question), Message("assistant", turn.reply))
    )
    meta = {"family": family, "answer": turns[-1].reply, "chance": turns[-1].chance}
    return Conversation(f"harbour-{split}-{seed}-{index}", messages, meta)
