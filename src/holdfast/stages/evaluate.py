"""Stage `evaluate`: measure what came out, each stage's model from its own checkpoint, every number with n and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from holdfast.base.draws import draw
from holdfast.base.records import Conversation, Score
from holdfast.disk.files import fingerprint, write_json
from holdfast.evals.questions import choose, examine
from holdfast.evals.samples import Form, variety, write_samples
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.infer.engine import Engine
from holdfast.infer.load import Loaded, load_model
from holdfast.infer.sample import SamplingParams
from holdfast.model.config import config_from_dict
from holdfast.stages import assemble, chats, sft
from holdfast.stages.looks import validation
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.text.corpus import read_conversations, read_split

TRAINED = ("pretrain", "sft")
SCORES, SAMPLES, TRANSCRIPTS = "scores.json", "samples.json", "transcripts.json"
REFERENCES = 20  # held-out documents that show how varied people's text is


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The evaluate section."""
    return identity(recipe.evaluate)


def work(run: Run) -> Mapping[str, Any]:
    """Bits per byte and samples of every trained stage; marked questions of the chat model."""
    assemble.settle_machine(run.recipe)
    with assemble.all_cores():
        return _evaluated(run)


def _evaluated(run: Run) -> Mapping[str, Any]:
    scores: list[Score] = []
    samples: list[dict[str, Any]] = []
    transcripts: Sequence[Mapping[str, Any]] = []
    for name in TRAINED:
        if name == "sft" and not run.recipe.sft.enabled:
            continue
        run.record("event", event="evaluating", stage="evaluate", what=name)
        loaded = load_model(run.dir, name)
        found = [_bits_per_byte(run, loaded), *_samples(run, loaded, samples)]
        if name == "sft":
            marked, transcripts = _questions(run, loaded)
            found += marked
        scores += [replace(score, stage=name, step=loaded.manifest.step) for score in found]
    for score in scores:
        fields = {key: value for key, value in asdict(score).items() if key not in ("stage", "step")}
        run.record("eval", stage="evaluate", step=score.step, of=score.stage, **fields)
    folder = run.dir / STAGE.name
    write_json(folder / SAMPLES, samples)
    write_json(folder / TRANSCRIPTS, list(transcripts))
    write_json(folder / SCORES, [asdict(score) for score in scores])
    return {"fingerprint": fingerprint([asdict(score) for score in scores]), "scores": len(scores)}


def _bits_per_byte(run: Run, loaded: Loaded) -> Score:
    """On held-out documents, read as windows for every stage, so that stages can be compared."""
    shards = Shards.open(run.dir / "tokens" / "val")
    config = config_from_dict(loaded.manifest.model)
    held_out = Feed(
        shards, config.context_length, 1, run.recipe.seed, run.recipe.pretrain.packing, loaded.tokenizer.pad
    )
    return validation(
        loaded.model, "fp32", held_out, loaded.tokenizer, run.recipe.evaluate.bits_per_byte_tokens, run.stop
    )


def _samples(run: Run, loaded: Loaded, samples: list[dict[str, Any]]) -> list[Score]:
    """Append this stage's samples; returns what can be counted about their variety."""
    asked = run.recipe.evaluate
    params = SamplingParams(
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        seed=draw(asked.seed, loaded.stage, "evaluate") % 2**31,
    )
    chat = loaded.stage == "sft"
    prompts = sft.CHAT_PROMPTS if chat else asked.prompts
    form: Form = "chat" if chat else "continuation"
    written = write_samples(Engine(loaded.model), loaded.tokenizer, prompts, params, form)
    samples += [{"stage": loaded.stage, "step": loaded.manifest.step, **sample} for sample in written]
    if chat:
        return []
    references = [document.text for document in islice(read_split(run.dir / "corpus", "val"), REFERENCES)]
    longest = max(len(sample["text"]) for sample in written) if written else 0
    texts = [sample["text"] for sample in written]
    return variety(texts, params.seed or 0, [text[:longest] for text in references])


def _questions(run: Run, loaded: Loaded) -> tuple[Sequence[Score], Sequence[Mapping[str, Any]]]:
    asked = run.recipe.evaluate
    rows = read_conversations(run.dir / "sft" / sft.TOKENS / chats.HELD_OUT)
    questions = choose((row for row in rows if isinstance(row, Conversation)), asked.questions, asked.seed)
    if not questions:
        return [], []
    examined = examine(Engine(loaded.model), loaded.tokenizer, questions, asked.seed)
    return examined.scores, examined.transcripts


STAGE = Stage("evaluate", ("tokens", "pretrain", "sft"), settings, work, outputs=(SCORES, SAMPLES, TRANSCRIPTS))
