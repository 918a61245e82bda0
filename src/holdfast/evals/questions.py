"""Exact match: held-out questions put to a chat model, and its replies compared with the right ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.base.draws import draw
from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Score
from holdfast.evals.intervals import wilson
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.tokenizer.chat import render_prompt
from holdfast.tokenizer.codec import Tokenizer

Transcript = Mapping[str, Any]

NAME = "questions"
ROOM = 2  # a reply may grow to this many times the longest right one before it counts as unending


@dataclass(frozen=True, slots=True)
class Examined:
    """The scores, overall first, and per question what was asked, expected and replied.

    A transcript has: id, family, messages (role and content of the turns the model was shown), expected, reply, right,
    stopped.
    """

    scores: Sequence[Score]
    transcripts: Sequence[Transcript]


def choose(conversations: Iterable[Conversation], most: int, seed: int) -> list[Conversation]:
    """At most `most` of the conversations that can be marked, drawn by a keyed hash of their ids and so the same ones
    in whatever order the file lists them."""
    markable = [each for each in conversations if each.meta.get("answer") is not None]
    return sorted(markable, key=lambda each: (draw(seed, NAME, each.id), each.id))[:most]


def examine(engine: Engine, tokenizer: Tokenizer, questions: Sequence[Conversation], seed: int) -> Examined:
    """Ask every question with the likeliest token at each place and mark the replies.

    A question is all turns of a conversation but the last reply. A reply is right when it equals `meta["answer"]` but
    for white space around it. It stopped by itself when it closed its turn: no other token counts as an end here.
    Baselines are the mean of `meta["chance"]`, where every question has one. `seed` is the one that chose the
    questions; nothing else here is random. Raises DataFault without questions.
    """
    if not questions:
        raise DataFault(
            "there is no held-out question that can be marked",
            "give conversations an `answer` in their meta, or set evaluate.questions to 0",
        )
    prompts = [render_prompt(each.messages[:-1], tokenizer) for each in questions]
    longest = max(len(ids) for ids in tokenizer.encode_batch([str(each.meta["answer"]) for each in questions]))
    params = SamplingParams(max_tokens=max(1, ROOM * longest), temperature=0.0)
    completions = engine.complete_batch(prompts, params, [tokenizer.assistant_end])
    replies = [tokenizer.decode(completion.ids) for completion in completions]
    transcripts = [
        _transcript(question, reply, completion.reason == "stop")
        for question, reply, completion in zip(questions, replies, completions, strict=True)
    ]
    chances = [_chance(question) for question in questions]
    return Examined(_scores(transcripts, chances, seed), transcripts)


def _transcript(question: Conversation, reply: str, stopped: bool) -> Transcript:
    expected = str(question.meta["answer"])
    return {
        "id": question.id,
        "family": str(question.meta.get("family") or ""),
        "messages": [message._asdict() for message in question.messages[:-1]],
        "expected": expected,
        "reply": reply,
        "right": reply.strip() == expected.strip(),
        "stopped": stopped,
    }


def _chance(question: Conversation) -> float | None:
    chance = question.meta.get("chance")
    return float(chance) if isinstance(chance, int | float) else None


def _scores(transcripts: Sequence[Transcript], chances: Sequence[float | None], seed: int) -> list[Score]:
    """Exact match overall and per family, then how many replies ended by themselves."""
    right = [bool(each["right"]) for each in transcripts]
    scores = [_share(NAME, "exact_match", right, _mean(chances), seed)]
    for family in sorted({each["family"] for each in transcripts} - {""}):
        rows = [row for row, each in enumerate(transcripts) if each["family"] == family]
        chance = _mean([chances[row] for row in rows])
        scores.append(_share(f"{NAME}/{family}", "exact_match", [right[row] for row in rows], chance, seed))
    return [*scores, _share(NAME, "stops_by_itself", [bool(each["stopped"]) for each in transcripts], None, seed)]


def _share(name: str, metric: str, hits: Sequence[bool], baseline: float | None, seed: int) -> Score:
    low, high = wilson(sum(hits), len(hits))
    return Score(name, metric, sum(hits) / len(hits), len(hits), seed, baseline, low, high)


def _mean(chances: Sequence[float | None]) -> float | None:
    known = [chance for chance in chances if chance is not None]
    return sum(known) / len(known) if len(known) == len(chances) else None
