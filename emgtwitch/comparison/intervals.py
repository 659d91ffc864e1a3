"""Rates and their ratios in one or two recordings, with intervals that allow for bursts and drift.

Twitches come in doublets and bursts, and their rate wanders, so that counts scatter more than
Poisson counts. How much more is estimated from the recording itself and taken into account as if
fewer, independent twitches had been counted. All intervals are 95 %. What they refer to is the
rate at which this muscle would twitch on and on in the state of this recording, of which the
recorded minutes are a sample: this night, not the nights in general.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtri, stdtrit

from emgtwitch.comparison.patterns import burst_sizes
from emgtwitch.comparison.trains import Train
from emgtwitch.detection.decision import BURST_S
from emgtwitch.detection.rates import CONFIDENCE, poisson_interval

THIS_RECORDING = "this recording"
THESE_TWO = "these two recordings"
LEAST_TWITCHES = 10  # on both sides together, for an asymmetry index
WAVES = 6  # slow waves over the recording, from half a period to three
_TAIL = (1 - CONFIDENCE) / 2
_Z = float(ndtri(1 - _TAIL))
_GRID = 512  # points at which a wave is averaged over the valid time


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval, and what that refers to.

    Attributes
    ----------
    value, low, high
        `high` is infinite where the data set no bound.
    about
        ``"this recording"``, ``"these two recordings"`` or ``"across recordings"``: what would be
        found if the same state went on, or in further recordings like these.
    """

    value: float
    low: float
    high: float
    about: str


@dataclass(frozen=True)
class Rate:
    """Twitches per valid minute in one recording.

    Attributes
    ----------
    count, valid_min
        Twitches, and the minutes in which they were looked for.
    per_min
        The rate, with the interval that allows for over-dispersion: the one to show.
    exact_low, exact_high
        The exact Poisson interval (Garwood 1936), which is too narrow for twitches that come in
        bursts or at a changing rate.
    dispersion
        Estimated variance of the count over that of a Poisson count; NaN with fewer than two
        twitches.
    widening
        The count was divided by this for the interval; 1 if not over-dispersed.
    """

    count: int
    valid_min: float
    per_min: Estimate
    exact_low: float
    exact_high: float
    dispersion: float
    widening: float


@dataclass(frozen=True)
class Ratio:
    """One rate over another.

    Attributes
    ----------
    ratio
        With the interval that allows for over-dispersion. A count of zero below makes the ratio
        infinite, with a finite lower bound; a count of zero above makes it 0.
    asymmetry
        (a - b) / (a + b) of the two rates, between -1 and 1, its interval that of the ratio
        transformed; None with fewer than `LEAST_TWITCHES` twitches.
    exact_low, exact_high
        The exact conditional interval of the ratio (Clopper-Pearson on the split of the counts),
        which is too narrow for twitches that come in bursts or at a changing rate.
    dispersion, widening
        As in `Rate`, for the logarithm of the ratio.
    """

    ratio: Estimate
    asymmetry: Estimate | None
    exact_low: float
    exact_high: float
    dispersion: float
    widening: float


def rate_of(train: Train) -> Rate | None:
    """Return the rate of a train, None if it has no valid time.

    The interval takes the count, divided by the widening, for a Poisson count with the Jeffreys
    prior: quantiles of the gamma distribution of shape count + 1/2, from 0 if nothing was counted.
    Its coverage is near nominal on average, that of the exact interval above (for the binomial:
    Brown, Cai & DasGupta 2001, Stat Sci 16:101).
    """
    if train.valid_s <= 0:
        return None
    dispersion = float("nan")
    if train.count > 1:
        deviations, variances = _waves(train, train)
        dispersion = float((deviations**2).sum() / variances.sum())
    widening = _widening(dispersion, WAVES, _burst_dispersion(train))
    effective = train.count / widening
    low = float(gammaincinv(effective + 0.5, _TAIL)) if train.count else 0.0
    high = float(gammaincinv(effective + 0.5, 1 - _TAIL))
    exact_low, exact_high = (float(bound) for bound in poisson_interval(train.count))
    minutes = train.valid_min
    return Rate(
        train.count,
        minutes,
        Estimate(
            train.count / minutes,
            low * widening / minutes,
            high * widening / minutes,
            THIS_RECORDING,
        ),
        exact_low / minutes,
        exact_high / minutes,
        dispersion,
        widening,
    )


def paired_ratio(above: Train, below: Train) -> Ratio | None:
    """Return the ratio of the rates of two trains of the same recording.

    What both share, as a rate that rises and falls on both sides, does not widen the interval.

    Returns
    -------
    Ratio or None
        None without valid time on one side, or if neither has a twitch.
    """
    if min(above.valid_s, below.valid_s) <= 0 or above.count + below.count == 0:
        return None
    difference, poisson = np.zeros(WAVES), np.zeros(WAVES)
    for sign, train, other in ((1, above, below), (-1, below, above)):
        if train.count:
            deviations, variances = _waves(train, other)
            difference += sign * deviations
            poisson += variances
    dispersion = float((difference**2).sum() / poisson.sum())
    return _ratio(above, below, dispersion, WAVES, THIS_RECORDING)


