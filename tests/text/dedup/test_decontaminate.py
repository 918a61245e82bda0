"""Passages that evaluation sets have as well."""

import gzip
import json
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.dedup.decontaminate import Evaluations, decontaminate, evaluations
from holdfast.text.dedup.shingles import words

QUESTION = "In which year did the harbour of the old town freeze over for the last time before the war?"
ANSWER = "The twelve masters of the guild met on the first Monday of every month in the hall by the river."
FILLER = "\n\n".join(f"Paragraph {number} says nothing that anybody would ask for." for number in range(20))


@pytest.fixture
def sets(tmp_path: Path) -> Evaluations:
    (tmp_path / "a.jsonl").write_text(json.dumps({"query": QUESTION, "choices": ["yes", "no"], "gold": 1}) + "\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(f'1,"{ANSWER}",x\n'.encode()))
    (tmp_path / "c.txt").write_text(f"Some words before. {QUESTION.upper()}")
    found = evaluations([str(tmp_path)])
    assert found is not None
    return found


def test_the_passage_goes_and_the_text_stays(sets: Evaluations) -> None:
    text = f"{FILLER}\n\nSomebody asked: {QUESTION} Nobody knew.\n\nThe end."
    found = decontaminate(text, words(text), sets)
    assert found is not None
    assert found.text == f"{FILLER}\n\nThe end."
    assert found.found == {"a.jsonl": 1}


def test_each_file_is_counted_by_itself(sets: Evaluations) -> None:
    text = f"{ANSWER}\n\n{FILLER}\n\n{QUESTION}"
    found = decontaminate(text, words(text), sets)
    assert found is not None
    assert found.found == {"a.jsonl": 1, "b.csv.gz": 1}


def test_a_text_that_is_mostly_known_goes_and_a_clean_one_is_left_alone(sets: Evaluations) -> None:
    found = decontaminate(QUESTION, words(QUESTION), sets)
    assert found is not None
    assert found.text is None
    assert decontaminate(FILLER, words(FILLER), sets) is None
    short = " ".join(QUESTION.split()[:12])
    assert decontaminate(short, words(short), sets) is None


def test_no_run_goes_from_one_text_of_a_set_into_the_next(tmp_path: Path) -> None:
    halves = [" ".join(QUESTION.split()[:9]), " ".join(QUESTION.split()[9:])]
    (tmp_path / "a.json").write_text(json.dumps([halves, "", ANSWER, {"deep": halves}]))
    (tmp_path / "b.json").write_text("[]")
    found = evaluations([str(tmp_path)])
    assert found is not None
    assert len(found.known.hashes) == len(ANSWER.split()) - 12


def test_files_that_can_not_be_read_are_a_fault(tmp_path: Path) -> None:
    assert evaluations([]) is None
    with pytest.raises(DataFault, match="does not exist"):
        evaluations([str(tmp_path / "missing")])
    (tmp_path / "broken.jsonl").write_text("{broken\n")
    with pytest.raises(DataFault, match=r"broken\.jsonl can not be read") as caught:
        evaluations([str(tmp_path)])
    assert "corpus.dedup.decontaminate" in caught.value.remedy
