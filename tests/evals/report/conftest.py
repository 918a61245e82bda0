"""A made-up run, with everything a report can show and a few things it must survive."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from holdfast.evals.report.facts import RunFacts

VOCAB = 1024
BYTES_PER_TOKEN = 2.4


def step_records(stage: str, count: int, low: float, high: float) -> list[dict[str, Any]]:
    """A loss that falls fast, then slowly, with noise."""
    rng = random.Random(stage)
    records = []
    for step in range(1, count + 1):
        loss = low + (high - low) * (0.8 * math.exp(-step / 25) + 0.2 * math.exp(-step / count * 3))
        records.append(
            {
                "kind": "step",
                "stage": stage,
                "step": step,
                "loss": loss + rng.gauss(0, 0.05),
                "learning_rate": 1e-3,
                "grad_norm": 0.7,
                "tokens": step * 4096,
                "step_ms": 200.0,
                "tokens_per_second": 20480 + rng.gauss(0, 300),
                "verdict": "apply",
            }
        )
    return records


def validations(steps: list[dict[str, Any]], every: int) -> list[dict[str, Any]]:
    """Bits per byte of the same course, a little above it."""
    baseline = math.log2(VOCAB) / BYTES_PER_TOKEN
    return [
        {"step": each["step"], "value": (each["loss"] + 0.1) / math.log(2) / BYTES_PER_TOKEN, "baseline": baseline}
        for each in steps[every - 1 :: every]
    ]


def score(name: str, metric: str, value: float, n: int, baseline: float | None, stage: str) -> dict[str, Any]:
    margin = 0.02 * value
    return {
        "name": name,
        "metric": metric,
        "value": value,
        "n": n,
        "seed": 1,
        "baseline": baseline,
        "low": value - margin,
        "high": min(1.0, value + margin) if metric != "bits_per_byte" else value + margin,
        "stage": stage,
        "step": 400,
    }


def samples(stage: str, step: int, form: str) -> list[dict[str, Any]]:
    texts = {
        "The harbour": " was quiet when the Grey Heron came in.\n\nMarwyn counted the barrels: there were eight.",
        "It was": " late, and the lamp on the north pier had not been lit. <script>alert('no')</script>",
    }
    return [
        {
            "prompt": prompt,
            "text": text,
            "form": form,
            "seed": 1,
            "temperature": 0.8,
            "ended": "length" if prompt == "It was" else "stop",
            "stage": stage,
            "step": step,
        }
        for prompt, text in texts.items()
    ]


def transcript(family: str, question: str, expected: str, reply: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{family}-{number}",
        "family": family,
        "messages": [{"role": "user", "content": question}],
        "expected": expected,
        "reply": reply,
        "right": reply.strip() == expected,
        "stopped": number != 3,
    }


@pytest.fixture(scope="session")
def facts() -> RunFacts:
    pretrain, sft = step_records("pretrain", 1200, 1.9, 6.93), step_records("sft", 400, 0.25, 2.6)
    baseline = math.log2(VOCAB) / BYTES_PER_TOKEN
    families = {"stated": 0.93, "unknown": 0.97, "spelling": 0.81, "sums": 0.74}
    chats = [
        transcript(family, f"Question {number} on {family}?", "The Grey Heron carries salt.", reply, number)
        for family in families
        for number, reply in enumerate(["The Grey Heron carries salt."] * 3 + ["The <b>Red Duck</b> & co."] * 3)
    ]
    return RunFacts(
        run="harbour-in-ten-minutes",
        recipe_fingerprint="0123456789abcdef0123456789abcdef",
        created="2030-01-02T03:04:05+0000",
        environment={
            "holdfast": "0.1.0",
            "git_commit": "abcdef012345",
            "python": "3.11.9",
            "torch": "2.13.0+cpu",
            "system": "Linux x86_64",
            "processor": "A processor with a rather long name @ 2.50GHz",
            "cores": 2,
            "gpu": None,
        },
        model={
            "family": "transformer",
            "parameters": 1_234_567,
            "vocab_size": VOCAB,
            "hidden_size": 128,
            "num_layers": 4,
            "tied": True,
            "dropout": 0.0,
        },
        corpus={
            "source": "harbour",
            "fingerprint": "fedcba9876543210fedcba9876543210",
            "splits": {
                "train": {"documents": 9500, "characters": 4_100_000, "bytes": 4_100_020},
                "val": {"documents": 500, "characters": 210_000, "bytes": 210_003},
            },
            "rejected": {"too short": 3, "duplicate": 17},
            "files": [{"name": "train-00000.jsonl", "hash": "x"}],
        },
        tokenizer={"kind": "bpe", "vocab_size": VOCAB, "pattern": "gpt2", "bytes_per_token": BYTES_PER_TOKEN},
        stages=[
            {"name": name, "status": "done", "wall_seconds": seconds}
            for name, seconds in (
                ("corpus", 4.2),
                ("tokenizer", 2.1),
                ("tokens", 1.3),
                ("pretrain", 301.5),
                ("sft", 188.0),
                ("evaluate", 21.0),
                ("export", 9.0),
            )
        ],
        curves={"pretrain": pretrain, "sft": sft},
        validation={"pretrain": validations(pretrain, 100), "sft": validations(sft, 50)},
        evals=[
            score("validation", "bits_per_byte", 1.182, 210_003, baseline, "pretrain"),
            score("validation", "bits_per_byte", 1.274, 210_003, baseline, "sft"),
            score("questions", "exact_match", 0.882, 500, 0.08, "sft"),
            *(score(f"questions/{name}", "exact_match", value, 125, 0.1, "sft") for name, value in families.items()),
            score("questions", "stops_by_itself", 0.998, 500, None, "sft"),
        ],
        samples=[
            *samples("pretrain", 600, "continuation"),
            *samples("pretrain", 1200, "continuation"),
            *samples("sft", 400, "chat"),
        ],
        transcripts=chats,
        events=[
            {"kind": "event", "event": "start", "time": 1893553445.2, "incarnation": 1},
            *({"kind": "checkpoint", "stage": "pretrain", "step": step} for step in range(200, 1201, 200)),
            {"kind": "event", "event": "resume", "stage": "pretrain", "step": 400, "time": 1893553745.0},
            {
                "kind": "decision",
                "verdict": "skip",
                "reason": "the loss is not finite",
                "stage": "pretrain",
                "step": 733,
                "time": 1893553845.0,
            },
            {"kind": "event", "event": "note", "text": "tokens: 1,708,333 for training", "time": 1893553455.0},
        ],
    )
