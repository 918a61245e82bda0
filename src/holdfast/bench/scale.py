"""What a start costs must not grow: with the text, from 1 MB to 10 GB, nor with the steps made, from 10^3 to 10^6.

The tokens are holes in files, whose hashes are known without reading them; the journal is of made-up steps before real
ones. `python -m holdfast.bench.scale CONFIG` is one look at them, in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import xxhash

from holdfast.bench.bench import Bench
from holdfast.bench.child import HOLDFAST, Watched, in_fresh_process, watch
from holdfast.bench.material import Material, made_up_text, words_of
from holdfast.bench.train import steps
from holdfast.disk.files import CHUNK_BYTES, write_json
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.feed.write import SCHEMA, content_fingerprint
from holdfast.journal.journal import Journal, starts
from holdfast.journal.lines import decode, encode
from holdfast.stages.inspection.status import status

TEXTS = {"1 MB": 10**6, "100 MB": 10**8, "10 GB": 10**10}
STEPS = {"10^3 steps": 10**3, "10^5 steps": 10**5, "10^6 steps": 10**6}
BYTES_PER_TOKEN = 4  # of text
DOCUMENT_TOKENS = 600  # web pages are about so long
SHARD_TOKENS = 50_000_000
VOCAB = 512
LOOKS = 200
FIRST_STEPS = 20


def scale(bench: Bench) -> list[dict[str, Any]]:
    """Measure and write scale-text.json and scale-steps.json."""
    bench.require_peers(())
    text = made_up_text(bench.work / f"words-{VOCAB}", VOCAB)
    words = words_of("smoke", text, ("tokenizer.kind=bpe", f"tokenizer.vocab_size={VOCAB}", "pretrain.steps=100"))
    material = Material(bench.work, words)
    return [_texts(bench, material), _steps(bench, material)]


def _texts(bench: Bench, material: Material) -> dict[str, Any]:
    runs = {name: _copy(material, bench.work / f"text-{size}") for name, size in TEXTS.items()}
    for name, size in TEXTS.items():
        hollow(runs[name] / "tokens" / "train", size // BYTES_PER_TOKEN)
    trial, environment = bench.trial()

    def once(name: str, _: int) -> Mapping[str, float]:
        for stage in ("pretrain", "journal"):
            shutil.rmtree(runs[name] / stage, ignore_errors=True)
        watched, seconds = first_step(material, runs[name], bench.work)
        looked = look(bench.work, "tokens", runs[name])
        return {"first_step_seconds": seconds, "memory_mb": watched.memory / 1e6, **looked}

    found = trial.interleave(list(TEXTS), once, ours="1 MB")
    for folder in runs.values():
        shutil.rmtree(folder)
    return bench.keep("scale-text", "scale", environment, TEXTS, found, ours="1 MB")


def _steps(bench: Bench, material: Material) -> dict[str, Any]:
    stopped = _copy(material, bench.work / "stopped")
    first_step(material, stopped, bench.work, FIRST_STEPS)
    runs = {name: bench.work / f"steps-{count}" for name, count in STEPS.items()}
    for name, count in STEPS.items():
        shutil.rmtree(runs[name], ignore_errors=True)
        shutil.copytree(stopped, runs[name])
        lengthen(runs[name] / "journal", count)
    trial, environment = bench.trial()

    def once(name: str, _: int) -> Mapping[str, float]:
        shutil.rmtree(run := bench.work / "again", ignore_errors=True)
        shutil.copytree(runs[name], run, copy_function=os.link)
        looked = look(bench.work, "journal", run)
        shutil.rmtree(run)
        shutil.copytree(runs[name], run, copy_function=os.link)
        watched, seconds = first_step(material, run, bench.work)
        shutil.rmtree(run)
        return {"resume_seconds": seconds, "memory_mb": watched.memory / 1e6, **looked}

    found = trial.interleave(list(STEPS), once, ours="10^3 steps")
    for folder in (stopped, *runs.values()):
        shutil.rmtree(folder)
    return bench.keep("scale-steps", "scale", environment, STEPS, found, ours="10^3 steps")


def _copy(material: Material, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(material.run_dir, folder, copy_function=os.link))


def first_step(material: Material, run_dir: Path, work: Path, wanted: int = 1) -> tuple[Watched, float]:
    """Let a run go on for `wanted` new steps; also the seconds until the first of them."""
    command = [*HOLDFAST, "run", str(run_dir), "--until", "pretrain", "--quiet"]
    began = len(list((run_dir / "journal").glob("*.jsonl")))

    def made() -> list[tuple[float, int]]:
        return steps(run_dir, since=began + 1)

    watched = watch(command, work / "run.log", material.environment, lambda: len(made()) >= wanted)
    return watched, made()[0][0] - watched.started


def hollow(folder: Path, tokens: int) -> None:
    """Put shards of so many zeros in the place of those in a folder: files of holes, with the manifest of such."""
    kept = Shards.open(folder).manifest
    shutil.rmtree(folder)
    folder.mkdir()
    files: dict[str, Any] = {}
    shards = []
    for number, start in enumerate(range(0, tokens, SHARD_TOKENS)):
        count = min(SHARD_TOKENS, tokens - start)
        lengths = np.full(-(-count // DOCUMENT_TOKENS), DOCUMENT_TOKENS, dtype="<u4")
        lengths[-1] = count - DOCUMENT_TOKENS * (len(lengths) - 1)
        (folder / f"{number:05}.idx").write_bytes(lengths.tobytes())
        files[f"{number:05}.idx"] = {"bytes": lengths.nbytes, "chunks": _hashes(lengths.tobytes())}
        with open(folder / f"{number:05}.bin", "wb") as file:
            file.truncate(2 * count)
        full, rest = divmod(2 * count, CHUNK_BYTES)
        chunks = _hashes(bytes(CHUNK_BYTES)) * full + (_hashes(bytes(rest)) if rest else [])
        files[f"{number:05}.bin"] = {"bytes": 2 * count, "chunks": chunks}
        shards.append({"tokens": count, "documents": len(lengths)})
    manifest = {
        "made_from": kept["made_from"],
        "tokenizer_fingerprint": kept["tokenizer_fingerprint"],
        "schema": SCHEMA,
        "dtype": "uint16",
        "masked": False,
        "documents": sum(each["documents"] for each in shards),
        "tokens": tokens,
        "trained_tokens": tokens,
        "text_bytes": BYTES_PER_TOKEN * tokens,
        "shards": shards,
        "files": files,
    }
    write_json(folder / "manifest.json", manifest | {"fingerprint": content_fingerprint(manifest)})


def _hashes(raw: bytes) -> list[str]:
    pieces = range(0, len(raw), CHUNK_BYTES)
    return [xxhash.xxh3_128_hexdigest(raw[start : start + CHUNK_BYTES]) for start in pieces]


def lengthen(journal: Path, count: int) -> None:
    """Put so many made-up steps before those of the newest start, as if it had made them long ago."""
    path = starts(journal)[-1]
    records = [decode(line) for line in path.read_bytes().splitlines(keepends=True)]
    place = next(index for index, record in enumerate(records) if record["kind"] == "step")
    with open(path, "wb") as file:
        file.writelines(map(encode, records[:place]))
        first = records[place]
        for number in range(count):
            file.write(encode({**first, "seq": first["seq"] + number, "step": number - count + 1}))
        for record in records[place:]:
            file.write(encode({**record, "seq": record["seq"] + count}))


def look(work: Path, kind: str, run_dir: Path) -> dict[str, float]:
    """What tokens or a journal cost a fresh process."""
    config = {"kind": kind, "run": str(run_dir)}
    return dict(in_fresh_process("holdfast.bench.scale", config, work)[1][0])


def main() -> None:
    """One look, in this process."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    kinds = {"tokens": _tokens, "journal": _journal}
    Path(config["out"]).write_text(json.dumps(kinds[config["kind"]](Path(config["run"]))) + "\n", "utf-8")


