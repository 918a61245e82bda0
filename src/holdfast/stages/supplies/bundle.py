"""Everything a recipe needs in one tar file, for a machine without a network: packed always alike, unpacked with care.

The first member is a manifest with size and hash of every other one. Members are called `cache/...`, for what lies in
the cache folder, and `here/...`, for what lies below the current folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from holdfast.base.faults import DataFault
from holdfast.disk.files import LARGEST_JSON, atomic_writer, parse_json
from holdfast.disk.places import cache_folder
from holdfast.stages.recipe import Recipe
from holdfast.stages.supplies.needs import Need, chosen_sources, named_places, needs
from holdfast.stages.supplies.records import Recorded, read_record, write_record
from holdfast.text.fetch.items import BadName, check_name
from holdfast.text.fetch.lock import lock_path
from holdfast.text.fetch.place import SOURCES, sources_folder
from holdfast.text.look import sha256_of
from holdfast.text.sources.fetched import lock_of

MANIFEST = "MANIFEST.json"
SCHEMA = 1
CACHE, HERE = "cache", "here"
_PIECE = 1 << 20

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that was written, or unpacked. left_out: files that mean nothing on another machine, with the reason."""

    files: int
    bytes: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a bundle."""

    name: str
    bytes: int
    sha256: str


def pack(recipe: Recipe, out: Path, progress: Progress) -> Packed:
    """Write all that `recipe` needs, which is here and was recorded, into `out`. The same files make the same bytes.

    Raises DataFault when a file is not what was recorded, OSError.
    """
    wanted = needs(recipe)
    files, left_out = _portable(wanted)
    for source in chosen_sources(recipe):
        if (lock := lock_of(source)) is not None:
            path = lock_path(sources_folder(), lock.source, lock.asked)
            files[_member_name(path) or ""] = (path, None)
    total = sum(path.stat().st_size for path, _ in files.values())
    members = []
    for name, (path, known) in sorted(files.items()):
        members.append(Member(name, path.stat().st_size, digest := sha256_of(path)))
        if known not in (None, digest):
            raise DataFault(f"{path} is not what was recorded", "`holdfast verify RECIPE` says more")
    manifest = {"holdfast_bundle": SCHEMA, "files": [asdict(each) for each in members], "records": _records(wanted)}
    done = 0
    with atomic_writer(out) as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        head = (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
        archive.addfile(_header(MANIFEST, len(head)), io.BytesIO(head))
        for member in members:
            with open(files[member.name][0], "rb") as content:
                archive.addfile(_header(member.name, member.bytes), content)
            done += member.bytes
            progress(done, total)
    return Packed(len(members), total, tuple(left_out))


def unpack(recipe: Recipe, source: Path, progress: Progress) -> Packed:
    """Put the files of a bundle where they belong, each checked before it appears; what is there already is kept.

    Nothing is believed of the bundle: names that lead elsewhere, files that the recipe does not ask for, links, and
    files that its manifest does not name or that differ from what it says, end it. So does a file of the user's own
    that is there and is another one. Raises DataFault, OSError.
    """
    try:
        with tarfile.open(source, mode="r:") as archive:
            manifest = _manifest(archive)
            wanted = {member.name: member for member in manifest.files}
            targets = {name: _target(name) for name in wanted}
            _refuse_strangers(recipe, targets)
            _refuse_to_overwrite(manifest.files, targets)
            total, done = sum(member.bytes for member in manifest.files), 0
            while (entry := archive.next()) is not None:
                member = wanted.pop(entry.name, None)
                if member is None:
                    raise _hostile(f"{entry.name[:200]!r} is in it twice, or is not in its manifest")
                _place(archive, entry, member, targets[entry.name])
                done += member.bytes
                progress(done, total)
    except tarfile.TarError as error:
        raise DataFault(f"{source} is no bundle, or is damaged: {error}", "copy it again") from error
    if wanted:
        raise DataFault(f"{source} is cut off: {len(wanted):,} files are missing", "copy it again")
    for name, words, files in manifest.records:
        write_record(name, words, files)
    return Packed(len(targets), total)


@dataclass(frozen=True, slots=True)
class _Manifest:
    files: list[Member]
    records: list[tuple[str, list[str], list[Recorded]]]


def _portable(wanted: Sequence[Need]) -> tuple[dict[str, tuple[Path, str | None]], list[str]]:
    """Member name -> (file, its hash if known), and what can not be taken along."""
    files: dict[str, tuple[Path, str | None]] = {}
    left_out = []
    for need in wanted:
        absolute = [word for word in need.words if os.path.isabs(os.path.expanduser(word))]
        for file in need.files:
            name = _member_name(file.path)
            if name is None or (absolute and name.startswith(f"{HERE}/")):
                left_out.append(
                    f"{need.name}: {file.path} is not below this folder; copy it by hand, to the same place"
                )
            else:
                files[name] = (file.path, file.sha256)
    return files, left_out


def _member_name(path: Path) -> str | None:
    whole = Path(os.path.normpath(path.absolute()))
    for kind, folder in ((CACHE, cache_folder()), (HERE, Path.cwd())):
        if whole.is_relative_to(folder):
            return f"{kind}/{whole.relative_to(folder).as_posix()}"
    return None


def _records(wanted: Sequence[Need]) -> list[dict[str, Any]]:
    """What is remembered of the user's own files that can be taken along."""
    found = []
    for need in wanted:
        recorded = read_record(need.name, need.words) if need.words and need.recorded else None
        names = [_member_name(each.path) for each in recorded or ()]
        if recorded and all(names):
            files = [
                {"name": each.name, "member": name, "bytes": each.bytes, "sha256": each.sha256,
                 "count": each.count, "unit": each.unit}
                for each, name in zip(recorded, names, strict=True)
            ]  # fmt: skip
            words = [
                _member_name(Path(word)) if Path(word).is_relative_to(cache_folder()) else word for word in need.words
            ]
            found.append({"name": need.name, "words": words, "files": files})
    return found


