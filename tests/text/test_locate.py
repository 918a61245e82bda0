"""From paths to files."""

import os
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.text import locate
from holdfast.text.locate import files_fingerprint, find_inputs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.txt",
        "a/one.txt",
        "a/two.md",
        ".hidden.txt",
        ".git/x.txt",
        "deep/er/three.txt",
        "näme mit [1].txt",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


def names(*paths: object) -> list[str]:
    return [file.name for file in find_inputs([str(path) for path in paths]).files]


def test_a_folder_is_everything_below_it_by_name(tree: Path) -> None:
    assert names(tree) == ["a/one.txt", "a/two.md", "b.txt", "deep/er/three.txt", "näme mit [1].txt"]


def test_patterns_and_files(tree: Path) -> None:
    assert names(f"{tree}/a/*.txt") == ["one.txt"]
    assert names(f"{tree}/**/*.txt") == ["a/one.txt", "b.txt", "deep/er/three.txt", "näme mit [1].txt"]
    assert names(f"{tree}/*/er") == ["deep/er/three.txt"]
    assert names(tree / "näme mit [1].txt") == ["näme mit [1].txt"], "a file that exists is no pattern"


def test_each_file_once_and_names_that_clash_become_paths(tree: Path, tmp_path: Path) -> None:
    assert names(tree / "b.txt", f"{tree}/*.txt", tree).count("b.txt") == 1
    (tmp_path / "b.txt").write_text("another")
    assert names(tmp_path / "b.txt", tree / "b.txt") == [str(tmp_path / "b.txt"), str(tree / "b.txt")]


def test_the_order_in_which_paths_are_given_does_not_matter(tree: Path) -> None:
    assert names(tree / "b.txt", tree / "a") == names(tree / "a", tree / "b.txt")


def test_links_are_followed_but_not_in_circles(tree: Path) -> None:
    (tree / "deep" / "up").symlink_to(tree)
    (tree / "self.txt").symlink_to(tree / "self.txt")
    (tree / "gone.txt").symlink_to(tree / "nowhere")
    outside = tree.parent / "outside"
    outside.mkdir()
    (outside / "four.txt").write_text("four")
    (tree / "in").symlink_to(outside)
    inputs = find_inputs(str(tree))
    assert [file.name for file in inputs.files].count("b.txt") == 1
    assert "in/four.txt" in [file.name for file in inputs.files]
    assert sorted(each.id for each in inputs.rejected) == ["gone.txt", "self.txt"]


def test_pipes_are_never_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.txt")
    assert [each.why for each in find_inputs(str(tree)).rejected] == ["not a regular file"]


def test_what_a_run_wrote_is_not_read_again(tree: Path) -> None:
    run = tree / "runs" / "first"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "train-00000.jsonl").write_text("{}")
    assert "runs/first/train-00000.jsonl" not in names(tree)


@pytest.mark.parametrize("path", ["", "nowhere", "nowhere/*.txt", "~nobody-here/x", "nul\0byte"])
def test_a_path_that_names_nothing_is_a_fault(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataFault) as caught:
        find_inputs(path, "sft.path")
    assert "sft.path" in caught.value.remedy


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="there is no file in"):
        find_inputs(str(tmp_path))


def test_a_folder_that_may_not_be_listed_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(locate.os, "scandir", scandir)
    assert [each.why for each in find_inputs(str(tree)).rejected] == ["unreadable folder: Permission denied"]


def test_the_fingerprint_is_that_of_names_and_contents(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def now() -> str:
        return files_fingerprint(find_inputs(str(tree)).files)

    before = now()
    os.utime(tree / "b.txt", (1, 1))
    assert now() == before
    (tree / "b.txt").write_text("B.txt")
    changed = now()
    assert changed != before
    (tree / "b.txt").rename(tree / "c.txt")
    assert now() not in (before, changed)
    moved = tree.rename(tree.parent / "moved")
    assert files_fingerprint(find_inputs(str(moved)).files) == files_fingerprint(find_inputs(f"{moved}/").files)


def test_large_files_are_sampled_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "HASHED_WHOLE_BYTES", 1000)
    monkeypatch.setattr(locate, "_BLOCK", 10)
    large = tmp_path / "large.txt"

    def with_change(position: int) -> str:
        data = bytearray(b"x" * 5000)
        data[position] = 0
        large.write_bytes(data)
        return files_fingerprint(find_inputs(str(large)).files)

    assert len({with_change(0), with_change(4999)}) == 2