def _tokens(run_dir: Path) -> dict[str, float]:
    """Milliseconds to open, to read a batch anywhere, and the memory (not that of files) both take."""
    before, began = _own_memory(), time.perf_counter()
    feed = Feed(Shards.open(run_dir / "tokens" / "train", as_read=True), 256, 8, 1)
    opened = time.perf_counter()
    for index in np.random.default_rng(1).integers(0, 10**6, LOOKS).tolist():
        feed.batch_at(index)
    return {
        "open_ms": 1000 * (opened - began),
        "batch_ms": 1000 * (time.perf_counter() - opened) / LOOKS,
        "feed_mb": (_own_memory() - before) / 1e6,
    }


def _journal(run_dir: Path) -> dict[str, float]:
    """Milliseconds to tell the status, to open the journal of a new start and to append to it; memory of the first."""
    before, began = _own_memory(), time.perf_counter()
    status(run_dir)
    told, memory = time.perf_counter(), _own_memory() - before
    journal = Journal.open(run_dir / "journal")
    opened = time.perf_counter()
    for number in range(LOOKS):
        journal.append("event", event="look", number=number)
    appended = time.perf_counter()
    journal.close()
    return {
        "status_ms": 1000 * (told - began),
        "status_mb": memory / 1e6,
        "open_ms": 1000 * (opened - told),
        "append_ms": 1000 * (appended - opened) / LOOKS,
    }


def _own_memory() -> int:
    found = psutil.Process().memory_info()
    return int(found.rss - found.shared)


if __name__ == "__main__":
    main()
