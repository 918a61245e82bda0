"""Conversations on their way to training: read or made, split, turned into ids with a mask, and counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation
from holdfast.disk.files import atomic_writer, fingerprint
from holdfast.disk.parts import finish, finished, sweep
from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter, ids_dtype
from holdfast.journal.sinks.bars import Progress
from holdfast.stages.settings import SftSettings
from holdfast.text import harbour
from holdfast.text.corpus import RejectedRow, read_conversations, split_conversations
from holdfast.text.sources import content_fingerprint
from holdfast.tokenizer.chat import render_within
from holdfast.tokenizer.codec import Tokenizer

HELD_OUT = "heldout.jsonl"
PREPARED = "prepared.json"
SPLITS = ("train", "val")
COUNTED = ("train", "heldout", "rejected")
HELD_OUT_SHARE = 20  # one generated conversation in so many is made for the held-out side
FEWEST_HELD_OUT = 400


def prepare(
    settings: SftSettings, seed: int, folder: Path, tokenizer: Tokenizer, context_length: int, progress: Progress
) -> dict[str, Any]:
    """Write `folder/train`, `folder/val` (shards) and `folder/heldout.jsonl`; returns counts.

    Done once: what was made from the same conversations and is whole is not made again; a record, stored last, says so.
    Rows that can not be used are counted by reason. Raises DataFault when nothing is left to learn from.
    """
    made_from = _origin(settings, seed, tokenizer, context_length)
    record = finished(folder / PREPARED, made_from)
    if record is not None and all(_whole(folder / split) for split in SPLITS):
        return {name: record[name] for name in COUNTED}
    sweep(folder)
    train, held_out, rejected = gather(settings, seed)
    limit = context_length + 1  # the last token of a row is only ever a target
    counts: dict[str, Any] = {
        "train": _write(_counted(train, progress), folder / "train", tokenizer, limit, rejected),
        "heldout": _write(_kept(held_out, folder / HELD_OUT), folder / "val", tokenizer, limit, rejected),
    }
    counts |= {"rejected": dict(rejected.most_common())}
    finish(folder / PREPARED, made_from, [folder / HELD_OUT], counts)
    return counts


def _origin(settings: SftSettings, seed: int, tokenizer: Tokenizer, context_length: int) -> str:
    made = [harbour.fingerprint(), settings.conversations]
    source = made if settings.path is None else content_fingerprint(settings.path)
    return fingerprint([source, seed, tokenizer.fingerprint, context_length])


def _whole(shards: Path) -> bool:
    try:
        return bool(Shards.open(shards, verify=True).documents)
    except DataFault:
        return False


def gather(settings: SftSettings, seed: int) -> tuple[Iterable[Conversation], Iterable[Conversation], Counter[str]]:
    """(training conversations, held-out ones, rejections by reason, which fill up as the others are read)."""
    rejected: Counter[str] = Counter()
    if settings.generator is not None:
        held_out = max(settings.conversations // HELD_OUT_SHARE, FEWEST_HELD_OUT)
        return (
            harbour.conversations(settings.conversations, seed, "train"),
            harbour.conversations(held_out, seed, "heldout"),
            rejected,
        )
    assert settings.path is not None, "a checked recipe names a path or a generator"
    paths = [settings.path] if isinstance(settings.path, str) else settings.path
    rows = [row for path in paths for row in read_conversations(path)]
    rejected.update(row.reason for row in rows if isinstance(row, RejectedRow))
    train, held_out_rows = split_conversations([row for row in rows if isinstance(row, Conversation)], seed)
    return train, held_out_rows, rejected


def _counted(conversations: Iterable[Conversation], progress: Progress) -> Iterator[Conversation]:
    for count, conversation in enumerate(conversations, 1):
        progress(count, None)
        yield conversation


def _kept(conversations: Iterable[Conversation], path: Path) -> Iterator[Conversation]:
    """Pass conversations on and keep them as JSONL for the examination later."""
    with atomic_writer(path) as file:
        for each in conversations:
            row = {"id": each.id, "messages": [message._asdict() for message in each.messages], "meta": dict(each.meta)}
            file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
            yield each


def _write(
    conversations: Iterable[Conversation], out: Path, tokenizer: Tokenizer, limit: int, rejected: Counter[str]
) -> dict[str, int]:
    """Render into shards; what does not fit the context is shortened by whole turns, or skipped and counted."""
    seen = 0
    with ShardWriter(out, ids_dtype(tokenizer.vocab_size)) as writer:
        for conversation in conversations:
            seen += 1
            rendered = render_within(conversation, tokenizer, limit)
            if rendered is None:
                rejected["longer than the context"] += 1
                continue
            text_bytes = sum(len(message.content.encode("utf-8")) for message in conversation.messages)
            writer.add(*rendered, text_bytes)
        if not writer.documents:
            raise _nothing_left(out.name, seen, rejected)
        manifest = writer.close({"tokenizer_fingerprint": tokenizer.fingerprint})
    return {"conversations": manifest["documents"], "tokens": manifest["tokens"], "learned": manifest["trained_tokens"]}


def _nothing_left(split: str, seen: int, rejected: Counter[str]) -> DataFault:
    worst = f", most often: {rejected.most_common(1)[0][0]}" if rejected else ""
    return DataFault(
        f"no conversation is left for {split} of {seen} that were read ({rejected.total()} rejected{worst})",
        "check sft.path: one JSON object a line with `messages`, or raise model.context_length, or sft.enabled=false",
    )
