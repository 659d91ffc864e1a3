"""Everything that is compared in a study of one person, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emgtwitch.comparison.across import Across, Contrast, Sides, across_of, contrasts_of
from emgtwitch.comparison.occasions import FeltDay, RecordingEntry, Treatment
from emgtwitch.comparison.plan import Plan, plan
from emgtwitch.comparison.recordings import (
    ALL,
    COUNTED,
    LEG,
    RecordingSummary,
    counted_trains,
    paired_muscles,
    recording_of,
    trains_of,
    with_leg,
)
from emgtwitch.comparison.trains import worst
from emgtwitch.errors import InputError

# Standard deviation between sessions of the logarithm of left over right, and how many sessions
# that counts as much as: each side varying with a coefficient of variation of 50 %, independently.
ASSUMED_LOG_SD, ASSUMED_SESSIONS = 0.75, 3


@dataclass(frozen=True)
class PlanBasis:
    """What a plan rests on; see `emgtwitch.comparison.plan.plan`.

    `log_sd_of` says where the differences between recordings come from.
    """

    per_min: float
    dispersion: float
    log_sd: float
    log_sd_of: str


@dataclass(frozen=True, eq=False)
class StudySummary:
    """Everything that is compared in a study.

    Attributes
    ----------
    subject
        BIDS label of the person.
    recordings
        In order of time; those without a date last.
    muscles
        The one that stands for the study first: ``"leg"`` where all recordings have several on
        both sides, else one that is recorded on both.
    treatments
        In order of time.
    days
        What was felt on days without any of these recordings, in order of time.
    floor_uv, floor_of
        The worst detection floor of all recordings, and the name of the one that sets it.
    across
        For each muscle, condition and `COUNTED`.
    contrasts
        Before against after each treatment, and rest against after exercise.
    plan_basis, plans
        What it takes to see ratios; None and empty if no rate is known.
    """

    subject: str
    recordings: tuple[RecordingSummary, ...]
    muscles: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    days: tuple[FeltDay, ...]
    floor_uv: float
    floor_of: str
    across: tuple[Across, ...]
    contrasts: tuple[Contrast, ...]
    plan_basis: PlanBasis | None
    plans: tuple[Plan, ...]


def summarise(entries: Sequence[RecordingEntry]) -> StudySummary:
    """Compare the recordings of one person.

    Parameters
    ----------
    entries
        In any order, at least one.

    Raises
    ------
    InputError
        There are none, or they are of several people.
    """
    subjects = sorted({entry.occasion.subject for entry in entries})
    if not subjects:
        raise InputError("no recordings to compare")
    if len(subjects) > 1:
        raise InputError(
            f"recordings of {len(subjects)} people ({', '.join(subjects)}): compare one at a time"
        )
    ordered = sorted(entries, key=lambda entry: entry.occasion.when)
    trains = [trains_of(entry) for entry in ordered]
    paired = [pairs for pairs in map(paired_muscles, trains) if pairs]
    common = sorted(set.intersection(*paired)) if paired else []
    trains = [with_leg(found, common) for found in trains]
    floors = [
        worst(train.floor_uv for sides in found.values() for train in sides.values())
        for found in trains
    ]
    floor_uv = worst(floors)
    recordings = tuple(
        recording_of(entry, found, floor_uv) for entry, found in zip(ordered, trains, strict=True)
    )
    muscles = sorted(
        {muscle for found in trains for muscle in found},
        key=lambda name: (name != LEG, name not in common, name not in set().union(*paired), name),
    )
    cells = [
        Sides(entry.occasion, muscle, counted, *counted_trains(found[muscle], counted, floor_uv))
        for entry, found in zip(ordered, trains, strict=True)
        for muscle in found
        for counted in COUNTED
    ]
    treatments = tuple(sorted({t for entry in ordered for t in entry.occasion.treatments}))
    across = across_of(cells, treatments)
    basis = _plan_basis(recordings, across, muscles)
    return StudySummary(
        subjects[0],
        recordings,
        tuple(muscles),
        treatments,
        _days_between(entries),
        floor_uv,
        next((e.name for e, f in zip(ordered, floors, strict=True) if f == floor_uv), ""),
        across,
        contrasts_of(cells, treatments),
        basis,
        plan(basis.per_min, dispersion=basis.dispersion, log_sd=basis.log_sd) if basis else (),
    )


def _days_between(entries: Sequence[RecordingEntry]) -> tuple[FeltDay, ...]:
    """Return the days for which something felt is noted, but those of the recordings."""
    recorded = {entry.occasion.start.date() for entry in entries if entry.occasion.start}
    days = {one.day: one for entry in entries for one in entry.occasion.days}
    return tuple(days[day] for day in sorted(days.keys() - recorded))


def _plan_basis(
    recordings: Sequence[RecordingSummary], across: Sequence[Across], muscles: Sequence[str]
) -> PlanBasis | None:
    """Return what the study says about its own scatter, for its first muscle."""
    compared = [
        (row.left, row.right, row.ratio)
        for recording in recordings
        for row in recording.sides
        if row.muscle in muscles[:1] and row.counted == ALL and row.left and row.right
    ]
    if not compared:
        return None
    per_min = min(
        sum(rate.count for rate in side) / sum(rate.valid_min for rate in side)
        for side in ([left for left, _, _ in compared], [right for _, right, _ in compared])
    )
    known = [ratio.dispersion for *_, ratio in compared if ratio and ratio.dispersion > 1]
    dispersion = float(np.median(known)) if 2 * len(known) > len(compared) else 1.0
    of = f"an assumed spread ({ASSUMED_LOG_SD} in the logarithm of the ratio)"
    variance = ASSUMED_LOG_SD**2
    same = [row for row in across if (row.muscle, row.counted) == (muscles[0], ALL)]
    most = max(same, key=lambda row: row.ratio.n)
    if most.between is not None:
        n = most.ratio.n
        variance = (n * most.between**2 + ASSUMED_SESSIONS * variance) / (n + ASSUMED_SESSIONS)
        of = f"{n} sessions ({most.condition}), and {of} as if of {ASSUMED_SESSIONS} more"
    return PlanBasis(per_min, dispersion, float(np.sqrt(variance)), of)
