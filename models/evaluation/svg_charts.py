"""Plain line charts as inline SVG: enough for a report that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 14, 40
_COLOURS = ("#0b6e99", "#c4453c", "#4d8b31", "#8a5fbf", "#c98a00", "#555555", "#1f9e9e")

Line = Sequence[float | None]


def line_chart(
    x: Sequence[float], lines: Mapping[str, Line], *, x_label: str, y_label: str, from_zero: bool = True
) -> str:
    """Return an SVG element with one line per name; None and NaN leave a gap.

    Args:
        x: Positions, ascending.
        lines: Values by name, each as long as ``x``.
        x_label: Under the horizontal axis.
        y_label: Over the vertical axis, with its unit.
        from_zero: Start the vertical axis at 0 where all values are positive.
    """
    values = [v for line in lines.values() for v in line if v is not None and np.isfinite(v)]
    if not values or len(x) == 0:
        return "<p>No values.</p>"
    low, high = min(values), max(values)
    low = 0.0 if from_zero and low > 0 else low
    if high <= low:
        low, high = low - 1.0, high + 1.0
    first, last = float(x[0]), float(x[-1]) if len(x) > 1 else float(x[0]) + 1.0

    def place(at: float, value: float) -> tuple[float, float]:
        across = _LEFT + (at - first) / (last - first) * (WIDTH - _LEFT - _RIGHT)
        return across, HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_label)}">']
    for tick in ticks(low, high):
        _, y = place(first, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in ticks(first, last):
        across, _ = place(tick, low)
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - 22}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{_LEFT}" y="{HEIGHT - 6}">{escape(x_label)}</text>')
    for n, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        for run in _runs(x, line):
            points = " ".join("{:.1f},{:.1f}".format(*place(at, value)) for at, value in run)
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{points}"/>')
        parts.append(
            f'<text x="{WIDTH - _RIGHT + 8}" y="{_TOP + 14 + 17 * n}" style="fill:{colour}">{escape(name)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round positions between ``low`` and ``high``.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * 0.999)
    start = np.ceil(low / step - 1e-9)
    count = int(np.floor(high / step + 1e-9) - start)
    return [round(float((start + n) * step), 10) for n in range(count + 1)]


def _runs(x: Sequence[float], line: Line) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(x, line, strict=True):
        if value is None or not np.isfinite(value):
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]
