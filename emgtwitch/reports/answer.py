"""The answer in words: which side, how much, how sure, and what changed."""

from emgtwitch.comparison.across import NOT_TOLD, Across, Contrast
from emgtwitch.comparison.intervals import Estimate
from emgtwitch.comparison.recordings import ALL, LeftRight, RecordingSummary
from emgtwitch.comparison.sessions import LEAST_RECORDINGS
from emgtwitch.reports.pieces import shortened
from emgtwitch.reports.view import LEAST_DAYS, View
from emgtwitch.reports.words import (
    condition,
    day,
    estimated,
    interval,
    inverse,
    muscle,
    number,
    plural,
    recorded,
)

FEW_MIN = 1.0  # valid, for a rate to go by


def answer(view: View) -> str:
    """Return the answer in one or two sentences."""
    rows = [row for recording in view.recordings if (row := view.row(recording, ALL))]
    if not view.muscle:
        return (
            "Which side was recorded is not told, so left and right cannot be compared. The pages "
            "of the recordings show each channel."
        )
    valid = [row for row in rows if row.left or row.right]
    if not valid:
        return "No rate can be told: no recording has time in which twitches could be looked for."
    if not any(side.count for row in valid for side in (row.left, row.right) if side):
        return _none_counted(view, valid)
    across = view.across()
    if across and across.ratio.typical:
        return _typical(view, across, across.ratio.typical)
    if across and (across.left.typical or across.right.typical):
        return _one_sided(view, across)
    return _latest(view)


def changes(view: View) -> list[str]:
    """Return what changed, a sentence each: after the last treatment, and over the months."""
    later = f"after {view.study.treatments[-1].text}" if view.study.treatments else None
    told = [
        _treated(view, contrast)
        for contrast in view.contrasts
        if (contrast.later, contrast.condition) == (later, view.condition)
    ]
    across = view.across()
    if across and across.ratio.trend and not told:
        told.append(_trend(across))
    n = across.ratio.n if across else 0
    if n > 0 and not told:
        told.append(
            f"Whether it changes cannot be told yet: that takes {LEAST_RECORDINGS} sessions with "
            f"dates over {LEAST_DAYS // 7} weeks."
        )
    return told


def of_recording(view: View, recording: RecordingSummary) -> str:
    """Return what a single recording shows of the muscle of page 1."""
    row = view.row(recording)
    if not view.muscle:
        return "Which side was recorded is not told."
    if row is None:
        return f"The {muscle(view.muscle)} was not recorded."
    return _single(row, recording.occasion.condition)


def more_often(name: str, state: str, ratio: Estimate) -> str:
    """Return which side of a muscle twitched more in a state, as far as the interval tells."""
    where = condition(state)
    begin = f"{where[0].upper()}{where[1:]}, the" if where else "The"
    if ratio.low > 1 or ratio.high < 1:
        more, less = ("left", "right") if ratio.low > 1 else ("right", "left")
        factor = ratio if ratio.low > 1 else inverse(ratio)
        times = f"{number(factor.value)} times as often as"
        if factor.value == float("inf"):
            times = "more often than"
        return (
            f"{begin} {more} {muscle(name)} twitched {times} the {less} "
            f"(95 % interval {interval(factor)})"
        )
    return (
        f"{begin} left and right {muscle(name)} showed no clear difference, left over right being "
        f"{number(ratio.value)} (95 % interval {interval(ratio)})"
    )


def _typical(view: View, across: Across, ratio: Estimate) -> str:
    left, right = across.left.typical, across.right.typical
    rates = ""
    if left and right:
        rates = (
            f", typically {number(left.value)} per minute on the left and {number(right.value)} on "
            "the right"
        )
    return f"{more_often(view.muscle, view.condition, ratio)}{rates}."


def _one_sided(view: View, across: Across) -> str:
    """Return the typical rates where there is no typical ratio."""
    where = condition(view.condition)
    parts = []
    for side in ("left", "right"):
        quantity = getattr(across, side)
        if quantity.typical:
            parts.append(f"typically {estimated(quantity.typical)} per minute on the {side}")
        elif quantity.n >= LEAST_RECORDINGS:
            parts.append(f"none counted on the {side}")
        elif quantity.n:
            parts.append(f"too few sessions of the {side}")
        else:
            parts.append(f"the {side} was not recorded")
    told = f"Twitches of the {muscle(view.muscle)}{f' {where}' if where else ''}"
    return f"{told}: {', '.join(parts)}."


def _latest(view: View) -> str:
    """Return the answer of the last recording in the state of page 1 that has one."""
    found = [
        (recording, row)
        for recording in view.recordings
        if (recording.occasion.condition or NOT_TOLD) == view.condition
        and (row := view.row(recording))
        and (row.left or row.right)
    ]
    recording, row = found[-1]
    which = "this recording" if len(view.recordings) == 1 else "the last recording"
    when = recorded(recording.occasion, recording.name)
    told = f"{_single(row, view.condition)} That is {which}: {when}."
    if min(side.valid_min for side in (row.left, row.right) if side) < FEW_MIN:
        told += " It rests on less than a valid minute."
    return told


def _single(row: LeftRight, state: str) -> str:
    sides = [(name, rate) for name, rate in (("left", row.left), ("right", row.right)) if rate]
    rates = ", ".join(f"{name} {estimated(rate.per_min)}" for name, rate in sides)
    if row.ratio:
        told = more_often(row.muscle, state, row.ratio.ratio)
        return f"{told}. Twitches per minute: {rates}."
    if not sides:
        return "No rate: no time in which twitches could be looked for."
    return f"Twitches per minute of the {muscle(row.muscle)}: {rates}; {row.why}."


def _none_counted(view: View, rows: list[LeftRight]) -> str:
    sides = []
    for name in ("left", "right"):
        rates = [rate for row in rows if (rate := getattr(row, name))]
        if rates:
            minutes = sum(rate.valid_min for rate in rates)
            sides.append(f"{minutes:.1f} valid minutes on the {name}")
    told = f"No twitch of the {muscle(view.muscle)} was found in {' and '.join(sides)}."
    if len(rows) == 1:
        highest = max(side.per_min.high for side in (rows[0].left, rows[0].right) if side)
        told += f" The rate is below {number(highest)} per minute (95 % interval)."
    return told


def _treated(view: View, contrast: Contrast) -> str:
    treatment = view.study.treatments[-1]
    text = shortened(treatment.text, 60)
    if not (contrast.left or contrast.right):
        return (
            f"Whether rates changed after {text} ({day(treatment.day)}) cannot be told yet: "
            f"{plural(contrast.n_earlier, 'session')} before, {contrast.n_later} after."
        )
    sides = [(s, r) for s, r in (("left", contrast.left), ("right", contrast.right)) if r]
    parts = [
        f"the {side} {number(ratio.value)} times ({interval(ratio)})"
        if k
        else f"the {side} twitched {number(ratio.value)} times as often as before "
        f"({interval(ratio)})"
        for k, (side, ratio) in enumerate(sides)
    ]
    told = f"After {text} ({day(treatment.day)}), {', '.join(parts)}"
    if contrast.left_over_right:
        told += f"; left over right changed by a factor of {estimated(contrast.left_over_right)}"
    return f"{told}. This tells of times, not of causes."


def _trend(across: Across) -> str:
    trend = across.ratio.trend
    assert trend
    if trend.low <= 1 <= trend.high:
        return f"Left over right shows no clear trend: × {estimated(trend)} per month."
    word = "rose" if trend.low > 1 else "fell"
    return f"Left over right {word}: × {estimated(trend)} per month."
