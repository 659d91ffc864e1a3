"""What one recording shows: each channel, and left against right for each muscle."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from emgtwitch.channels import side_of
from emgtwitch.comparison.coincidence import Coincidence, coincidence
from emgtwitch.comparison.dispersion import Dispersion, dispersion_of
from emgtwitch.comparison.intervals import Rate, Ratio, paired_ratio, rate_of
from emgtwitch.comparison.occasions import Occasion, RecordingEntry
from emgtwitch.comparison.patterns import Patterns, patterns_of
from emgtwitch.comparison.trains import Course, Train, course_of, leg_train, train_of, worst
from emgtwitch.event_table import NOT_APPLICABLE

LEFT, RIGHT = "left", "right"
LEG = "leg"  # the muscles added up that all recordings have on both sides
UNNAMED = "muscle"
ALL = "all"
ABOVE_BOTH = "above the floor of both sides"
ABOVE_STUDY = "above the floor of all recordings"
COUNTED = (ALL, ABOVE_BOTH, ABOVE_STUDY)
# At the floor a twitch is found half of the time, at this many times the floor nearly always. With
# it and the sizes cleared of noise, both sides count the same twitches (docs/coverage.md).
CUT_FACTOR = 1.5


@dataclass(frozen=True)
class WaveformClass:
    """A class of waveform: its number, how many twitches, and their median size, µV."""

    unit: int
    count: int
    amplitude_uv: float


@dataclass(frozen=True)
class Activity:
    """Sustained activity of one kind: how many stretches, and how long in all, s."""

    count: int
    seconds: float


@dataclass(frozen=True, eq=False)
class ChannelSummary:
    """What one channel of a recording shows.

    Attributes
    ----------
    channel, side, muscle
        ``side`` is ``"left"``, ``"right"`` or empty; ``muscle`` is empty if it is not known.
    recorded_min, valid_min, excluded_s
        Length, time searched for twitches, and what was not searched by reason.
    noise_uv, floor_uv
        Noise rms and detection floor.
    rate
        Of all twitches; None without valid time.
    course, patterns, dispersion
        Of all twitches.
    classes
        Classes of waveform, the most frequent first.
    contractions, cramps
        Stretches of sustained activity; the detector tells no cramps from contractions, so that
        cramps are those that a person marked in the table.
    rejected
        Candidates that were not counted, by reason.
    """

    channel: str
    side: str
    muscle: str
    recorded_min: float
    valid_min: float
    excluded_s: dict[str, float]
    noise_uv: float
    floor_uv: float
    rate: Rate | None
    course: Course
    patterns: Patterns
    dispersion: Dispersion
    classes: tuple[WaveformClass, ...]
    contractions: Activity
    cramps: Activity
    rejected: dict[str, int]


@dataclass(frozen=True)
class LeftRight:
    """Left against right in one recording, for one muscle.

    Attributes
    ----------
    muscle
        Or ``"leg"``: the muscles added up that all recordings have on both sides.
    counted
        Which twitches: one of `COUNTED`.
    cut_uv
        Size from which on they count, µV peak to peak and cleared of noise: `CUT_FACTOR` times
        the floor; 0 for all, NaN without valid time.
    left, right
        Rates; None without such a channel or valid time.
    ratio
        Left over right; None where `why` says so.
    why
        Why there is no ratio, else empty.
    """

    muscle: str
    counted: str
    cut_uv: float
    left: Rate | None
    right: Rate | None
    ratio: Ratio | None
    why: str


@dataclass(frozen=True)
class BothAtOnce:
    """Bilateral coincidence of a muscle."""

    muscle: str
    coincidence: Coincidence


@dataclass(frozen=True, eq=False)
class RecordingSummary:
    """What one recording shows: its channels, and its sides for each muscle and `COUNTED`."""

    name: str
    occasion: Occasion
    channels: tuple[ChannelSummary, ...]
    sides: tuple[LeftRight, ...]
    both_at_once: tuple[BothAtOnce, ...]

    def left_right(self, muscle: str, counted: str) -> LeftRight | None:
        """Return the comparison of a muscle, None if it was not recorded."""
        return next(
            (row for row in self.sides if (row.muscle, row.counted) == (muscle, counted)), None
        )


Trains = dict[str, dict[str, Train]]  # muscle → side → train


def trains_of(entry: RecordingEntry) -> Trains:
    """Return the trains of a recording by muscle and side; channels without a side are left out."""
    found = entry.found
    of_side = {
        channel: side for channel, side in zip(found.ch_names, found.sides, strict=True) if side
    }
    names = {channel: entry.muscles.get(channel) or _without_side(channel) for channel in of_side}
    told = [name for channel, name in names.items() if channel in entry.muscles]
    if sorted(of_side.values()) == [LEFT, RIGHT] and len(told) < 2 and len({*names.values()}) > 1:
        names = dict.fromkeys(names, told[0] if told else UNNAMED)  # one each: the same muscle
    places = Counter((names[channel], side) for channel, side in of_side.items())
    trains: Trains = {}
    for channel, side in of_side.items():
        name = names[channel]
        if places[name, side] > 1:  # two channels on one muscle: told apart by their names
            name = f"{name} ({_without_side(channel)})"
        trains.setdefault(name, {})[side] = train_of(found, channel)
    return trains


def paired_muscles(trains: Trains) -> set[str]:
    """Return the muscles that are recorded on both sides."""
    return {muscle for muscle, sides in trains.items() if len(sides) == 2}


def with_leg(trains: Trains, muscles: Collection[str]) -> Trains:
    """Return the trains with ``"leg"``, these muscles added up, if all are recorded on both sides.

    With fewer than two muscles there is nothing to add up.
    """
    if len(muscles) < 2 or not paired_muscles(trains) >= set(muscles):
        return trains
    leg = {side: leg_train([trains[muscle][side] for muscle in muscles]) for side in (LEFT, RIGHT)}
    return {LEG: leg, **trains}


def _without_side(channel: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", channel) if word and not side_of(word)]
    return " ".join(words) or UNNAMED


def _cut_uv(sides: dict[str, Train], counted: str, study_floor_uv: float) -> float:
    if counted == ALL:
        return 0.0
    both = worst(train.floor_uv for train in sides.values())
    return CUT_FACTOR * (study_floor_uv if counted == ABOVE_STUDY else both)


def counted_trains(
    sides: dict[str, Train], counted: str, study_floor_uv: float
) -> tuple[Train | None, Train | None]:
    """Return the left and the right train of the twitches that count."""
    cut_uv = _cut_uv(sides, counted, study_floor_uv)
    left, right = (
        sides[side].above(cut_uv) if side in sides and sides[side].valid_s > 0 else None
        for side in (LEFT, RIGHT)
    )
    return left, right


def recording_of(entry: RecordingEntry, trains: Trains, study_floor_uv: float) -> RecordingSummary:
    """Return what a recording shows, given its trains and the floor of all recordings."""
    both = {
        muscle: coincidence(trains[muscle][LEFT], trains[muscle][RIGHT])
        for muscle in sorted(paired_muscles(trains) - {LEG})
    }
    return RecordingSummary(
        entry.name,
        entry.occasion,
        tuple(_channel(entry, channel) for channel in entry.found.ch_names),
        tuple(
            _left_right(sides, muscle, counted, study_floor_uv)
            for muscle, sides in trains.items()
            for counted in COUNTED
        ),
        tuple(BothAtOnce(muscle, found) for muscle, found in both.items() if found),
    )


def _left_right(sides: dict[str, Train], muscle: str, counted: str, floor_uv: float) -> LeftRight:
    left, right = counted_trains(sides, counted, floor_uv)
    ratio, why = None, ""
    if missing := [side for side in (LEFT, RIGHT) if side not in sides]:
        why = f"not recorded on the {missing[0]}"
    elif left is None or right is None:
        without = [side for side, train in ((LEFT, left), (RIGHT, right)) if train is None]
        why = f"no valid time on the {' and the '.join(without)}"
    else:
        ratio = paired_ratio(left, right)
        why = "" if ratio else "no twitch on either side"
    return LeftRight(
        muscle,
        counted,
        _cut_uv(sides, counted, floor_uv),
        rate_of(left) if left else None,
        rate_of(right) if right else None,
        ratio,
        why,
    )


def _channel(entry: RecordingEntry, channel: str) -> ChannelSummary:
    found = entry.found
    index = found.ch_names.index(channel)
    account, train = found.accounts[index], train_of(found, channel)
    rows = found.events[found.events["channel"] == channel]
    rejected = rows[(rows["reason"] != NOT_APPLICABLE) & np.isfinite(rows["peak_time"])]
    twitches = found.twitches(channel)
    units, counts = np.unique(twitches["unit"][twitches["unit"] >= 0], return_counts=True)
    classes = [
        WaveformClass(
            unit, count, float(np.median(twitches["amplitude_uv"][twitches["unit"] == unit]))
        )
        for unit, count in zip(units.tolist(), counts.tolist(), strict=True)
    ]
    recorded_s = account.recorded_s if np.isfinite(account.recorded_s) else 0.0
    return ChannelSummary(
        channel,
        found.sides[index] or "",
        entry.muscles.get(channel, ""),
        recorded_s / 60,
        train.valid_min,
        dict(account.excluded_s),
        account.noise_uv,
        account.floor_uv,
        rate_of(train),
        course_of(train, recorded_s),
        patterns_of(train),
        dispersion_of(train),
        tuple(sorted(classes, key=lambda unit: (-unit.count, unit.unit))),
        _activity(rows, "contraction"),
        _activity(rows, "cramp"),
        dict(Counter(rejected["reason"].tolist()).most_common()),
    )


def _activity(rows: np.ndarray, kind: str) -> Activity:
    stretches = rows[(rows["trial_type"] == kind) & np.isnan(rows["peak_time"])]
    return Activity(len(stretches), float(stretches["duration"].sum()))
