"""Datasets of the hub: one revision, over all pages of its list, and what needs permission."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Answer

HUB = "https://hub.example"
FACTS = f"{HUB}/api/datasets/a/b/revision/main"
TREE = f"{HUB}/api/datasets/a/b/tree/5ha?recursive=true"
FIELDS = {"kind": "huggingface", "repo": "a/b", "files": ["data/*.parquet"]}


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", HUB)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def file(path: str, size: int = 9, oid: str | None = None) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": size, "oid": "0"} | ({"lfs": {"oid": oid}} if oid else {})


def test_all_pages_of_the_list_are_of_one_revision(collect: Callable) -> None:
    second = f"{TREE}&cursor=2"
    answers = {
        FACTS: {"sha": "5ha", "gated": False},
        TREE: Answer(200, TREE, {"link": f'<{second}>; rel="next"'}, b'[{"type": "directory", "path": "data"}, 7]'),
        second: [file("data/b.parquet", oid="f00d" * 16), file("data/a.parquet"), file("README.md")],
    }
    found, left = collect(answers, **FIELDS)
    assert [(each.url, each.sha256) for each in found] == [
        (f"{HUB}/datasets/a/b/resolve/5ha/data/a.parquet", None),
        (f"{HUB}/datasets/a/b/resolve/5ha/data/b.parquet", "f00d" * 16),
    ]
    assert found[0].meta == {"revision": "5ha"}
    assert not left


def test_a_slice_stays_within_its_size(collect: Callable) -> None:
    answers = {FACTS: {"sha": "5ha"}, TREE: [file(f"data/{n}.parquet", 2_000_000_000) for n in range(9)]}
    found, left = collect(answers, max_bytes="5GB", **FIELDS)
    assert [each.name for each in found] == ["data/0.parquet", "data/1.parquet"]
    assert left == {"it": "max_bytes is reached: data/2.parquet is not within 5,000,000,000"}


def test_a_configuration_is_read_from_the_converted_files(collect: Callable) -> None:
    answers = {
        f"{HUB}/api/datasets/a/b/revision/refs%2Fconvert%2Fparquet": {"sha": "c0"},
        f"{HUB}/api/datasets/a/b/tree/c0?recursive=true": [
            file("default/train/0000.parquet"),
            file("default/partial-train/0001.parquet"),
            file("default/test/0000.parquet"),
            file("other/train/0000.parquet"),
        ],
    }
    fields = {"kind": "huggingface", "repo": "a/b", "config": "default"}
    found, _ = collect(answers, split="train", **fields)
    assert [each.id for each in found] == ["default/partial-train/0001.parquet", "default/train/0000.parquet"]
    assert len(collect(answers, **fields)[0]) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_hub_does_not_show_comes_with_a_remedy(collect: Callable, status: int) -> None:
    with pytest.raises(DataFault) as caught:
        collect({FACTS: Answer(status, FACTS, {}, b"{}")}, **FIELDS)
    assert f"{HUB}/datasets/a/b" in caught.value.remedy
    assert "HF_TOKEN" in caught.value.remedy


def test_a_gated_dataset_needs_a_token(collect: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {FACTS: {"sha": "5ha", "gated": "auto"}, TREE: [file("data/a.parquet")]}
    with pytest.raises(DataFault, match="accept its terms"):
        collect(answers, **FIELDS)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (item,), _ = collect(answers, **FIELDS)
    assert "hf_secret" not in str(item)


def test_odd_answers(collect: Callable) -> None:
    assert collect({FACTS: {"sha": "5ha"}, TREE: []}, **FIELDS) == (
        [],
        {"a/b": "no file there matches: data/*.parquet"},
    )
    for facts, tree in (
        ({}, []),
        (b"<html>", []),
        ({"sha": "5ha"}, {"error": "x"}),
        ({"sha": "5ha"}, Answer(200, TREE, {"link": f"<{TREE}>; rel=next"}, b"[]")),
    ):
        with pytest.raises(DataFault):
            collect({FACTS: facts, TREE: tree}, **FIELDS)
