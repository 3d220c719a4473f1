"""Charts as inline SVG. Colours are classes that the page's style sheet fills in, so that both its modes fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]

MOST_POINTS = 700  # of a line; more would not be seen
WHISKER = (168, 18)  # width and height of a small chart in a table, in pixels


@dataclass(frozen=True)
class Scale:
    """From a range of values to a range of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value, kept within the range."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover a range, about as many as asked for."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float | None) -> str:
    """A number as a table shows it: whole, or with at most three significant digits; a dash where there is none."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:.2e}"
    text = f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def smooth(values: Sequence[float]) -> list[float]:
    """Mean over a window of one in twenty steps around each step."""
    half = max(1, len(values) // 40)
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    ends = [(max(0, at - half), min(len(values), at + half + 1)) for at in range(len(values))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in ends]


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most so many points, the lowest and the highest of each stretch: a spike stays to be seen."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def loss_curve(losses: Sequence[float]) -> Markup:
    """Loss over steps: every step thin, the running mean thick. The highest one in a hundred is cut off."""
    steps = [(float(step), value) for step, value in enumerate(losses, 1)]
    mean = list(zip((step for step, _ in steps), smooth(losses), strict=True))
    top = max(*(value for _, value in mean), sorted(losses)[int(0.99 * (len(losses) - 1))])
    told = f"Training loss over {len(losses)} steps: from {number(losses[0])} to {number(mean[-1][1])} (running mean)"
    lines = [("raw", thin(steps)), ("line", thin(mean))]
    return line_chart(lines, (1.0, float(len(losses))), (0.0, top), told, "step")


def line_chart(
    lines: Iterable[tuple[str, Sequence[Point]]],
    across: tuple[float, float],
    up: tuple[float, float],
    told: str,
    unit: str,
    size: tuple[int, int] = (680, 230),
) -> Markup:
    """Lines over a shared pair of axes.

    Args:
        lines: The class and the points of each.
        across: Range of the horizontal axis.
        up: Range of the vertical axis.
        told: What the chart shows, in words, for who cannot see it.
        unit: Of the horizontal axis.
        size: Width and height in pixels.
    """
    width, height = size
    x, y = Scale(*across, 44, width - 10), Scale(*up, height - 30, 8)
    parts = [_grid(x, y, unit, size)]
    for name, points in lines:
        path = " ".join(f"{x(left)},{y(value)}" for left, value in points)
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(name, path))
    return picture(parts, size, told)


def _grid(x: Scale, y: Scale, unit: str, size: tuple[int, int]) -> Markup:
    width, height = size
    rules = [
        Markup('<path class="grid" d="M44 {0}H{1}"/><text x="38" y="{2}" text-anchor="end">{3}</text>').format(
            y(value), width - 10, y(value) + 4, f"{value:g}"
        )
        for value in ticks(y.low, y.high)
    ]
    marks = [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x(value), height - 14, f"{value:,.0f}")
        for value in ticks(x.low, x.high, 6)
    ]
    name = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(width - 10, height - 2, unit)
    return Markup("").join([*rules, *marks, name])


def whisker(
    value: float, low: float, high: float, told: str, mark: float | None = None, span: tuple[float, float] | None = None
) -> Markup:
    """An interval with its value, and a mark (a limit, a reference) where there is one.

    Args:
        value: The measured value.
        low: Lower end of the interval.
        high: Upper end of the interval.
        told: The same in words.
        mark: What it is held against.
        span: Ends of the axis; none: what is drawn, with some room.
    """
    width, height = WHISKER
    middle = height / 2
    x = Scale(*(span or room_for([value, low, high, *([] if mark is None else [mark])])), 4, width - 4)
    parts = [
        Markup('<path class="axis" d="M2 {0}H{1}"/>').format(middle, width - 2),
        Markup('<path class="reach" d="M{0} {2}H{1}M{0} {3}V{4}M{1} {3}V{4}"/>').format(
            x(low), x(high), middle, middle - 4, middle + 4
        ),
        Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"/>').format(x(value), middle),
    ]
    if mark is not None:
        parts.append(Markup('<path class="limit" d="M{} 1V{}"/>').format(x(mark), height - 1))
    return picture(parts, WHISKER, told)


def room_for(values: Sequence[float]) -> tuple[float, float]:
    """A range around values, a tenth wider at each end."""
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def bar(start: float, length: float, whole: float, kind: str, told: str, width: int = 300) -> Markup:
    """A stretch of time on a line as long as the whole run; `kind` is the class that colours it."""
    x = Scale(0.0, whole, 0, width)
    left, right = x(start), x(start + length)
    parts = [
        Markup('<path class="axis" d="M0 7H{}"/>').format(width),
        Markup('<rect class="{}" x="{}" y="1" width="{}" height="12" rx="1.5"/>').format(
            kind, min(left, width - 2), round(max(right - left, 2), 1)
        ),
    ]
    return picture(parts, (width, 14), told)


def picture(parts: Iterable[Markup], size: tuple[int, int], told: str) -> Markup:
    """An SVG element that says in words what it shows."""
    return Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>').format(
        *size, *size, told, Markup("").join(parts)
    )
