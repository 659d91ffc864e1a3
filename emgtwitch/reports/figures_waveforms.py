"""The figure of waveforms: mean shapes, and examples of what was counted and what was not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.comparison.patterns import Shape
from emgtwitch.reports.draw import GREY, SIDES, nothing_to_show, picture
from emgtwitch.reports.pieces import shortened
from emgtwitch.reports.waveforms import EXAMPLES, Example, Waveforms
from emgtwitch.reports.words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EACH_MS = 132  # of width for an example of 100 ms and its scale
_LINES = ("-", (0, (4, 2)), (0, (1, 1.2)))


def waveform_figure(waveforms: Waveforms, sides: dict[str, str | None]) -> bytes:
    """Draw mean shapes of both sides, and below each other counted and rejected examples."""
    shown = _busiest(waveforms.shapes, sides)

    def draw(figure: "Figure") -> None:
        grid = figure.add_gridspec(2, 2, width_ratios=[1, 2.6], hspace=0.78, wspace=0.04)
        for row, side in enumerate(("left", "right")):
            ax = figure.add_subplot(grid[row, 0])
            channel = shown[row] if row < len(shown) else None
            _mean_shapes(ax, channel, waveforms.shapes, sides, side)
        for row, (examples, what) in enumerate(
            ((waveforms.counted, "Counted"), (waveforms.rejected, "Not counted"))
        ):
            ax = figure.add_subplot(grid[row, 1])
            ax.set_axis_off()
            _examples(ax, examples)
            ax.set_title(what if examples else f"{what}: none to show", fontsize=9, y=1.17)

    return picture(2.35, draw, (0.55, 0.1, 0.38, 0.25))


def _busiest(shapes: dict[str, tuple[Shape, ...]], sides: dict[str, str | None]) -> list[str]:
    """Return the channel of each side with the most twitches in classes, the left one first."""
    best: dict[str | None, str] = {}
    for channel, mine in shapes.items():
        side = sides[channel]
        if side not in best or _count(mine) > _count(shapes[best[side]]):
            best[side] = channel
    return [best[side] for side in ("left", "right", None) if side in best][:2]


def _count(shapes: Sequence[Shape]) -> int:
    return sum(shape.count for shape in shapes)


def _mean_shapes(
    ax: "Axes",
    channel: str | None,
    shapes: dict[str, tuple[Shape, ...]],
    sides: dict[str, str | None],
    side: str,
) -> None:
    if channel is None:
        nothing_to_show(ax, "no repeated shape")
        ax.set_title("Mean shapes", fontsize=9)
        return
    colour = SIDES[sides[channel]]["color"]
    for shape, line in zip(shapes[channel], _LINES, strict=False):
        times_ms = 1000 * shape.times_s
        low, high = shape.mean_uv - shape.sd_uv, shape.mean_uv + shape.sd_uv
        ax.fill_between(times_ms, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(times_ms, shape.mean_uv, color=colour, linestyle=line, linewidth=1.3,
                label=f"{shape.count} ×")  # fmt: skip
    ax.legend(fontsize=7.5, loc="upper right", handlelength=1.6, borderaxespad=0)
    ax.set_title(f"Mean shapes, {shortened(channel, 20)}", fontsize=9)
    ax.tick_params(labelsize=7.5)
    ax.set_ylabel("µV", fontsize=8.5, labelpad=1)
    ax.set_xlim(-20, 30)
    ax.set_xticks([-20, 0, 20], ["-20", "0", "20 ms"])


def _examples(ax: "Axes", examples: Sequence[Example]) -> None:
    """Draw examples side by side, what is counted in its colour.

    Each has a scale of its own, told by the bar beside it: at a common one, those of 50 µV would be
    flat lines beside those of 500.
    """
    ax.set(xlim=(0, EXAMPLES * _EACH_MS), ylim=(-1.05, 1.05))
    for k, example in enumerate(examples):
        middle = (k + 0.5) * _EACH_MS + 8
        limit = max(1.0, float(np.abs(example.signal_uv).max()))
        colour = "black" if example.reason else SIDES[example.side]["color"]
        ax.plot(middle + 1000 * example.times_s, example.signal_uv / limit, color=colour,
                linewidth=0.9)  # fmt: skip
        ax.plot(middle, -1, "^", color=GREY, markersize=3)
        bar, x = _round_uv(limit), middle - 56
        ax.plot([x, x], [0, bar / limit], color="black", linewidth=1.8)
        ax.text(x - 3, 0.5 * bar / limit, plain(bar) + " µV", ha="right", va="center", fontsize=7,
                rotation=90)  # fmt: skip
        side = example.side or shortened(example.channel, 10)
        minutes, tenths = divmod(round(10 * example.peak_s), 600)
        about = f"{side} {minutes}:{tenths / 10:04.1f}"
        ax.text(middle, -1.1, about, ha="center", va="top", fontsize=7.5)
        if example.reason:
            ax.text(middle, 1.08, example.reason, ha="center", va="bottom", fontsize=8,
                    fontstyle="italic")  # fmt: skip


def _round_uv(limit: float) -> float:
    """Return a round number of µV, of a quarter to half of the height."""
    power = 10 ** np.floor(np.log10(limit))
    return float(max(step * power for step in (0.5, 1, 2, 5) if step * power <= limit))
