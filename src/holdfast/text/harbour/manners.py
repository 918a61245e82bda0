"""Greetings, thanks, who-are-you, and the polite no to what a very small model can not know."""

from __future__ import annotations

import random
from functools import cache

from holdfast.text.harbour import lexicon
from holdfast.text.harbour.lexicon import Split, is_heldout
from holdfast.text.harbour.scenes import Ask
from holdfast.text.harbour.world import ASSISTANT, TOWN

# What people say, in several wordings, and the one reply to all of them.
_TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("Hello!", "Hi!", "Good morning!", "Good evening!", "Ahoy!", "Hello there!", "Hey!"),
        f"Ahoy! I am {ASSISTANT}. Ask me about the harbour.",
    ),
    (
        ("Who are you?", "What are you?", "What is your name?", "Tell me about yourself.", "Are you a person?"),
        f"I am {ASSISTANT}, a very small model. I grew up on this computer, minutes ago.",
    ),
    (
        ("What can you do?", "What do you know?", "How can you help me?", "What may I ask you?", "Help!"),
        "I can tell you about the harbour, spell, count letters and do small sums.",
    ),
    (
        ("Thank you!", "Thanks!", "Many thanks!", "Thank you very much.", "That was kind of you."),
        "You are welcome. Fair winds!",
    ),
    (
        ("Goodbye!", "Bye!", "I must go now.", "See you tomorrow.", "Good night!"),
        "Goodbye! Mind the gulls.",
    ),
    (
        ("How are you?", "How do you feel today?", "Are you well?", "How is life?", "Is all well with you?"),
        "Dry, warm and well rested, thank you.",
    ),
    (
        ("Where are you?", "Where am I?", "What is this town?", "What is the town called?", "Where do you live?"),
        f"This is {TOWN}, a small harbour town with loud gulls.",
    ),
    (
        ("Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Say something funny.", "Be funny!"),
        "Why do gulls never pay? They only have bills.",
    ),
    (
        ("You are wrong.", "That is not right.", "I think you are mistaken.", "No, that is false.", "Nonsense!"),
        "That may be. I am small, and I do make mistakes.",
    ),
)
_BEFORE = ("", "Please, ", "Well, ", "Oh, ", "Dear Tern, ", "So, ", "Now then, ", "Excuse me, ")
_NAMED = (
    ("I am {name}.", "My name is {name}.", "Hello, I am {name}.", "Call me {name}.", "{name} is my name."),
    "Good to meet you, {name}!",
)

# What lies beyond the harbour, and how people ask about it.
_BEYOND = (
    *("the moon", "football", "France", "the king", "tomorrow", "the stock market", "my future", "Paris", "computers"),
    *("the president", "the weather tomorrow", "quantum physics", "China", "the internet", "a good film", "dinosaurs"),
    *("the news", "electric cars", "the Romans", "opera", "volcanoes", "chess", "the jungle", "aeroplanes"),
)
_ASK_BEYOND = (
    "What do you know about {topic}?",
    "Tell me about {topic}.",
    "Can you explain {topic}?",
    "I have a question about {topic}.",
    "What do you think of {topic}?",
)
_STRANGER = ("Who is {name}?", "Do you know {name}?", "Where does {name} live?", "What is the trade of {name}?")


def _lower_first(text: str) -> str:
    return text if text.startswith("I ") else text[0].lower() + text[1:]


@cache
def _phrases(split: Split) -> tuple[tuple[str, str], ...]:
    """(what is said, reply): an opener and a wording that are each known, held out as a pair."""
    wanted = split == "heldout"
    return tuple(
        (f"{before}{_lower_first(said)}" if before else said, reply)
        for wordings, reply in _TALK
        for said in wordings
        for before in _BEFORE
        if is_heldout("talk", before, said) == wanted
    )


def smalltalk(rng: random.Random, split: Split) -> Ask:
    """A courtesy, or someone who says their name."""
    if rng.random() < 0.2:
        return introduction(rng.choice(lexicon.people(split)), rng)
    return courtesy(rng, split)


def courtesy(rng: random.Random, split: Split) -> Ask:
    """A phrase that has nothing to do with what was said before. The guesser always gives the same reply."""
    said, reply = rng.choice(_phrases(split))
    return Ask(said, reply, 1 / len(_TALK))


def introduction(name: str, rng: random.Random) -> Ask:
    """Someone says who they are."""
    wordings, reply = _NAMED
    return Ask(rng.choice(wordings).format(name=name), reply.format(name=name), 0.0)


def beyond(rng: random.Random, split: Split) -> Ask:
    """A question about what is not in the harbour: a subject from outside, or a person whom nobody there knows."""
    if rng.random() < 0.5:
        name = rng.choice(lexicon.people(split))
        return Ask(rng.choice(_STRANGER).format(name=name), f"I know nobody called {name}.", 0.0)
    topic, wording = rng.choice(_unknown_subjects(split))
    return Ask(wording.format(topic=topic), f"I know only the harbour, nothing of {topic}.", 1 / len(_BEYOND))


@cache
def _unknown_subjects(split: Split) -> tuple[tuple[str, str], ...]:
    wanted = split == "heldout"
    return tuple(
        (topic, wording)
        for topic in _BEYOND
        for wording in _ASK_BEYOND
        if is_heldout("beyond", topic, wording) == wanted
    )
