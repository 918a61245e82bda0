"""What a checkpoint says of itself: one JSON file, written last, that vouches for every other byte of the set.

Readers are strict, because a checkpoint may come from anywhere: a cap on size, known fields of known types, plain file
names, no duplicate key, no NaN, and a check-sum over the whole. What does not fit is damage, never a guess.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from holdfast.base.faults import Fault
from holdfast.base.files import CHUNK_BYTES, fingerprint

FILE = "MANIFEST.json"
SCHEMA = 1
LARGEST_BYTES = 16 * 1024 * 1024  # a manifest grows by 35 bytes per 4 MiB of state: this is room for terabytes

_CHECK = "check"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_HASH = re.compile(r"[0-9a-f]{32}")


class Damaged(Fault):
    """A checkpoint, or a part of it, is not what was written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"checkpoint {path.name} is damaged: {why}", "use an older checkpoint of the same stage")
        self.why = why


class FromTheFuture(Fault):
    """A sound checkpoint in a format that this version does not know."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the set: its length, and the xxh3-128 of each 4 MiB of it, in hex."""

    bytes: int
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The facts of one checkpoint.

    step, tokens, position: updates applied, input tokens of these, index of the next batch.
    fingerprint:            of the stage's settings and inputs; tokenizer_fingerprint: of the tokenizer.
    model:                  configuration that rebuilds the model. optimizer: its numbers that are not tensors.
    guard:                  what the guard remembers. lr_scale: standing adjustment of the learning rate.
    horizon:                total steps of the stage, which the schedule is a function of.
    best:                   lowest validation score up to here, if any was measured.
    exactness:              what must be equal elsewhere for the same bits: precision, device, threads, versions.
    tags:                   why it was saved: interval, best, stage_end, signal, ...
    """

    stage: str
    step: int
    incarnation: int
    tokens: int = 0
    position: int = 0
    fingerprint: str = ""
    tokenizer_fingerprint: str = ""
    seed: int = 0
    world_size: int = 1
    micro_batch_rows: int = 0
    horizon: int = 0
    lr_scale: float = 1.0
    best: float | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    guard: Mapping[str, Any] = field(default_factory=dict)
    exactness: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    created: str = ""
    schema: int = SCHEMA

    @property
    def bytes(self) -> int:
        """Bytes of all files of the set, the manifest itself left out."""
        return sum(record.bytes for record in self.files.values())


def encode(manifest: Manifest) -> bytes:
    """The file's content. Raises Fault when a field is no plain JSON: such a checkpoint could not be read back."""
    try:
        plain = json.loads(json.dumps(asdict(manifest), allow_nan=False))  # as a reader will see it
        text = json.dumps(plain | {_CHECK: fingerprint(plain)}, indent=1, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Fault(
            f"the checkpoint of {manifest.stage} step {manifest.step} can not be described: {error}",
            "its settings, score and guard memory must be plain, finite data",
        ) from error
    return text.encode("utf-8") + b"\n"


def decode(content: bytes) -> Manifest:
    """The inverse of `encode`. Raises ValueError saying what is wrong, FromTheFuture for a newer format."""
    try:
        plain = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("its manifest is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"its manifest is not valid JSON ({error})") from error
    if not isinstance(plain, dict):
        raise ValueError("its manifest is not an object")
    check = plain.pop(_CHECK, None)
    try:
        if check != fingerprint(plain):
            raise ValueError("its manifest does not match its own check-sum")
    except RecursionError as error:
        raise ValueError("its manifest is nested too deeply") from error
    schema = plain.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise FromTheFuture(f"format {schema} is newer than this version knows", "install a newer holdfast")
    return _build(plain)


def read(directory: Path) -> Manifest:
    """The manifest in a checkpoint's directory. Raises Damaged, or FromTheFuture naming the directory."""
    try:
        return decode(_read_capped(directory / FILE))
    except FromTheFuture as error:
        raise FromTheFuture(f"checkpoint {directory.name}: {error.cause}", error.remedy) from None
    except FileNotFoundError:
        raise Damaged(directory, "it has no manifest") from None
    except (OSError, ValueError) as error:
        raise Damaged(directory, str(error)) from error


def open_plain(path: Path) -> int:
    """A read-only descriptor of a regular file. Raises OSError, also for a link, a device or a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is not a plain file")
    return handle


def _read_capped(path: Path) -> bytes:
    with open(open_plain(path), "rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError("its manifest is too large to be one")
    return content


def _build(plain: dict[str, Any]) -> Manifest:
    names = {entry.name for entry in fields(Manifest)}
    if odd := plain.keys() ^ names:
        raise ValueError(f"its manifest has the wrong fields: {', '.join(sorted(map(str, odd)))}")
    values = {}
    for name, value in plain.items():
        fits, convert = _KINDS[name]
        if not fits(value):
            raise ValueError(f"its manifest has a wrong {name}")
        values[name] = convert(value)
    return Manifest(**values)


def _same(value: Any) -> Any:
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_files(value: Any) -> bool:
    return _is_object(value) and all(_PLAIN_NAME.fullmatch(name) and _is_file(entry) for name, entry in value.items())


def _is_file(value: Any) -> bool:
    if not (_is_object(value) and value.keys() == {"bytes", "chunks"} and _is_count(value["bytes"])):
        return False
    chunks = value["chunks"]
    if type(chunks) is not list or len(chunks) != -(-value["bytes"] // CHUNK_BYTES):
        return False
    return all(_is_text(chunk) and _HASH.fullmatch(chunk) is not None for chunk in chunks)


def _to_files(value: dict[str, Any]) -> dict[str, FileRecord]:
    return {name: FileRecord(entry["bytes"], tuple(entry["chunks"])) for name, entry in value.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


Kind = tuple[Callable[[Any], bool], Callable[[Any], Any]]
_COUNT: Kind = (_is_count, _same)
_TEXT: Kind = (_is_text, _same)
_OBJECT: Kind = (_is_object, _same)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("step", "incarnation", "tokens", "position", "world_size"), _COUNT),
    **dict.fromkeys(("micro_batch_rows", "horizon", "schema"), _COUNT),
    **dict.fromkeys(("stage", "fingerprint", "tokenizer_fingerprint", "created"), _TEXT),
    **dict.fromkeys(("model", "optimizer", "guard", "exactness"), _OBJECT),
    "seed": (lambda value: type(value) is int, _same),
    "lr_scale": (_is_number, float),
    "best": (lambda value: value is None or _is_number(value), _same),
    "tags": (lambda value: type(value) is list and all(map(_is_text, value)), tuple),
    "files": (_is_files, _to_files),
}
