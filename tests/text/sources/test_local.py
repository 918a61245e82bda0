"""Local files of every kind, whole and broken."""

import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
import zstandard

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text.locate import InputFile
from holdfast.text.meter import Meter
from holdfast.text.read import place, plain
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import local

Found = tuple[dict[str, Document], dict[str, str]]


def read(path: Path | str, text_field: str = "text") -> Found:
    """({id: document}, {id: why it was rejected})."""
    settings = CorpusSettings(path=str(path), text_field=text_field)
    found = list(chain.from_iterable(local.units(settings, 0, Meter(lambda done, total: None))))
    kept = {each.id: each for each in found if isinstance(each, Document)}
    rejected = {each.id: each.why for each in found if isinstance(each, Rejected)}
    assert len(kept) + len(rejected) == len(found), "an id was used twice"
    return kept, rejected


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


ROW = (
    json.dumps({"id": "B1", "title": "Ships", "author": "A", "year": 1850, "text": "A row.", "list": [1]}).encode()
    + b"\n"
)


@pytest.mark.parametrize(
    ("name", "data", "ids"),
    [
        ("a.txt", b"Plain.", ["a.txt"]),
        ("a.md", b"# Head", ["a.md"]),
        ("a.html", b"<title>T</title><p>Page.", ["a.html"]),
        ("a.jsonl", ROW + b"\n" + ROW, ["a.jsonl:1", "a.jsonl:3"]),
        ("a.TXT.GZ", gzip.compress(b"Packed.", mtime=0), ["a.TXT.GZ"]),
        ("a.gz", gzip.compress(b"Packed.", mtime=0), ["a.gz"]),
        ("a.jsonl.xz", lzma.compress(ROW), ["a.jsonl.xz:1"]),
        ("a.md.zst", zstandard.ZstdCompressor().compress(b"Packed."), ["a.md.zst"]),
        ("a.tar", tar(("in/x.txt", b"One."), ("y.jsonl", ROW)), ["a.tar:in/x.txt", "a.tar:y.jsonl:1"]),
        ("a.zip", zipped(("in/x.txt", b"One."), ("y.jsonl", ROW)), ["a.zip:in/x.txt", "a.zip:y.jsonl:1"]),
        ("a.zip.gz", gzip.compress(zipped(("x.txt", b"One.")), mtime=0), ["a.zip.gz:x.txt"]),
        ("a.json", b"[" + ROW + b"," + ROW + b"]", ["a.json:1", "a.json:2"]),
        ("a.csv", b"n,text\n1,One.\n", ["a.csv:1"]),
        ("a.xml", b"<TEI><text><p>One.</p></text></TEI>", ["a.xml"]),
        ("a.tgz", gzip.compress(tar(("x.txt.gz", gzip.compress(b"One.", mtime=0))), mtime=0), ["a.tgz:x.txt.gz"]),
    ],
)
def test_every_format_is_read(name: str, data: bytes, ids: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    kept, rejected = read(tmp_path)
    assert (list(kept), rejected) == (ids, {})
    assert all(each.meta["path"] == name and each.text for each in kept.values())


def test_what_is_known_of_a_text_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ROW)
    (tmp_path / "b.html").write_bytes("<meta charset=latin-1><title>Été</title>é".encode("latin-1"))
    kept, _ = read(tmp_path)
    assert kept["a.jsonl:1"].meta == {"id": "B1", "title": "Ships", "author": "A", "year": 1850, "path": "a.jsonl"}
    assert kept["b.html"].meta == {"title": "Été", "encoding": "cp1252", "path": "b.html"}


def test_a_header_beside_is_read_with_its_text(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    (tmp_path / "K1.000.xml").write_text("<ETS><TEXT LANG='eng'><P>A text.</P></TEXT></ETS>")
    title = "<TITLESTMT><TITLE>A title</TITLE></TITLESTMT>"
    (tmp_path / "K1.000.hdr").write_text(f"<HEADER><FILEDESC>{title}</FILEDESC></HEADER>")
    (tmp_path / "K2.xml").write_text("<ETS><TEXT><P>Another.</P></TEXT></ETS>")
    kept, rejected = read(tmp_path)
    assert dict(kept["K1.000.xml"].meta) == {"title": "A title", "language": "en", "path": "K1.000.xml"}
    assert "title" not in kept["K2.xml"].meta
    assert list(rejected) == ["K1.000.hdr"]


def test_a_library_that_is_missing_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("good")
    (tmp_path / "z.xml.gz").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "lxml", None)
    units = local.units(CorpusSettings(path=str(tmp_path)), 0, Meter(lambda done, total: None))
    with pytest.raises(DataFault, match=r"z\.xml\.gz needs the library lxml"):
        next(units)


