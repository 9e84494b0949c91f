# SPDX-License-Identifier: BSD-2-Clause
"""Frames lost as an SVG: one row for each event, one bar for each peer and way, logarithmic."""
import math
from xml.sax.saxutils import escape

from . import report

COLOURS = {"plain": "#9a9a9a", "bond-100": "#7fb3d5", "bond-10": "#2e6da4", "team": "#8e6bb5",
           "net_failover": "#e0922f", "hitless": "#1a7f37"}
LEFT, RIGHT, TOP, BAR, GAP, HEAD = 44, 64, 62, 13, 3, 22
WIDTH, MOST = 860, 3000
NEVER = "never again"


def peers(data: dict) -> str:
    names = [peer for peer in data["peers"] if peer != "plain"]
    body, y = [], TOP
    name_width = 104
    x0, x1 = LEFT + name_width, WIDTH - RIGHT - 40
    grid_top = TOP
    for event, silent in report.rows(data):
        if event == "control":
            continue
        body.append(_text(LEFT, y + 14, report.title(event, silent), "bold 13px"))
        y += HEAD
        for peer in names:
            sides = [(side, found) for side in report.SIDES
                     if (found := report.cell(data, peer, event, silent, side))]
            if not sides:
                continue
            height = BAR if len(sides) == 2 else BAR + 2
            body.append(_text(x0 - 8, y + len(sides) * height / 2 + 4, peer, "12px", "end"))
            for side, found in sides:
                body += _bar(x0, x1, y, height - 2, COLOURS.get(peer, "#555"), side, found)
                y += height
            y += GAP
        y += 10
    lines = []
    for value in (0, 1, 10, 100, 1000):
        x = x0 + _scale(value) * (x1 - x0)
        lines.append(f'<line x1="{x:.1f}" y1="{grid_top}" x2="{x:.1f}" y2="{y}" stroke="#e3e3e3"/>')
        lines.append(_text(x, grid_top - 6, f"{value:,}", "11px", "middle", "#666"))
    caption = data["caption"]
    head = [_text(LEFT, 22, "Frames lost to each event, 1,000 frames a second: a frame is a millisecond",
                  "bold 15px"),
            _text(LEFT, 39, "Median and least-most. Full bar: to the guest (down). Pale bar: from it (up). "
                  "Logarithmic.", "11px", fill="#444")]
    foot = _text(LEFT, y + 12, report.where(caption), "11px", fill="#444")
    height = y + 26
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="Helvetica, Arial, DejaVu Sans, sans-serif">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
            + "\n".join(lines + head + body + [foot]) + "\n</svg>\n")


def _scale(value: float) -> float:
    """0 is at the axis, and one lost frame can be told from none."""
    return min(1.0, math.log10(1 + value) / math.log10(1 + MOST))


def _bar(x0, x1, y, height, colour, side, found) -> list[str]:
    middle, least, most = found.lost()
    opacity = 0.45 if side == "up" else 1
    end = x1 if found.never else x0 + _scale(middle) * (x1 - x0)
    bar = (f'<rect x="{x0}" y="{y:.1f}" width="{max(end - x0, 2):.1f}" height="{height}" '
           f'fill="{colour}" fill-opacity="{opacity}"/>')
    if found.never:
        # Open at its end: there is none.
        tip = y + height / 2
        arrow = (f'<path d="M{end:.1f} {y:.1f} l7 {height / 2} l-7 {height / 2} z" fill="{colour}" '
                 f'fill-opacity="{opacity}"/>')
        return [bar, arrow, _text(end + 11, tip + 4, NEVER, "bold 11px", fill="#b42318")]
    parts = [bar]
    right = end
    if least != most:
        a, b = (x0 + _scale(value) * (x1 - x0) for value in (least, most))
        parts.append(f'<path d="M{a:.1f} {y + height / 2:.1f} H{b:.1f}" stroke="#222" stroke-width="1"/>')
        right = max(end, b)
    return parts + [_text(right + 6, y + height / 2 + 4, found.text(), "11px", fill="#222")]


def _text(x, y, words, font, anchor="start", fill="#111") -> str:
    weight, _, size = font.rpartition(" ")
    bold = ' font-weight="bold"' if weight else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{bold} text-anchor="{anchor}" '
            f'fill="{fill}">{escape(words)}</text>')
