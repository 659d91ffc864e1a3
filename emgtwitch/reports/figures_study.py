"""The figure of page 1: rates of both sides and left over right, recording after recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.comparison.intervals import Estimate
from emgtwitch.comparison.occasions import AFTER_EXERCISE
from emgtwitch.comparison.recordings import RecordingSummary
from emgtwitch.reports.draw import (
    GREY,
    SIDES,
    picture,
    ratio_axis,
    ratio_limits,
)
from emgtwitch.reports.pieces import shortened
from emgtwitch.reports.view import View
from emgtwitch.reports.words import condition, ending, recorded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MANY = 40  # recordings, from which on intervals are bands
_DAY_S = 86400.0
_BESIDE = 0.25  # of the time of the recordings: how far beside it days without one are drawn
# Column of the study's tables → name, and how it is drawn.
SYMPTOMS = {
    "twitching_felt": ("twitching felt, 0 to 10", "D"),
    "back_stiffness": ("stiffness of the back, 0 to 10", "v"),
    "cramps": ("cramps, number", "P"),
}


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the recordings stand on the time axis, and the width of a step aside."""

    at: np.ndarray
    aside: float
    dated: bool


@dataclass(frozen=True, eq=False)
class _Noted:
    """One symptom over time: where, how much, and whether that day has a recording."""

    at: np.ndarray
    values: np.ndarray
    recorded: np.ndarray


def over_recordings(view: View) -> bytes:
    """Draw rates of both sides, left over right and what was felt, recording after recording."""
    places = _places(view.recordings)
    felt = _symptoms(view, places)
    heights = [1.45, 0.95, 0.65] if felt else [1.7, 1.15]

    def draw(figure: "Figure") -> None:
        _draw(figure, view, places, felt, heights)

    return picture(sum(heights) + 0.75, draw)


def _draw(
    figure: "Figure",
    view: View,
    places: _Places,
    felt: dict[str, _Noted],
    heights: Sequence[float],
) -> None:
    axes = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    _rates(axes[0], view, places)
    _ratios(axes[1], view, places)
    if felt:
        _felt(axes[2], felt)
    days = [x for noted in felt.values() for x in noted.at.tolist()]
    _time_axis(axes[-1], view, places, days)
    _treatments(axes, view, places)
    figure.align_ylabels(axes)


def goes_on(view: View) -> bool:
    """Return whether an interval goes on beyond its panel, which an arrow head tells."""
    rates = [rate for side in ("left", "right") for rate in _known(view, side)]
    shown = ((rates, (0.0, _top(view))), (_known_ratios(view), _ratio_range(view)))
    return any(
        value.low < bottom or value.high > top
        for values, (bottom, top) in shown
        for value in values
        if value
    )


def felt_names(view: View) -> list[str]:
    """Return which of `SYMPTOMS` were noted, with a recording or on a day without."""
    noted = [recording.occasion.felt for recording in view.recordings]
    noted += [day.felt for day in view.study.days]
    return [name for name in SYMPTOMS if any(name in felt for felt in noted)]


def days_beyond(view: View) -> int:
    """Return how many days with something noted lie too far from the recordings to be drawn."""
    return sum(x is None for x in _day_places(view, _places(view.recordings)))


def _symptoms(view: View, places: _Places) -> dict[str, _Noted]:
    """Return what was felt, name by name, in order of time."""
    points = [
        (x, recording.occasion.felt, True)
        for x, recording in zip(places.at.tolist(), view.recordings, strict=True)
    ]
    between = zip(_day_places(view, places), view.study.days, strict=True)
    points += [(x, day.felt, False) for x, day in between if x is not None]
    points.sort(key=lambda point: point[0])
    found = {}
    for name in felt_names(view):
        mine = [(x, felt[name], recorded) for x, felt, recorded in points if name in felt]
        if mine:
            found[name] = _Noted(*(np.array(column) for column in zip(*mine, strict=True)))
    return found


def _day_places(view: View, places: _Places) -> list[float | None]:
    """Return where the days without a recording stand, None for those too far from the others.

    On an axis that is no time axis, they are spread evenly between the recordings.
    """
    starts = [recording.occasion.start for recording in view.recordings]
    dated = [start for start in starts if start]
    days = [one.day for one in view.study.days]
    if not dated:
        return [None] * len(days)
    if places.dated:
        at = [_days(day, min(dated)) for day in days]
        reach = _BESIDE * float(np.ptp(places.at))
    else:
        gaps = [sum(start.date() < day for start in dated) for day in days]
        at = [
            gap - 1 + (1 + gaps[:k].count(gap)) / (1 + gaps.count(gap))
            for k, gap in enumerate(gaps)
        ]
        reach = 1.0
    low, high = places.at.min() - reach, places.at.max() + reach
    return [x if low <= x <= high else None for x in at]


