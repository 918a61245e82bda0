"""A bundle from a stranger: it writes what its manifest and the recipe agree on, where that belongs, or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DataFault
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.supplies.bundle import MANIFEST, unpack

TEXT = b"it was a dark night\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to unpack in, in an empty world."""
    folder = tmp_path / "world" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOLDFAST_CACHE", str(tmp_path / "world" / "cache"))
    return folder


@pytest.fixture
def recipe(here: Path) -> Recipe:
    return resolve("smoke", ["corpus.path=texts"]).recipe


def listed(name: str, data: bytes = TEXT, **other: Any) -> dict[str, Any]:
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **other}


def header(name: str, size: int = len(TEXT), **other: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in other.items():
        setattr(made, key, value)
    return made


def bundle(
    tmp_path: Path,
    files: list[Any],
    members: list[tuple[tarfile.TarInfo, bytes]],
    records: list[Any] | None = None,
    manifest: bytes | None = None,
) -> Path:
    told = {"holdfast_bundle": 1, "files": files, "records": records or []}
    head = json.dumps(told).encode() if manifest is None else manifest
    path = tmp_path / "bundle.tar"
    with tarfile.open(path, "w") as archive:
        for member, data in [(header(MANIFEST, len(head)), head), *members]:
            archive.addfile(member, io.BytesIO(data))
    return path


def world(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "world").rglob("*") if not path.is_dir() or path.is_symlink())


def refused(recipe: Recipe, path: Path, match: str) -> None:
    with pytest.raises(DataFault, match=match):
        unpack(recipe, path, lambda done, total: None)


def test_a_good_one(tmp_path: Path, here: Path, recipe: Recipe) -> None:
    names = ("cache/sources/books/a.txt", "here/texts/b.txt")
    path = bundle(tmp_path, [listed(name) for name in names], [(header(name), TEXT) for name in names])
    assert unpack(recipe, path, lambda done, total: None).files == 2
    assert (here / "texts/b.txt").read_bytes() == TEXT
    assert (tmp_path / "world/cache/sources/books/a.txt").read_bytes() == TEXT
    assert unpack(recipe, path, lambda done, total: None).files == 2, "again is no error"


@pytest.mark.parametrize(
    "name",
    [
        "../a.txt", "/etc/a.txt", "a.txt", "here/../a.txt", "here/texts/../../a.txt", "here//etc/a", "cache/../a.txt",
        "here/texts/.a.txt", "here/texts/a\0b", "here/texts/a\\b", "elsewhere/a.txt", "here/", "here", "", "cache/",
        "cache/sources/../../a.txt", "here/texts/" + "a" * 300,
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(tmp_path: Path, recipe: Recipe, name: str) -> None:
    refused(recipe, bundle(tmp_path, [listed(name)], [(header(name or "x"), TEXT)]), "makes no sense")
    assert world(tmp_path) == []


@pytest.mark.parametrize("name", ["here/setup.py", "here/texts2/a.txt", "cache/records/a.json", "cache/a.txt"])
def test_what_the_recipe_does_not_ask_for(tmp_path: Path, recipe: Recipe, name: str) -> None:
    refused(recipe, bundle(tmp_path, [listed(name)], [(header(name), TEXT)]), "nothing in the recipe asks for")
    assert world(tmp_path) == []


@pytest.mark.parametrize(
    "other",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0},
        {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd", "size": 0},
        {"type": tarfile.FIFOTYPE, "size": 0},
        {"type": tarfile.CHRTYPE, "size": 0},
        {"type": tarfile.DIRTYPE, "size": 0},
        {"size": 5},
    ],
)
def test_members_that_are_not_the_plain_file_that_was_promised(
    tmp_path: Path, recipe: Recipe, other: dict[str, Any]
) -> None:
    name = "here/texts/a.txt"
    size = other["size"]
    path = bundle(tmp_path, [listed(name, TEXT[:size] if size else b"")], [(header(name, **other), TEXT[:size])])
    if size:
        path = bundle(tmp_path, [listed(name)], [(header(name, **other), TEXT[:size])])
    refused(recipe, path, "not the plain file")
    assert world(tmp_path) == []


def test_a_member_that_nobody_promised(tmp_path: Path, recipe: Recipe) -> None:
    path = bundle(tmp_path, [], [(header("here/texts/a.txt"), TEXT)])
    refused(recipe, path, "not in its manifest")
    assert world(tmp_path) == []


def test_a_member_that_comes_twice(tmp_path: Path, recipe: Recipe) -> None:
    name = "here/texts/a.txt"
    refused(recipe, bundle(tmp_path, [listed(name)], [(header(name), TEXT), (header(name), TEXT)]), "twice")
    refused(recipe, bundle(tmp_path, [listed(name), listed(name)], [(header(name), TEXT)]), "twice")


def test_a_member_that_is_damaged_does_not_appear(tmp_path: Path, recipe: Recipe) -> None:
    name = "here/texts/a.txt"
    refused(recipe, bundle(tmp_path, [listed(name)], [(header(name), TEXT[::-1])]), "damaged")
    assert world(tmp_path) == []


def test_members_that_are_missing(tmp_path: Path, recipe: Recipe) -> None:
    names = ("here/texts/a.txt", "here/texts/b.txt")
    refused(recipe, bundle(tmp_path, [listed(name) for name in names], [(header(names[0]), TEXT)]), "cut off")


@pytest.mark.parametrize("size", [0, 100, 600, 1100, 2000])
def test_a_bundle_that_was_copied_half_way(tmp_path: Path, recipe: Recipe, size: int) -> None:
    path = bundle(tmp_path, [listed("here/texts/a.txt")], [(header("here/texts/a.txt"), TEXT)])
    assert path.stat().st_size > 2000
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataFault):
        unpack(recipe, path, lambda done, total: None)
    assert [name for name in world(tmp_path) if name != "a.txt"] == []


