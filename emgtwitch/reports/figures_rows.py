"""The figure of all recordings row by row: left over right, usable time, detection floor."""

from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.comparison.occasions import AFTER_EXERCISE
from emgtwitch.reports.draw import (
    GREY,
    SIDES,
    nothing_to_show,
    number_axis,
    picture,
    ratio_axis,
    ratio_limits,
)
from emgtwitch.reports.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def row_by_row(view: View) -> bytes:
    """Draw left over right, usable time and detection floor of each recording in a row."""
    n = len(view.recordings)
    height = min(9.4, 1.1 + 0.3 * n)
    size = float(np.clip(72 * (height - 1.1) / n / 1.5, 4, 8))

    def draw(figure: "Figure") -> None:
        forest, usable, floor = figure.subplots(1, 3, sharey=True, width_ratios=[2.4, 1.3, 1.1])
        _forest(forest, view)
        _usable(usable, view)
        _floors(floor, view)
        names = [view.label(r, 44) for r in view.recordings]
        forest.set_yticks(range(n), names, fontsize=size)
        forest.set_ylim(n - 0.4, -0.6)

    return picture(height, draw)


def _forest(ax: "Axes", view: View) -> None:
    rows = [view.row(recording) for recording in view.recordings]
    ratios = [row.ratio.ratio if row and row.ratio else None for row in rows]
    bounds = [bound for r in ratios if r for bound in (r.value, r.low, r.high)]
    low, high = ratio_limits(bounds)
    ax.set_title("Left over right")
    if not bounds:
        nothing_to_show(ax, "no ratio")
        return
    ratio_axis(ax.xaxis, low, high)
    across = view.across()
    if across and across.ratio.typical and not view.divided():
        typical = across.ratio.typical
        ax.axvspan(max(typical.low, low), min(typical.high, high), color="#DDDDDD", linewidth=0)
        ax.axvline(typical.value, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
    ax.axvline(1, color=GREY, linewidth=0.8)
    for y, (recording, ratio) in enumerate(zip(view.recordings, ratios, strict=True)):
        if ratio is None:
            continue
        left, right = (float(np.clip(bound, low, high)) for bound in (ratio.low, ratio.high))
        exercised = recording.occasion.condition == AFTER_EXERCISE
        ax.plot([left, right], [y, y], color="black", linewidth=1)
        for bound, edge, mark in ((ratio.low, low, "<"), (ratio.high, high, ">")):
            if bound < low or bound > high:
                ax.plot(edge, y, mark, color="black", markersize=3.5, clip_on=False)
        if low <= ratio.value <= high:
            ax.plot(ratio.value, y, "s", color="black", markersize=4.5,
                    markerfacecolor="white" if exercised else "black")  # fmt: skip
    ax.set_xlabel("← more on the right      more on the left →", fontsize=8)


def _usable(ax: "Axes", view: View) -> None:
    """Draw valid minutes of each side, what was left out hatched behind them."""
    for side, step in (("left", -0.19), ("right", 0.19), (None, 0.0)):
        for y, recording in enumerate(view.recordings):
            mine = [c for c in recording.channels if (c.side or None) == side]
            if not mine:
                continue
            whole = max(c.recorded_min for c in mine)
            valid = min(c.valid_min for c in mine)
            ax.barh(y + step, whole, 0.34, facecolor="white", edgecolor="#999999",
                    hatch="/////", linewidth=0.5)  # fmt: skip
            ax.barh(y + step, valid, 0.34, color=SIDES[side]["color"], linewidth=0)
    ax.set_title("Usable minutes")


def _floors(ax: "Axes", view: View) -> None:
    known = []
    for side in ("left", "right", None):
        points = [
            (channel.floor_uv, y)
            for y, recording in enumerate(view.recordings)
            for channel in recording.channels
            if (channel.side or None) == side and np.isfinite(channel.floor_uv)
        ]
        known += [uv for uv, _ in points]
        if points:
            uv, at = zip(*points, strict=True)
            ax.plot(uv, np.array(at) + {"left": -0.15, "right": 0.15, None: 0}[side],
                    SIDES[side]["marker"], color=SIDES[side]["color"], markersize=4.5)  # fmt: skip
    ax.set_title("Floor, µV")
    if known:
        low, high = 0.8 * min(known), 1.25 * max(known)
        steps = [5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000]
        number_axis(ax.xaxis, [step for step in steps if low <= step <= high])
        ax.set_xlim(low, high)
    else:
        nothing_to_show(ax, "no valid time")
