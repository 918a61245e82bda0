"""What two file systems may have after a power loss, on traces small enough to list every state by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from .filesystems import ORDERED, WEAK, Disk, FileSystem
from .trace import Done, Event, Rotten, Said, crash_points

BOTH = pytest.mark.parametrize("system", [ORDERED, WEAK], ids=["ordered", "weak"])
ROOT = Done("sync_directory", ".")


def states(events: Sequence[Event], system: FileSystem) -> list[dict[str, bytes | None]]:
    """Every different disk that can be found after all of `events`."""
    found: list[dict[str, bytes | None]] = []
    for tree in Disk(events, system).states(len(events), 100_000, random.Random(1)):
        if tree not in found:
            found.append(tree)
    return found


def same(found: list[dict[str, bytes | None]], *expected: dict[str, bytes | None]) -> bool:
    return len(found) == len(expected) and all(each in found for each in expected)


def new(path: str, data: bytes, *, synced: bool = True) -> list[Event]:
    written: list[Event] = [Done("create", path), Done("write", path, data=data)]
    return [*written, Done("sync", path)] if synced else written


@BOTH
def test_of_a_new_file_nothing_is_sure(system: FileSystem) -> None:
    assert same(states(new("a", b"xy", synced=False), system), {}, {"a": b""}, {"a": b"\0\0"}, {"a": b"xy"})


@BOTH
def test_what_was_synced_with_its_name_is_sure(system: FileSystem) -> None:
    assert same(states([*new("a", b"xy"), ROOT], system), {"a": b"xy"})


def test_a_synced_file_has_its_name_only_where_there_is_an_order() -> None:
    assert same(states(new("a", b"xy"), ORDERED), {"a": b"xy"})
    assert same(states(new("a", b"xy"), WEAK), {}, {"a": b"xy"})


def test_a_rename_is_whole_only_where_there_is_an_order() -> None:
    events = [*new("a", b"xy"), ROOT, Done("rename", "a", "b")]
    assert same(states(events, ORDERED), {"a": b"xy"}, {"b": b"xy"})
    assert same(states(events, WEAK), {"a": b"xy"}, {"b": b"xy"}, {"a": b"xy", "b": b"xy"}, {})
    assert same(states([*events, ROOT], WEAK), {"b": b"xy"})


def test_replacing_leaves_the_old_or_the_new() -> None:
    events = [*new("a", b"old"), *new("b", b"new"), ROOT, Done("replace", "b", "a")]
    assert same(states(events, ORDERED), {"a": b"old", "b": b"new"}, {"a": b"new"})
    assert all(found["a"] in (b"old", b"new") for found in states(events, WEAK))


def test_the_bytes_of_a_file_that_was_renamed_too_early_can_be_missing() -> None:
    events = [*new("a", b"xy", synced=False), Done("rename", "a", "b"), ROOT]
    assert same(states(events, ORDERED), {"b": b""}, {"b": b"\0\0"}, {"b": b"xy"})


def test_a_sync_takes_the_history_before_it_along_only_where_there_is_an_order() -> None:
    events = [*new("a", b"xy"), ROOT, Done("unlink", "a"), *new("b", b"z")]
    assert same(states(events, ORDERED), {"b": b"z"})
    assert same(states(events, WEAK), {"a": b"xy"}, {"a": b"xy", "b": b"z"}, {"b": b"z"}, {})


def test_a_sync_does_not_take_a_later_name_along() -> None:
    events = [*new("a", b"xy"), ROOT, Done("link", "a", "b"), Done("sync", "a")]
    for system in (ORDERED, WEAK):
        assert same(states(events, system), {"a": b"xy"}, {"a": b"xy", "b": b"xy"})


@BOTH
def test_two_names_are_one_file(system: FileSystem) -> None:
    events = [*new("a", b"xy"), Done("link", "a", "b"), ROOT, Done("unlink", "a")]
    assert same(states(events, system), {"a": b"xy", "b": b"xy"}, {"b": b"xy"})


@BOTH
def test_a_directory_needs_its_own_name_and_those_in_it(system: FileSystem) -> None:
    events = [Done("mkdir", "d"), *new("d/a", b"xy"), Done("sync_directory", "d")]
    assert same(states([*events, ROOT], system), {"d": None, "d/a": b"xy"})
    expected: list[dict[str, bytes | None]] = [{"d": None, "d/a": b"xy"}]
    assert same(states(events, system), *(expected if system is ORDERED else [{}, *expected]))


@BOTH
def test_a_directory_brings_along_what_it_holds(system: FileSystem) -> None:
    events = [Done("mkdir", "s"), Done("mkdir", "s/d"), *new("s/d/a", b"x"), Done("sync_directory", "s/d"), ROOT]
    moved = [*events, Done("rename", "s/d", "d"), ROOT, Done("sync_directory", "s")]
    assert same(states(moved, system), {"s": None, "d": None, "d/a": b"x"})


def test_a_write_is_torn_at_pages_or_at_sectors() -> None:
    data = bytes(range(1, 201)) * 6
    events = [Done("create", "a"), Done("allocate", "a", size=1200), ROOT, Done("write", "a", data=data)]
    assert same(states(events, ORDERED), {"a": b""}, {"a": bytes(1200)}, {"a": data})
    found = states(events, WEAK)
    for torn in (bytes(512) + data[512:], data[:512] + bytes(512) + data[1024:], data[:1024] + bytes(176)):
        assert {"a": torn} in found
    assert len(found) == 1 + 2**3, "its length is missing, or any of its sectors"


def test_a_hole_can_show_what_was_there_before() -> None:
    events = [*new("a", b"old"), Done("unlink", "a"), *new("a", b"new", synced=False), ROOT]
    assert same(states(events, WEAK), {"a": b""}, {"a": bytes(3)}, {"a": b"old"}, {"a": b"new"})
    assert {"a": b"old"} not in states(events, ORDERED)


@BOTH
def test_a_line_cut_off_and_one_after_it(system: FileSystem) -> None:
    events = [*new("a", b"one\ntw", synced=False), Done("truncate", "a", size=4), Done("write", "a", data=b"two\n")]
    assert same(states([*events, Done("sync", "a"), ROOT], system), {"a": b"one\ntwo\n"})


@BOTH
def test_rot_is_on_the_disk_at_once(system: FileSystem) -> None:
    assert same(states([*new("a", b"xy"), ROOT, Rotten("a", 1, 90)], system), {"a": b"xZ"})


def test_few_ways_are_the_hardest_and_no_way_comes_twice() -> None:
    events = new("a", bytes(range(256)) * 40, synced=False)
    assert list(Disk(events, WEAK).states(2, 2, random.Random(1))) == [{"a": b""}, {}]
    ways = list(Disk(events, WEAK).states(2, 500, random.Random(1)))
    assert len(ways) == 500
    assert sum(way == {"a": bytes(range(256)) * 40} for way in ways) == 2, "with and without an eye on holes"


def test_the_power_goes_after_operations_with_all_that_was_promised_by_then() -> None:
    events: list[Event] = [Done("mkdir", "d"), Said("saved", "d"), ROOT, Said("saved", "e")]
    assert list(crash_points(events)) == [0, 2, 4]
    assert list(crash_points(events, since=1)) == [2, 4]
