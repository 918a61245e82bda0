"""Token shards on their way to the disk. A folder is a set of shards once it has its manifest, which comes last."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from holdfast.base.faults import DataFault, DiskFault
from holdfast.base.files import chunk_hashes, fingerprint, fsync_directory, fsync_file, write_json

MANIFEST_FILE = "manifest.json"
SCHEMA = 1
SHARD_TOKENS = 1 << 27
META_KEYS = ("tokenizer_fingerprint", "made_from", "text_bytes")
CONTENT_KEYS = (
    "schema",
    "dtype",
    "masked",
    "tokens",
    "trained_tokens",
    "documents",
    "shards",
    "files",
    "tokenizer_fingerprint",
    "text_bytes",
)

_FLUSH_TOKENS = 1 << 20
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

Ids = Sequence[int] | NDArray[Any]
Mask = Sequence[bool] | Sequence[int] | NDArray[Any]


def ids_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest type on disk that holds every id."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


class ShardWriter:
    """Appends documents to shards of about `shard_tokens` ids; a document is never split between two shards.

    Per shard: NNNNN.bin (ids), NNNNN.idx (document lengths, uint32) and, if masks are given, NNNNN.mask (uint8, 1 where
    the token is a target to learn). Older shards in `out` are removed first. Raises DiskFault if the disk refuses.
    """

    def __init__(self, out: Path, dtype: DTypeLike = np.uint16, shard_tokens: int = SHARD_TOKENS) -> None:
        self.out = out
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shard_tokens = shard_tokens
        self.tokens = self.trained_tokens = self.documents = 0  # added so far
        self._masked: bool | None = None
        self._shards: list[dict[str, int]] = []
        self._files: dict[str, IO[bytes]] = {}
        self._ids: list[NDArray[np.int64]] = []
        self._masks: list[NDArray[np.bool_]] = []
        self._in_memory = self._in_shard = self._shard_documents = 0
        with _disk(out):
            out.mkdir(parents=True, exist_ok=True)
            (out / MANIFEST_FILE).unlink(missing_ok=True)
            for kind in ("bin", "idx", "mask"):
                for old in out.glob(f"[0-9][0-9][0-9][0-9][0-9].{kind}"):
                    old.unlink()

    def add(self, ids: Ids, mask: Mask | None = None) -> None:
        """Append one document: its ids and, for all documents or for none, a mask of equal length."""
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
        if self._in_shard and self._in_shard + len(tokens) > self.shard_tokens:
            self._end_shard()
        self._ids.append(tokens)
        if learned is not None:
            self._masks.append(learned)
        self.tokens += len(tokens)
        self.trained_tokens += len(tokens) if learned is None else int(learned.sum())
        self.documents += 1
        self._in_shard += len(tokens)
        self._shard_documents += 1
        self._in_memory += len(tokens)
        if self._in_memory >= _FLUSH_TOKENS:
            self._flush()

    def close(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Finish: everything reaches the disk, then the manifest. Returns it.

        meta: `tokenizer_fingerprint`, `made_from` (the caller's fingerprint of all inputs), `text_bytes` (UTF-8 size of
        the documents' text) and whatever else should be kept. Raises DataFault if no document was added.
        """
        if missing := [key for key in META_KEYS if key not in meta]:
            raise ValueError(f"the manifest needs {', '.join(missing)}")
        self._end_shard()
        if not self.documents:
            raise DataFault(f"there is not one document to write to {self.out}", "check that the corpus is not empty")
        kinds = ("bin", "idx", "mask") if self._masked else ("bin", "idx")
        paths = [self.out / f"{number:05d}.{kind}" for number in range(len(self._shards)) for kind in kinds]
        with _disk(self.out):
            manifest = {
                **meta,
                "schema": SCHEMA,
                "dtype": self.dtype.name,
                "masked": self._masked,
                "tokens": self.tokens,
                "trained_tokens": self.trained_tokens,
                "documents": self.documents,
                "shards": self._shards,
                "files": {path.name: {"bytes": path.stat().st_size, "chunks": chunk_hashes(path)} for path in paths},
            }
            manifest["fingerprint"] = content_fingerprint(manifest)
            fsync_directory(self.out)
            write_json(self.out / MANIFEST_FILE, manifest)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go of open files; without `close` there is no manifest, so what was written does not count."""
        with _disk(self.out):
            for file in self._files.values():
                file.close()

    def _flush(self) -> None:
        """Move the documents held in memory to the files of the current shard."""
        if not self._ids:
            return
        ids = np.concatenate(self._ids)
        largest = np.iinfo(self.dtype).max
        if ids.min() < 0 or ids.max() > largest:
            raise ValueError(f"ids from {ids.min()} to {ids.max()} do not fit {self.dtype.name} (0 to {largest})")
        data: dict[str, NDArray[Any]] = {
            "bin": ids.astype(self.dtype),
            "idx": np.array([len(document) for document in self._ids], dtype="<u4"),
        }
        if self._masked:
            data["mask"] = np.concatenate(self._masks).astype(np.uint8)
        with _disk(self.out):
            for kind, values in data.items():
                if kind not in self._files:
                    self._files[kind] = open(self.out / f"{len(self._shards):05d}.{kind}", "wb")  # noqa: SIM115
                self._files[kind].write(values.tobytes())
        self._ids, self._masks, self._in_memory = [], [], 0

    def _end_shard(self) -> None:
        self._flush()
        if not self._files:
            return
        with _disk(self.out):
            for file in self._files.values():
                fsync_file(file)
                file.close()
        self._shards.append({"tokens": self._in_shard, "documents": self._shard_documents})
        self._files, self._in_shard, self._shard_documents = {}, 0, 0


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
