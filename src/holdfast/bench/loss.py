"""Quality by the minute: bits per byte of held-out text after so many minutes of training, compilation included.

Every system reads the same text. Peers read the tokens of our first recipe; a recipe of ours may cut the text
otherwise, since bits per byte do not depend on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from holdfast.base.faults import RecipeFault
from holdfast.bench.bench import Bench
from holdfast.bench.child import HOLDFAST, in_fresh_process, watch
from holdfast.bench.figures import OURS, Shape
from holdfast.bench.material import Material, held_out, peer_tokens, words_of
from holdfast.bench.peers import PEERS
from holdfast.journal.journal import read
from holdfast.stages.horizon import BUDGET_SHARE, OVERHEAD

CLASS = Shape(4, 256, 8192, 512, 8)  # what peers train; the vocabulary is that of the tokens


def loss(
    bench: Bench,
    minutes: float,
    text: Path,
    recipes: Sequence[str],
    words: Sequence[str] = (),
    attempts: Sequence[str] = (),
    shape: Shape = CLASS,
) -> dict[str, Any]:
    """Measure and write loss-MINUTESmin.json.

    recipes:  of ours; the first is the one that peers are compared with.
    words:    settings for all of them.
    attempts: tunings of a peer to try beside its own, NAME:learning_rate=X,rows=Y; each is a system of its own.
    """
    bench.require_peers()
    tunings = {name: dict(PEERS[name].tuned) for name in bench.against} | dict(map(attempt, attempts))
    seconds = 60 * minutes
    budget = f"budget={seconds / BUDGET_SHARE['pretrain'] / (1 - OVERHEAD):.0f}s"
    ours = {_named(place, recipe): Material(bench.work, words_of(recipe, text, (*words, budget)))
            for place, recipe in enumerate(recipes)}  # fmt: skip
    first = ours[OURS]
    windows = (bench.work / "heldout.npz").resolve()
    held_out(first.run_dir, shape.context, windows)
    shape = replace(shape, vocab=first.tokens.vocab)
    for other in ours.values():
        bench.tell(f"tokens: {other.tokens.vocab:,} ids in {other.run_dir}")  # all are made before anything is measured
    trial, environment = bench.trial()

    def once(name: str, number: int) -> Mapping[str, float]:
        if name in ours:
            return _train_ours(ours[name], bench.work)
        peer, tuning = name.partition(":")[0], tunings[name]
        config = {**peer_tokens(first.tokens), **tuning, "seconds": seconds, "heldout": str(windows)}
        lines = bench.train_peer(peer, shape, config)[1]
        made = [line for line in lines if line["kind"] == "step"]
        score = next(line for line in lines if line["kind"] == "score")
        return {"bits_per_byte": score["bits_per_byte"], "seconds": score["seconds"], "tokens": made[-1]["tokens"],
                "steps": len(made)}  # fmt: skip

    runs = trial.interleave([*ours, *tunings], once)
    config = {"minutes": minutes, "recipes": list(recipes), "words": list(words), "text": text.name,
              "peers": tunings, "shape": asdict(shape)}  # fmt: skip
    return bench.keep(f"loss-{minutes:g}min", "loss", environment, config, runs)


def attempt(word: str) -> tuple[str, dict[str, float]]:
    """(system, tuning) of NAME:learning_rate=X,rows=Y. Raises RecipeFault for what is not written so."""
    name, _, settings = word.partition(":")
    try:
        pairs = [setting.split("=") for setting in settings.split(",")]
        given = {key: float(value) if key == "learning_rate" else int(value) for key, value in pairs}
    except ValueError:
        given = {}
    if name not in PEERS or not given or not given.keys() <= {"learning_rate", "rows"}:
        raise RecipeFault(f"{word!r} is no tuning of a peer", "write NAME:learning_rate=2e-3,rows=4")
    return word, {**PEERS[name].tuned, **given}


def _named(place: int, recipe: str) -> str:
    return OURS if place == 0 else f"{OURS} {recipe}"


def _train_ours(material: Material, work: Path) -> dict[str, float]:
    run_dir = work / "run"
    shutil.rmtree(run_dir, ignore_errors=True)
    command = [*HOLDFAST, "run", *material.words, "--run-dir", str(run_dir), "--until", "pretrain", "--quiet"]
    watch(command, work / "run.log", material.environment)
    records = list(read(run_dir / "journal"))
    made = [record for record in records if record["kind"] == "step"]
    begun = next(record for record in records if record.get("event") == "stage_start" and record["stage"] == "pretrain")
    _, lines = in_fresh_process("holdfast.bench.score", {"run": str(run_dir)}, work)
    shutil.rmtree(run_dir)
    return {
        "bits_per_byte": lines[0]["bits_per_byte"],
        "seconds": made[-1]["time"] - begun["time"],
        "tokens": lines[0]["tokens"],
        "steps": len(made),
    }
