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
    more_of,
    muscle,
    number,
    per_minute,
    plural,
    with_interval,
)

FEW_MIN = 1.0  # valid, for a rate to go by


def answer(view: View) -> str:
    """Return the answer in one or two sentences."""
    rows = [row for recording in view.recordings if (row := view.row(recording, ALL))]
    if not view.muscle:
        return (
            "Which side was recorded is not told, so left and right cannot be compared; channel "
            "names as calf_L and calf_R tell it. The pages of the recordings show each channel."
        )
    valid = [row for row in rows if row.left or row.right]
    if not valid:
        return "No rate can be told: no recording has time in which twitches could be looked for."
    if not any(side.count for row in valid for side in (row.left, row.right) if side):
        return _none_counted(view, valid)
    divided = view.divided()
    if divided:
        return _before_and_after(view, divided) or _latest(view)
    across = view.across()
    if across and across.ratio.typical:
        return _typical(view, across, across.ratio.typical)
    if across and (across.left.typical or across.right.typical):
        return _one_sided(view, across)
    return _latest(view)


def changes(view: View) -> list[str]:
    """Return what changed, a sentence each: after the last treatment, and over the months.

    The last is that with sessions on both sides: one that has just begun takes nothing away.
    """
    divided = view.divided()
    told = [_treated(view, divided)] if divided else []
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
    return _single(view, row, recording.occasion.condition)


def more_often(name: str, state: str, ratio: Estimate) -> str:
    """Return which side of a muscle twitched more in a state, as far as the interval tells."""
    return _capital(_joined(condition(state), _compared(name, ratio)))


def _compared(name: str, ratio: Estimate, rates: str = "") -> str:
    """Return the same as the end of a sentence, with what else is told in the brackets."""
    more, less, factor = more_of(ratio)
    if factor.low > 1:
        times = f"{number(factor.value)} times as often as"
        if factor.value == float("inf"):
            times = "more often than"
        return (
            f"the {more} {muscle(name)} twitched {times} the {less} "
            f"(95 % interval {interval(factor)}{rates})"
        )
    return (
        f"the left and right {muscle(name)} showed no clear difference: {more} "
        f"{number(factor.value)} times {less} (95 % interval {interval(factor)}, which includes no "
        f"difference{rates})"
    )


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _unit(view: View) -> str:
    return per_minute(view.counted, view.cut_uv)


def _typical(view: View, across: Across, ratio: Estimate) -> str:
    told = f"{more_often(view.muscle, view.condition, ratio)}."
    left, right = across.left.typical, across.right.typical
    if left and right:
        told += f" Typical {_unit(view)}: left {number(left.value)}, right {number(right.value)}."
    return told


def _before_and_after(view: View, contrast: Contrast) -> str:
    """Return what is typical before a treatment and what after it; empty if that is not known.

    Both together were at no time. If another treatment divides the time before, there is no one
    state before, and only that after is told.
    """
    mine = [c for c in view.contrasts if c.condition == contrast.condition]
    mixed = min(c.n_earlier for c in mine) < contrast.n_earlier
    whiches = ("later",) if mixed else ("earlier", "later")
    if not any(_known_rates(contrast, which) for which in whiches):
        return ""
    where, first = condition(view.condition), shortened(getattr(contrast, whiches[0]), 60)
    told = _capital(_joined(where, first, _of_state(view, contrast, whiches[0])))
    if mixed:
        return f"{told}. Before that there were other treatments; see the table."
    return f"{told}; after it, {_of_state(view, contrast, 'later', brief=True)}."


def _known_rates(contrast: Contrast, which: str) -> list[tuple[str, Estimate]]:
    rates = [(side, getattr(contrast, f"{side}_{which}")) for side in ("left", "right")]
    return [(side, rate) for side, rate in rates if rate]


def _of_state(view: View, contrast: Contrast, which: str, *, brief: bool = False) -> str:
    """Return what is typical in a state; brief where only the numbers differ from before."""
    rates = _known_rates(contrast, which)
    n = getattr(contrast, f"n_{which}")
    if n < LEAST_RECORDINGS:
        return f"there {'is' if n == 1 else 'are'} {plural(n, 'session')}, too few to tell"
    ratio = getattr(contrast, f"ratio_{which}")
    told = ", ".join(f"{number(rate.value)} {side}" for side, rate in rates)
    if not ratio or len(rates) < 2:
        return f"typically {told} ({_unit(view)})" if rates else "no typical rate is known"
    more, _, factor = more_of(ratio)
    earlier = contrast.ratio_earlier
    if brief and earlier and factor.low > 1:
        more_before, _, before = more_of(earlier)
        if more == more_before and before.low > 1:
            return f"{number(factor.value)} times ({interval(factor)}; {told})"
    return _compared(view.muscle, ratio, f"; {_unit(view)}: {told}")


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
    what = _unit(view).removesuffix(" per minute")
    told = _capital(f"{what} of the {muscle(view.muscle)}{f' {where}' if where else ''}")
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
    when = view.label(recording)
    told = f"{_single(view, row, view.condition)} That is {which}: {when}."
    if min(side.valid_min for side in (row.left, row.right) if side) < FEW_MIN:
        told += " It rests on less than a valid minute."
    return told


def _single(view: View, row: LeftRight, state: str) -> str:
    sides = [(name, rate) for name, rate in (("left", row.left), ("right", row.right)) if rate]
    rates = ", ".join(f"{name} {estimated(rate.per_min)}" for name, rate in sides)
    unit = _capital(per_minute(view.counted, row.cut_uv))
    if row.ratio:
        return f"{more_often(row.muscle, state, row.ratio.ratio)}. {unit}: {rates}."
    if not sides:
        return "No rate: no time in which twitches could be looked for."
    return f"{unit}, {muscle(row.muscle)}: {rates}; {row.why}."


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
    treatment = next(t for t in view.study.treatments if contrast.later == f"after {t.text}")
    text = shortened(treatment.text, 60)
    if not (contrast.left or contrast.right):
        return (
            f"Whether rates changed after {text} ({day(treatment.day)}) cannot be told yet: "
            f"{plural(contrast.n_earlier, 'session')} before, {contrast.n_later} after."
        )
    sides = [(s, r) for s, r in (("left", contrast.left), ("right", contrast.right)) if r]
    parts = [
        f"the {side} {number(ratio.value)} times {with_interval(ratio)}"
        if k
        else f"the {side} twitched {number(ratio.value)} times as often as before "
        f"{with_interval(ratio)}"
        for k, (side, ratio) in enumerate(sides)
    ]
    told = f"After {text} ({day(treatment.day)}), {', '.join(parts)}"
    if change := contrast.left_over_right:
        told += (
            f"; left over right became {number(change.value)} times what it was "
            f"{with_interval(change)}{_towards(change)}"
        )
    return f"{told}. This tells of times, not of causes."


def _towards(change: Estimate) -> str:
    """Return in words which way left over right went, if it is clear."""
    if change.low <= 1 <= change.high:
        return ""
    more, less = ("left", "right") if change.low > 1 else ("right", "left")
    return f", that is, more twitches on the {more} for each on the {less}"


def _trend(across: Across) -> str:
    trend = across.ratio.trend
    assert trend
    factor = f"× {number(trend.value)} per month {with_interval(trend)}"
    if trend.low <= 1 <= trend.high:
        return f"Left over right shows no clear trend: {factor}."
    word = "rose" if trend.low > 1 else "fell"
    return f"Left over right {word}: {factor}{_towards(trend)}."
