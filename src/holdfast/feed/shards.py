"""Token shards as one long stream of ids, read through the page cache and never held in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.base.faults import DataFault
from holdfast.disk import parts
from holdfast.disk.files import read_json
from holdfast.feed.write import CONTENT_KEYS, MANIFEST_FILE, SCHEMA, content_fingerprint

_REMEDY = "remove the folder and run the tokens stage again"


class Shards:
    """The documents of a corpus one after another.

    lengths: (documents,) int64, the ids in each document.  starts: (documents,) int64, where each begins.
    masked: whether a mask says which tokens are targets; without one all are.
    """

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory = directory
        self.manifest = manifest
        self.masked: bool = manifest["masked"]
        names = [f"{number:05d}" for number in range(len(manifest["shards"]))]
        dtype = np.dtype(manifest["dtype"]).newbyteorder("<")
        self._ids = [_mapped(directory / f"{name}.bin", dtype) for name in names]
        self._masks = [_mapped(directory / f"{name}.mask", np.dtype("u1")) for name in names] if self.masked else []
        self._bounds = np.cumsum([0, *(len(ids) for ids in self._ids)])
        idx = [np.fromfile(directory / f"{name}.idx", dtype="<u4") for name in names]
        self.lengths = np.concatenate(idx).astype(np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths

    @classmethod
    def open(cls, directory: Path, verify: bool = False) -> Shards:
        """Open a folder that `ShardWriter` closed. Sizes are always checked, contents (hashes) with `verify`.
        Raises DataFault naming the file that is missing or damaged."""
        manifest = _read_manifest(directory)
        for name, recorded in manifest["files"].items():
            _check_file(directory / name, recorded, verify)
        shards = cls(directory, manifest)
        if not shards.tokens == int(shards._bounds[-1]) == int(shards.lengths.sum()):
            raise DataFault(f"the shards in {directory} disagree on how many tokens they hold", _REMEDY)
        return shards

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


def _gather(parts: list[NDArray[Any]], bounds: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[Any]:
    if len(parts) == 1:
        return parts[0][positions]
    owners = np.searchsorted(bounds, positions, side="right") - 1
    gathered = np.empty(positions.shape, dtype=parts[0].dtype)
    for owner in np.unique(owners):
        chosen = owners == owner
        gathered[chosen] = parts[owner][positions[chosen] - bounds[owner]]
    return gathered


def _mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    # a plain view: indexing the memmap class itself costs several microseconds more per call
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


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
