"""Several recordings of one person: what they have in common, and what changed between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from emgtwitch.comparison.intervals import Estimate, asymmetry_of, unpaired_ratio
from emgtwitch.comparison.occasions import AFTER, AFTER_EXERCISE, BEFORE, REST, Occasion, Treatment
from emgtwitch.comparison.sessions import (
    LEAST_RECORDINGS,
    DetectableChange,
    Logs,
    QuasiPoisson,
    change,
    detectable_change,
    log_rates,
    quasi_poisson,
    trend,
    typical,
)
from emgtwitch.comparison.trains import Train

NOT_TOLD = "not told"


@dataclass(frozen=True, eq=False)
class Sides:
    """Both trains of a muscle in one recording, None without valid time."""

    occasion: Occasion
    muscle: str
    counted: str
    left: Train | None
    right: Train | None

    @property
    def unit(self) -> object:
        """What recordings of one session share: its label, else their day, else nothing."""
        start = self.occasion.start
        return self.occasion.session or (start.date() if start else id(self))


@dataclass(frozen=True)
class Quantity:
    """A rate, or left over right, over the sessions in which it is known.

    Attributes
    ----------
    n
        How many sessions that are.
    typical
        Geometric mean; None with fewer than three sessions.
    trend
        Factor per month; None with fewer than three dated sessions, or all on one day.
    change
        What change would stand out; the sessions on either side of the last treatment are
        allowed to differ. None with fewer than three sessions.
    """

    n: int
    typical: Estimate | None
    trend: Estimate | None
    change: DetectableChange | None


@dataclass(frozen=True)
class Across:
    """Recordings of one condition together.

    Recordings of the same session and condition are one: their twitches and their minutes are
    added up.

    Attributes
    ----------
    muscle, condition, counted
        As in `emgtwitch.comparison.summary.LeftRight`.
    ratio
        Left over right, from the sessions with valid time on both sides and a twitch on one.
    asymmetry
        (left - right) / (left + right) of the typical ratio.
    left, right
        Twitches per minute, from the sessions with valid time on that side.
    check
        The ratio by another road.
    between
        Standard deviation of the logarithm of the ratio between sessions beyond counting error;
        None with fewer than three sessions.
    why
        Why there is no typical ratio, else empty.
    """

    muscle: str
    condition: str
    counted: str
    ratio: Quantity
    asymmetry: Estimate | None
    left: Quantity
    right: Quantity
    check: QuasiPoisson | None
    between: float | None
    why: str


@dataclass(frozen=True)
class Contrast:
    """One state against another, as ratios.

    Attributes
    ----------
    later, earlier
        What is above and below in the ratios: as ``after physiotherapy`` over ``before
        physiotherapy``, or ``post-exercise`` over ``rest``.
    muscle, condition, counted
        As in `Across`; `condition` is empty where that is what is compared.
    session
        The session, if both are of the same; then the intervals are of these two recordings.
    n_later, n_earlier
        Sessions.
    left, right
        Ratio of the rates of one side.
    left_over_right
        By which factor left over right changed; None for two single recordings.
    ratio_later, ratio_earlier
        Left over right in each state; None with fewer than three sessions.
    left_later, left_earlier, right_later, right_earlier
        Typical twitches per minute in each state; None with fewer than three sessions, or if no
        twitch was counted.
    """

    later: str
    earlier: str
    muscle: str
    condition: str
    counted: str
    session: str
    n_later: int
    n_earlier: int
    left: Estimate | None
    right: Estimate | None
    left_over_right: Estimate | None
    ratio_later: Estimate | None
    ratio_earlier: Estimate | None
    left_later: Estimate | None
    left_earlier: Estimate | None
    right_later: Estimate | None
    right_earlier: Estimate | None


@dataclass(frozen=True, eq=False)
class _Units:
    """The sessions of one muscle and condition: (n, 2) arrays have left and right."""

    occasions: list[Occasion]
    sides: list[Sides]
    counts: np.ndarray
    minutes: np.ndarray

    def __getitem__(self, index: np.ndarray) -> "_Units":
        where = np.arange(len(self.sides))[index].tolist()
        return _Units(
            [self.occasions[k] for k in where],
            [self.sides[k] for k in where],
            self.counts[index],
            self.minutes[index],
        )

    @property
    def compared(self) -> np.ndarray:
        """Which sessions have a ratio: valid time on both sides, a twitch on one."""
        return (self.minutes > 0).all(axis=1) & (self.counts.sum(axis=1) > 0)

    def rates(self, side: int) -> Logs:
        """Return the rates of the sessions that have valid time on a side."""
        valid = self.minutes[:, side] > 0
        return log_rates(self.counts[valid, side], self.minutes[valid, side])

    def ratios(self) -> Logs:
        """Return left over right of the sessions that have a ratio."""
        counts, minutes = self.counts[self.compared], self.minutes[self.compared]
        return log_rates(counts[:, 0], minutes[:, 0]) - log_rates(counts[:, 1], minutes[:, 1])

    def dated(self) -> list[tuple[Logs, np.ndarray]]:
        """Return ratio, left and right, each with the days of its sessions; all must have one."""
        days = np.array([o.start.timestamp() / 86400 for o in self.occasions if o.start])
        where = (self.compared, self.minutes[:, 0] > 0, self.minutes[:, 1] > 0)
        return [(logs, days[of]) for logs, of in zip(self.all_three(), where, strict=True)]

    def all_three(self) -> tuple[Logs, Logs, Logs]:
        """Return ratio, left and right."""
        return self.ratios(), self.rates(0), self.rates(1)


def across_of(cells: Sequence[Sides], treatments: Sequence[Treatment]) -> tuple[Across, ...]:
    """Return the recordings of each muscle, condition and way of counting together."""
    return tuple(_across(*key, units, treatments) for key, units in _units(cells).items())


def contrasts_of(cells: Sequence[Sides], treatments: Sequence[Treatment]) -> tuple[Contrast, ...]:
    """Return before against after each treatment, and rest against after exercise.

    Recordings of the day on which a treatment began belong to neither side, unless the table of
    sessions says ``before`` or ``after``.
    """
    units = _units(cells)
    found = []
    for (muscle, condition, counted), mine in units.items():
        for treatment in treatments:
            where = np.array([_side_of(occasion, treatment) for occasion in mine.occasions])
            found += _contrast(
                mine[where == AFTER],
                mine[where == BEFORE],
                (f"after {treatment.text}", f"before {treatment.text}"),
                (muscle, condition, counted),
            )
        rest = units.get((muscle, REST, counted))
        if condition == AFTER_EXERCISE and rest is not None:
            found += _exercise(mine, rest, (muscle, "", counted))
    return tuple(found)


def _units(cells: Sequence[Sides]) -> dict[tuple[str, str, str], _Units]:
    """Return the sessions of each muscle, condition and way of counting."""

    def key(cell: Sides) -> tuple[str, str, str]:
        return cell.muscle, cell.occasion.condition or NOT_TOLD, cell.counted

    units: dict[tuple[str, str, str], _Units] = {}
    for of, group in groupby(sorted(cells, key=key), key):
        sessions: dict[object, list[Sides]] = {}
        for cell in group:
            sessions.setdefault(cell.unit, []).append(cell)
        totals = np.array([_totals(same) for same in sessions.values()])
        units[of] = _Units(
            [same[0].occasion for same in sessions.values()],
            [same[0] for same in sessions.values()],
            totals[:, 0],
            totals[:, 1],
        )
    return units


def _totals(same: Sequence[Sides]) -> tuple[list[float], list[float]]:
    """Return twitches and valid minutes of recordings, left and right."""
    both = ((one.left, one.right) for one in same)
    trains = [[train for train in side if train] for side in zip(*both, strict=True)]
    return (
        [float(sum(train.count for train in side)) for side in trains],
        [sum(train.valid_min for train in side) for side in trains],
    )


def _across(
    muscle: str, condition: str, counted: str, units: _Units, treatments: Sequence[Treatment]
) -> Across:
    dated = units[np.array([occasion.start is not None for occasion in units.occasions])].dated()
    groups = [group.all_three() for group in _groups(units, treatments)]
    ratio, left, right = (
        Quantity(
            len(logs), typical(logs), trend(*dated[k]), detectable_change(*(g[k] for g in groups))
        )
        for k, logs in enumerate(units.all_three())
    )
    both = units[units.compared]
    return Across(
        muscle,
        condition,
        counted,
        ratio,
        asymmetry_of(ratio.typical) if ratio.typical else None,
        left,
        right,
        quasi_poisson(*both.counts.T, *both.minutes.T),
        _between(units.ratios(), ratio.change),
        ""
        if ratio.typical
        else f"fewer than {LEAST_RECORDINGS} sessions with twitches and valid time on both sides",
    )


def _groups(units: _Units, treatments: Sequence[Treatment]) -> list[_Units]:
    """Return the sessions before and after the last treatment that has both, else all as one."""
    for treatment in reversed(treatments):
        where = np.array([_side_of(occasion, treatment) for occasion in units.occasions])
        if (where == BEFORE).any() and (where == AFTER).any():
            return [units[where == BEFORE], units[where == AFTER]]
    return [units]


def _side_of(occasion: Occasion, treatment: Treatment) -> str:
    if occasion.treatment in (BEFORE, AFTER) and len(occasion.treatments) == 1:
        return occasion.treatment
    if occasion.start is None or occasion.start.date() == treatment.day:
        return ""
    return BEFORE if occasion.start.date() < treatment.day else AFTER


def _between(ratios: Logs, spread: DetectableChange | None) -> float | None:
    """Return the standard deviation between sessions beyond counting error."""
    if spread is None:
        return None
    return float(np.sqrt(max(spread.log_sd**2 - ratios.variances.mean(), 0.0)))


def _contrast(
    later: _Units, earlier: _Units, names: tuple[str, str], of: tuple[str, str, str]
) -> list[Contrast]:
    """Return the contrast of two groups of sessions, none if one of them is empty."""
    if not len(later.sides) or not len(earlier.sides):
        return []
    if len(later.sides) == len(earlier.sides) == 1:
        return [_of_two(later.sides[0], earlier.sides[0], names, of, "")]
    ratios, left, right = (
        change(before, after)
        for before, after in zip(earlier.all_three(), later.all_three(), strict=True)
    )
    n = len(later.sides), len(earlier.sides)
    return [Contrast(*names, *of, "", *n, left, right, ratios, *_states(later, earlier))]


def _exercise(after: _Units, rest: _Units, of: tuple[str, str, str]) -> list[Contrast]:
    """Return after exercise over rest: session by session, and over the sessions with both."""
    names = (AFTER_EXERCISE, REST)
    at_rest = {side.unit: k for k, side in enumerate(rest.sides)}
    both = [(k, at_rest[side.unit]) for k, side in enumerate(after.sides) if side.unit in at_rest]
    if not both:
        return _contrast(after, rest, names, of)
    found = [
        _of_two(after.sides[k], rest.sides[j], names, of, after.occasions[k].session)
        for k, j in both
    ]
    later, earlier = (
        units[np.array(index)]
        for units, index in zip((after, rest), zip(*both, strict=True), strict=True)
    )
    if len(both) >= LEAST_RECORDINGS:
        left, right = (
            _paired(later, earlier, (later.minutes * earlier.minutes)[:, side] > 0, side)
            for side in (0, 1)
        )
        compared = later.compared & earlier.compared
        ratios = typical(later[compared].ratios() - earlier[compared].ratios())
        n = len(both)
        states = _states(later, earlier)
        found.append(Contrast(*names, *of, "", n, n, left, right, ratios, *states))
    return found


def _states(later: _Units, earlier: _Units) -> list[Estimate | None]:
    """Return left over right and the rates of both sides, each later and earlier."""
    ratios = [typical(later.ratios()), typical(earlier.ratios())]
    rates = [
        typical(units.rates(side)) if units.counts[:, side].any() else None
        for side in (0, 1)
        for units in (later, earlier)
    ]
    return [*ratios, *rates]


def _paired(later: _Units, earlier: _Units, valid: np.ndarray, side: int) -> Estimate | None:
    return typical(later[valid].rates(side) - earlier[valid].rates(side))


def _of_two(
    later: Sides, earlier: Sides, names: tuple[str, str], of: tuple[str, str, str], session: str
) -> Contrast:
    """Return the contrast of two single recordings."""
    left, right = (
        found.ratio if above and below and (found := unpaired_ratio(above, below)) else None
        for above, below in ((later.left, earlier.left), (later.right, earlier.right))
    )
    return Contrast(*names, *of, session, 1, 1, left, right, None, *6 * [None])
