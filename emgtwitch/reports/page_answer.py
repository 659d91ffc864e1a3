"""Page 1: the answer, one table, one figure, and how far the recordings can be trusted."""

from collections.abc import Iterator, Mapping

import numpy as np

from emgtwitch.comparison.across import NOT_TOLD, Across, Contrast
from emgtwitch.comparison.occasions import AFTER_EXERCISE, REST
from emgtwitch.comparison.recordings import ALL, CUT_FACTOR, RecordingSummary
from emgtwitch.reports.answer import FEW_MIN, answer, changes
from emgtwitch.reports.figures_study import (
    SYMPTOMS,
    days_beyond,
    felt_names,
    goes_on,
    over_recordings,
)
from emgtwitch.reports.limits import LIMITS
from emgtwitch.reports.pieces import (
    Html,
    data_table,
    element,
    figure,
    html,
    paragraph,
    say,
    shortened,
    table,
)
from emgtwitch.reports.view import View
from emgtwitch.reports.words import (
    NOTHING,
    condition,
    counted,
    day,
    duration,
    estimated,
    excluded,
    more_of,
    muscle,
    number,
    period,
    plural,
)

_SURPRISING = 0.01  # share of shifts with at least as many twitches at once
_MOST_LISTED = 4
_CHANGES = {AFTER_EXERCISE: "after exercise", REST: "rest"}


def page_answer(view: View) -> Html:
    """Return page 1."""
    told = changes(view)
    return element(
        "div",
        element("h2", say(answer(view))),
        *(paragraph(sentence, class_="more") for sentence in told),
        paragraph(_about(view), class_="about"),
        paragraph(" ".join(LIMITS.split()), class_="limits"),
        _table(view),
        _figure(view),
        element("h3", "Can the recordings be trusted?"),
        element("ul", *(element("li", say(line)) for line in quality(view))),
        class_="sheet answer",
    )


def _about(view: View) -> str:
    """Return what was recorded, in a line."""
    recordings = view.recordings
    starts = [r.occasion.start for r in recordings if r.occasion.start]
    parts = [shortened(view.title, 60) if view.title else ""]
    if view.study.subject:
        parts.append(f"sub-{shortened(view.study.subject, 30)}")
    sessions = len(
        {
            r.occasion.session or (r.occasion.start.date() if r.occasion.start else k)
            for k, r in enumerate(recordings)
        }
    )
    parts.append(f"{plural(len(recordings), 'recording')} in {plural(sessions, 'session')}")
    parts.append(period(starts) if starts else "without dates")
    return " · ".join(filter(None, parts))


def _table(view: View) -> Html:
    rows: list[list[object]] = []
    for state in view.conditions:
        rows += _rates(view, state)
    first = sorted(view.contrasts, key=lambda contrast: contrast.condition != view.condition)
    changed = [_change(view, contrast) for contrast in first]
    changed += list(_months(view))
    if changed:
        rows += [["Changes, as factors (1 = no change)"], *changed]
    if not rows:
        return Html("")
    head = ("Twitches per minute (95 % interval)", "n", "left", "right", "left over right")
    return table(head, rows, caption=_caption(view), stacked=True)


def _caption(view: View) -> str:
    what = f"{muscle(view.muscle)}, {counted(view.counted, view.cut_uv)}"
    return f"{what[0].upper()}{what[1:]}; geometric mean of n sessions.{_direction(view)}"


def _direction(view: View) -> str:
    """Return how left over right is to be read, by the first one on the page."""
    divided, across = view.divided(), view.across()
    ratios = [divided.ratio_earlier, divided.ratio_later] if divided else []
    ratios += [across.ratio.typical] if across else []
    rows = [view.row(recording) for recording in view.recordings]
    ratios += [row.ratio.ratio for row in rows if row and row.ratio]
    known = [ratio for ratio in ratios if ratio and 0 < ratio.value < np.inf]
    if not known:
        return ""
    more, less, factor = more_of(known[0])
    return (
        f" Left over right {number(known[0].value)} is {more} {number(factor.value)} times {less}."
    )


