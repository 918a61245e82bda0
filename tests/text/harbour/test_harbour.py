"""The harbour: pure functions of (index, seed), an honest split, and replies that are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.records import Conversation
from holdfast.text import harbour
from holdfast.text.harbour import lessons, lexicon, scenes, world
from holdfast.text.harbour.chats import conversation
from holdfast.text.harbour.lexicon import Split, draw
from holdfast.text.harbour.stories import document

MANY = 1500


def turns(conversations: Iterator[Conversation], family: str | None = None) -> Iterator[tuple[str, str]]:
    """(question, reply) of every turn, of one family or of all."""
    for chat in conversations:
        if family is None or chat.meta["family"] == family:
            contents = [message.content for message in chat.messages]
            yield from zip(contents[::2], contents[1::2], strict=True)


@given(index=st.integers(0, 10**9), seed=st.integers(0, 10**9), split=st.sampled_from(["train", "heldout"]))
def test_every_item_is_a_function_of_index_and_seed(index: int, seed: int, split: Split) -> None:
    chat = conversation(index, seed, split)
    assert chat == conversation(index, seed, split)
    assert document(index, seed) == document(index, seed)
    assert [message.role for message in chat.messages] == ["user", "assistant"] * (len(chat.messages) // 2)
    assert all(message.content == message.content.strip() != "" for message in chat.messages)
    assert chat.meta["answer"] == chat.messages[-1].content
    assert chat.meta["family"] in harbour.FAMILIES
    assert 0 <= chat.meta["chance"] <= 0.5


def test_a_longer_corpus_begins_with_the_shorter_one() -> None:
    assert list(harbour.documents(20, 3)) == list(islice(harbour.documents(50, 3), 20))
    assert list(harbour.conversations(20, 3, "train")) == list(islice(harbour.conversations(50, 3, "train"), 20))


def test_seeds_and_splits_differ() -> None:
    texts = {document(0, seed).text for seed in range(30)}
    assert len(texts) == 30
    assert conversation(0, 1, "train").messages != conversation(0, 1, "heldout").messages


def test_ids_are_unique() -> None:
    ids = [item.id for item in (*harbour.documents(200, 0), *harbour.conversations(200, 0, "train"))]
    ids += [chat.id for chat in harbour.conversations(200, 0, "heldout")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("family", harbour.FAMILIES)
def test_both_splits_hold_every_family(family: str) -> None:
    for split in ("train", "heldout"):
        assert sum(1 for _ in turns(harbour.conversations(MANY, 0, split), family)) > 30


def test_heldout_names_and_ships_occur_in_no_training_text() -> None:
    seen = "\n".join(item.text for item in harbour.documents(MANY, 5))
    seen += "\n".join(f"{q} {a}" for q, a in turns(harbour.conversations(MANY, 5, "train")))
    names = set(re.findall(r"[A-Z]\w+", seen))
    assert names.isdisjoint(lexicon.people("heldout"))
    assert not [ship for ship in lexicon.ships("heldout") if ship in seen]


def test_heldout_words_are_never_spelled_or_counted_in_training() -> None:
    heldout = {"-".join(word) for word in (*lexicon.words("heldout"), *lexicon.people("heldout"))}
    chats = harbour.conversations(MANY, 5, "train")
    spelled = {match for _, reply in turns(chats) for match in re.findall(r"\w(?:-\w)+", reply)}
    spelled |= {match for item in harbour.documents(MANY, 5) for match in re.findall(r"\b\w(?:-\w)+\b", item.text)}
    assert len(spelled) > 100
    assert spelled.isdisjoint(heldout)


def sums_in(text: str) -> set[tuple[int, int]]:
    """The unordered pairs of addends behind every worked sum of a text; what is worked out must be right."""
    found = set()
    for question, worked, result in re.findall(r"^(.*\?) (\d+ [+-] .*): (\d+)\.$", text, re.MULTILINE):
        for terms, right in re.findall(r"([\d +-]+) = (\d+)", worked):
            assert sum(map(int, terms.replace(" ", "").replace("-", "+-").split("+"))) == int(right)
        m, n = map(int, re.findall(r"\d+", question))
        adds = "-" not in worked
        assert int(result) == (m + n if adds else m - n)
        first = m if adds else int(result)
        found.add((min(first, n), max(first, n)))
    return found


def test_heldout_sums_are_right_and_new() -> None:
    train = sums_in("\n".join(f"{q} {a}" for q, a in turns(harbour.conversations(4 * MANY, 1, "train"))))
    train |= sums_in("\n".join(item.text for item in harbour.documents(MANY, 1)))
    heldout = sums_in("\n".join(f"{q} {a}" for q, a in turns(harbour.conversations(MANY, 1, "heldout"))))
    assert len(heldout) > 50
    assert train.isdisjoint(heldout)


@pytest.mark.parametrize("family", ["world", "manners"])
def test_heldout_wordings_are_new(family: str) -> None:
    train = {question for question, _ in turns(harbour.conversations(6 * MANY, 1, "train"), family)}
    heldout = {question for question, _ in turns(harbour.conversations(MANY, 1, "heldout"), family)}
    # People who give their names make new questions in any case; the wordings that are fixed are what is compared.
    assert len(heldout) > 30
    assert train.isdisjoint(heldout)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_question_of_the_world_has_one_reply(split: Split) -> None:
    replies: dict[str, str] = {}
    for fact, question in world.asked(split):
        assert replies.setdefault(question, fact.said) == fact.said


def test_every_fact_is_taught_before_it_is_examined() -> None:
    taught = {fact.id for fact, _ in world.asked("train")}
    assert taught == {fact.id for fact in world.facts()}


def test_letters_are_counted_right() -> None:
    checked = 0
    for question, reply in turns(harbour.conversations(MANY, 2, "train"), "counting"):
        spelled, said = reply.rstrip(".").split(": I count ")
        word = spelled.replace("-", "")
        assert re.search(rf"\b{word}\b", question)
        first, last = said.split()
        assert len(word) == int(first) if last == "letters" else word.count(first) == int(last)
        checked += 1
    assert checked > 50


def test_what_is_asked_of_a_scene_stands_in_its_sentence() -> None:
    for index in range(300):
        scene = scenes.scene(draw("test", index), "train")
        for sentence, asks in zip(scene.sentences, scene.asks, strict=True):
            for ask in asks:
                names = set(re.findall(r"[A-Z]\w+", ask.reply)) - {"The"}
                assert names <= set(re.findall(r"[A-Z]\w+", sentence))


def test_sums_are_worked_out_as_on_a_slate() -> None:
    assert lessons.added(39, 12) == "9 + 2 = 11, 3 + 1 + 1 = 5: 51."
    assert lessons.subtracted(42, 17) == "12 - 7 = 5, 4 - 1 - 1 = 2: 25."


def test_the_fingerprint_is_of_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before = harbour.fingerprint()
    assert harbour.fingerprint() == before
    monkeypatch.setattr(lexicon, "DAYS", lexicon.DAYS[::-1])
    assert harbour.fingerprint() != before


def test_chats_are_short_enough_for_a_small_context() -> None:
    """What does not fit is marked as wrong, however well a model knows it; 128 tokens are about this many letters."""
    chats = harbour.conversations(2 * MANY, 3, "heldout")
    assert max(sum(len(message.content) for message in chat.messages) for chat in chats) < 260
