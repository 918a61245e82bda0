"""The curve of one training stage: loss per step with its smooth course, validation, and what happened on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.base.faults import DataFault
from holdfast.evals.report.chart import Chart, Line, Mark, MarkKind, Point, chart_svg

Records = Sequence[Mapping[str, Any]]

SMOOTH_FRACTION = 0.02  # of the steps, on either side of each
RAW_BUCKETS = 450  # more points than this fall on the same pixel columns
SMOOTH_POINTS = 250
HEADROOM = 0.04


def curve_svg(
    stage: str, steps: Records, validation: Records, events: Records, vocab_size: int, standalone: bool = True
) -> str:
    """The training curve of a stage as an <svg> element.

    steps:      journal records of kind "step": step, loss (mean nats per trained token).
    validation: records of bits per byte: step, value, baseline.
    events:     journal records of kind "event", "decision" and "checkpoint", as they are; those of this stage that
                name a step become marks.
    vocab_size: turns bits per byte into nats per token, see `nats_per_bit`.
    standalone: with its own style, for a file; otherwise for a page that holds `chart.STYLE`.

    Raises DataFault when no step with a finite loss was recorded.
    """
    points = losses(steps)
    if not points:
        raise DataFault(f"no step of {stage} was recorded", "train the stage first, or name another one")
    factor = nats_per_bit(validation, vocab_size)
    smooth = smoothed(points)
    lines = [Line("each step", "faint", thinned(points)), Line("training, smoothed", "line", smooth)]
    held_out: list[Point] = []
    if factor is not None:
        held_out = sorted((float(each["step"]), float(each["value"]) * factor) for each in validation)
        lines.append(Line("held-out text", "dots", held_out))
    low, high = _limits(points, [y for _, y in smooth + held_out])
    last = max(x for x, _ in points + held_out)
    chart = Chart(
        title=f"{stage}: from {smooth[0][1]:.2f} to {smooth[-1][1]:.2f} nats per token in {round(last):,} steps",
        x_label="step",
        y_label="loss, nats per token",
        lines=lines,
        low=low,
        high=high,
        last_x=last,
        marks=[mark for mark in _marks(stage, events) if 0 <= mark.x <= last],
        right=None if factor is None else ("held out, bits per byte", 1 / factor),
    )
    return chart_svg(chart, standalone)


def losses(steps: Records) -> list[Point]:
    """(step, loss) of the step records whose loss is a number."""
    return [(float(each["step"]), float(each["loss"])) for each in steps if math.isfinite(each["loss"])]


def nats_per_bit(validation: Records, vocab_size: int) -> float | None:
    """How many nats per token are one bit per byte on the held-out text; None when no validation has a baseline.

    The baseline is the same text's uniform guess, log2(V) bits for each token, so their ratio knows how many bytes
    there are to a token and the factor is exact for the validation points.
    """
    baselines = [float(each["baseline"]) for each in validation if each.get("baseline")]
    return math.log(vocab_size) / baselines[-1] if baselines else None


def smoothed(points: Sequence[Point]) -> list[Point]:
    """A centred mean over the steps nearby, at most SMOOTH_POINTS of them. It narrows towards the start, where the
    loss falls fastest and a wide mean would lie about how high it began."""
    x, y = np.array(points).T
    sums = np.concatenate([[0.0], np.cumsum(y)])
    index = _evenly(len(x), SMOOTH_POINTS)
    reach = np.minimum(index, max(1, round(SMOOTH_FRACTION * len(x))))
    first, behind = index - reach, np.minimum(len(x), index + reach + 1)
    means = (sums[behind] - sums[first]) / (behind - first)
    return [(float(place), float(mean)) for place, mean in zip(x[index], means, strict=True)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """The lowest and the highest point of each of RAW_BUCKETS stretches: fewer points, the same picture."""
    kept: list[Point] = []
    size = max(1, len(points) // RAW_BUCKETS)
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        ends = {min(bucket, key=lambda point: point[1]), max(bucket, key=lambda point: point[1])}
        kept.extend(sorted(ends))
    return kept


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _limits(points: Sequence[Point], shown: Iterable[float]) -> tuple[float, float]:
    """What the left axis spans: all of the strong lines, and all but the wildest single steps."""
    wild_low, wild_high = np.quantile([y for _, y in points], [0.005, 0.99])
    low, high = min(*shown, float(wild_low)), max(*shown, float(wild_high))
    room = HEADROOM * (high - low) or HEADROOM * max(1.0, abs(high))
    return low - room, high + room


def _marks(stage: str, events: Records) -> list[Mark]:
    marks = []
    for each in events:
        kind = mark_kind(each)
        if kind is not None and each.get("stage") == stage and each.get("step") is not None:
            marks.append(Mark(float(each["step"]), kind, f"{kind} at step {each['step']:,}"))
    return marks


def mark_kind(record: Mapping[str, Any]) -> MarkKind | None:
    """Which mark a journal record deserves, if any."""
    if record.get("kind") == "checkpoint":
        return "saved"
    if record.get("kind") == "decision" and record.get("verdict") == "skip":
        return "skipped"
    if record.get("kind") == "event" and record.get("event") == "resume":
        return "resumed"
    return None