def _places(recordings: Sequence[RecordingSummary]) -> _Places:
    """Return days on a true time axis; if some have no date, or all are of a day, one by one."""
    starts = [recording.occasion.start for recording in recordings]
    days = {start.date() for start in starts if start}
    kinds = {(s.date(), r.occasion.condition) for s, r in zip(starts, recordings, strict=True) if s}
    if len(days) < 2 or len(kinds) < len(recordings):
        return _Places(np.arange(len(recordings), dtype=float), 0.12, False)
    first = min(start for start in starts if start)
    at = np.array([_days(start.date(), first) for start in starts if start])
    nearest = np.diff(np.unique(at)).min()
    return _Places(at, float(min(0.0075 * np.ptp(at), 0.2 * nearest)), True)


def _days(day: date, first: datetime) -> float:
    return (
        datetime.combine(day, time()) - datetime.combine(first, time())
    ).total_seconds() / _DAY_S


def _known(view: View, side: str) -> list[Estimate | None]:
    """Return the rate of a side in each recording."""
    rows = [view.row(recording) for recording in view.recordings]
    rates = [getattr(row, side) if row else None for row in rows]
    return [rate.per_min if rate else None for rate in rates]


def _top(view: View) -> float:
    """Return the end of the axis of rates; a wide interval goes on, so that others can be read."""
    known = [rate for side in ("left", "right") for rate in _known(view, side) if rate]
    ends = [max(rate.value, min(rate.high, 2 * rate.value + 4)) for rate in known]
    return 1.05 * max([1.0, *ends])


def _rates(ax: "Axes", view: View, places: _Places) -> None:
    ax.set(ylabel="twitches\nper minute", ylim=(0, _top(view)))
    for side, step in (("left", -1), ("right", 1)):
        known = _known(view, side)
        _series(ax, view.recordings, known, places, step * places.aside, SIDES[side])
    ax.legend(handles=_handles(view), loc="lower left", bbox_to_anchor=(0, 1), ncols=4,
              borderaxespad=0.1, columnspacing=1.4, handletextpad=0.4)  # fmt: skip


def _known_ratios(view: View) -> list[Estimate | None]:
    rows = [view.row(recording) for recording in view.recordings]
    return [row.ratio.ratio if row and row.ratio else None for row in rows]


def _ratio_range(view: View) -> tuple[float, float]:
    return ratio_limits([b for r in _known_ratios(view) if r for b in (r.value, r.low, r.high)])


def _ratios(ax: "Axes", view: View, places: _Places) -> None:
    ratio_axis(ax.yaxis, *_ratio_range(view))
    ax.axhline(1, color=GREY, linewidth=0.8)
    style = {"color": "black", "marker": "s", "linestyle": "-"}
    _series(ax, view.recordings, _known_ratios(view), places, 0.0, style)
    ax.set_ylabel("left over right\n(1 = equal)")
    meaning = "above 1: more twitches on the left; below 1: more on the right"
    ax.set_title(meaning, fontsize=8, fontweight="normal", color=GREY, pad=2)


def _series(
    ax: "Axes",
    recordings: Sequence[RecordingSummary],
    values: Sequence[Estimate | None],
    places: _Places,
    aside: float,
    style: dict[str, Any],
) -> None:
    """Draw estimates with intervals: filled at rest and joined by a line, hollow otherwise."""
    from matplotlib.markers import CARETDOWN, CARETUP

    # after exercise stands beside rest of the same day; one by one, each has a place of its own
    later = 4 * places.aside if places.dated else 0.0
    bottom, top = ax.get_ylim()
    many = len(recordings) > _MANY
    for state in dict.fromkeys(recording.occasion.condition for recording in recordings):
        pairs = [
            (x, value)
            for x, value, recording in zip(places.at, values, recordings, strict=True)
            if value and recording.occasion.condition == state
        ]
        if not pairs:
            continue
        exercised = state == AFTER_EXERCISE
        colour = style["color"]
        x = np.array([x for x, _ in pairs]) + aside + (later if exercised else 0.0)
        low, middle, high = (
            np.array([getattr(value, name) for _, value in pairs])
            for name in ("low", "value", "high")
        )
        below, above = low < bottom, high > top
        low, high = np.maximum(low, bottom), np.minimum(high, top)
        if ax.get_yscale() == "log":  # what has no bound goes near the edge
            middle = np.clip(middle, 1.35 * bottom, top / 1.35)
        if many:
            ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        else:
            ax.vlines(x, low, high, color=colour, linewidth=1.3)
        for ends, cut, arrow in ((low, below, CARETDOWN), (high, above, CARETUP)):
            ax.plot(x[cut], ends[cut], linestyle="none", marker=arrow, markersize=6, color=colour)
            if not many:
                ax.plot(x[~cut], ends[~cut], linestyle="none", marker="_", markersize=5,
                        markeredgewidth=1.3, color=colour)  # fmt: skip
        ax.plot(
            x,
            middle,
            color=colour,
            linestyle="none" if exercised else style["linestyle"],
            linewidth=0.9,
            marker=style["marker"],
            markersize=3 if many else 6,
            markerfacecolor="white" if exercised else colour,
            markeredgecolor=colour if exercised else "black",
            markeredgewidth=1.2 if exercised else 0.5,
            clip_on=False,
        )


