"""One picture of one recording: traces, twitches, what was left out, and the rate over time."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.detection.detections import Detections
from emgtwitch.detection.rates import ChannelRate
from emgtwitch.event_table import is_twitch
from emgtwitch.reports.envelope import HIGHPASS_HZ, envelope

if TYPE_CHECKING:
    import mne
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and vermilion stay apart for all kinds of colour vision (Okabe & Ito 2008).
COLOURS = {"left": "#0072B2", "right": "#D55E00", None: "#444444"}
MARKERS = {"left": "o", "right": "^", None: "s"}
_SHADES: dict[str, dict[str, Any]] = {
    "warm-up": {"facecolor": "#EAF1DD"},
    "contraction": {"facecolor": "#D9D9D9"},
    "cramp": {"facecolor": "#BDBDBD"},
    "flat line": {"facecolor": "#FFFFFF", "hatch": "...."},
    "gap": {"facecolor": "#FFFFFF", "hatch": "////"},
    "saturation": {"facecolor": "#FFFFFF", "hatch": "xxxx"},
}
_MEANINGS = {
    "warm-up": "warm-up",
    "contraction": "contraction or unclear activity",
    "cramp": "cramp",
    "flat line": "flat line",
    "gap": "samples missing",
    "saturation": "amplifier at its limit",
}
_PALE = "#9A9A9A"
_REJECTED: dict[str, Any] = {
    "linestyle": "none",
    "marker": "x",
    "markersize": 4,
    "markeredgewidth": 0.9,
    "color": "#777777",
}
_MOST_ROWS = 12
_IN_LEGEND_ROW = 5
_COLUMNS = 1600
_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60)
_MOST_STEPS = 20
_MOST_OUTLINED = 200  # marks that are large and outlined
_DPI = 130
_SIDES = ("left", "right", None)


def overview(raw: "mne.io.Raw", found: Detections, *, title: str) -> "Figure":
    """Draw a recording and what was found in it.

    Parameters
    ----------
    raw
        The recording.
    found
        What `emgtwitch.detect` found in it.
    title
        What the picture is of: date and condition.

    Returns
    -------
    Figure
        Left channels above right ones; of more than twelve those with the most twitches.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    everything = sorted(found.rates(), key=lambda rate: _SIDES.index(rate.side))
    busiest = sorted(everything, key=lambda rate: -rate.count)[:_MOST_ROWS]
    rates = [rate for rate in everything if rate in busiest]
    row_in = 2.1 if len(rates) <= 2 else 1.25
    heights = [row_in] * len(rates) + [2.3]
    height_in = sum(heights) + 1.5
    handles = _legend_handles(found, rates)
    legend_rows = -(-len(handles) // _IN_LEGEND_ROW)
    bottom = (0.25 + 0.25 * legend_rows) / height_in
    layout = ConstrainedLayoutEngine(h_pad=0.08, rect=(0.005, bottom, 0.99, 0.99 - bottom))
    figure = Figure(figsize=(12, height_in), dpi=_DPI, layout=layout)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    *traces, below = axes[:, 0]
    _draw_traces(traces, raw, found, rates)
    _draw_rates(below, found, rates)
    _label_time(below, found.accounts[0].recorded_s)
    notes = [
        f"trace: above {HIGHPASS_HZ:.0f} Hz, hum and glitches included; detection removes both"
    ]
    if len(rates) < len(everything):
        notes.insert(0, f"{len(rates)} of {len(everything)} channels, those with the most twitches")
    # $ in a name is no formula
    figure.suptitle(title, fontsize=15, fontweight="bold", x=0.012, ha="left", parse_math=False)
    figure.text(
        0.99,
        1 - 0.06 / height_in,
        "\n".join([*notes, f"emgtwitch {found.version} measures, it does not diagnose"]),
        ha="right",
        va="top",
        fontsize=9,
        color="#555555",
    )
    figure.legend(
        handles=handles,
        loc="lower left",
        ncols=-(-len(handles) // legend_rows),
        fontsize=11,
        frameon=False,
    )
    return figure


def save_overview(
    path: str | os.PathLike[str], raw: "mne.io.Raw", found: Detections, *, title: str
) -> None:
    """Write `overview` as a PNG file, whole or not at all."""
    final = Path(path)
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        overview(raw, found, title=title).savefig(partial, format="png")
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def _draw_traces(
    axes: "list[Axes]", raw: "mne.io.Raw", found: Detections, rates: list[ChannelRate]
) -> None:
    time_s, low, high = envelope(raw, [rate.channel for rate in rates], _COLUMNS)
    limit = _limit_uv(found, rates, low, high)
    for ax, rate, least, greatest in zip(axes, rates, low, high, strict=True):
        colour = COLOURS[rate.side]
        spans = found.excluded(rate.channel)
        _shade(ax, spans)
        left_out = np.zeros(len(time_s), bool)
        for first, last in zip(spans["onset"], spans["onset"] + spans["duration"], strict=True):
            left_out |= (time_s >= first) & (time_s < last)
        for shown, line in ((left_out, _PALE), (~left_out, colour)):
            ax.fill_between(
                time_s, least, greatest, where=shown, step="mid", color=line, linewidth=0.4
            )
        times = found.twitches(rate.channel)["peak_time"]
        few = len(times) <= _MOST_OUTLINED
        ax.plot(
            times,
            np.full(len(times), 1.13 * limit),
            linestyle="none",
            marker=MARKERS[rate.side],
            markersize=5 if few else 3,
            markerfacecolor=colour,
            markeredgecolor="black",
            markeredgewidth=0.5 if few else 0,
        )
        rejected = _rejected(found, rate.channel)
        ax.plot(rejected, np.full(len(rejected), 1.13 * limit), **_REJECTED)
        ax.set_ylim(-limit, 1.26 * limit)
        ax.set_ylabel("µV", fontsize=12)
        ax.set_title(_heading(rate), loc="left", fontsize=12, color=colour, parse_math=False)
        _plain(ax)


def _limit_uv(
    found: Detections, rates: list[ChannelRate], low: np.ndarray, high: np.ndarray
) -> float:
    """Return the common half height of the traces: most twitches fit in, artefacts do not."""
    heights = np.maximum(-low, high)[np.isfinite(high)]
    limits = [1.0, 2.5 * float(np.percentile(heights, 75)) if len(heights) else 0.0]
    for rate in rates:
        if rate.count:
            median, most = np.percentile(found.twitches(rate.channel)["amplitude_uv"], [50, 95])
            limits.append(0.7 * min(3 * median, most))
    return max(limits)


def _shade(ax: "Axes", spans: np.ndarray) -> None:
    for span in spans:
        ax.axvspan(
            span["onset"],
            span["onset"] + span["duration"],
            edgecolor="#8C8C8C",
            linewidth=0.0,
            zorder=0,
            **_SHADES[_kind(span)],
        )


def _kind(span: np.void) -> str:
    """Return the key of `_SHADES` for an interval."""
    return str(span["reason" if span["trial_type"] == "artifact" else "trial_type"])


def _rejected(found: Detections, channel: str) -> np.ndarray:
    """Return the peak times of the candidates that nothing else in the picture explains."""
    rows = found.events[(found.events["channel"] == channel) & ~is_twitch(found.events)]
    rows = rows[np.isfinite(rows["peak_time"]) & (rows["reason"] != "contraction")]
    spans = found.excluded(channel)
    first, last = spans["onset"], spans["onset"] + spans["duration"]
    times = rows["peak_time"][:, None]
    return rows["peak_time"][~((times >= first) & (times <= last)).any(axis=1)]


def _heading(rate: ChannelRate) -> str:
    side = f"{rate.side.capitalize()} · {rate.channel}" if rate.side else rate.channel
    if not math.isfinite(rate.rate_per_min):
        return f"{side}: no valid time, so no rate"
    noun = "twitch" if rate.count == 1 else "twitches"
    valid = f"{rate.valid_min:.1f} valid min"
    if rate.valid_min < 1:
        valid = f"{60 * rate.valid_min:.0f} valid s"
    return (
        f"{side}: {rate.rate_per_min:.1f} per minute "
        f"(95 % {rate.low_per_min:.1f} to {rate.high_per_min:.1f}), "
        f"{rate.count} {noun} in {valid}; "
        f"noise {rate.noise_uv:.1f} µV, detection floor {rate.floor_uv:.0f} µV"
    )


def _draw_rates(ax: "Axes", found: Detections, rates: list[ChannelRate]) -> None:
    """Draw the rate over time of the channel with the most twitches on each side."""
    minutes = found.accounts[0].recorded_s / 60
    step_min = next((step for step in _STEPS_MIN if minutes / step <= _MOST_STEPS), _STEPS_MIN[-1])
    sides = [side for side in _SIDES if any(rate.side == side for rate in rates)]
    top = 1.0
    for place, side in enumerate(sides):
        busiest = max((r for r in rates if r.side == side), key=lambda rate: rate.count)
        steps = found.rates_over_time(busiest.channel, 60 * step_min)
        rate, low, high = (steps[f"{name}_per_min"] for name in ("rate", "low", "high"))
        if np.isnan(rate).all():
            continue
        ax.stairs(
            rate,
            np.append(steps["start_s"], steps["stop_s"][-1:]),
            baseline=None,
            color=COLOURS[side],
            linewidth=2,
        )
        beside = 0.5 + 0.08 * (place - (len(sides) - 1) / 2)
        ax.errorbar(
            steps["start_s"] + beside * (steps["stop_s"] - steps["start_s"]),
            rate,
            [rate - low, high - rate],
            linestyle="none",
            elinewidth=1.5,
            capsize=3,
            color=COLOURS[side],
            marker=MARKERS[side],
            markersize=7,
            markeredgecolor="black",
            markeredgewidth=0.5,
            clip_on=False,
        )
        top = max([top, *high[np.isfinite(high)]])
    each = "minute by minute" if step_min == 1 else f"in steps of {step_min} min"
    title = f"Twitches per valid minute, {each}, with 95 % interval"
    if len(rates) > len(sides):
        title += "; of each side the channel with the most"
    ax.set_title(title, loc="left", fontsize=12)
    ax.set_ylabel("per minute", fontsize=12)
    ax.set_ylim(0, 1.05 * top)
    if not ax.lines:
        ax.text(0.5, 0.5, "too little valid time", transform=ax.transAxes, ha="center", fontsize=12)
    _plain(ax)


def _plain(ax: "Axes") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=11)


def _label_time(ax: "Axes", recorded_s: float) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    step_s = next(
        (s for s in (1, 5, 10, 30, 60, 300, 600, 1800, 3600) if recorded_s / s <= 13), 7200
    )
    ax.xaxis.set_major_locator(MultipleLocator(step_s))
    if step_s < 60:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda s, _: f"{s // 60:.0f}:{s % 60:02.0f}"))
        unit = "min:s"
    else:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda s, _: f"{s / 60:g}"))
        unit = "min"
    ax.set_xlabel(f"Time from the start of the recording ({unit})", fontsize=12)
    ax.set_xlim(0, max(recorded_s, 1e-3))


def _legend_handles(found: Detections, rates: list[ChannelRate]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    sides = [side for side in _SIDES if any(rate.side == side for rate in rates)]
    handles: list[Any] = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=MARKERS[side],
            markersize=7,
            markerfacecolor=COLOURS[side],
            markeredgecolor="black",
            markeredgewidth=0.5,
            label=f"twitch, {side}" if side else "twitch",
        )
        for side in sides
    ]
    names = [rate.channel for rate in rates]
    if any(len(_rejected(found, name)) for name in names):
        handles.append(Line2D([], [], label="rejected (artefact)", **_REJECTED))
    shown = {_kind(row) for name in names for row in found.excluded(name)}
    kinds = [kind for kind in _SHADES if kind in shown]
    for kind in kinds:
        label = _MEANINGS[kind] if kind != kinds[0] else f"not searched: {_MEANINGS[kind]}"
        handles.append(Patch(edgecolor="#8C8C8C", linewidth=0.5, label=label, **_SHADES[kind]))
    return handles
