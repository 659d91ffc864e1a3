"""Across recordings: typical ratio and rate, trend, detectable change, before against after.

The recording is the unit: rates vary from night to night by more than counting explains, so that
counts pooled over nights would promise far too much. All intervals are 95 %, on the logarithm of
rates or ratios, and refer to further recordings of the same person under the same condition: the
typical (geometric mean) rate or ratio.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtrit

from emgtwitch.comparison.intervals import Estimate
from emgtwitch.detection.rates import CONFIDENCE

ACROSS = "across recordings"
LEAST_RECORDINGS = 3  # for an interval across recordings, and for a trend
LEAST_PER_GROUP = 2  # before and after
DAYS_PER_MONTH = 30.44
_UPPER = (1 + CONFIDENCE) / 2
_HALF = 0.5  # added to each count, so that zero has a logarithm


@dataclass(frozen=True, eq=False)
class Logs:
    """The logarithm of a rate, or of a ratio of rates, in each of several recordings.

    Attributes
    ----------
    values
        (n,) natural logarithms.
    variances
        (n,) of their counting error alone: one over each count plus a half.
    """

    values: np.ndarray
    variances: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: np.ndarray) -> "Logs":
        return Logs(self.values[index], self.variances[index])

    def __sub__(self, other: "Logs") -> "Logs":
        """Return the logarithms of the quotients, recording by recording."""
        return Logs(self.values - other.values, self.variances + other.variances)


@dataclass(frozen=True)
class DetectableChange:
    """What change would stand out from the differences between recordings.

    Attributes
    ----------
    factor
        Two single recordings of an unchanged person differ by less than this factor in 95 of 100
        pairs.
    next_low, next_high
        Where the next single recording of an unchanged person lies in 95 of 100 cases: per
        minute, or as a ratio.
    log_sd
        Standard deviation of the logarithm between recordings, counting error included.
    n
        Recordings that it comes from.
    """

    factor: float
    next_low: float
    next_high: float
    log_sd: float
    n: int


@dataclass(frozen=True)
class QuasiPoisson:
    """The same ratio by another road: a check of the paired one.

    Attributes
    ----------
    ratio
        Left over right of the counts added up, given what each recording counted on both sides
        together: recordings with many twitches weigh more.
    dispersion
        Pearson's chi-square over its degrees of freedom: 1 if only counting varied between
        recordings.
    """

    ratio: float
    dispersion: float


def log_rates(counts: np.ndarray, minutes: np.ndarray) -> Logs:
    """Return log((count + 1/2) / minutes) of each recording; all minutes must be above 0."""
    return Logs(np.log((counts + _HALF) / minutes), 1 / (counts + _HALF))


def typical(logs: Logs) -> Estimate | None:
    """Return the geometric mean with its t interval, None with fewer than three recordings.

    All recordings weigh the same, whatever they counted.
    """
    n = len(logs)
    if n < LEAST_RECORDINGS:
        return None
    return _estimate(
        logs.values.mean(), _standard_error(logs.values), n - 1, logs.variances.sum() / n**2
    )


def trend(logs: Logs, days: np.ndarray) -> Estimate | None:
    """Return the factor per month (30.44 days) of a straight line through the logarithms.

    Ordinary least squares with the t interval.

    Returns
    -------
    Estimate or None
        None with fewer than three recordings, or if all were on one day.
    """
    n = len(logs)
    if n < LEAST_RECORDINGS or np.ptp(days) == 0:
        return None
    months = (days - days.mean()) / DAYS_PER_MONTH
    weights = months / (months**2).sum()
    slope = float(weights @ logs.values)
    residuals = logs.values - logs.values.mean() - slope * months
    error = np.sqrt((residuals**2).sum() / (n - 2) / (months**2).sum())
    return _estimate(slope, error, n - 2, weights**2 @ logs.variances)


def change(before: Logs, after: Logs) -> Estimate | None:
    """Return after over before, as geometric means, with Welch's interval.

    Two recordings and two tell too little of two variances: they get a common one. None with fewer
    than two on one side.
    """
    if min(len(before), len(after)) < LEAST_PER_GROUP:
        return None
    groups = (before, after)
    errors = np.array([_standard_error(group.values) ** 2 for group in groups])
    freedoms = np.array([len(group) - 1 for group in groups])
    # Welch-Satterthwaite; with groups of the same size, the common variance has the same sum
    freedom = errors.sum() ** 2 / max((errors**2 / freedoms).sum(), 1e-300)
    if freedoms.max() == 1:
        freedom = 2.0
    poisson = sum(group.variances.sum() / len(group) ** 2 for group in groups)
    return _estimate(
        after.values.mean() - before.values.mean(),
        np.sqrt(errors.sum()),
        max(freedom, freedoms.min()),
        poisson,
    )


def detectable_change(*groups: Logs) -> DetectableChange | None:
    """Return the minimal detectable change between single recordings.

    Parameters
    ----------
    groups
        Recordings between which nothing is thought to have changed, in order of time; the
        spread is that within the groups, the next recording is one of the last group.

    Returns
    -------
    DetectableChange or None
        None with fewer than three recordings in all, or without two in one group.

    Notes
    -----
    The t quantile times sqrt(2) times the standard deviation within the person: MDC95, which with
    a known standard deviation is 2.77 of them.
    """
    groups = tuple(group for group in groups if len(group))
    n = sum(map(len, groups))
    freedom = n - len(groups)
    if n < LEAST_RECORDINGS or freedom < 1:
        return None
    squares = sum(((group.values - group.values.mean()) ** 2).sum() for group in groups)
    poisson = sum(group.variances.sum() for group in groups) / n
    sd = float(np.sqrt(squares / freedom))
    half = max(float(stdtrit(freedom, _UPPER)) * sd, float(np.sqrt(poisson)))
    last = groups[-1].values
    reach = half * np.sqrt(1 + 1 / len(last))
    return DetectableChange(
        float(np.exp(np.sqrt(2) * half)),
        float(np.exp(last.mean() - reach)),
        float(np.exp(last.mean() + reach)),
        sd,
        n,
    )


def quasi_poisson(
    left: np.ndarray, right: np.ndarray, left_min: np.ndarray, right_min: np.ndarray
) -> QuasiPoisson | None:
    """Return the quasi-Poisson estimate of left over right, each recording having its own level.

    Given its total, a recording's left count is then binomial; the ratio solves the likelihood
    equation by bisection of its logarithm.

    Returns
    -------
    QuasiPoisson or None
        None with fewer than two recordings that have twitches, or if one side has none at all.
    """
    some = left + right > 0
    left, right, left_min, right_min = (x[some] for x in (left, right, left_min, right_min))
    if some.sum() < 2 or left.sum() == 0 or right.sum() == 0:
        return None
    total, offset = left + right, np.log(left_min / right_min)
    low, high = -50.0, 50.0
    for _ in range(80):
        middle = (low + high) / 2
        excess = (total * expit(middle + offset)).sum() - left.sum()
        low, high = (low, middle) if excess > 0 else (middle, high)
    share = expit(low + offset)
    pearson = ((left - total * share) ** 2 / (total * share * (1 - share))).sum()
    return QuasiPoisson(float(np.exp(low)), float(pearson / (some.sum() - 1)))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _estimate(log: float, error: float, freedom: float, poisson: float) -> Estimate:
    """Return the estimate from a logarithm, its standard error, and its counting variance.

    A few recordings can agree by luck: the interval reaches one standard error of counting to
    each side at least.
    """
    half = max(float(stdtrit(freedom, _UPPER)) * float(error), float(np.sqrt(poisson)))
    value, low, high = (float(np.exp(log + step)) for step in (0.0, -half, half))
    return Estimate(value, low, high, ACROSS)