def _rates(view: View, state: str) -> Iterator[list[object]]:
    """Yield the rows of a state: typical values, or each recording where there are too few."""
    told = condition(state) or ("recordings" if state == NOT_TOLD else state)
    name = f"{told[0].upper()}{told[1:]}"
    across = view.across(state)
    if across and (across.left.typical or across.right.typical):
        for contrast in view.contrasts:
            if contrast.condition == state:
                for which in ("earlier", "later"):
                    text = shortened(getattr(contrast, which), 60)
                    rates = [
                        getattr(contrast, f"{of}_{which}") for of in ("left", "right", "ratio")
                    ]
                    if any(rates):
                        n = getattr(contrast, f"n_{which}")
                        yield [f"{name}, {text}", n, *map(estimated, rates)]
        whole = "all sessions together" if view.divided(state) else "typical"
        yield _typical(f"{name}, {whole}", across)
        everything = view.across(state, ALL)
        if everything and view.counted != ALL:
            yield _typical(f"{name}, {whole}, twitches of all sizes", everything)
        return
    mine = [r for r in view.recordings if (r.occasion.condition or NOT_TOLD) == state]
    for recording in mine[-_MOST_LISTED:]:
        row = view.row(recording)
        if row:
            yield [
                view.label(recording),
                1,
                estimated(row.left.per_min if row.left else None),
                estimated(row.right.per_min if row.right else None),
                estimated(row.ratio.ratio if row.ratio else None),
            ]


def _typical(name: str, across: Across) -> list[object]:
    n = max(across.left.n, across.right.n)
    typical = (across.left.typical, across.right.typical, across.ratio.typical)
    return [name, n, *map(estimated, typical)]


def _change(view: View, contrast: Contrast) -> list[object]:
    state = condition(contrast.condition)
    later, earlier = (
        shortened(_CHANGES.get(name, name), 50) for name in (contrast.later, contrast.earlier)
    )
    if later.removeprefix("after ") == earlier.removeprefix("before "):
        earlier = "before"
    what = ", ".join(filter(None, (f"{later} against {earlier}", state, _day(view, contrast))))
    return [
        f"{what[0].upper()}{what[1:]}",
        Html(f"{contrast.n_later}&nbsp;+&nbsp;{contrast.n_earlier}"),
        estimated(contrast.left),
        estimated(contrast.right),
        estimated(contrast.left_over_right),
    ]


def _day(view: View, contrast: Contrast) -> str:
    """Return when the session of a contrast was, if it is of one."""
    starts = [
        recording.occasion.start
        for recording in view.recordings
        if contrast.session and recording.occasion.session == contrast.session
    ]
    if not starts:
        return ""
    return day(starts[0]) if starts[0] else f"session {shortened(contrast.session, 20)}"


def _months(view: View) -> Iterator[list[object]]:
    across = view.across()
    if across is None:
        return
    quantities = (across.left, across.right, across.ratio)
    state = condition(view.condition)
    tail = f", {state}" if state else ""
    if any(quantity.trend for quantity in quantities):
        trends = [estimated(quantity.trend) for quantity in quantities]
        yield [f"Per month{tail}", max(q.n for q in quantities), *trends]
    if any(quantity.change for quantity in quantities):
        factors = [
            f"× {number(q.change.factor)} or more" if q.change else NOTHING for q in quantities
        ]
        n = max(quantity.change.n for quantity in quantities if quantity.change)
        told = (
            f"Least change that stands out{tail} (unchanged, two recordings differ by less in 95 "
            "of 100 pairs)"
        )
        yield [told, n, *factors]


def _figure(view: View) -> Html:
    rows_of = [row for recording in view.recordings if (row := view.row(recording))]
    if not any(row.left or row.right for row in rows_of):
        return Html("")
    caption = (
        "Twitches per valid minute of each recording with its 95 % interval, and left over right."
    )
    if AFTER_EXERCISE in view.conditions:
        caption += " Hollow: after exercise."
    days = [start.date() for r in view.recordings if (start := r.occasion.start)]
    drawn = [t for t in view.study.treatments if days and min(days) <= t.day <= max(days)]
    if drawn:
        began = ", ".join(f"{shortened(t.text, 40)} ({day(t.day)})" for t in drawn[:12])
        caption += f" Dotted: begun {began}."
    if goes_on(view):
        caption += " An arrow head: the interval goes on beyond the panel."
    felt = felt_names(view)
    if felt:
        caption += " Noted: large marks with a recording, small ones on days without."
    if beyond := days_beyond(view):
        caption += f" {plural(beyond, 'day')} far from the recordings: only in the table."
    header = ["Recording", "left per min", "right per min", "left over right"]
    header += [SYMPTOMS[name][0] for name in felt]
    rows = []
    for k, recording in enumerate(view.recordings):
        row = view.row(recording)
        rows.append(
            [
                link(view, k),
                estimated(row.left.per_min if row and row.left else None),
                estimated(row.right.per_min if row and row.right else None),
                estimated(row.ratio.ratio if row and row.ratio else None),
                *_noted(felt, recording.occasion.felt),
            ]
        )
    rows += [
        [f"{day(one.day)}, no recording", *3 * [NOTHING], *_noted(felt, one.felt)]
        for one in view.study.days
    ]
    return figure(over_recordings(view), answer(view), caption, data_table(header, rows))


