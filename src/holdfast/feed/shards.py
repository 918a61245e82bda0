"""Token shards as one long stream of ids, read through the page cache and never held in memory."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from holdfast.base.faults import DataFault
from holdfast.disk import parts
from holdfast.disk.files import CHUNK_BYTES, read_json
from holdfast.feed.write import CONTENT_KEYS, MANIFEST_FILE, SCHEMA, content_fingerprint

_REMEDY = "remove the folder and run the tokens stage again"


class Shards:
    """The documents of a corpus one after another.

    masked: whether a mask says which tokens are targets; without one all are.
    """

    def __init__(self, directory: Path, manifest: dict[str, Any], as_read: bool = False) -> None:
        self.directory = directory
        self.manifest = manifest
        self.masked: bool = manifest["masked"]
        names = [f"{number:05d}" for number in range(len(manifest["shards"]))]
        dtype = np.dtype(manifest["dtype"]).newbyteorder("<")

        def mapped(kind: str, dtype: np.dtype[Any]) -> list[_Mapped]:
            files = [f"{name}.{kind}" for name in names]
            return [_Mapped(directory / file, dtype, manifest["files"][file], as_read) for file in files]

        self._ids = mapped("bin", dtype)
        self._masks = mapped("mask", np.dtype("u1")) if self.masked else []
        self._bounds = np.cumsum([0, *(len(file.values) for file in self._ids)])
        self._idx = [directory / f"{name}.idx" for name in names]

    @classmethod
    def open(cls, directory: Path, verify: bool = False, as_read: bool = False) -> Shards:
        """Open a folder that `ShardWriter` closed. Sizes are always checked.

        verify:  contents (hashes) too, all of them now.
        as_read: those of ids and masks when they are first read, 4 MiB at a time: opening then takes as long for ten
                 gigabytes as for one megabyte, and still nothing is handed out that was not verified.

        Raises DataFault naming the file that is missing or damaged.
        """
        manifest = _read_manifest(directory)
        for name, recorded in manifest["files"].items():
            _check_file(directory / name, recorded, verify or (as_read and name.endswith(".idx")))
        shards = cls(directory, manifest, as_read and not verify)
        if shards.tokens != int(shards._bounds[-1]):
            raise _disagreement(directory)
        if verify and int(shards.lengths.sum()) != shards.tokens:
            raise _disagreement(directory)
        return shards

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(documents,), the ids in each document."""
        return np.concatenate([np.fromfile(path, dtype="<u4") for path in self._idx]).astype(np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(documents,), where each document begins in the stream."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def tokens(self) -> int:
        """All ids of all documents."""
        return int(self.manifest["tokens"])

    @property
    def trained_tokens(self) -> int:
        """Ids that are targets to learn; all of them if there is no mask."""
        return int(self.manifest["trained_tokens"])

    @property
    def documents(self) -> int:
        return int(self.manifest["documents"])

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of the text behind the ids: what bits per byte are counted against."""
        return int(self.manifest["text_bytes"])

    @property
    def tokenizer_fingerprint(self) -> str:
        return str(self.manifest["tokenizer_fingerprint"])

    @property
    def fingerprint(self) -> str:
        """Differs when tokenizer, ids, document borders or masks differ."""
        return str(self.manifest["fingerprint"])

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """The ids at start..stop-1 of the stream, across shard borders."""
        return self.ids_at(np.arange(start, stop))

    def ids_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids at positions of the stream, in the shape of `positions`."""
        return _gather(self._ids, self._bounds, positions).astype(np.int64)

    def learned_at(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the tokens at positions are targets to learn, in the shape of `positions`."""
        if not self.masked:
            return np.ones(positions.shape, dtype=np.bool_)
        return _gather(self._masks, self._bounds, positions).astype(np.bool_)


class _Mapped:
    """One file read in place.

    recorded: its bytes and hashes. as_read: compare each of its chunks with its hash before anything of it is handed
    out, once.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], recorded: dict[str, Any], as_read: bool) -> None:
        # a plain view: indexing the memmap class itself costs several microseconds more per call
        self.values = np.asarray(np.memmap(path, dtype=dtype, mode="r"))
        self._path = path
        self._hashes: list[str] = recorded["chunks"]
        self._unread = np.ones(len(self._hashes), dtype=np.bool_) if as_read else None

    def at(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The values at positions, in their shape. Raises DataFault for those of a damaged chunk."""
        if self._unread is not None:
            touched = positions * self.values.itemsize // CHUNK_BYTES
            for chunk in np.unique(touched[self._unread[touched]]).tolist():
                self._check(chunk)
                self._unread[chunk] = False
        return self.values[positions]

    def _check(self, chunk: int) -> None:
        raw = self.values.view(np.uint8)[chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES]
        if xxhash.xxh3_128_hexdigest(raw.data) != self._hashes[chunk]:
            why = f"the token file {self._path} is damaged: chunk {chunk} is not what was written"
            raise DataFault(why, _REMEDY)


def _gather(files: list[_Mapped], bounds: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[Any]:
    if len(files) == 1:
        return files[0].at(positions)
    owners = np.searchsorted(bounds, positions, side="right") - 1
    gathered = np.empty(positions.shape, dtype=files[0].values.dtype)
    for owner in np.unique(owners):
        chosen = owners == owner
        gathered[chosen] = files[owner].at(positions[chosen] - bounds[owner])
    return gathered


def _disagreement(directory: Path) -> DataFault:
    return DataFault(f"the shards in {directory} disagree on how many tokens they hold", _REMEDY)


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST_FILE
    try:
        manifest = read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataFault(f"there are no finished token shards in {directory}", "run the tokens stage first") from error
    except ValueError as error:
        raise DataFault(f"{path} is damaged: it is not valid JSON", _REMEDY) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataFault(f"{path} is not the manifest of token shards that this version writes", _REMEDY)
    absent = [key for key in (*CONTENT_KEYS, "made_from", "fingerprint") if key not in manifest]
    if absent or content_fingerprint(manifest) != manifest["fingerprint"]:
        raise DataFault(f"{path} is damaged: it does not match its own fingerprint", _REMEDY)
    return manifest


def _check_file(path: Path, recorded: dict[str, Any], verify: bool) -> None:
    if why := parts.damage(path, recorded, only_size=not verify):
        raise DataFault(f"the token file {path} is damaged: {why}", _REMEDY)
