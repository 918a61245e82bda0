"""The chart as SVG: well formed, round ticks, text escaped, nothing to load from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evals.report.chart import Chart, Line, Mark, chart_svg, ticks

CHART = Chart(
    title="A <b>title</b> & more",
    x_label="step",
    y_label="loss",
    lines=[
        Line("each step", "faint", [(0, 3), (50, 2), (100, 1)]),
        Line("smoothed", "line", [(0, 2.9), (100, 1.1)]),
        Line('held "out"', "dots", [(50, 2.1), (100, 1.3)]),
    ],
    low=1,
    high=3,
    last_x=100,
    marks=[Mark(25, "saved", "saved at 25"), Mark(50, "resumed", "resumed <here>"), Mark(70, "skipped", "NaN")],
    right=("bits", 0.5),
)


@pytest.mark.parametrize("standalone", [True, False])
def test_is_one_well_formed_element_that_names_itself(standalone: bool) -> None:
    text = chart_svg(CHART, standalone)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].text == "A <b>title</b> & more"
    assert ("<style>" in text) == standalone
    assert text.count("http") == 1, "the namespace is the only address"


def test_says_what_every_mark_is() -> None:
    titles = {
        each.text for each in ElementTree.fromstring(chart_svg(CHART, False)).iter() if each.tag.endswith("}title")
    }
    assert {"saved at 25", "resumed <here>", "NaN"} <= titles


def test_both_axes_name_the_same_height() -> None:
    words = {
        each.text: each.get("y")
        for each in ElementTree.fromstring(chart_svg(CHART, False)).iter()
        if each.tag.endswith("}text")
    }
    assert words["2"] == words["1"], "2 on the left is 1 on the right, as the factor says"


@given(
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.floats(1e-3, 1e6, allow_subnormal=False),
    st.integers(2, 8),
)
def test_ticks_are_inside_even_and_neither_few_nor_many(low: float, extent: float, wanted: int) -> None:
    found = ticks(low, low + extent, wanted)
    slack = 1e-6 * max(1.0, abs(low), extent)
    assert all(low - slack <= value <= low + extent + slack for value in found)
    assert 1 <= len(found) <= wanted + 1
    steps = [after - before for before, after in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-6, abs=slack) for step in steps)


@pytest.mark.parametrize("change", [{"last_x": 0}, {"high": 1}])
def test_refuses_axes_without_extent(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="nothing to span"):
        chart_svg(replace(CHART, **change), True)