def _header(name: str, size: int) -> tarfile.TarInfo:
    """Name and size, and nothing of this machine, its users or the time."""
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, 0o644, 0
    return header


def _manifest(archive: tarfile.TarFile) -> _Manifest:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > LARGEST_JSON:
        raise DataFault("this is no bundle: it does not begin with its manifest", "name a file made by fetch --bundle")
    content = archive.extractfile(first)
    assert content is not None, "it is a regular file"
    try:
        value = parse_json(content.read())
        if value["holdfast_bundle"] != SCHEMA:
            raise ValueError(f"version {value['holdfast_bundle']}, and {SCHEMA} is read here")
        files = [_member(row) for row in value["files"]]
        records = [_record(row) for row in value["records"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _hostile(f"its manifest makes no sense: {error}") from error
    if len({member.name for member in files}) != len(files):
        raise _hostile("its manifest names a file twice")
    return _Manifest(files, records)


def _member(row: dict[str, Any]) -> Member:
    member = Member(row["name"], row["bytes"], row["sha256"])
    if not isinstance(member.name, str) or not isinstance(member.bytes, int) or not isinstance(member.sha256, str):
        raise ValueError("a value has another type")
    _target(member.name)
    return member


def _record(row: dict[str, Any]) -> tuple[str, list[str], list[Recorded]]:
    words = [_target(word) if word.startswith(f"{CACHE}/") else word for word in row["words"]]
    files = [
        Recorded(str(each["name"]), _target(each["member"]), int(each["bytes"]), str(each["sha256"]),
                 each["count"], each["unit"])
        for each in row["files"]
    ]  # fmt: skip
    return str(row["name"]), [str(word) for word in words], files


def _target(name: str) -> Path:
    """Where a member goes: below the cache folder, or the current one. Raises BadName, a ValueError."""
    kind, _, rest = name.partition("/")
    if kind not in (CACHE, HERE):
        raise BadName(f"{name[:200]!r} belongs nowhere")
    check_name(rest)
    return cache_folder() / rest if kind == CACHE else Path(rest)


def _refuse_strangers(recipe: Recipe, targets: dict[str, Path]) -> None:
    """Outside the cache a bundle brings what the recipe names, and nothing else."""
    places = named_places(recipe)
    for name, path in targets.items():
        if name.startswith(f"{CACHE}/"):
            asked_for = name.startswith(f"{CACHE}/{SOURCES}/")
        else:
            asked_for = any(path.is_relative_to(place) for place in places)
        if not asked_for:
            raise DataFault(
                f"nothing of this bundle is unpacked: nothing in the recipe asks for {path}",
                "is it the bundle of this recipe? Files that corpus.source_files names have to be here before",
            )


def _refuse_to_overwrite(members: Sequence[Member], targets: dict[str, Path]) -> None:
    """The cache is ours, and what is in it can be replaced; the user's own files are not touched."""
    for member in members:
        path = targets[member.name]
        if member.name.startswith(f"{HERE}/") and os.path.lexists(path) and not _is(path, member):
            raise DataFault(f"{path} is there already and is another file", "move it away, or unpack in another folder")


def _is(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.bytes and sha256_of(path) == member.sha256


def _place(archive: tarfile.TarFile, entry: tarfile.TarInfo, member: Member, target: Path) -> None:
    if not entry.isreg() or entry.issparse() or entry.size != member.bytes:
        raise _hostile(f"{entry.name[:200]!r} is not the plain file of {member.bytes:,} bytes that its manifest says")
    if _is(target, member):
        return
    content = archive.extractfile(entry)
    assert content is not None, "it is a regular file"
    digest = hashlib.sha256()
    with atomic_writer(target) as file:
        for piece in _pieces(content):
            digest.update(piece)
            file.write(piece)
        if digest.hexdigest() != member.sha256:
            raise DataFault(f"{entry.name} in the bundle is damaged", "copy the bundle again")


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(_PIECE):
        yield piece


def _hostile(why: str) -> DataFault:
    return DataFault(f"nothing more of this bundle is unpacked: {why}", "make it again with `holdfast fetch --bundle`")
