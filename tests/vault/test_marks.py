"""What was found out about checkpoints is advice: read if it is sound, forgotten with what it is about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.disk import fileops
from holdfast.vault.marks import FILE, read_marks, tags_of, write_mark
from tests.disk.watchers import Killed, Nth, refusal


def test_marks_add_up_and_are_forgotten_with_their_checkpoints(tmp_path: Path) -> None:
    assert read_marks(tmp_path) == {}
    write_mark(tmp_path, "a", "best", 1.5, ["a"])
    write_mark(tmp_path, "a", "healthy", None, ["a", "b"])
    write_mark(tmp_path, "b", "best", 1, ["a", "b"])
    assert read_marks(tmp_path) == {"a": {"best": 1.5, "healthy": None}, "b": {"best": 1}}
    write_mark(tmp_path, "b", "best", 0.5, ["b", "c"])
    assert read_marks(tmp_path) == {"b": {"best": 0.5}}


def test_tags_and_marks_come_together_each_once() -> None:
    marks = {"a": {"best": 1.0, "signal": None}}
    assert tags_of("a", ("signal", "interval"), marks) == ("signal", "interval", "best")
    assert tags_of("b", ("signal",), marks) == ("signal",)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"a": {"best": 1}, "a": {}}', '{"a": {"best": NaN}}', '{"a": {"best": 1e999}}',
     '{"a": {"best": 99999999999999999999}}', '{"\\ud800": {}}', '{"a\\u001b[2J": {}}', "[" * 100_000, "\xff"],
)  # fmt: skip
def test_what_is_no_sound_file_of_marks_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode("latin-1"))
    assert read_marks(tmp_path) == {}
    write_mark(tmp_path, "a", "best", 1.5, ["a"])
    assert read_marks(tmp_path) == {"a": {"best": 1.5}}


def test_of_a_sound_file_what_is_no_mark_is_passed_over(tmp_path: Path) -> None:
    odd = {"a": {"best": 1.5, "healthy": None, "x": "text", "y": True, "z": [1]}, "b": 3, "c": {}}
    (tmp_path / FILE).write_text(json.dumps(odd))
    assert read_marks(tmp_path) == {"a": {"best": 1.5, "healthy": None}, "c": {}}


def test_a_link_and_a_folder_are_no_marks(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"a": {"best": 1.5}}')
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / FILE).symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "two" / FILE).mkdir(parents=True)
    assert read_marks(tmp_path / "one") == read_marks(tmp_path / "two") == {}


@pytest.mark.parametrize("failure", [refusal, Killed])
def test_whatever_happens_the_marks_are_the_old_or_the_new_ones(tmp_path: Path, failure: type[BaseException]) -> None:
    old, new = {"a": {"best": 1.5}}, {"a": {"best": 1.5, "healthy": None}}
    write_mark(tmp_path, "a", "best", 1.5, ["a"])
    counting = Nth()
    with fileops.watched(counting):
        write_mark(tmp_path, "a", "best", 1.5, ["a"])
    assert counting.count > 3
    for number in range(1, counting.count + 1):
        write_mark(tmp_path, "b", "best", 1.5, [])
        write_mark(tmp_path, "a", "best", 1.5, [])
        with pytest.raises((OSError, Killed)), fileops.watched(Nth(number, failure)):
            write_mark(tmp_path, "a", "healthy", None, ["a"])
        assert read_marks(tmp_path) in (old, new)
