"""A sink that fails is the sink's trouble."""

from __future__ import annotations

from typing import Any

from holdfast.journal.sinks import PATIENCE, Fanout


class Listening:
    """Keeps what it is given, and fails where it is told to."""

    def __init__(self, fails: tuple[int, ...] = (), fails_to_close: bool = False) -> None:
        self.taken: list[dict[str, Any]] = []
        self.calls = 0
        self.fails, self.fails_to_close = fails, fails_to_close
        self.closed = False

    def take(self, record: dict[str, Any]) -> None:
        self.calls += 1
        if self.calls in self.fails:
            raise ConnectionError("nobody there")
        self.taken.append(record)

    def close(self) -> None:
        if self.fails_to_close:
            raise ConnectionError("gone")
        self.closed = True


def records(count: int) -> list[dict[str, Any]]:
    return [{"seq": number, "kind": "step"} for number in range(count)]


def test_the_others_get_everything_and_hear_once_of_the_failure() -> None:
    broken, sound, told = Listening(fails=tuple(range(1, 99))), Listening(), []

    def tell(**record: Any) -> dict[str, Any]:
        told.append(record)
        return record | {"seq": 1000}

    fanout = Fanout([broken, sound], tell)
    for record in records(10):
        fanout.take(record)
    assert broken.calls == PATIENCE
    assert [record for record in sound.taken if record["kind"] == "step"] == records(10)
    assert [record["seq"] for record in sound.taken if record["kind"] == "event"] == [1000]
    assert [(record["event"], record["sink"]) for record in told] == [("sink_failed", "Listening")]
    assert "ConnectionError: nobody there" in told[0]["text"]


def test_a_failure_now_and_then_is_forgiven() -> None:
    sink = Listening(fails=(1, 2, 4, 5, 8))
    fanout = Fanout([sink])
    for record in records(10):
        fanout.take(record)
    assert sink.calls == 10


def test_all_are_closed_even_after_one_that_can_not_be() -> None:
    first, last = Listening(fails_to_close=True), Listening()
    fanout = Fanout([first, last])
    fanout.close()
    assert last.closed
    assert "could not be ended properly: ConnectionError: gone" in last.taken[0]["text"]


def test_every_sink_broken_is_survived() -> None:
    always = tuple(range(1, 99))
    fanout = Fanout([Listening(always, True), Listening(always, True)])
    for record in records(8):
        fanout.take(record)
    fanout.close()
