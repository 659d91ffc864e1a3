"""The page over all recordings: what was recorded, and the recordings row by row."""

from collections.abc import Sequence

import numpy as np

from emgtwitch.comparison.across import NOT_TOLD
from emgtwitch.comparison.plan import MINUTES
from emgtwitch.comparison.recordings import ABOVE_BOTH, ABOVE_STUDY, ALL, RecordingSummary
from emgtwitch.reports.body_map import SOURCE, body_map, recorded_muscles, roots_of
from emgtwitch.reports.figures_rows import row_by_row
from emgtwitch.reports.page_answer import link
from emgtwitch.reports.pieces import (
    Html,
    data_table,
    element,
    figure,
    paragraph,
    shortened,
    table,
)
from emgtwitch.reports.view import View
from emgtwitch.reports.words import (
    NOTHING,
    condition,
    estimated,
    excluded,
    muscle,
    number,
)


def page_recordings(view: View) -> Html:
    """Return the page."""
    parts = [element("h2", "All recordings side by side"), _figure(view)]
    others = [name for name in view.study.muscles if name != view.muscle]
    if others:
        parts += [element("h3", "Muscle by muscle"), _muscles(view)]
    parts += [element("h3", "What was recorded"), _anatomy(view)]
    if view.study.plans:
        parts += [element("h3", "How much to record"), *_plan(view)]
    return element("div", *parts, class_="sheet")


def _figure(view: View) -> Html:
    header = (
        "Recording", "left over right", "asymmetry index", "usable min, left", "right",
        "floor µV, left", "right", "left out",
    )  # fmt: skip
    rows = []
    for k, recording in enumerate(view.recordings):
        row = view.row(recording)
        ratio = row.ratio if row else None
        out: dict[str, float] = {}
        for channel in recording.channels:
            for why, seconds in channel.excluded_s.items():
                out[why] = max(out.get(why, 0.0), seconds)
        rows.append(
            [
                link(view, k),
                estimated(ratio.ratio if ratio else None),
                estimated(ratio.asymmetry if ratio else None),
                *(number(_least(recording, side)) for side in ("left", "right")),
                *(number(_floor(recording, side)) for side in ("left", "right")),
                excluded(out) or NOTHING,
            ]
        )
    finding = f"Left over right in {len(rows)} recordings. " + "; ".join(
        f"{rows[k][1]}" for k in range(min(len(rows), 12))
    )
    across = view.across()
    band = (
        " Grey band: typical of the recordings named first on page 1, with its interval."
        if across and across.ratio.typical and not view.divided()
        else ""
    )
    caption = (
        "Left over right with its 95 % interval in each recording, hollow after exercise."
        f"{band} Upper bar and circle: left; lower bar and triangle: right; hatched: left out. "
        "Floor: smallest twitch that is found half of the time. Asymmetry index in the table: "
        "(left - right) / (left + right)."
    )
    return figure(row_by_row(view), finding, caption, data_table(header, rows))


def _least(recording: RecordingSummary, side: str) -> float:
    mine = [c.valid_min for c in recording.channels if c.side == side]
    return min(mine, default=float("nan"))


def _floor(recording: RecordingSummary, side: str) -> float:
    mine = [c.floor_uv for c in recording.channels if c.side == side and np.isfinite(c.floor_uv)]
    return max(mine, default=float("nan"))


def _muscles(view: View) -> Html:
    """Return typical values of every muscle, or those of the last recording."""
    rows: list[Sequence[object]] = []
    for name in view.study.muscles:
        across = view.across(muscle=name)
        if across and across.ratio.n >= 3:
            quantities = (across.left.typical, across.right.typical, across.ratio.typical)
            rows.append([muscle(name), f"{across.ratio.n} sessions", *map(estimated, quantities)])
            continue
        last = [r for r in view.recordings if r.left_right(name, view.counted)][-1]
        row = last.left_right(name, view.counted)
        assert row
        rows.append(
            [
                muscle(name),
                "last recording",
                estimated(row.left.per_min if row.left else None),
                estimated(row.right.per_min if row.right else None),
                estimated(row.ratio.ratio) if row.ratio else row.why,
            ]
        )
    header = ("Muscle", "of", "left per min", "right per min", "left over right")
    caption = f"Twitches {_words(view)}, 95 % intervals."
    if view.study.treatments:
        caption += " All sessions of a muscle together, before and after treatments."
    return table(header, rows, left=2, caption=caption)


def _words(view: View) -> str:
    state = condition(view.condition)
    which = {
        ALL: "of all sizes",
        ABOVE_BOTH: "that both sides could show",
        ABOVE_STUDY: "that both sides of all recordings could show",
    }[view.counted]
    return f"{which}, {state}" if state else which


def _anatomy(view: View) -> Html:
    muscles = recorded_muscles(view.recordings)
    rows = [
        [shortened(name, 40), " and ".join(sorted(sides)), roots_of(name) or "not in the table"]
        for name, sides in muscles.items()
    ]
    if not rows:
        return paragraph("Neither the names of the channels nor the data set tell the muscles.")
    told = table(("Muscle", "recorded", "supplied by the roots"), rows, left=3)
    note = paragraph(
        f"This is anatomy, not a finding: where a twitch begins cannot be told from it. {SOURCE}",
        class_="about",
    )
    return element("div", body_map(view.recordings), element("div", told, note), class_="beside")


def _plan(view: View) -> list[Html]:
    basis = view.study.plan_basis
    assert basis
    header = ["True ratio of the sides", "valid min in one recording"]
    header += [f"recordings of {minutes:g} min" for minutes in MINUTES]
    rows = [
        [
            f"{plan.ratio:g}",
            number(plan.one_recording_min),
            *("over 200" if n is None else n for n in plan.recordings),
        ]
        for plan in view.study.plans
    ]
    spread = shortened(basis.log_sd_of.replace(f" ({NOT_TOLD})", ""))
    told = (
        "What it takes to see a ratio in four of five attempts: within a single recording, and "
        f"across recordings. Based on {number(basis.per_min)} twitches per minute on the side with "
        f"fewer; how much recordings differ: {spread}."
    )
    return [paragraph(told, class_="about"), table(header, rows)]
