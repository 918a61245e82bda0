"""What held-out text shares with training text."""

import numpy as np

from holdfast.text.dedup.known import Known
from holdfast.text.dedup.leaks import RUN_WORDS, leaking, sampled, shared
from holdfast.text.dedup.passages import without
from holdfast.text.dedup.shingles import runs, words

VERSE = "In the beginning there was a harbour and the harbour was without form and void of ships"
PLAIN = [f"Paragraph {number} is of this book and of no other, as number {number} shows." for number in range(30)]


def book(*between: str) -> str:
    return "\n\n".join([*PLAIN[:10], *between, *PLAIN[10:]])


def known(text: str) -> Known:
    return Known(sampled([text]).hashes)


def test_a_quotation_is_cut_out_and_nothing_is_shared_any_more() -> None:
    train = known(f"The preacher said: {VERSE}. Then he was silent.")
    text = book(f"They sang. {VERSE}, and wept.")
    assert len(shared(text, train))
    rest = without(text, leaking(text, train))
    assert rest == book()
    assert not len(shared(rest, train))


def test_what_meets_only_after_a_cut_is_cut_as_well() -> None:
    joined = " ".join([*PLAIN[9].split()[-8:], *PLAIN[10].split()[:8]])
    text = book(VERSE)
    rest = without(text, leaking(text, known(f"{VERSE}.\n\n{joined}")))
    assert rest == "\n\n".join([*PLAIN[:9], *PLAIN[11:]])


def test_a_text_that_is_mostly_known_goes_as_a_whole() -> None:
    text = f"{VERSE}\n\n{PLAIN[0]}"
    assert without(text, leaking(text, known(VERSE))) == ""
    assert not len(leaking("", known(VERSE)))


def test_memory_is_bounded_by_looking_at_every_so_manieth_run() -> None:
    texts = [" ".join(f"w{number}{part}" for number in range(500)) for part in range(20)]
    full, some = sampled(texts), sampled(texts, most=1000)
    assert full.every == 1
    assert len(full.hashes) == 20 * (500 - RUN_WORDS + 1)
    assert some.every == 16
    assert 300 < len(some.hashes) <= 1000
    assert set(some.hashes.tolist()) <= set(full.hashes.tolist())
    assert np.array_equal(some.hashes, full.hashes[full.hashes % 16 == 0])
    assert set(runs(words(texts[3]).hashes, RUN_WORDS).tolist()) <= set(full.hashes.tolist())
