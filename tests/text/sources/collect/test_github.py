"""Files of a repository, all of one commit."""

from collections.abc import Callable

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.sources.collect.github import API, RAW

TREE = {
    "tree": [
        {"path": "level1", "type": "tree"},
        {"path": "level1/Brontë.xml", "type": "blob", "size": 7},
        {"path": "level1/notes.md", "type": "blob", "size": 7},
        {"path": "level2/a.xml", "type": "blob", "size": 7},
    ]
}
FIELDS = {"kind": "github", "repo": "someone/texts", "files": ["level1/*.xml"]}


def test_the_newest_commit_is_fixed_when_the_list_is_made(collect: Callable) -> None:
    answers = {
        f"{API}someone/texts/commits/HEAD": {"sha": "abc"},
        f"{API}someone/texts/git/trees/abc?recursive=1": TREE,
    }
    (item,), left = collect(answers, **FIELDS)
    assert (item.url, item.name, item.bytes) == (
        f"{RAW}someone/texts/abc/level1/Bront%C3%AB.xml",
        "level1/Brontë.xml",
        7,
    )
    assert item.meta == {"revision": "abc"}
    assert not left


def test_a_list_that_is_cut_short_is_said(collect: Callable) -> None:
    answers = {f"{API}someone/texts/git/trees/v1?recursive=1": {**TREE, "truncated": True}}
    found, left = collect(answers, revision="v1", **FIELDS)
    assert len(found) == 1
    assert "someone/texts" in left


@pytest.mark.parametrize("answers", [{}, {f"{API}someone/texts/commits/HEAD": {"message": "Not Found"}}])
def test_a_repository_that_is_not_there_is_a_fault(collect: Callable, answers: dict) -> None:
    with pytest.raises(DataFault, match="source it can not be listed"):
        collect(answers, **FIELDS)
