"""A manifest is read back exactly, and nothing that is not one is taken for one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import Fault
from holdfast.base.files import fingerprint
from holdfast.vault.manifest import (
    FILE,
    LARGEST_BYTES,
    Damaged,
    FileRecord,
    FromTheFuture,
    Manifest,
    decode,
    encode,
    read,
)

plain = st.dictionaries(
    st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text(max_size=8), st.floats(allow_nan=False)).filter(
        lambda value: value not in (float("inf"), float("-inf"))
    ), max_size=4
)  # fmt: skip


def manifest(**fields: Any) -> Manifest:
    files = {"model.safetensors": FileRecord(5, ("0" * 32,))}
    return Manifest(**({"stage": "pretrain", "step": 20, "incarnation": 1, "files": files} | fields))


def signed(**changes: Any) -> bytes:
    """A manifest that was changed by somebody who also put the check-sum right."""
    content = json.loads(encode(manifest()))
    del content["check"]
    content |= changes
    return json.dumps(content | {"check": fingerprint(content)}).encode()


@given(
    st.integers(0, 2**62),
    st.floats(0, 10),
    st.floats(allow_nan=False, allow_infinity=False),
    plain,
    st.text(max_size=9),
)
def test_every_field_comes_back_exactly(
    step: int, scale: float, best: float, model: dict[str, Any], stage: str
) -> None:
    written = manifest(step=step, lr_scale=scale, best=best, model=model, stage=stage, tags=("best", "signal"))
    assert decode(encode(written)) == written


def test_numbers_as_keys_come_back_as_text() -> None:
    assert decode(encode(manifest(optimizer={2: 0.1, 10: 0.2}))).optimizer == {"2": 0.1, "10": 0.2}


@given(st.data())
def test_a_changed_byte_is_noticed_or_changes_nothing(data: st.DataObject) -> None:
    content = bytearray(encode(manifest(model={"family": "transformer", "layers": [1, 2]}, best=1.25)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = decode(bytes(content))
    except ValueError:
        return
    assert found == manifest(model={"family": "transformer", "layers": [1, 2]}, best=1.25)


@pytest.mark.parametrize(
    "files",
    [
        {"../outside": {"bytes": 0, "chunks": []}},
        {"/etc/passwd": {"bytes": 0, "chunks": []}},
        {"": {"bytes": 0, "chunks": []}},
        {".hidden": {"bytes": 0, "chunks": []}},
        {"a\nb": {"bytes": 0, "chunks": []}},
        {"a": {"bytes": -1, "chunks": []}},
        {"a": {"bytes": True, "chunks": ["0" * 32]}},
        {"a": {"bytes": 5, "chunks": []}},
        {"a": {"bytes": 5, "chunks": ["0" * 32, "0" * 32]}},
        {"a": {"bytes": 5, "chunks": ["no hash"]}},
        {"a": {"bytes": 5, "chunks": "0"}},
        {"a": {"bytes": 0, "chunks": [], "link": "/etc/passwd"}},
        {"a": None},
        [],
    ],
)
def test_files_that_are_not_plain_are_refused_even_with_a_right_check_sum(files: Any) -> None:
    with pytest.raises(ValueError, match="files"):
        decode(signed(files=files))


@pytest.mark.parametrize(
    "changes",
    [{"step": -1}, {"step": 1.0}, {"step": True}, {"stage": None}, {"tags": "best"}, {"best": "low"}, {"model": []},
     {"surprise": 1}],
)  # fmt: skip
def test_wrong_types_and_unknown_fields_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="its manifest has"):
        decode(signed(**changes))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        encode(manifest())[:-3],
        encode(manifest()).replace(b"pretrain", b"pretraim"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="manifest"):
        decode(content)


def test_a_newer_format_is_no_damage() -> None:
    with pytest.raises(FromTheFuture, match="newer"):
        decode(signed(schema=99))


def test_what_can_not_be_read_back_is_not_written() -> None:
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(best=float("nan")))
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(guard={"memory": object()}))


def test_links_pipes_giants_and_gaps_are_damage(tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    (tmp_path / "real.json").write_bytes(encode(manifest()))
    (linked := fresh("linked")).joinpath(FILE).symlink_to(tmp_path / "real.json")
    os.mkfifo((pipe := fresh("pipe")) / FILE)
    (giant := fresh("giant")).joinpath(FILE).write_bytes(b" " * (LARGEST_BYTES + 1))
    for directory in (linked, pipe, giant, fresh("empty")):
        with pytest.raises(Damaged):
            read(directory)
