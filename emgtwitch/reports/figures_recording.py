"""Figures of one recording, from its event table: the raster, and how twitches come."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.comparison.patterns import AMPLITUDE_EDGES_UV, INTERVAL_EDGES_S, ZONES
from emgtwitch.comparison.recordings import ChannelSummary, RecordingSummary
from emgtwitch.detection.candidates import DEAD_TIME_S
from emgtwitch.detection.detections import Detections
from emgtwitch.reports.bands import Band, bands_of
from emgtwitch.reports.draw import GREY, SIDES, number_axis, picture
from emgtwitch.reports.pieces import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOWEST_UV, _HIGHEST_UV = 8.0, 4000.0
_TICKS_UV = (30, 100, 300, 1000)
_SIDE_NAMES: tuple[str | None, ...] = ("left", "right", None)
_STEPS_S = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def raster(recording: RecordingSummary, found: Detections) -> bytes:
    """Draw every twitch as a line as long as it is large, left up and right down, and the rates."""
    bands = bands_of(recording.channels)
    heights = [1.15 if len(bands) == 1 else 0.95] * len(bands) + [0.75]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots(
            len(heights),
            1,
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": heights, "hspace": 0.32},
        )
        *rows, below = axes[:, 0]
        for ax, band in zip(rows, bands, strict=True):
            _twitches(ax, band, found)
        _courses(below, bands)
        longest = max((c.recorded_min for c in recording.channels), default=0.0)
        _time_axis(below, 60 * longest)
        rows[0].set_title("Every twitch, by its size in µV; shaded: left out", fontsize=9)
        below.set_title("Twitches per minute", fontsize=9)

    return picture(sum(heights) + 0.75, draw, (0.72, 0.1, 0.25, 0.5))


def _height(amplitude_uv: Any) -> np.ndarray:
    """Return how far from the middle a size is drawn: logarithmic."""
    known = np.clip(np.nan_to_num(amplitude_uv, nan=_LOWEST_UV), _LOWEST_UV, _HIGHEST_UV)
    return np.asarray(np.log10(known / _LOWEST_UV) + 0.08)


def _twitches(ax: "Axes", band: Band, found: Detections) -> None:
    shown = [0.0]
    for channel, sign in ((band.above, 1), (band.below, -1)):
        if channel is None:
            continue
        style = SIDES[channel.side or None]
        twitches = found.twitches(channel.channel)
        height = _height(twitches["amplitude_uv"])
        few = len(height) <= 400
        ax.vlines(twitches["peak_time"], 0, sign * height, color=style["color"],
                  linewidth=1.0 if few else 0.5, alpha=1 if few else 0.5)  # fmt: skip
        if few:
            ax.plot(twitches["peak_time"], sign * height, style["marker"], color=style["color"],
                    markersize=3)  # fmt: skip
        shown += [sign * float(h) for h in height]
        for row in found.excluded(channel.channel):
            ax.axvspan(
                row["onset"],
                row["onset"] + row["duration"],
                *((0.5, 1.0) if sign > 0 else (0.0, 0.5)),
                facecolor="#E3E3E3",
                edgecolor="#9A9A9A",
                hatch="////" if row["trial_type"] in ("gap", "saturation") else None,
                linewidth=0,
                zorder=0,
            )
    limit = 1.1 * max(np.abs(shown).max(), float(_height(120.0)))
    ax.axhline(0, color="black", linewidth=0.7)
    ax.set_ylim(-limit if band.below or (band.above and band.above.side) else 0, limit)
    ticks = [uv for uv in _TICKS_UV if _height(uv) < limit]
    at = [float(_height(uv)) for uv in ticks]
    two = ax.get_ylim()[0] < 0
    ax.set_yticks([*(-y for y in reversed(at)), *at] if two else at,
                  [*map(str, reversed(ticks)), *map(str, ticks)] if two else list(map(str, ticks)),
                  fontsize=7.5)  # fmt: skip
    names = "right     left" if two else "µV"
    label = shortened(band.label, 22)
    ax.set_ylabel(f"{label}\n{names}" if label else names, fontsize=8.5)


def _courses(ax: "Axes", bands: Sequence[Band]) -> None:
    """Draw the rate over time of the muscle with the most twitches."""
    band = max(bands, key=lambda band: band.count)
    for channel in band.channels:
        course, style = channel.course, SIDES[channel.side or None]
        middle = (course.start_s + course.stop_s) / 2
        ax.plot(middle, course.per_min, color=style["color"], linestyle=style["linestyle"],
                marker=style["marker"] if len(middle) <= 60 else None, markersize=4.5,
                linewidth=1.3)  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.margins(y=0.12)
    ax.set_ylabel("per minute" if len(bands) == 1 else shortened(band.label, 22), fontsize=8.5)


def _time_axis(ax: "Axes", recorded_s: float) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    step = next((step for step in _STEPS_S if recorded_s / step <= 10), 7200)
    unit, of = ("s", 1) if step < 30 else ("min", 60) if step < 1800 else ("h", 3600)
    ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda s, _: f"{s / of:g}"))
    ax.set_xlabel(f"time from the start of the recording ({unit})", fontsize=8.5)
    ax.set_xlim(0, max(recorded_s, 1e-3))


def histograms(recording: RecordingSummary) -> bytes:
    """Draw the intervals between twitches and their sizes, left up and right down."""

    def draw(figure: "Figure") -> None:
        ratios = {"width_ratios": [1.35, 1], "wspace": 0.17}
        intervals, sizes = figure.subplots(1, 2, gridspec_kw=ratios)
        _mirrored(
            intervals,
            INTERVAL_EDGES_S * 1000,
            side_sums(recording.channels, lambda c: c.patterns.intervals),
        )
        _zones(intervals)
        intervals.set_title("Interval to the next twitch", fontsize=9)
        number_axis(intervals.xaxis, (3, 10, 30, 100, 1000, 10_000, 100_000))
        intervals.set_xticklabels(["3 ms", "10", "30", "100 ms", "1 s", "10 s", "100 s"])
        _mirrored(
            sizes,
            AMPLITUDE_EDGES_UV,
            side_sums(recording.channels, lambda c: c.patterns.amplitudes),
        )
        _floors(sizes, recording.channels)
        sizes.set_title("Size, µV peak to peak", fontsize=9)
        number_axis(sizes.xaxis, (10, 30, 100, 300, 1000, 3000))
        largest = [c.patterns.amplitude_quantiles_uv[-1] for c in recording.channels]
        sizes.set_xlim(8, 5000 if np.nanmax([*largest, 0]) > 400 else 1000)

    return picture(1.55, draw, (0.6, 0.2, 0.25, 0.3))


def side_sums(channels: Sequence[ChannelSummary], counts_of: Any) -> dict[str | None, np.ndarray]:
    """Return the counts of all channels of each side together, for the sides that are there."""
    sums: dict[str | None, np.ndarray] = {}
    for side in _SIDE_NAMES:
        mine = [counts_of(channel) for channel in channels if (channel.side or None) == side]
        if mine:
            sums[side] = np.sum(mine, axis=0)
    return sums


def _mirrored(ax: "Axes", edges: np.ndarray, counts: dict[str | None, np.ndarray]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    most = 1
    for side, values in counts.items():
        sign = -1 if side == "right" else 1
        ax.stairs(sign * values, edges, fill=True, color=SIDES[side]["color"])
        most = max(most, int(values.max(initial=0)))
    ax.axhline(0, color="black", linewidth=0.7)
    ax.set(ylim=(-1.3 * most if "right" in counts else 0, 1.3 * most))
    ax.set_xlim(edges[0], edges[-1])
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}"))
    two = "right" in counts and "left" in counts
    ax.set_ylabel("right     left" if two else " ".join(side or "" for side in counts) or "number",
                  fontsize=8.5)  # fmt: skip
    ax.tick_params(labelsize=8)


def _zones(ax: "Axes") -> None:
    """Shade the zones in which intervals have a name, and what cannot be told apart."""
    top = ax.get_ylim()[1]
    for number, (_, low_s, high_s) in enumerate(ZONES, start=1):
        low, high = 1000 * low_s, min(1000 * high_s, 1e5)
        seen = low_s >= DEAD_TIME_S
        ax.axvspan(low, high, facecolor="#EFEFEF", edgecolor="#BBBBBB", linewidth=0, zorder=0,
                   hatch=None if seen else "xxxx")  # fmt: skip
        ax.text(np.sqrt(low * high), 0.97 * top, str(number), ha="center", va="top", fontsize=8,
                color=GREY)  # fmt: skip


def _floors(ax: "Axes", channels: Sequence[ChannelSummary]) -> None:
    low, high = ax.get_ylim()
    for side in _SIDE_NAMES:
        floors = [c.floor_uv for c in channels if (c.side or None) == side]
        known = [floor for floor in floors if np.isfinite(floor)]
        if known:
            ends = (low, 0) if side == "right" else (0, high)
            ax.vlines(max(known), *ends, color="black", linewidth=1.2, linestyle=(0, (3, 2)))
            if side != "right":
                ax.text(max(known), high, "floor ", ha="right", va="top", fontsize=8)
