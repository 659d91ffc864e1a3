"""Rates of twitches: counts over valid minutes, with their exact Poisson interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ChannelRate:
    """The rate of twitches of one channel, and how far it can be trusted.

    Attributes
    ----------
    channel, side
        Name, and ``"left"``, ``"right"`` or None.
    count
        Twitches counted.
    valid_min
        Minutes searched for them.
    rate_per_min, low_per_min, high_per_min
        Twitches per valid minute and the 95 % interval of `poisson_interval`; NaN without valid
        time. Twitches that come in bursts or change over time scatter more than Poisson counts,
        so that the interval is then too narrow.
    noise_uv
        Noise rms, µV.
    floor_uv
        Detection floor, µV peak to peak: a twitch of this size is found half of the time.
    excluded_s
        Seconds that were not searched, by reason.
    """

    channel: str
    side: str | None
    count: int
    valid_min: float
    rate_per_min: float
    low_per_min: float
    high_per_min: float
    noise_uv: float
    floor_uv: float
    excluded_s: dict[str, float]


def poisson_interval(count: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact central 95 % interval of the mean of a Poisson count.

    Chi-square quantiles (Garwood 1936, Biometrika 28:437), here as quantiles of the gamma
    distribution, which are the same.

    Parameters
    ----------
    count
        Whole numbers from 0 up, any shape.

    Returns
    -------
    low, high
        float64 of that shape; 0 counted gives 0 to 3.69.
    """
    from scipy.special import gammainccinv, gammaincinv

    count = np.asarray(count, dtype=float)
    tail = (1 - CONFIDENCE) / 2
    low = np.where(count > 0, gammaincinv(np.maximum(count, 1), tail), 0.0)
    return low, np.asarray(gammainccinv(count + 1, tail))


def rate_interval(
    count: ArrayLike, valid_min: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts per minute and their interval, NaN where there is no valid time."""
    minutes = np.asarray(valid_min, dtype=float)
    minutes = np.where(minutes > 0, minutes, np.nan)
    low, high = poisson_interval(count)
    return np.asarray(count) / minutes, low / minutes, high / minutes
