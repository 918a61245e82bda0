"""Token shards on their way to the disk. A folder is a set of shards once it has its manifest, which comes last."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from holdfast.base.faults import DataFault, DiskFault
from holdfast.disk import fileops, parts
from holdfast.disk.files import fingerprint, write_json

MANIFEST_FILE = "manifest.json"
SCHEMA = 1
SHARD_TOKENS = 1 << 27
COUNTS = ("documents", "tokens", "trained_tokens", "text_bytes")
CONTENT_KEYS = ("schema", "dtype", "masked", *COUNTS, "shards", "files", "tokenizer_fingerprint")

_OURS = r"\d{5}\.(bin|idx|mask|json)"
_FLUSH_TOKENS = 1 << 20
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)

Ids = Sequence[int] | NDArray[Any]
Mask = Sequence[bool] | Sequence[int] | NDArray[Any]


def ids_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest type on disk that holds every id."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


@dataclass(slots=True)
class _Shard:
    """The shard being written: what is counted of it, its files, and the documents that are still in memory."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    files: dict[str, fileops.NewFile] = field(default_factory=dict)
    ids: list[NDArray[np.int64]] = field(default_factory=list)
    masks: list[NDArray[np.bool_]] = field(default_factory=list)
    in_memory: int = 0


class ShardWriter:
    """Appends documents to shards of about `shard_tokens` ids; a document is never split between two shards.

    Per shard: NNNNN.bin (ids), NNNNN.idx (document lengths, uint32), if masks are given NNNNN.mask (uint8, 1 where the
    token is a target to learn), and when these are on the disk NNNNN.json, its record.

    made_from: the caller's fingerprint of all that decides the ids. Whole shards that a killed writer finished from
               the same are kept: the caller goes on behind the first `documents` documents. Everything else that was
               in `out` is removed. None: nothing is kept.
    Raises DiskFault if the disk refuses; what was finished before stays.
    """

    def __init__(
        self,
        out: Path,
        dtype: DTypeLike = np.uint16,
        shard_tokens: int = SHARD_TOKENS,
        made_from: str | None = None,
    ) -> None:
        self.out = out
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shard_tokens = shard_tokens
        self.made_from = made_from
        self._origin = fingerprint([SCHEMA, self.dtype.name, made_from])
        self._shard = _Shard()
        with _disk(out):
            fileops.make_directory(out)
            if (out / MANIFEST_FILE).exists():  # the first to go: without one the folder is no set of shards
                fileops.unlink(out / MANIFEST_FILE)
            self._finished = [] if made_from is None else list(self._whole_shards())
            kept = [name for record in self._finished for name in record["files"]]
            kept += [f"{number:05d}.json" for number in range(len(self._finished))]
            parts.sweep(out, _OURS, kept)
        self._masked: bool | None = self._finished[0]["masked"] if self._finished else None

    def _whole_shards(self) -> Iterator[dict[str, Any]]:
        for number in count():
            record = parts.finished(self.out / f"{number:05d}.json", self._origin)
            if record is None:
                return
            yield record

    @property
    def documents(self) -> int:
        """Stored so far, those of kept shards among them."""
        return self._total("documents")

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of the text stored so far."""
        return self._total("text_bytes")

    def _total(self, name: str) -> int:
        return self._shard.counts[name] + sum(record["counts"][name] for record in self._finished)

    def add(self, ids: Ids, mask: Mask | None = None, text_bytes: int = 0) -> None:
        """Append one document: its ids, for all documents or for none a mask of equal length, and the UTF-8 size of
        its text."""
        tokens = np.asarray(ids, dtype=np.int64)
        if tokens.ndim != 1 or not len(tokens):
            raise ValueError(f"a document is a list of at least one id, not of shape {tokens.shape}")
        if self._masked is None:
            self._masked = mask is not None
        if self._masked != (mask is not None):
            raise ValueError("give a mask with every document or with none")
        learned = None if mask is None else np.asarray(mask).astype(np.bool_)
        if learned is not None and learned.shape != tokens.shape:
            raise ValueError(f"{len(tokens)} ids but {len(learned)} mask entries")
        if self._shard.counts["tokens"] and self._shard.counts["tokens"] + len(tokens) > self.shard_tokens:
            self._end_shard()
        shard = self._shard
        shard.ids.append(tokens)
        if learned is not None:
            shard.masks.append(learned)
        trained = len(tokens) if learned is None else int(learned.sum())
        for name, more in zip(COUNTS, (1, len(tokens), trained, text_bytes), strict=True):
            shard.counts[name] += more
        shard.in_memory += len(tokens)
        if shard.in_memory >= _FLUSH_TOKENS:
            self._flush()

    def close(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Finish: everything reaches the disk, then the manifest. Returns it.

        meta: `tokenizer_fingerprint`, and whatever else should be kept. Raises DataFault if no document was added.
        """
        if "tokenizer_fingerprint" not in meta:
            raise ValueError("the manifest needs the tokenizer_fingerprint")
        self._end_shard()
        if not self._finished:
            raise DataFault(f"there is not one document to write to {self.out}", "check that the corpus is not empty")
        manifest = {
            "made_from": self.made_from,
            **meta,
            "schema": SCHEMA,
            "dtype": self.dtype.name,
            "masked": self._masked,
            **{name: self._total(name) for name in COUNTS},
            "shards": [{name: each["counts"][name] for name in ("tokens", "documents")} for each in self._finished],
            "files": {name: facts for record in self._finished for name, facts in record["files"].items()},
        }
        manifest["fingerprint"] = content_fingerprint(manifest)
        with _disk(self.out):
            write_json(self.out / MANIFEST_FILE, manifest)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go of open files; what is in no finished shard does not count."""
        for file in self._shard.files.values():
            file.close()

    def _flush(self) -> None:
        """Move the documents held in memory to the files of the current shard."""
        shard = self._shard
        if not shard.ids:
            return
        ids = np.concatenate(shard.ids)
        largest = np.iinfo(self.dtype).max
        if ids.min() < 0 or ids.max() > largest:
            raise ValueError(f"ids from {ids.min()} to {ids.max()} do not fit {self.dtype.name} (0 to {largest})")
        data: dict[str, NDArray[Any]] = {
            "bin": ids.astype(self.dtype),
            "idx": np.array([len(document) for document in shard.ids], dtype="<u4"),
        }
        if self._masked:
            data["mask"] = np.concatenate(shard.masks).astype(np.uint8)
        with _disk(self.out):
            for kind, values in data.items():
                if kind not in shard.files:
                    shard.files[kind] = fileops.NewFile(self._path(kind))
                shard.files[kind].write(values.tobytes())
        shard.ids, shard.masks, shard.in_memory = [], [], 0

    def _end_shard(self) -> None:
        self._flush()
        shard = self._shard
        if not shard.files:
            return
        facts = {"counts": shard.counts, "masked": self._masked}
        with _disk(self.out):
            for file in shard.files.values():
                file.sync()
                file.close()
            paths = [file.path for file in shard.files.values()]
            self._finished.append(parts.finish(self._path("json"), self._origin, paths, facts))
        self._shard = _Shard()

    def _path(self, kind: str) -> Path:
        return self.out / f"{len(self._finished):05d}.{kind}"


def content_fingerprint(manifest: Mapping[str, Any]) -> str:
    """A hash of what a manifest says about the shards, whatever they were made from; it also guards the manifest."""
    return fingerprint({key: manifest[key] for key in CONTENT_KEYS})


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise DiskFault(
            f"can not write token shards to {path}: {error.strerror}",
            "make room on the disk, or choose another run directory, and run again",
        ) from error
