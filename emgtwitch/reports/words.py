"""Numbers, dates and conditions as people read them."""

import math
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np

from emgtwitch.comparison.across import NOT_TOLD
from emgtwitch.comparison.intervals import Estimate
from emgtwitch.comparison.occasions import AFTER_EXERCISE, REST, Occasion
from emgtwitch.comparison.recordings import ABOVE_BOTH, ABOVE_STUDY, ALL, LEG, UNNAMED
from emgtwitch.reports.pieces import ELLIPSIS, shortened

NOTHING = "–"
_CONDITIONS = {REST: "at rest", AFTER_EXERCISE: "after exercise", NOT_TOLD: "", "": ""}
_REASONS = {
    "contraction": "contraction",
    "gap": "samples missing",
    "saturation": "amplifier limit",
    "flat line": "flat line",
    "warm-up": "warm-up",
}


def number(value: float) -> str:
    """Return a number with two or three digits that matter."""
    return _with(value, _decimals(value))


def plain(value: float, digits: int = 3) -> str:
    """Return a number rounded to so many digits, never with a power of ten."""
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10_000:
        return f"{rounded:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
    return np.format_float_positional(rounded, trim="-")


def interval(estimate: Estimate) -> str:
    """Return the interval alone, as ``2.5 to 5.5``, as exact as the number it belongs to."""
    known = [
        bound
        for bound in (estimate.value, estimate.high, estimate.low)
        if math.isfinite(bound) and bound
    ]
    decimals = _decimals(known[0]) if known else 0
    low, high = _with(estimate.low, decimals), _with(estimate.high, decimals)
    return f"{low} or more" if math.isinf(estimate.high) else f"{low} to {high}"


def estimated(estimate: Estimate | None) -> str:
    """Return a number with its interval, as ``3.7 (2.5 to 5.5)``."""
    return f"{number(estimate.value)} ({interval(estimate)})" if estimate else NOTHING


def with_interval(estimate: Estimate) -> str:
    """Return an interval of a factor in brackets, and whether it allows for no change."""
    same = ", which includes no change" if estimate.low <= 1 <= estimate.high else ""
    return f"({interval(estimate)}{same})"


def _decimals(value: float) -> int:
    size = abs(value)
    if size == 0 or not size < 99.95:
        return 0
    return 1 if size >= 1.995 else 2 if size >= 0.0995 else 3


def _with(value: float, decimals: int) -> str:
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    return f"{value:.{decimals}f}" if abs(value) < 10_000 else "over 10 000"


def inverse(estimate: Estimate) -> Estimate:
    """Return one over a ratio."""
    low, value, high = (
        1 / bound if bound else math.inf for bound in (estimate.high, estimate.value, estimate.low)
    )
    return Estimate(value, low, high, estimate.about)


def more_of(ratio: Estimate) -> tuple[str, str, Estimate]:
    """Return which side twitched more than which, and how many times as often, 1 or above."""
    if ratio.value >= 1:
        return "left", "right", ratio
    return "right", "left", inverse(ratio)


def day(moment: date) -> str:
    """Return a date that reads the same everywhere."""
    return f"{moment.day} {moment:%B %Y}"


def period(moments: Sequence[datetime]) -> str:
    """Return the first and the last day."""
    first, last = day(min(moments)), day(max(moments))
    return first if first == last else f"{first} to {last}"


def condition(name: str) -> str:
    """Return a condition in words, as ``at rest``; empty where it is not told."""
    return _CONDITIONS.get(name, shortened(name, 40))


def recorded(occasion: Occasion, name: str, longest: int = 70) -> str:
    """Return when and under which condition, or the name of the recording without a date."""
    start = occasion.start
    when = f"{day(start)}, {start:%H:%M}" if start else name or "no date"
    told = condition(occasion.condition)
    return shortened(f"{when}, {told}" if told else when, longest)


def ending(name: str, longest: int) -> str:
    """Return the end of a name, as names of one recording session mostly differ there."""
    whole = shortened(name)
    return whole if len(whole) <= longest else f"{ELLIPSIS}{whole[1 - longest :]}"


def muscle(name: str) -> str:
    """Return a muscle, shortened; several together, or one without a name, are the leg."""
    return LEG if name == UNNAMED else shortened(name, 40)


def counted(how: str, cut_uv: float) -> str:
    """Return which twitches a number is about."""
    if how == ALL or not cut_uv > 0:
        return "all twitches"
    if how == ABOVE_BOTH:
        return "twitches that both sides could show"
    assert how == ABOVE_STUDY
    return f"twitches from {cut_uv:.0f} µV on"


def per_minute(how: str, cut_uv: float) -> str:
    """Return what rates are of, as ``twitches from 37 µV on per minute``."""
    return f"{'twitches' if how == ALL else counted(how, cut_uv).removeprefix('all ')} per minute"


def duration(seconds: float) -> str:
    """Return a length of time."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def excluded(seconds: dict[str, float]) -> str:
    """Return what was left out and why, the longest first."""
    longest = sorted(seconds.items(), key=lambda entry: -entry[1])
    told = [f"{_REASONS.get(why, why)} {duration(time)}" for why, time in longest if time >= 0.5]
    return ", ".join(told)


def plural(n: int, noun: str) -> str:
    """Return ``1 recording``, ``2 recordings``, ``2 twitches``."""
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun}{'es' if noun.endswith('ch') else 's'}"
