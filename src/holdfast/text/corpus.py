"""Reading what was built: documents of a split, and conversations out of chat files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

import xxhash

from holdfast.base.draws import draw
from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Document, Message, Role
from holdfast.disk.parts import damage
from holdfast.text.lines import read_document
from holdfast.text.locate import InputFile, find_inputs
from holdfast.text.manifest import read_manifest
from holdfast.text.read.compression import Metered, suffix_of, unpacked
from holdfast.text.read.encoding import sound
from holdfast.text.read.rows import plain_fields, rows
from holdfast.text.rejection import Unreadable

HELD_OUT_FRACTION = 0.05
_ROLES = get_args(Role)


def read_split(corpus: Path, split: str, skip: int = 0) -> Iterator[Document]:
    """Documents of "train" or "val", in the order in which they were read, behind the first `skip`. Constant memory.

    Raises DataFault when a file is missing, or is not what was written.
    """
    for facts in read_manifest(corpus)["files"]:
        if facts["split"] != split:
            continue
        path = corpus / facts["name"]
        try:
            if skip < facts["documents"]:
                if why := damage(path, facts):
                    _broken(path, why)
                with open(path, "rb") as file:
                    yield from map(read_document, islice(file, skip, None))
        except (OSError, ValueError, KeyError) as error:
            _broken(path, error)
        skip = max(0, skip - facts["documents"])


def _broken(path: Path, why: object) -> NoReturn:
    raise DataFault(f"{path} is damaged: {why}", "delete the corpus folder and build it again")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a chat file that can not be used. `reason` can be counted, `detail` says where."""

    reason: str
    detail: str


def read_conversations(
    paths: str | Path | Sequence[str], setting: str = "sft.path"
) -> Iterator[Conversation | RejectedRow]:
    """Each row of chat files: JSON lines with `messages`, packed or not; a file, a folder of them, or a pattern.

    A conversation is an optional system message, then user and assistant in turn, the assistant last. Contents are
    texts, or lists of text parts that are put together. A last question that nobody answers is cut off, as nothing is
    learned from it; a row that is anything else is rejected.
    Raises DataFault, naming the setting, when there is no file.
    """
    inputs = find_inputs(str(paths) if isinstance(paths, Path) else paths, setting)
    yield from (RejectedRow(each.reason, f"{each.id} {each.detail}".strip()) for each in inputs.rejected)
    for file in inputs.files:
        try:
            yield from _file(file)
        except Unreadable as error:
            yield RejectedRow(error.reason, f"{file.name}: {error.detail}")
        except OSError as error:
            yield RejectedRow("unreadable file", f"{file.name}: {error.strerror}")


def _file(file: InputFile) -> Iterator[Conversation | RejectedRow]:
    with open(file.path, "rb", buffering=0) as raw:
        for number, row in rows(unpacked(Metered(raw, lambda count: None), suffix_of(file.name))):
            if isinstance(row, Unreadable):
                yield RejectedRow(row.reason, f"{file.name}: {row.detail}")
                continue
            try:
                yield _conversation(row, f"{file.name}:{number}")
            except Unreadable as error:
                yield RejectedRow(error.reason, f"{file.name}: line {number}{error.detail}")


def _conversation(row: Mapping[str, Any], place: str) -> Conversation:
    raw = row.get("messages")
    if not isinstance(raw, list) or not raw:
        raise Unreadable("no messages")
    messages = tuple(_message(each, number) for number, each in enumerate(raw, 1))
    spoken = messages[1:] if messages[0].role == "system" else messages
    for number, message in enumerate(spoken):
        if message.role != ("user", "assistant")[number % 2]:
            raise Unreadable(
                "turns out of order", f", message {number + 1 + len(messages) - len(spoken)}: {message.role}"
            )
    if len(spoken) < 2:
        raise Unreadable("no answer")
    messages = messages[: len(messages) - len(spoken) % 2]
    id = row.get("id")
    return Conversation(sound(str(id)) if isinstance(id, str | int) else place, messages, plain_fields(row, "id"))


def _message(raw: object, number: int) -> Message:
    if not isinstance(raw, dict):
        raise Unreadable("message is no JSON object", f", message {number}")
    role, content = raw.get("role"), raw.get("content")
    if role not in _ROLES:
        raise Unreadable("unknown role", f", message {number}: {str(role)[:40]}")
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(str(part.get("text", part.get("value", ""))) for part in content)
    if not isinstance(content, str):
        raise Unreadable("content is no text", f", message {number}")
    if not content.strip():
        raise Unreadable("empty turn", f", message {number}")
    return Message(cast("Role", role), sound(content))


def split_conversations(
    conversations: Sequence[Conversation], seed: int, fraction: float = HELD_OUT_FRACTION
) -> tuple[list[Conversation], list[Conversation]]:
    """(training, held out), about `fraction` of them held out, at least one on each side if they are not all alike.

    By a keyed hash of what is said, so equal conversations stay together and neither order nor ids matter.
    """
    if not conversations:
        return [], []
    keys = [_key(each, seed) for each in conversations]
    ordered = sorted(set(keys))
    count = min(max(1, round(fraction * len(ordered))), len(ordered) - 1)
    limit = ordered[count]
    train = [each for key, each in zip(keys, conversations, strict=True) if key >= limit]
    return train, [each for key, each in zip(keys, conversations, strict=True) if key < limit]


def _key(conversation: Conversation, seed: int) -> int:
    said = "\x1e".join(f"{message.role}\x1f{message.content}" for message in conversation.messages)
    return draw(seed, "chats", xxhash.xxh3_128_hexdigest(said.encode("utf-8")))
