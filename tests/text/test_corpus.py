"""Reading corpora and chats back."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.text.build import build_corpus
from holdfast.text.corpus import RejectedRow, read_conversations, read_split, split_conversations
from holdfast.text.manifest import read_manifest
from holdfast.text.settings import CorpusSettings


@pytest.fixture
def corpus(corpus_folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    build_corpus(CorpusSettings(path=str(corpus_folder)), 1, out, lambda done, total: None)
    return out


def test_a_corpus_that_is_not_there_or_not_finished_is_a_fault(corpus: Path) -> None:
    with pytest.raises(DataFault, match="is missing"):
        read_manifest(corpus / "nowhere")
    (corpus / "manifest.json").write_text('{"schema": 1')
    with pytest.raises(DataFault, match="is damaged"):
        read_manifest(corpus)
    (corpus / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(DataFault, match="of this version"):
        read_manifest(corpus)


def test_a_manifest_that_was_changed_is_a_fault(corpus: Path) -> None:
    manifest = corpus / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"documents": 3', '"documents": 4', 1))
    with pytest.raises(DataFault, match="its own hash"):
        read_manifest(corpus)


def test_reading_goes_on_behind_what_was_read(corpus: Path) -> None:
    documents = list(read_split(corpus, "train"))
    for skip in (0, 1, len(documents) - 1, len(documents), len(documents) + 5):
        assert list(read_split(corpus, "train", skip)) == documents[skip:]


def test_a_flipped_bit_is_a_fault(corpus: Path) -> None:
    shard = corpus / "train-00000.jsonl"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataFault, match="chunk 0"):
        next(read_split(corpus, "train"))


def test_a_shard_that_was_shortened_or_lost_is_a_fault(corpus: Path) -> None:
    shard = corpus / "train-00000.jsonl"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(DataFault, match="is damaged"):
        list(read_split(corpus, "train"))
    shard.unlink()
    with pytest.raises(DataFault, match="is damaged"):
        list(read_split(corpus, "train"))
    assert list(read_split(corpus, "val"))


def turns(*roles: str, content: Any = "Hello.") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role in roles]}


def read(path: Path, *rows: Any) -> list[Conversation | RejectedRow]:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return list(read_conversations(path))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (turns("assistant", "user"), "turns out of order"),
        (turns("user", "user", "assistant"), "turns out of order"),
        (turns("user", "system", "assistant"), "turns out of order"),
        (turns("system", "system", "user", "assistant"), "turns out of order"),
        (turns("user", "tool"), "unknown role"),
        (turns("user", "bot"), "unknown role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "unknown role"),
        (turns("user"), "no answer"),
        (turns("system"), "no answer"),
        (turns("user", "assistant", content=" \n"), "empty turn"),
        (turns("user", "assistant", content=None), "content is no text"),
        (turns("user", "assistant", content=[{"type": "image", "url": "x"}]), "content is no text"),
        (turns("user", "assistant", content=[]), "empty turn"),
        ({"messages": []}, "no messages"),
        ({"messages": "hello"}, "no messages"),
        ({"messages": ["hello"]}, "message is no JSON object"),
        ({"text": "hello"}, "no messages"),
        ("{broken", "broken JSON"),
        ("[]", "row is no JSON object"),
    ],
)
def test_rows_that_can_not_be_used_are_told_by_reason_and_line(row: Any, reason: str, tmp_path: Path) -> None:
    good = turns("system", "user", "assistant")
    _, bad, last = read(tmp_path / "chats.jsonl", good, row, good)
    assert isinstance(bad, RejectedRow)
    assert bad.reason == reason
    assert "chats.jsonl: line 2" in bad.detail
    assert isinstance(last, Conversation)


def test_what_a_row_says_is_kept(tmp_path: Path) -> None:
    row = turns("user", "assistant") | {"id": 7, "family": "sums", "meta": {"answer": "12", "chance": 0.1}}
    parts = turns("user", "assistant", content=[{"type": "text", "text": "He"}, {"type": "text", "value": "y \ud800"}])
    first, second = read(tmp_path / "chats.jsonl", row, parts)
    assert first == Conversation(
        "7",
        (Message("user", "Hello."), Message("assistant", "Hello.")),
        {"family": "sums", "answer": "12", "chance": 0.1},
    )
    assert isinstance(second, Conversation)
    assert second.id == "chats.jsonl:2"
    assert second.messages[0].content == "Hey \ufffd"


def test_a_last_question_without_answer_is_cut_off(tmp_path: Path) -> None:
    (only,) = read(tmp_path / "chats.jsonl", turns("system", "user", "assistant", "user"))
    assert isinstance(only, Conversation)
    assert [message.role for message in only.messages] == ["system", "user", "assistant"]


def test_packed_files_folders_and_damage(tmp_path: Path) -> None:
    data = b"".join(json.dumps(turns("user", "assistant")).encode() + b"\n" for _ in range(3))
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(data, mtime=0)[:-9])
    (tmp_path / "c.jsonl").write_bytes(b"")
    found = list(read_conversations(str(tmp_path)))
    assert sum(isinstance(each, Conversation) for each in found) >= 3
    assert [each.reason for each in found if isinstance(each, RejectedRow)] == ["truncated archive"]
    assert len(list(read_conversations([f"{tmp_path}/a.*", str(tmp_path / "a.jsonl")]))) == 3
    with pytest.raises(DataFault) as caught:
        list(read_conversations(tmp_path / "nowhere.jsonl"))
    assert "sft.path" in caught.value.remedy


def chats(count: int) -> list[Conversation]:
    return [
        Conversation(str(number), (Message("user", f"What is {number}?"), Message("assistant", f"{number}.")))
        for number in range(count)
    ]


def test_chats_are_split_by_what_is_said() -> None:
    all_chats = chats(400)
    train, held_out = split_conversations(all_chats, 1)
    assert len(held_out) == 20
    assert sorted(train + held_out, key=lambda chat: int(chat.id)) == all_chats
    assert held_out != split_conversations(all_chats, 2)[1]
    assert {chat.id for chat in split_conversations(all_chats[::-1], 1)[1]} == {chat.id for chat in held_out}


def test_equal_chats_stay_together() -> None:
    twice = [*chats(50), *(Conversation(f"copy {chat.id}", chat.messages) for chat in chats(50))]
    train, held_out = split_conversations(twice, 1, fraction=0.2)
    assert not {chat.messages for chat in train} & {chat.messages for chat in held_out}
    assert len(held_out) == 20


@pytest.mark.parametrize(("count", "expected"), [(0, (0, 0)), (1, (1, 0)), (2, (1, 1)), (3, (2, 1))])
def test_few_chats(count: int, expected: tuple[int, int]) -> None:
    train, held_out = split_conversations(chats(count), 1)
    assert (len(train), len(held_out)) == expected
