"""A corpus from end to end: what is written, that it is the same each time, and what is said when nothing is left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from holdfast.base.faults import DataFault, DiskFault
from holdfast.disk.files import chunk_hashes
from holdfast.text import gather
from holdfast.text.build import CorpusSummary, build_corpus, is_free
from holdfast.text.corpus import read_split
from holdfast.text.dedup.leaks import sampled
from holdfast.text.manifest import read_manifest
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import COPY, NEAR_COPY


def make(path: Path, out: Path, seed: int = 1, **settings: Any) -> CorpusSummary:
    return build_corpus(CorpusSettings(path=str(path), **settings), seed, out, lambda done, total: None)


def everything(shelf: Path) -> dict[str, Any]:
    """Settings that leave nothing unasked."""
    return {"dedup": {"paragraphs": "exact", "decontaminate": [str(shelf.parent / "eval.jsonl")]}, "val_fraction": 0.3}


def ids(out: Path, split: str) -> set[str]:
    return {document.id for document in read_split(out, split)}


def listed(out: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]
    return {row["id"]: row["reason"] for row in rows}


def test_every_document_lands_on_one_side_with_its_text(corpus_folder: Path, tmp_path: Path) -> None:
    summary = make(corpus_folder, tmp_path / "out", val_fraction=0.1)
    train, val = ids(tmp_path / "out", "train"), ids(tmp_path / "out", "val")
    assert not train & val
    assert train | val == {path.name for path in corpus_folder.iterdir()}
    for split in ("train", "val"):
        documents = list(read_split(tmp_path / "out", split))
        assert all(each.text == (corpus_folder / each.id).read_text("utf-8") for each in documents)
        tally = summary.manifest["splits"][split]
        assert tally["documents"] == len(documents)
        assert tally["bytes"] == sum(len(each.text.encode()) for each in documents)
        assert tally["characters"] == sum(len(each.text) for each in documents)
        assert tally["words"] == sum(len(each.text.split()) for each in documents)
    assert summary.manifest["held_out"]["reached"] == pytest.approx(0.1, abs=0.02)
    assert f"{len(val)} documents held out" in summary.line()
    assert summary.facts()["val"]["documents"] == len(val)


def test_the_manifest_describes_the_files(corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "PART_CHARACTERS", 2000)
    manifest = make(corpus_folder, tmp_path).manifest
    assert manifest == read_manifest(tmp_path)
    assert len(manifest["files"]) > 3
    for each in manifest["files"]:
        assert chunk_hashes(tmp_path / each["name"]) == each["chunks"]
        assert (tmp_path / each["name"]).read_bytes().count(b"\n") == each["documents"]
    on_disk = {path.name for path in tmp_path.iterdir()} - {"texts"}
    listed = {each["name"] for each in (*manifest["files"], *manifest["ledger"])}
    assert on_disk == {"manifest.json", "rejected.jsonl", "README.md"} | listed
    assert manifest["clean"]["nfc"] >= 1
    assert manifest["sources"]["."]["documents"] == 40


def test_the_same_input_gives_the_same_bytes_whatever_the_paths(corpus_folder: Path, tmp_path: Path) -> None:
    first = make(corpus_folder, tmp_path / "a")
    again = make(corpus_folder, tmp_path / "b")
    assert first == again
    assert make(corpus_folder.rename(tmp_path / "moved"), tmp_path / "c").fingerprint == first.fingerprint
    assert make(tmp_path / "moved", tmp_path / "d", seed=2).fingerprint != first.fingerprint


def test_a_whole_corpus_is_not_made_again_and_litter_goes(corpus_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = make(corpus_folder, out)
    before = made_at(out)
    parts = {f"{kind}-00000.jsonl" for kind in ("train", "val", "ledger")}
    assert before.keys() == {"manifest.json", "rejected.jsonl", "README.md"} | parts
    for stale in ("train-00007.jsonl", ".gathered-00000.jsonl", ".dealt-00001.json", ".train-00000.jsonl.1.part"):
        (out / stale).write_text("stale")
    assert make(corpus_folder, out) == summary
    assert made_at(out) == before


def made_at(folder: Path) -> dict[str, tuple[int, int]]:
    """Which files there are, and when each was written."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_other_settings_and_damage_make_it_anew(corpus_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = make(corpus_folder, out)
    assert make(corpus_folder, out, val_fraction=0.3).fingerprint != summary.fingerprint
    assert make(corpus_folder, out) == summary
    for name in ("train-00000.jsonl", "manifest.json"):
        data = bytearray((out / name).read_bytes())
        data[len(data) // 2] ^= 1
        (out / name).write_bytes(data)
        assert make(corpus_folder, out) == summary
    (corpus_folder / "letter-00.txt").write_text("Another text.")
    assert make(corpus_folder, out).fingerprint != summary.fingerprint


def test_all_that_is_there_twice_is_found(shelf: Path, tmp_path: Path) -> None:
    found = make(shelf, tmp_path / "out", **everything(shelf)).manifest["dedup"]
    assert (found["copies"], found["near_copies"]) == (1, 1)
    assert found["paragraphs"]["cut"] == 8  # seven times the passage, and one of the text that a row repeats
    assert found["evaluated"] == {"eval.jsonl": {"documents": 2, "passages": 10}}
    assert found["leaks"]["runs"] > 100
    assert found["leaks"]["left"] == 0
    texts = [document.text for split in ("train", "val") for document in read_split(tmp_path / "out", split)]
    assert sum("passage7 passage8" in text for text in texts) == 1


def test_no_run_of_words_is_on_both_sides(shelf: Path, tmp_path: Path) -> None:
    verse = " ".join(f"verse{number}" for number in range(15))
    for number, path in enumerate(sorted((shelf / "b").iterdir())):
        path.write_text(f"{path.read_text('utf-8')}\n\nThey sang: {verse}!\n\nAll {number} of them.\n", "utf-8")
    manifest = make(shelf, tmp_path / "out", val_fraction=0.3).manifest
    assert manifest["dedup"]["leaks"]["cut_passages"] >= 1
    train = sampled(document.text for document in read_split(tmp_path / "out", "train"))
    held = list(read_split(tmp_path / "out", "val"))
    assert not np.isin(sampled(document.text for document in held).hashes, train.hashes).any()
    cut = [document for document in held if "shared_with_train" in document.meta.get("cleaned", ())]
    assert cut
    tally = manifest["splits"]["val"]
    assert tally["characters"] == sum(len(document.text) for document in held)
    counted = make(shelf, tmp_path / "counted", val_fraction=0.3, dedup={"leaks": "count"}).manifest
    assert counted["dedup"]["leaks"]["left"] == manifest["dedup"]["leaks"]["shared"] > 0
    assert make(shelf, tmp_path / "off", dedup={"leaks": "off"}).manifest["dedup"]["leaks"] is None


def test_the_ledger_knows_every_document(shelf: Path, tmp_path: Path) -> None:
    manifest = make(shelf, tmp_path / "out", **everything(shelf)).manifest
    rows = [
        json.loads(line)
        for each in manifest["ledger"]
        for line in (tmp_path / "out" / each["name"]).read_text("utf-8").splitlines()
    ]
    sides = {row["id"]: row["side"] for row in rows}
    for split in ("train", "val"):
        assert {id for id, side in sides.items() if side == split} == ids(tmp_path / "out", split)
    (edition,) = (row for row in rows if row["id"] == "edition.txt")
    assert edition["side"] is None
    assert edition["why"] == NEAR_COPY
    assert rows[edition["row_of_original"]]["id"] == "book.txt"
    assert rows[edition["row_of_original"]]["steps"] == ["decontaminated"]
    assert all(len(row["hash"]) == 32 and row["words"] > 0 and row["licence"] == "unknown" for row in rows)


def test_other_evaluation_files_make_it_anew(shelf: Path, tmp_path: Path) -> None:
    first = make(shelf, tmp_path / "out", **everything(shelf))
    (shelf.parent / "eval.jsonl").write_text(json.dumps({"query": "nothing of all that"}))
    again = make(shelf, tmp_path / "out", **everything(shelf))
    assert again.fingerprint != first.fingerprint
    assert again.manifest["dedup"]["evaluated"] == {}


def test_the_card_says_what_is_in_it(shelf: Path, tmp_path: Path) -> None:
    manifest = make(shelf, tmp_path / "out", **everything(shelf)).manifest
    _, head, body = (tmp_path / "out" / "README.md").read_text("utf-8").split("---\n", 2)
    said = yaml.safe_load(head)
    assert said["license"] == "unknown"
    assert said["configs"][0]["data_files"][1] == {"split": "validation", "path": "val-*.jsonl"}
    for name, row in manifest["sources"].items():
        assert f"| {name} | {row['documents']} | {row['words']:,} |" in body
    assert "1 equal, 1 nearly equal" in body
    assert "Passages shared with eval.jsonl: 10 in 2 documents" in body


def test_parts_change_nothing_but_where_files_end(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parted = make(library, tmp_path / "parted").manifest
    monkeypatch.setattr(gather, "PART_CHARACTERS", 10**9)
    whole = make(library, tmp_path / "whole").manifest
    assert len(parted["files"]) > 6 > len(whole["files"]) == 2
    for key in ("splits", "held_out", "rejected", "sources"):
        assert parted[key] == whole[key]
    assert (tmp_path / "parted" / "rejected.jsonl").read_text() == (tmp_path / "whole" / "rejected.jsonl").read_text()
    for split in ("train", "val"):
        assert list(read_split(tmp_path / "parted", split)) == list(read_split(tmp_path / "whole", split))


def test_an_output_that_is_a_file_is_a_fault(corpus_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(DiskFault, match="can not be written"):
        make(corpus_folder, tmp_path / "out")


def test_copies_are_dropped_or_kept_on_one_side(corpus_folder: Path, tmp_path: Path) -> None:
    originals = sorted(corpus_folder.iterdir())
    for path in originals:
        (corpus_folder / f"z-{path.name}").write_text(path.read_text("utf-8").upper(), "utf-8")
    summary = make(corpus_folder, tmp_path / "a")
    assert summary.manifest["rejected"] == {"copy of another document": 40}
    assert set(listed(tmp_path / "a")) == {f"z-{path.name}" for path in originals}
    assert make(corpus_folder, tmp_path / "b", dedup={"documents": "off"}, val_fraction=0.2).manifest["rejected"] == {}
    train, val = ids(tmp_path / "b", "train"), ids(tmp_path / "b", "val")
    assert len(train | val) == 80
    assert all((path.name in val) == (f"z-{path.name}" in val) for path in originals)


def test_a_single_book_is_cut_near_its_end(tmp_path: Path) -> None:
    book = "\n\n".join(f"Paragraph {number} of the only book." for number in range(1000))
    (tmp_path / "book.txt").write_text(book)
    manifest = make(tmp_path / "book.txt", tmp_path / "out").manifest
    (train,), (val,) = (list(read_split(tmp_path / "out", split)) for split in ("train", "val"))
    assert train.text + val.text == book
    assert train.text.endswith("\n\n")
    assert manifest["held_out"]["cut_document"] == "book.txt"
    assert manifest["held_out"]["reached"] == pytest.approx(0.05, abs=0.01)
    assert manifest["splits"]["val"]["documents"] == 1


def test_settings_reach_the_text(corpus_folder: Path, tmp_path: Path) -> None:
    (corpus_folder / "short.txt").write_text("short")
    (corpus_folder / "marked.txt").write_bytes(b"\xef\xbb\xbfA line that was marked,\r\nlong enough to stay here.\r\n")
    make(corpus_folder, tmp_path / "a", gates={"min_chars": 20}, clean=[])
    documents = {each.id: each for split in ("train", "val") for each in read_split(tmp_path / "a", split)}
    assert documents["marked.txt"].text.count("\r\n") == 2
    assert listed(tmp_path / "a") == {"short.txt": "too short: 5 of 20 characters"}
    summary = make(corpus_folder, tmp_path / "b", max_documents=7)
    assert sum(tally["documents"] for tally in summary.manifest["splits"].values()) == 7


def test_generated_text(tmp_path: Path) -> None:
    settings = CorpusSettings(generator="harbour", documents=60)
    told: list[tuple[int, int | None]] = []
    summary = build_corpus(settings, 3, tmp_path, lambda done, total: told.append((done, total)))
    assert summary.manifest["sources"]["generated"]["documents"] + summary.manifest["rejected"].get(COPY, 0) == 60
    assert told[-1][0] > 0


def rejected_folder(folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.txt").write_bytes(b"\0" * 50)
    (folder / "empty.txt").write_bytes(b"")


@pytest.mark.parametrize(
    ("prepare", "cause"),
    [
        (rejected_folder, "no document is left of 4; 3 of them: binary, not text (such as 0.txt: "),
        (lambda folder: (folder / "a.txt").write_text(" \n"), "no document is left of 1; 1 of them: empty"),
        (lambda folder: (folder / "a.png").write_text("x"), "not a format that is read here"),
        (lambda folder: (folder / "a.txt").write_text("x"), "no text can be held out"),
        (lambda folder: None, "there is no file in"),
    ],
)
def test_nothing_left_is_a_fault_with_the_reason(prepare: Callable[[Path], object], cause: str, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(DataFault) as caught:
        make(folder, tmp_path / "out")
    assert cause in caught.value.cause
    assert "corpus.path" in caught.value.remedy
    assert "\n" not in caught.value.cause
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_only_copies_of_one_text_can_not_be_split(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("the same text")
    with pytest.raises(DataFault, match="no text can be held out"):
        make(tmp_path, tmp_path / "out", dedup={"documents": "off"})


@pytest.mark.timeout(30)
def test_long_lines_and_spelled_out_special_tokens_pass_as_they_are(tmp_path: Path) -> None:
    texts = {
        "one line.txt": "word " * 200_000 + "end",
        "equal.txt": "a" * 500_000,
        "ünï/special.md": "<|bos|> is not <|eot|>, nor is <|assistant_start|>",
    }
    for name, text in texts.items():
        path = tmp_path / "téxts and more" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    make(tmp_path / "téxts and more", tmp_path / "out")
    documents = {each.id: each.text for split in ("train", "val") for each in read_split(tmp_path / "out", split)}
    assert documents["ünï/special.md"] == texts["ünï/special.md"]
    assert sum(len(text) for text in documents.values()) == sum(len(text) for text in texts.values())


def test_a_folder_is_free_unless_something_would_be_taken_away(tmp_path: Path, corpus_folder: Path) -> None:
    settings, out = CorpusSettings(path=str(corpus_folder)), tmp_path / "out"
    assert is_free(out, settings, 1)
    out.mkdir()
    assert is_free(out, settings, 1)
    for left in (".gathered-00000.jsonl", "train-00000.jsonl", ".train-00000.jsonl.77.part", "rejected.jsonl"):
        (out / left).write_text("half", "utf-8")
    assert is_free(out, settings, 1), "a killed build's"
    build_corpus(settings, 1, out, lambda done, total: None)
    assert is_free(out, settings, 1), "it is there already"
    assert not is_free(out, settings, 2)
    assert not is_free(out, CorpusSettings(path=str(corpus_folder), max_documents=9), 1)
    (out / "manifest.json").unlink()
    assert is_free(out, settings, 2)
    (out / "notes.txt").write_text("mine", "utf-8")
    assert not is_free(out, settings, 1)
    assert not is_free(corpus_folder / "letter-00.txt", settings, 1)
