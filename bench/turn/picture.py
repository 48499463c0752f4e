"""Draws trade-off curves as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Final

from bench.turn.curves import Point

_COLOURS: Final = {
    "silence only": "#8a8a8a",
    "Smart Turn": "#c2571a",
    "fusion": "#0b62a8",
    "Smart Turn, tuned here": "#e8b48f",
    "fusion, tuned here": "#8fbfe8",
    "the rule": "#2e8b57",
}
_WIDTH: Final = 420
_HEIGHT: Final = 300
_LEFT: Final = 48
_TOP: Final = 34
_LONGEST_MS: Final = 1600
_MOST_PCT: Final = 80
NONE: Final[Mapping[str, Point]] = MappingProxyType({})


def svg(
    panels: Mapping[str, Mapping[str, Sequence[Point]]], chosen: Mapping[str, Point], before: Mapping[str, Point] = NONE
) -> str:
    """One panel for each material; `chosen` is the operating point in each, `before` that of the policy before."""
    width = len(panels) * (_WIDTH + _LEFT + 20)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + _TOP + 46}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for index, (title, curves) in enumerate(panels.items()):
        left = _LEFT + index * (_WIDTH + _LEFT + 20)
        parts.append(f'<g transform="translate({left},{_TOP})">{_axes(title)}')
        for row, (name, points) in enumerate(curves.items()):
            parts.append(_curve(points, _COLOURS[name]))
            line = 18 + 18 * row
            parts.append(f'<rect x="{_WIDTH - 170}" y="{line - 9}" width="14" height="4" fill="{_COLOURS[name]}"/>')
            parts.append(f'<text x="{_WIDTH - 150}" y="{line - 2}">{escape(name)}</text>')
        marked = [("in use", "black", chosen), ("before", "#7a3fa0", before)]
        for row, (name, colour, places) in enumerate([each for each in marked if title in each[2]], start=len(curves)):
            line = 18 + 18 * row
            for cx, cy in (_place(places[title]), (_WIDTH - 163, line - 7)):
                parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts.append(f'<text x="{_WIDTH - 150}" y="{line - 2}">{escape(name)}</text>')
        parts.append("</g>")
    return "".join([*parts, "</svg>\n"])


def _axes(title: str) -> str:
    lines = [f'<text x="0" y="-14" font-size="14" font-weight="bold">{escape(title)}</text>']
    lines.append(f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#444"/>')
    for ms in range(0, _LONGEST_MS + 1, 200):
        x = ms / _LONGEST_MS * _WIDTH
        lines.append(f'<line x1="{x}" x2="{x}" y2="{_HEIGHT}" stroke="#e4e4e4"/>')
        lines.append(f'<text x="{x}" y="{_HEIGHT + 16}" text-anchor="middle">{ms}</text>')
    for pct in range(0, _MOST_PCT + 1, 10):
        y = _HEIGHT * (1 - pct / _MOST_PCT)
        lines.append(f'<line x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="#e4e4e4"/>')
        lines.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{pct}</text>')
    lines.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 34}" text-anchor="middle">mean delay at ends, ms</text>')
    lines.append(f'<text transform="translate(-34,{_HEIGHT / 2}) rotate(-90)" text-anchor="middle">pauses cut off, %</text>')
    return "".join(lines)


def _curve(points: Sequence[Point], colour: str) -> str:
    inside = [each for each in points if each.mean_ms <= _LONGEST_MS and each.cut_pct <= _MOST_PCT]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(_place, inside))
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'


def _place(point: Point) -> tuple[float, float]:
    return point.mean_ms / _LONGEST_MS * _WIDTH, _HEIGHT * (1 - point.cut_pct / _MOST_PCT)