def test_how_much_text_a_file_may_hold(tmp_path: Path) -> None:
    def guess(name: str) -> int:
        return local.unpacked_bytes(InputFile(name, tmp_path / name, 1000, named=False))

    assert guess("a.txt") == guess("a.jsonl") == 1000
    assert guess("a.pdf") < guess("a.xml") < guess("a.xml.xz") < guess("a.txt.xz")


def test_rows_with_the_same_id_stay_apart_and_broken_ones_are_told_by_line(tmp_path: Path) -> None:
    rows = ROW + ROW + b'{"text": \n{"body": 1}\n{"text": 5}\n{"text": "surrogate \\ud800"}\n'
    (tmp_path / "a.jsonl").write_bytes(rows)
    kept, rejected = read(tmp_path)
    assert list(kept) == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:6"]
    assert kept["a.jsonl:6"].text == "surrogate \ufffd"
    assert rejected["a.jsonl:3"].startswith("broken JSON: line 3")
    assert rejected["a.jsonl:4"] == "no field 'text': line 4"
    assert rejected["a.jsonl:5"] == "no text in field 'text': line 5"


def test_the_text_field_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"body": "Here."}\n')
    assert read(tmp_path, "body")[0]["a.jsonl:1"].text == "Here."


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"text\0", "binary, not text"),
        ("a.txt.gz", gzip.compress(bytes(range(256)) * 99, mtime=0)[:-30], "truncated archive"),
        ("a.txt.zst", b"no zstd", "damaged archive"),
        ("a.tar", b"no tar" * 200, "damaged archive"),
        ("a.tar.xz", lzma.compress(tar(("x.txt", b"x" * 9000)))[:60], "truncated archive"),
        ("a.tar", b"", "damaged archive"),
        ("a.png", b"PNG", "not a format that is read here: .png"),
        ("a.sql.gz", gzip.compress(b"x", mtime=0), "not a format that is read here: .sql"),
        ("a.parquet", b"PAR1", "damaged parquet file"),
    ],
)
def test_a_bad_file_stops_nothing(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "z.txt").write_text("good")
    kept, rejected = read(tmp_path)
    assert list(kept) == ["z.txt"]
    assert rejected[name].startswith(why)


def test_a_file_that_vanishes_or_may_not_be_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("good")

    def refuse(path: Path, *args: object, **kwargs: object) -> io.FileIO:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return io.FileIO(path)

    monkeypatch.setattr(local, "open", refuse, raising=False)
    kept, rejected = read(tmp_path)
    assert (list(kept), rejected) == (["b.txt"], {"a.txt": "unreadable file: Permission denied"})


def test_a_file_that_is_named_is_text_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("Read me.")
    (tmp_path / "log.out").write_text("Logged.")
    assert list(read(tmp_path / "README")[0]) == ["README"]
    assert list(read(f"{tmp_path}/*.out")[0]) == ["log.out"]
    assert not read(tmp_path)[0]


