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
from holdfast.disk.files import CHUNK_BYTES, fingerprint
from holdfast.vault.manifest import (
    DEEPEST,
    FILE,
    LARGEST_BYTES,
    LARGEST_NUMBER,
    LONGEST_TEXT,
    MOST_CONTAINERS,
    MOST_VALUES,
    Damaged,
    FileRecord,
    FromTheFuture,
    Manifest,
    decode,
    encode,
    read,
)

texts = st.text(max_size=8).filter(str.isprintable)
numbers = st.one_of(st.integers(-LARGEST_NUMBER, LARGEST_NUMBER), st.floats(allow_nan=False, allow_infinity=False))
plain = st.dictionaries(texts, st.one_of(st.none(), texts, numbers), max_size=4)


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
    st.integers(0, LARGEST_NUMBER),
    st.floats(0, 10),
    st.floats(allow_nan=False, allow_infinity=False),
    plain,
    texts,
)
def test_every_field_comes_back_exactly(
    step: int, scale: float, best: float, model: dict[str, Any], stage: str
) -> None:
    written = manifest(
        step=step, lr_scale=scale, best=best, evaluated=step, model=model, stage=stage, tags=("best", "signal")
    )
    assert decode(encode(written)) == written


def test_a_manifest_of_the_first_format_is_read_and_written_again_in_this_one() -> None:
    old = json.loads(encode(manifest(best=1.5)))
    del old["check"], old["evaluated"]
    old["schema"] = 1
    found = decode(json.dumps(old | {"check": fingerprint(old)}).encode())
    assert found == manifest(best=1.5, evaluated=None)
    assert decode(encode(found)) == found


def test_a_field_that_its_format_did_not_have_or_should_have_is_refused() -> None:
    with pytest.raises(ValueError, match="wrong fields: evaluated"):
        decode(signed(schema=1))
    now = json.loads(signed())
    del now["check"], now["evaluated"]
    with pytest.raises(ValueError, match="wrong fields: evaluated"):
        decode(json.dumps(now | {"check": fingerprint(now)}).encode())


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
        {"a/b": {"bytes": 0, "chunks": []}},
        {"ａ": {"bytes": 0, "chunks": []}},
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
     {"evaluated": -1}, {"evaluated": 2.0}, {"evaluated": False}, {"schema": 0}, {"schema": 1.0}, {"schema": None},
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


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"step": 2**63}, "would not write"),
        ({"seed": -(2**63)}, "would not write"),
        ({"guard": {"count": 10**400}}, "would not write"),
        ({"stage": "pretrain\x1b[2J"}, "would not write"),
        ({"stage": "pre\u202etrain"}, "would not write"),
        ({"created": "a\nsecond line"}, "would not write"),
        ({"model": {"\x07": 1}}, "would not write"),
        ({"fingerprint": "f" * (LONGEST_TEXT + 1)}, "would not write"),
        ({"tags": ["best"] * MOST_VALUES}, "holds too much"),
        ({"exactness": {str(number): 1 for number in range(MOST_VALUES)}}, "holds too much"),
        ({"guard": {"seen": [[]] * MOST_CONTAINERS}}, "holds too much"),
    ],
)
def test_what_would_hurt_a_reader_or_a_terminal_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        decode(signed(**changes))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("levels", [1, DEEPEST - 3, DEEPEST - 2, DEEPEST, 500])
def test_depth_ends_before_any_recursion_does(levels: int) -> None:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    content = signed(model={"nested": nested})
    if levels <= DEEPEST - 3:  # the manifest, its model and what is innermost are levels too
        assert decode(content).model == {"nested": nested}
    else:
        with pytest.raises(ValueError, match="nested too deeply"):
            decode(content)


def test_infinity_by_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="would not write"):
        decode(encode(manifest(lr_scale=0.5)).replace(b'"lr_scale": 0.5', b'"lr_scale": 1e999'))


def test_a_manifest_of_hundreds_of_gigabytes_fits() -> None:
    chunks = 100_000
    large = manifest(files={"model.safetensors": FileRecord(chunks * CHUNK_BYTES, ("0" * 32,) * chunks)})
    assert decode(encode(large)) == large


def test_a_newer_format_is_no_damage() -> None:
    with pytest.raises(FromTheFuture, match="newer"):
        decode(signed(schema=99))


def test_what_can_not_be_read_back_is_not_written() -> None:
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(best=float("nan")))
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(guard={"memory": object()}))
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(exactness={"device": "\x1b[31m"}))
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(stage="\ud800"))
    with pytest.raises(Fault, match="can not be described"):
        encode(manifest(files={"../model.safetensors": FileRecord(0, ())}))


def test_links_pipes_giants_and_gaps_are_damage(tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    (tmp_path / "real.json").write_bytes(encode(manifest()))
    (linked := fresh("linked")).joinpath(FILE).symlink_to(tmp_path / "real.json")
    os.mkfifo((pipe := fresh("pipe")) / FILE)
    (giant := fresh("giant")).joinpath(FILE).write_bytes(b" " * (LARGEST_BYTES + 1))
    (folder := fresh("folder")).joinpath(FILE).mkdir()
    for directory in (linked, pipe, giant, folder, fresh("empty")):
        with pytest.raises(Damaged):
            read(directory)
