"""Marking: an oracle gets everything, a guesser gets chance, and nobody sees the answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.evals.questions import Examined, choose, examine
from holdfast.infer.engine import Completion, Engine
from holdfast.infer.sample import SamplingParams
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

COLOURS = ("red", "blue", "green", "grey")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([], TokenizerSettings(kind="byte"))


def question(number: int, family: str = "colours", chance: float | None = 0.25) -> Conversation:
    colour = COLOURS[number % len(COLOURS)]
    messages = (
        Message("user", f"Ship {number} is {colour}."),
        Message("assistant", "I see."),
        Message("user", f"Which colour is ship {number}?"),
        Message("assistant", colour),
    )
    meta = {"family": family, "answer": colour} | ({} if chance is None else {"chance": chance})
    return Conversation(f"q{number}", messages, meta)


class Replies(Engine):
    """An engine without a model: a function from the prompt's text to a reply."""

    def __init__(self, tokenizer: Tokenizer, reply: Callable[[str], str], stops: bool = True) -> None:
        self.tokenizer = tokenizer
        self.reply = reply
        self.stops = stops
        self.prompts: list[str] = []

    def complete_batch(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams, stop_ids: Collection[int] = ()
    ) -> list[Completion]:
        assert params.temperature == 0
        assert list(stop_ids) == [self.tokenizer.assistant_end], "a model that says <|eot|> has not closed its turn"
        self.prompts += [self.tokenizer.decode(prompt) for prompt in prompts]
        replies = [self.tokenizer.encode(self.reply(text)) for text in self.prompts]
        assert max(map(len, replies)) <= params.max_tokens
        return [Completion(ids, "stop" if self.stops else "length") for ids in replies]


def said(text: str) -> str:
    """What a good reader replies: the colour that the prompt states."""
    return text.split(" is ")[1].split(".")[0]


def by_name(examined: Examined) -> dict[tuple[str, str], float]:
    return {(score.name, score.metric): score.value for score in examined.scores}


def test_a_reader_of_the_prompt_gets_everything_right(tokenizer: Tokenizer) -> None:
    questions = [*(question(n) for n in range(8)), *(question(n, "hues", 0.5) for n in range(8, 12))]
    engine = Replies(tokenizer, lambda text: f"  {said(text)}\n")
    examined = examine(engine, tokenizer, questions, seed=5)
    assert by_name(examined) == {
        ("questions", "exact_match"): 1.0,
        ("questions/colours", "exact_match"): 1.0,
        ("questions/hues", "exact_match"): 1.0,
        ("questions", "stops_by_itself"): 1.0,
    }
    overall = examined.scores[0]
    assert (overall.n, overall.seed) == (12, 5)
    assert overall.baseline == pytest.approx((8 * 0.25 + 4 * 0.5) / 12)
    assert overall.low is not None
    assert overall.low < 1.0, "twelve right answers are no certainty"


def test_the_answer_is_not_in_the_prompt_and_earlier_turns_are(tokenizer: Tokenizer) -> None:
    engine = Replies(tokenizer, said)
    examine(engine, tokenizer, [question(2)], seed=0)
    assert engine.prompts == ["Ship 2 is green.I see.Which colour is ship 2?"]


def test_a_guesser_scores_chance(tokenizer: Tokenizer) -> None:
    rng = random.Random(1)
    questions = [question(number) for number in range(400)]
    score = examine(Replies(tokenizer, lambda text: rng.choice(COLOURS)), tokenizer, questions, 0).scores[0]
    assert score.low is not None
    assert score.high is not None
    assert score.baseline is not None
    assert score.low <= score.baseline <= score.high


def test_shuffled_answers_are_noticed(tokenizer: Tokenizer) -> None:
    questions = [question(number) for number in range(40)]
    wrong = [
        Conversation(each.id, each.messages, {**each.meta, "answer": COLOURS[(number + 1) % 4]})
        for number, each in enumerate(questions)
    ]
    examined = examine(Replies(tokenizer, said), tokenizer, wrong, 0)
    assert examined.scores[0].value == 0.0
    assert not any(each["right"] for each in examined.transcripts)
    assert examined.transcripts[0]["expected"] == "blue"
    assert examined.transcripts[0]["reply"] == "red"


def test_replies_without_end_are_counted(tokenizer: Tokenizer) -> None:
    examined = examine(Replies(tokenizer, said, stops=False), tokenizer, [question(1)], 0)
    assert by_name(examined)["questions", "stops_by_itself"] == 0.0
    assert by_name(examined)["questions", "exact_match"] == 1.0


def test_without_a_known_chance_there_is_no_baseline(tokenizer: Tokenizer) -> None:
    questions = [question(0), question(1, chance=None)]
    assert examine(Replies(tokenizer, said), tokenizer, questions, 0).scores[0].baseline is None


def test_no_question_is_not_a_score_of_zero(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataFault, match="no held-out question"):
        examine(Replies(tokenizer, said), tokenizer, [], 0)


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    questions = [question(number) for number in range(100)]
    unmarkable = Conversation("talk", (Message("user", "Hello"), Message("assistant", "Hello!")), {"family": "manners"})
    chosen = choose([unmarkable, *questions], 20, seed=1)
    assert len({each.id for each in chosen}) == 20
    assert unmarkable not in choose([unmarkable, *questions], 1000, seed=1)
    assert chosen == choose(reversed(questions), 20, seed=1)
    assert chosen != choose(questions, 20, seed=2)
    assert chosen[:5] == choose(questions, 5, seed=1), "a larger examination contains the smaller one"