def _handles(view: View) -> list[Any]:
    from matplotlib.lines import Line2D

    states = dict.fromkeys(recording.occasion.condition for recording in view.recordings)
    handles = []
    for side in ("left", "right"):
        for state in states:
            exercised = state == AFTER_EXERCISE
            told = condition(state)
            handles.append(
                Line2D(
                    [],
                    [],
                    color=SIDES[side]["color"],
                    marker=SIDES[side]["marker"],
                    linestyle="none" if exercised else SIDES[side]["linestyle"],
                    markerfacecolor="white" if exercised else SIDES[side]["color"],
                    markeredgecolor=SIDES[side]["color"] if exercised else "black",
                    label=f"{side}, {told}" if told else side,
                )
            )
    return handles[:8]


def _felt(ax: "Axes", felt: dict[str, _Noted]) -> None:
    """Draw what was felt: large marks with a recording, small ones on days without."""
    for name, noted in felt.items():
        label, marker = SYMPTOMS[name]
        style: dict[str, Any] = {"color": "black", "marker": marker, "markerfacecolor": "white"}
        ax.plot(noted.at, noted.values, color="black", linewidth=0.6, zorder=1)
        for with_one, size in ((False, 2.4), (True, 4.2)):
            mine = noted.recorded == with_one
            ax.plot(noted.at[mine], noted.values[mine], linestyle="none", markersize=size,
                    markeredgewidth=0.8, **style)  # fmt: skip
        ax.plot([], [], linewidth=0.6, markersize=4.2, label=label, **style)
    most = max(float(noted.values.max()) for noted in felt.values())
    ax.set(ylabel="noted", ylim=(-0.5, max(10.5, 1.05 * most)))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1)


def _treatments(axes: Sequence["Axes"], view: View, places: _Places) -> None:
    """Mark when a treatment began: at its day, or between the recordings before and after it."""
    starts = [recording.occasion.start for recording in view.recordings]
    dated = [start for start in starts if start]
    if not dated:
        return
    for k, treatment in enumerate(view.study.treatments):
        if places.dated:
            x = _days(treatment.day, min(dated))
        else:
            x = sum(start.date() < treatment.day for start in dated) - 0.5
        if not axes[0].get_xlim()[0] <= x <= axes[0].get_xlim()[1]:
            continue
        for ax in axes:
            ax.axvline(x, color="black", linewidth=1, linestyle=(0, (1, 1.5)), zorder=0)
        few = len(view.study.treatments) <= 3
        axes[0].annotate(
            f" {shortened(treatment.text, 28)}" if few else f" {k + 1}",
            (x, 0.99 - 0.11 * (k % 3)),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8.5,
            fontstyle="italic",
        )


def _time_axis(
    ax: "Axes",
    view: View,
    places: _Places,
    days: Sequence[float],
) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
    from matplotlib.ticker import FixedLocator, FuncFormatter

    first_x, last_x = min([places.at.min(), *days]), max([places.at.max(), *days])
    if places.dated:
        margin = 0.03 * float(np.ptp(places.at)) + places.aside
        limits = first_x - margin, max(last_x, places.at.max() + 4 * places.aside) + margin
    else:
        margin = max(0.45, 0.03 * float(np.ptp(places.at)))
        limits = first_x - margin, last_x + margin
    ax.set_xlim(limits)
    if not places.dated:
        step = max(1, -(-len(view.recordings) // 8))
        shown = list(range(0, len(view.recordings), step))
        ax.set_xticks(shown, [_short(view, view.recordings[k]) for k in shown])
        ax.tick_params(axis="x", labelsize=7.5)
        return
    first = min(r.occasion.start for r in view.recordings if r.occasion.start)
    zero = date2num(datetime.combine(first, time()))
    locator = AutoDateLocator(minticks=3, maxticks=7)
    low, high = (num2date(zero + limit).replace(tzinfo=None) for limit in ax.get_xlim())
    ticks = locator.tick_values(low, high)
    formatter = ConciseDateFormatter(locator, show_offset=False)
    labels = dict(zip(ticks, formatter.format_ticks(ticks), strict=True))
    ax.xaxis.set_major_locator(FixedLocator([tick - zero for tick in ticks]))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: labels[min(ticks, key=lambda tick: abs(tick - zero - x))])
    )
    ax.set_xlim(limits)
    ax.set_xlabel(_months(low, high))


def _months(low: datetime, high: datetime) -> str:
    """Return what the ticks of an axis leave out: the month if there is one, else the year."""
    if (low.year, low.month) == (high.year, high.month):
        return f"{low:%B %Y}"
    return f"{low.year}" if low.year == high.year else f"{low.year} to {high.year}"


def _short(view: View, recording: RecordingSummary) -> str:
    start = recording.occasion.start
    if start is None:
        return shortened(recording.name, 14) or "no date"
    told = f"{start.day} {start:%b %Y}\n{start:%H:%M} {condition(recording.occasion.condition)}"
    same = view.label(recording) != recorded(recording.occasion, recording.name)
    return f"{told}\n{ending(recording.name, 16)}" if same else told
