"""A chart as SVG text: lines and dots over a linear x axis, a left axis, and a right one for the same heights in
another unit. It needs no script and no font file, follows the reader's colour scheme and tells lines apart by shape as
well as by colour (Okabe and Ito's palette, safe for colour-blind readers)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import escape

from holdfast.evals.report.figures import compact

Point = tuple[float, float]
Look = Literal["faint", "line", "dots"]
MarkKind = Literal["resumed", "skipped", "saved"]

WIDTH, HEIGHT = 760, 350
LEFT, RIGHT, TOP, BOTTOM = 66, 66, 40, 56
ROOM_X, ROOM_Y = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
TICK = 6
LEGEND_ROW = 26

STYLE = """
.chart{--first:#0072b2;--second:#d55e00;--ink:#2b333b;--soft:#5d6670;--grid:#e4e1da;--paper:#fff;display:block;max-width:100%;
height:auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-size:12.5px}
.chart text{fill:var(--soft)}
.chart .paper{fill:var(--paper)}
.chart .name{fill:var(--ink);font-weight:600;font-size:1.08em}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .faint{fill:none;stroke:var(--first);stroke-width:1;opacity:.28}
.chart .line{fill:none;stroke:var(--first);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.chart .thread{fill:none;stroke:var(--second);stroke-width:1.2;stroke-dasharray:1 4;stroke-linecap:round}
.chart .dots{fill:var(--second);stroke:none}
.chart .resumed{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 4;fill:none}
.chart .skipped{stroke:var(--ink);stroke-width:1.6;fill:none}
.chart .saved{stroke:var(--soft);stroke-width:1.6;fill:none}
@media (prefers-color-scheme:dark){.chart{--first:#56b4e9;--second:#e69f00;--ink:#e6e8ea;--soft:#a3adb7;--grid:#2b343d;
--paper:#12171c}}
@media (max-width:600px){.chart{font-size:23px}.chart .spare{display:none}.chart .line{stroke-width:3.4}}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One series; `faint` lies in the background, `line` is drawn strongly, `dots` are single measurements."""

    label: str
    look: Look
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one x: drawn on the frame, explained when pointed at."""

    x: float
    kind: MarkKind
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw. `right`: (label, factor) of a second axis whose numbers are the left one's times the factor."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    low: float
    high: float
    last_x: float
    marks: Sequence[Mark] = field(default=())
    right: tuple[str, float] | None = None


def chart_svg(chart: Chart, standalone: bool) -> str:
    """The chart as an <svg> element. Standalone, it carries its own style and can be a file; otherwise the page that
    shows it must contain STYLE once. Raises ValueError when the axes have no extent."""
    if not (chart.last_x > 0 and chart.high > chart.low):
        raise ValueError(f"nothing to span: x to {chart.last_x}, y from {chart.low} to {chart.high}")
    parts = [
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(chart.title)}"><title>{escape(chart.title)}</title>',
        f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>' if standalone else "",
        *_left_axis(chart),
        *_right_axis(chart),
        *_x_axis(chart),
        f'<svg x="{LEFT}" y="{TOP}" width="{ROOM_X}" height="{ROOM_Y}" viewBox="{LEFT} {TOP} {ROOM_X} {ROOM_Y}">',
        *(_series(chart, line) for line in chart.lines if line.look != "dots"),
        "</svg>",
        *(_series(chart, line) for line in chart.lines if line.look == "dots"),  # a dot on the edge stays whole
        *(_mark(chart, mark) for mark in chart.marks),
        *_legend(chart),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten apart) between low and high, about `wanted` of them."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _x(chart: Chart, value: float) -> float:
    return round(LEFT + ROOM_X * value / chart.last_x, 1)


def _y(chart: Chart, value: float) -> float:
    return round(TOP + ROOM_Y * (chart.high - value) / (chart.high - chart.low), 1)


def _left_axis(chart: Chart) -> list[str]:
    parts = [f'<text class="name" x="{LEFT - 50}" y="{TOP - 16}">{escape(chart.y_label)}</text>']
    for value in ticks(chart.low, chart.high):
        y = _y(chart, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 9}" y="{y}" dy=".33em" text-anchor="end">{compact(value)}</text>')
    return parts


def _right_axis(chart: Chart) -> list[str]:
    if chart.right is None:
        return []
    label, factor = chart.right
    edge = WIDTH - RIGHT
    parts = [f'<text class="name" x="{edge + 50}" y="{TOP - 16}" text-anchor="end">{escape(label)}</text>']
    for value in ticks(chart.low * factor, chart.high * factor):
        y = _y(chart, value / factor)
        parts.append(f'<line class="axis" x1="{edge}" x2="{edge + TICK}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{edge + 10}" y="{y}" dy=".33em">{compact(value)}</text>')
    return parts


def _x_axis(chart: Chart) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>']
    for index, value in enumerate(ticks(0, chart.last_x, wanted=6)):
        x, spare = _x(chart, value), ' class="spare"' if index % 2 else ""
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{floor}" y2="{floor + TICK}"/>')
        parts.append(f'<text{spare} x="{x}" y="{floor + 21}" text-anchor="middle">{compact(value)}</text>')
    middle = LEFT + ROOM_X / 2
    return [*parts, f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart.x_label)}</text>']


def _series(chart: Chart, line: Line) -> str:
    places = [(_x(chart, x), _y(chart, y)) for x, y in line.points]
    path = " ".join(f"{x},{y}" for x, y in places)
    if line.look != "dots":
        return f'<polyline class="{line.look}" points="{path}"/>'
    dots = "".join(f'<circle class="dots" cx="{x}" cy="{y}" r="3.6"/>' for x, y in places)
    return f'<polyline class="thread" points="{path}"/>{dots}'


def _mark(chart: Chart, mark: Mark) -> str:
    return f"<g>{_sign(mark.kind, _x(chart, mark.x))}<title>{escape(mark.text)}</title></g>"


def _sign(kind: MarkKind, x: float) -> str:
    """A dashed line for a resume, a cross at the top for a skipped batch, a short stroke on the floor for a save."""
    floor = HEIGHT - BOTTOM
    path = {
        "resumed": f"M{x},{TOP - 6}V{floor}",
        "skipped": f"m{x - 4},{TOP - 4} 8,8 m0,-8 -8,8",
        "saved": f"M{x},{floor}v-7",
    }[kind]
    return f'<path class="{kind}" d="{path}"/>'


def _legend(chart: Chart) -> list[str]:
    """Names in the upper right corner, which a falling curve leaves empty; a faint line shares its strong one's."""
    lines = [line for line in chart.lines if line.look != "faint"]
    kinds = list(dict.fromkeys(mark.kind for mark in chart.marks))
    right = WIDTH - RIGHT - 14
    parts = []
    for row, line in enumerate(lines):
        y = TOP + 16 + LEGEND_ROW * row
        sign = f'<circle class="dots" cx="{right - 11}" cy="{y}" r="3.6"/>'
        if line.look == "line":
            sign = f'<path class="line" d="M{right - 22},{y}H{right}"/>'
        parts.append(f'{sign}<text x="{right - 30}" y="{y}" dy=".33em" text-anchor="end">{escape(line.label)}</text>')
    short = {"resumed": "M{x},{y}m0,-8v16", "skipped": "M{x},{y}m-4,-4 8,8m0,-8 -8,8", "saved": "M{x},{y}m0,-4v8"}
    for row, kind in enumerate(kinds, start=len(lines)):
        y = TOP + 16 + LEGEND_ROW * row
        path = short[kind].format(x=right - 11, y=y)
        parts.append(f'<path class="{kind}" d="{path}"/>')
        parts.append(f'<text x="{right - 30}" y="{y}" dy=".33em" text-anchor="end">{kind}</text>')
    return parts