@pytest.mark.parametrize(
    "manifest",
    [
        b"", b"{", b"[]", b"{}", b"7", b'{"holdfast_bundle": 2, "files": [], "records": []}',
        b'{"holdfast_bundle": 1, "files": {}, "records": 5}', b'{"holdfast_bundle": 1, "files": [1], "records": []}',
        b'{"holdfast_bundle": 1, "files": [{"name": 1, "bytes": 1, "sha256": ""}], "records": []}',
        b'{"holdfast_bundle": 1, "files": [], "records": [{}]}', b"[" * 100_000,
        b'{"holdfast_bundle": 1, "files": [], "records": [{"name": "corpus.path", "words": ["texts"], '
        b'"files": [{"name": "a", "member": "here/../../a", "bytes": 1, "sha256": "", "count": 1, "unit": ""}]}]}',
    ],
)  # fmt: skip
def test_manifests_without_sense(tmp_path: Path, recipe: Recipe, manifest: bytes) -> None:
    refused(recipe, bundle(tmp_path, [], [], manifest=manifest), "makes no sense")
    assert world(tmp_path) == []


def test_what_is_no_bundle(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(b"not a tar" * 500)
    refused(recipe, path, "no bundle")
    with tarfile.open(path, "w") as archive:
        archive.addfile(header("other.txt"), io.BytesIO(TEXT))
    refused(recipe, path, "does not begin with its manifest")


def test_files_of_ones_own_are_not_overwritten(tmp_path: Path, here: Path, recipe: Recipe) -> None:
    (here / "texts").mkdir()
    (here / "texts/b.txt").write_text("mine")
    names = ("here/texts/a.txt", "here/texts/b.txt")
    path = bundle(tmp_path, [listed(name) for name in names], [(header(name), TEXT) for name in names])
    refused(recipe, path, "is another file")
    assert world(tmp_path) == ["b.txt"]
    assert (here / "texts/b.txt").read_text() == "mine"


def test_a_link_of_ones_own_is_not_followed(tmp_path: Path, here: Path, recipe: Recipe) -> None:
    (here / "texts").mkdir()
    (here / "precious").write_text("mine")
    (here / "texts/a.txt").symlink_to(here / "precious")
    refused(recipe, bundle(tmp_path, [listed("here/texts/a.txt")], [(header("here/texts/a.txt"), TEXT)]), "another")
    assert (here / "precious").read_text() == "mine"
