"""When motor units fire: spontaneous twitches, and regular trains."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d

Process = Literal["axonal", "neuronal", "grouped"]
NEURONAL_NEXT = 0.35  # chance that one more firing of the chain follows
GROUP_SIZE = (2, 5)


@dataclass(frozen=True)
class Firings:
    """Firings of the units of one muscle in order of time.

    Attributes
    ----------
    times_s
        (n,) float64, s.
    unit
        (n,) int, which unit.
    group
        (n,) int, shared by the firings that followed from one another.
    """

    times_s: np.ndarray
    unit: np.ndarray
    group: np.ndarray

    def keep(self, wanted: np.ndarray) -> "Firings":
        """Return the firings where `wanted` is true."""
        return Firings(self.times_s[wanted], self.unit[wanted], self.group[wanted])


def drifting(rng: np.random.Generator, seconds: float, log_sd: float) -> np.ndarray:
    """Return a rate per second of time, (ceil(seconds) + 1,), of mean 1, wandering over minutes."""
    n = int(np.ceil(seconds)) + 1
    wander = gaussian_filter1d(rng.standard_normal(n + 600), 40)[300:-300]
    rate = np.exp(log_sd * wander / 0.084)  # 0.084: sd of white noise after this smoothing
    return np.asarray(rate / rate.mean())


def _followers(
    rng: np.random.Generator,
    process: Process,
    n: int,
    refractory_s: float,
    doublet_share: float,
    f_wave_share: float,
) -> np.ndarray:
    """Return the times after each of `n` firings at which more follow, NaN for none."""
    if process == "axonal":
        doublet = np.where(rng.random(n) < doublet_share, rng.normal(0.005, 0.0003, n), np.nan)
        f_wave = np.where(rng.random(n) < f_wave_share, rng.uniform(0.032, 0.035, n), np.nan)
        return np.column_stack((doublet, f_wave))
    if process == "neuronal":
        # a gamma of shape 4 beyond the refractory time has its mode at 3 scales: 80 ms in all
        intervals = refractory_s + rng.gamma(4, (0.080 - refractory_s) / 3, (n, 12))
        more = rng.geometric(1 - NEURONAL_NEXT, n) - 1
    else:
        intervals = 0.030 + rng.gamma(3, 0.035, (n, GROUP_SIZE[1] - 1))
        more = rng.integers(GROUP_SIZE[0] - 1, GROUP_SIZE[1], n)
    beyond = np.arange(intervals.shape[1]) >= more[:, None]
    return np.where(beyond, np.nan, np.cumsum(intervals, axis=1))


def _potentials_per_start(process: Process, doublet_share: float, f_wave_share: float) -> float:
    if process == "axonal":
        return 1 + doublet_share + f_wave_share
    return 1 / (1 - NEURONAL_NEXT) if process == "neuronal" else sum(GROUP_SIZE) / 2


def twitch_firings(
    rng: np.random.Generator,
    seconds: float,
    per_minute: float,
    n_units: int,
    process: Process,
    doublet_share: float = 0.0,
    f_wave_share: float = 0.0,
    drift_log_sd: float = 0.0,
) -> Firings:
    """Return the spontaneous firings of a muscle; each unit is a process of its own.

    Parameters
    ----------
    rng
        Source of chance.
    seconds
        Length of the recording, s.
    per_minute
        Potentials per minute of the whole muscle, doublet and F-wave partners included; the
        units have unequal shares of it.
    n_units
        Number of units.
    process
        ``"axonal"``: Poisson with a refractory time of 3-4 ms; a share of the firings is
        followed by a doublet at about 5 ms, or by an F-wave partner at 32-35 ms.
        ``"neuronal"``: refractory 17-46 ms, and with a chance of 35 % one more firing follows
        with a preferred interval of 80 ms: short chains between Poisson gaps.
        ``"grouped"``: 2 to 5 firings at 30-300 ms, Poisson gaps between the groups.
    doublet_share, f_wave_share
        Share of the axonal starts that have such a partner.
    drift_log_sd
        Standard deviation of the logarithm of the muscle's rate, which wanders over minutes.

    Notes
    -----
    Refractory times, Poisson gaps, 5 ms doublets and the 80 ms preferred interval: Kleine 2008;
    F-wave peaks at 32 and 35 ms in the gastrocnemius: Kleine 2012. The chance of a chain and the
    sizes of the groups are this model's choice.
    """
    rate = drifting(rng, seconds, drift_log_sd)
    expected = np.concatenate(([0.0], np.cumsum(rate)))  # time in which the process is steady
    share = rng.lognormal(0, 0.5, n_units)
    starts_per_second = (per_minute / 60 * share / share.sum()) / _potentials_per_start(
        process, doublet_share, f_wave_share
    )
    times, units, groups = [], [], []
    n_groups = 0
    for unit, unit_rng in enumerate(rng.spawn(n_units)):
        low, high = (0.017, 0.046) if process == "neuronal" else (0.003, 0.004)
        refractory_s = unit_rng.uniform(low, high)
        n = unit_rng.poisson(starts_per_second[unit] * expected[-1])
        starts = np.interp(
            np.sort(unit_rng.random(n)) * expected[-1], expected, np.arange(expected.size)
        )
        after = _followers(unit_rng, process, n, refractory_s, doublet_share, f_wave_share)
        all_times = starts[:, None] + np.column_stack((np.zeros(n), after))
        group = np.broadcast_to(n_groups + np.arange(n)[:, None], all_times.shape)
        n_groups += n
        real = np.isfinite(all_times)
        order = np.argsort(all_times[real], kind="stable")
        train, of_group = all_times[real][order], group[real][order]
        while (too_soon := np.diff(train, prepend=-1.0) < refractory_s).any():
            train, of_group = train[~too_soon], of_group[~too_soon]
        times.append(train)
        units.append(np.full(train.size, unit))
        groups.append(of_group)
    firings = Firings(np.concatenate(times), np.concatenate(units), np.concatenate(groups))
    return firings.keep(np.argsort(firings.times_s, kind="stable"))


def regular_train(
    rng: np.random.Generator, rate_hz: np.ndarray, step_s: float, interval_cv: float
) -> np.ndarray:
    """Return the firing times, s, of a unit that follows a rate, as in voluntary activity.

    Parameters
    ----------
    rng
        Source of chance.
    rate_hz
        (n,) firing rate at multiples of `step_s`; 0 while the unit is silent.
    step_s
        s.
    interval_cv
        Coefficient of variation of the intervals (gamma distributed) at a steady rate.
    """
    phase = np.concatenate(([0.0], np.cumsum(rate_hz) * step_s))
    shape = interval_cv**-2
    intervals = rng.gamma(shape, 1 / shape, int(1.5 * phase[-1] + 20))
    marks = np.cumsum(intervals) - intervals[0] * rng.random()
    return np.interp(marks[marks < phase[-1]], phase, np.arange(phase.size) * step_s)