def _noted(names: list[str], felt: Mapping[str, float]) -> list[str]:
    return [number(felt.get(name, float("nan"))) for name in names]


def link(view: View, index: int) -> Html:
    """Return a link to the page of a recording."""
    return element("a", html(view.label(view.recordings[index])), href=f"#recording-{index + 1}")


def quality(view: View) -> list[str]:
    """Return what speaks for and against the recordings, a line each."""
    lines = [_time(view), _floor(view)]
    short = [r for r in view.recordings if any(c.valid_min < FEW_MIN for c in r.channels)]
    if short:
        lines.append(f"Less than a valid minute, so hardly a rate: {_named(view, short)}.")
    undated = sum(r.occasion.start is None for r in view.recordings)
    if undated:
        lines.append(
            f"Without a date, so shown last and in no trend: {plural(undated, 'recording')}."
        )
    at_once = [
        r for r in view.recordings if any(b.coincidence.p < _SURPRISING for b in r.both_at_once)
    ]
    if at_once:
        lines.append(
            "Both sides twitched at once more often than chance explains, which points to an "
            f"artefact or a common cause: {_named(view, at_once)}."
        )
    lines += _settings(view)
    return lines


def _time(view: View) -> str:
    parts = []
    for side in ("left", "right", ""):
        channels = [c for r in view.recordings for c in r.channels if c.side == side]
        whole = sum(c.recorded_min for c in channels)
        if whole:
            valid = sum(c.valid_min for c in channels)
            name = side or "other channels"
            parts.append(f"{name} {valid / whole:.0%} of {duration(60 * whole)}")
    out: dict[str, float] = {}
    for recording in view.recordings:
        for channel in recording.channels:
            for why, seconds in channel.excluded_s.items():
                out[why] = out.get(why, 0.0) + seconds
    told = excluded(out)
    return f"Usable time: {', '.join(parts) or 'none'}{f'; left out: {told}' if told else ''}."


def _floor(view: View) -> str:
    floors = [c.floor_uv for r in view.recordings for c in r.channels if np.isfinite(c.floor_uv)]
    if not floors:
        return "No detection floor is known, as there is no valid time."
    known = " to ".join(dict.fromkeys(f"{uv:.0f}" for uv in (min(floors), max(floors)))) + " µV"
    told = f"Smallest twitch that is found half of the time (detection floor): {known}."
    both = any(row.ratio for r in view.recordings for row in r.sides)
    if both and view.counted != ALL:
        counts = {
            how: sum(
                side.count
                for r in view.recordings
                if (row := view.row(r, how))
                for side in (row.left, row.right)
                if side
            )
            for how in (view.counted, ALL)
        }
        told += (
            f" Left and right are compared by twitches from {CUT_FACTOR:g} times the worst floor "
            f"on, {view.cut_uv:.0f} µV, so that both sides count alike: {counts[view.counted]} of "
            f"{counts[ALL]} twitches."
        )
    return told


def _settings(view: View) -> Iterator[str]:
    n = sum(bool(source.reviewed) for source in view.sources)
    told = "Decided by the detector; no person has looked at the twitches."
    if n:
        told = (
            f"Decided by the detector, then by a person in {n} of {len(view.sources)} recordings."
        )
    rates = {s.entry.found.settings.get("false_alarms_per_hour") for s in view.sources}
    known = sorted(rate for rate in rates if isinstance(rate, float | int))
    if known:
        span = " to ".join(dict.fromkeys(f"{rate:g}" for rate in (known[0], known[-1])))
        told += (
            f" In noise alone it takes about {span} disturbances per channel and hour for a twitch."
        )
    yield told
    kinds = {
        (s.entry.found.version, str(s.entry.found.settings.get("preset")), rate)
        for s in view.sources
        for rate in [s.entry.found.settings.get("false_alarms_per_hour")]
    }
    if len(kinds) > 1:
        yield "Not all recordings were searched with the same settings and version; see Methods."


def _named(view: View, recordings: list[RecordingSummary]) -> str:
    names = [view.label(r) for r in recordings[:_MOST_LISTED]]
    more = len(recordings) - len(names)
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")
