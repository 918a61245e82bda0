"""The latest steps of an earlier start, from a journal of any length and in any state."""

from __future__ import annotations

from pathlib import Path

from holdfast.journal.earlier import step_seconds
from holdfast.journal.journal import TAIL_BYTES, Journal


def start(directory: Path, milliseconds: list[float], stage: str = "pretrain") -> Path:
    journal = Journal.open(directory)
    for number, each in enumerate(milliseconds):
        journal.append("step", stage=stage, step=number, step_ms=each)
        journal.append("eval", stage=stage, step=number, value=1.0)
    journal.close()
    return journal.path


def test_the_newest_start_that_made_steps_of_the_stage(tmp_path: Path) -> None:
    start(tmp_path, [100.0, 200.0])
    start(tmp_path, [300.0, 400.0])
    start(tmp_path, [50.0], stage="sft")
    start(tmp_path, [])
    assert step_seconds(tmp_path, "pretrain", incarnation=5) == [0.3, 0.4]
    assert step_seconds(tmp_path, "pretrain", incarnation=2) == [0.1, 0.2]
    assert step_seconds(tmp_path, "sft", incarnation=5) == [0.05]
    assert step_seconds(tmp_path, "pretrain", incarnation=1) == []
    assert step_seconds(tmp_path / "nowhere", "pretrain", incarnation=1) == []


def test_only_the_end_of_a_long_file_is_read_and_a_torn_line_is_none(tmp_path: Path) -> None:
    path = start(tmp_path, [float(number + 1) for number in range(5000)])
    assert path.stat().st_size > 2 * TAIL_BYTES
    with open(path, "ab") as file:
        file.write(b'{"seq":1,"kind":"step","stage":"pretrain","step_ms":7')
    (tmp_path / "notes.jsonl").write_text("not of ours\n")
    found = step_seconds(tmp_path, "pretrain", incarnation=2)
    assert 200 < len(found) < 5000
    assert found[-1] == 5.0
    assert found == sorted(found)