def unpaired_ratio(above: Train, below: Train) -> Ratio | None:
    """Return the ratio of the rates of two trains of different recordings; else `paired_ratio`."""
    if min(above.valid_s, below.valid_s) <= 0 or above.count + below.count == 0:
        return None
    waves = [_waves(train, train) for train in (above, below) if train.count]
    parts = np.array([(deviations**2).sum() for deviations, _ in waves])
    dispersion = float(parts.sum() / sum(variances.sum() for _, variances in waves))
    # Welch-Satterthwaite: degrees of freedom of a sum of two variances of WAVES each
    freedom = WAVES * parts.sum() ** 2 / max((parts**2).sum(), 1e-300)
    return _ratio(above, below, dispersion, max(freedom, WAVES), THESE_TWO)


def _waves(train: Train, other: Train) -> tuple[np.ndarray, np.ndarray]:
    """Return how a train's rate follows `WAVES` slow cosine waves, relative to its mean.

    Returns
    -------
    deviations, variances
        (WAVES,) each: mean of each wave at the twitches less that over the valid time, and its
        variance for a Poisson process of constant rate.

    Notes
    -----
    The waves run over the time that is valid in either of the trains. Their squares estimate the
    variance of a mean rate without the assumption that one minute tells nothing about the next:
    the equal-weighted cosine estimator of the long-run variance (Lazarus, Lewis, Stock & Watson
    2018, J Bus Econ Stat 36:541), for which t quantiles with as many degrees of freedom as waves
    hold. Here it is applied to the twitches themselves, so that no bins are needed.
    """
    total = train.valid_s + other.valid_s
    wave = np.pi * np.arange(1, WAVES + 1)[:, None]

    def place(times_s: np.ndarray) -> np.ndarray:
        return np.cos(wave * ((train.clock(times_s) + other.clock(times_s)) / total))

    evenly = place(train.time_at((np.arange(_GRID) + 0.5) * (train.valid_s / _GRID)))
    deviations = place(train.times_s).mean(axis=1) - evenly.mean(axis=1)
    return deviations, evenly.var(axis=1) / train.count


def _burst_dispersion(train: Train) -> float:
    """Return the dispersion that doublets and bursts alone make, beyond what chance groups make.

    Counts in independent groups of m twitches vary by the mean of m² over that of m. Twitches of a
    Poisson process group by chance, with a share q = exp(-rate 250 ms) of the gaps between groups:
    geometric sizes, for which that is 2 / q - 1.
    """
    if not train.count:
        return 1.0
    by_chance = 2 * np.exp(BURST_S * train.count / train.valid_s) - 1
    return float(burst_sizes(train.times_s).mean() / by_chance)


def _widening(dispersion: float, freedom: float, of_bursts: float) -> float:
    """Return by what to divide counts: 1 unless they are over-dispersed.

    The t quantile over the normal one makes up for the dispersion being an estimate from few
    waves; that of the bursts is one from all twitches.
    """
    least = max(1.0, of_bursts)
    inflation = float(stdtrit(freedom, 1 - _TAIL) / _Z) ** 2
    return inflation * dispersion if dispersion > least else least


def _ratio(above: Train, below: Train, dispersion: float, freedom: float, about: str) -> Ratio:
    a, b, exposure = above.count, below.count, below.valid_s / above.valid_s
    poisson = sum(1 / count for count in (a, b) if count)
    dispersion = dispersion if a + b > 1 else float("nan")
    bursts = sum(_burst_dispersion(train) / train.count for train in (above, below) if train.count)
    widening = _widening(dispersion, freedom, bursts / poisson)

    def odds(share: float) -> float:
        return exposure * share / (1 - share) if share < 1 else float("inf")

    def split(first: float, second: float, tail: float) -> float:
        return odds(float(betaincinv(first, second, tail)))

    half_a, half_b = a / widening + 0.5, b / widening + 0.5
    ratio = Estimate(
        exposure * a / b if b else float("inf"),
        split(half_a, half_b, _TAIL) if a else 0.0,
        split(half_a, half_b, 1 - _TAIL) if b else float("inf"),
        about,
    )
    return Ratio(
        ratio,
        asymmetry_of(ratio) if a + b >= LEAST_TWITCHES else None,
        split(a, b + 1, _TAIL) if a else 0.0,
        split(a + 1, b, 1 - _TAIL) if b else float("inf"),
        dispersion,
        widening,
    )


def asymmetry_of(ratio: Estimate) -> Estimate:
    """Return (a - b) / (a + b) from a / b, its interval transformed with it."""
    value, low, high = (
        1.0 if np.isinf(bound) else (bound - 1) / (bound + 1)
        for bound in (ratio.value, ratio.low, ratio.high)
    )
    return Estimate(value, low, high, ratio.about)