def test_of_an_archive_only_regular_files_are_read(tmp_path: Path) -> None:
    members = tar(
        ("/etc/absolute.txt", b"One."),
        ("../../up.txt", b"Two."),
        special("device.txt", tarfile.CHRTYPE),
        special("link.txt", tarfile.SYMTYPE),
        special("folder", tarfile.DIRTYPE),
        ("inner.tar", tar(("x.txt", b"No."))),
        ("nul.txt", b"\0"),
    )
    (tmp_path / "a.tar").write_bytes(members)
    kept, rejected = read(tmp_path)
    assert list(kept) == ["a.tar:/etc/absolute.txt", "a.tar:../../up.txt"]
    assert list(rejected) == ["a.tar:device.txt", "a.tar:link.txt", "a.tar:inner.tar", "a.tar:nul.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("pack", [bytes, lzma.compress], ids=["tar", "tar.xz"])
def test_what_came_before_the_damage_is_kept(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    whole = tar(("a.txt", b"One."), ("b.txt", b"abcdefgh" * 2000))
    packed = pack(whole)
    name = "x.tar" if packed == whole else "x.tar.xz"
    (tmp_path / name).write_bytes(whole[:5000] if packed == whole else packed[:-40])
    kept, rejected = read(tmp_path)
    assert rejected
    assert set(kept) <= {f"{name}:a.txt", f"{name}:b.txt"}
    if packed == whole:
        assert list(kept) == ["x.tar:a.txt"]


@pytest.mark.parametrize("cut", ["inside a header", "at a member's border", "overwritten"])
def test_an_archive_that_stops_quietly_is_told(cut: str, tmp_path: Path) -> None:
    data = bytearray(tar(("a.txt", b"One."), ("b.txt", b"Two."), ("c.txt", b"Three.")))
    if cut == "overwritten":
        data[1024:1124] = b"\xff" * 100
    (tmp_path / "x.tar").write_bytes(
        data[: {"inside a header": 1200, "at a member's border": 1024}.get(cut, len(data))]
    )
    kept, rejected = read(tmp_path)
    assert list(kept) == ["x.tar:a.txt"]
    assert "x.tar" in rejected


def test_a_huge_text_is_cut_between_paragraphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PIECE_BYTES", 200)
    text = "".join(f"Paragraph {number}, häfen.\n\n" for number in range(40))
    (tmp_path / "a.txt").write_text(text, "utf-8")
    kept, _ = read(tmp_path)
    assert list(kept) == [f"a.txt:part-{number}" for number in range(1, len(kept) + 1)]
    assert "".join(each.text for each in kept.values()) == text
    assert all(each.text.endswith("\n\n") for each in kept.values())


@pytest.mark.parametrize("text", ["é" * 2000, "x" * 2000, "word " * 400, "🚢" * 800])
def test_a_huge_text_without_paragraphs_loses_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "PIECE_BYTES", 201)
    (tmp_path / "a.txt").write_text(text, "utf-8")
    kept, rejected = read(tmp_path)
    assert "".join(each.text for each in kept.values()) == text
    assert not rejected


def test_texts_around_the_size_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PIECE_BYTES", 100)
    for size in (99, 100, 101, 200, 201):
        (tmp_path / "a.txt").write_text("x" * size)
        kept, rejected = read(tmp_path)
        assert ("".join(each.text for each in kept.values()), rejected) == ("x" * size, {})


def test_wide_text_is_read_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PIECE_BYTES", 100)
    monkeypatch.setattr(place, "LARGEST_WHOLE_BYTES", 1000)
    (tmp_path / "a.txt").write_bytes(("ö" * 300).encode("utf-16"))
    (tmp_path / "b.txt").write_bytes(("ö" * 600).encode("utf-16"))
    kept, rejected = read(tmp_path)
    assert kept["a.txt"].text == "ö" * 300
    assert rejected["b.txt"].startswith("too large to be read whole")


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"text": ["One.", None], "n": [1, 2], "x": [float("nan"), 1.0], "nested": [[1], [2]]})
    parquet.write_table(table, tmp_path / "a.parquet")
    kept, rejected = read(tmp_path)
    assert dict(kept["a.parquet:1"].meta) == {"n": 1, "path": "a.parquet"}
    assert rejected == {"a.parquet:2": "no text in field 'text': row 2"}
    assert read(tmp_path, "body")[1] == {"a.parquet": "no field 'body': columns: text, n, x, nested"}
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataFault, match="needs the library pyarrow") as caught:
        read(tmp_path)
    assert "holdfast[data]" in caught.value.remedy


def test_progress_reaches_the_size_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(bytes(range(32, 127)) * 5000))
    (tmp_path / "b.png").write_bytes(b"x" * 100_000)
    (tmp_path / "c.zip").write_bytes(zipped(*((f"{number}.txt", b"x" * 90_000) for number in range(500))))
    (tmp_path / "d.zip").write_bytes(zipped(("a.txt", random.Random(1).randbytes(300_000).hex().encode())))
    told: list[tuple[int, int | None]] = []
    meter = Meter(lambda done, total: told.append((done, total)))
    list(chain.from_iterable(local.units(CorpusSettings(path=str(tmp_path)), 0, meter)))
    meter.tell()
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
