"""Draws are values: equal questions, equal answers."""

from holdfast.base.draws import draw


def test_equal_purposes_draw_equal_numbers_and_others_do_not() -> None:
    assert draw(1, "pretrain", 5, 0, "dropout") == draw(1, "pretrain", 5, 0, "dropout")
    others = {draw(1, "pretrain", step, micro, "dropout") for step in range(50) for micro in range(4)}
    assert len(others) == 200


def test_words_do_not_run_into_each_other() -> None:
    assert draw(1, "ab", "c") != draw(1, "a", "bc")
    assert draw(1, 23) != draw(12, 3)


def test_a_draw_fits_every_seed_argument() -> None:
    assert all(0 <= draw(seed, "x") < 2**63 for seed in range(1000))
