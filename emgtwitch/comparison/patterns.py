"""How twitches come: intervals between them, doublets and bursts, sizes, classes of waveform."""

from dataclasses import dataclass

import numpy as np

from emgtwitch.comparison.trains import Train
from emgtwitch.detection.candidates import DEAD_TIME_S
from emgtwitch.detection.decision import BURST_S

INTERVAL_EDGES_S = np.geomspace(0.002, 100, 48)
AMPLITUDE_EDGES_UV = np.geomspace(5, 5000, 46)
# Intervals between fasciculations: axonal doublets at about 5 ms after a refractory time of 3-4 ms,
# a preferred interval of some 80 ms in others (Kleine 2008); F-wave partners in the calf (Kleine
# 2012); isolated beyond 250 ms (Sleutjes et al. 2016). Regular intervals of 40-170 ms are those of
# voluntary activity at 6-25 Hz, which the detector takes out.
ZONES = (
    ("axonal doublet", 0.003, 0.010),
    ("F-wave pair", 0.025, 0.045),
    ("repetitive", 0.050, 0.150),
    ("isolated", BURST_S, np.inf),
)
_QUANTILES = (0.1, 0.5, 0.9)
_HALF_SHAPE_S = 0.02


@dataclass(frozen=True)
class Zone:
    """Intervals of one length.

    Attributes
    ----------
    reading
        What such intervals may come from, all in all; no single one proves it.
    low_s, high_s
        Its limits.
    count, share
        Intervals in it, and their share of all; the share is NaN without intervals.
    resolved
        Whether the detector can tell two twitches so near from one.
    """

    reading: str
    low_s: float
    high_s: float
    count: int
    share: float
    resolved: bool


@dataclass(frozen=True, eq=False)
class Patterns:
    """How the twitches of a channel come.

    Attributes
    ----------
    isolated_share, doublet_share, burst_share
        Shares of the twitches that have no other within 250 ms, are one of just two, or one of
        three or more that follow each other within 250 ms; together 1, NaN without twitches.
    intervals
        (47,) intervals between successive twitches, in the bins of `INTERVAL_EDGES_S`; those with
        excluded time in between are left out, as are those beyond the ends.
    zones
        The zones of the reference.
    amplitudes
        (45,) twitches by peak to peak, in the bins of `AMPLITUDE_EDGES_UV`; those beyond the ends
        are left out.
    amplitude_quantiles_uv
        (3,) what 10, 50 and 90 % of the twitches are smaller than, µV; NaN without twitches.
    """

    isolated_share: float
    doublet_share: float
    burst_share: float
    intervals: np.ndarray
    zones: tuple[Zone, ...]
    amplitudes: np.ndarray
    amplitude_quantiles_uv: np.ndarray


@dataclass(frozen=True, eq=False)
class Shape:
    """The mean waveform of the twitches of one class: a shape, not one motor unit.

    Attributes
    ----------
    unit
        Number of the class.
    count
        Twitches averaged.
    times_s
        (m,) from the main peak.
    mean_uv, sd_uv
        (m,) mean, and standard deviation between twitches, which is NaN for a single one.
    """

    unit: int
    count: int
    times_s: np.ndarray
    mean_uv: np.ndarray
    sd_uv: np.ndarray


def intervals_between(train: Train) -> np.ndarray:
    """Return the intervals, s, between successive twitches with no excluded time in between."""
    span = np.searchsorted(train.spans_s[:, 0], train.times_s, side="right")
    return np.diff(train.times_s)[np.diff(span) == 0]


def burst_sizes(times_s: np.ndarray) -> np.ndarray:
    """Return of how many twitches the group of each is, where 250 ms or less link two.

    A group of one is an isolated twitch: more than 250 ms to both sides (Sleutjes et al. 2016).
    """
    if len(times_s) == 0:
        return np.zeros(0, dtype=int)
    group = np.cumsum(np.diff(times_s, prepend=times_s[0]) > BURST_S)
    return np.bincount(group)[group]


def patterns_of(train: Train) -> Patterns:
    """Return how the twitches of a train come."""
    sizes, gaps = burst_sizes(train.times_s), intervals_between(train)
    zones = tuple(
        Zone(
            reading,
            low,
            high,
            int(within.sum()),
            _share(within),
            low >= DEAD_TIME_S,
        )
        for reading, low, high in ZONES
        for within in [(gaps > low) & (gaps <= high)]
    )
    known = train.amplitudes_uv[np.isfinite(train.amplitudes_uv)]
    return Patterns(
        _share(sizes == 1),
        _share(sizes == 2),
        _share(sizes > 2),
        np.histogram(gaps, INTERVAL_EDGES_S)[0],
        zones,
        np.histogram(known, AMPLITUDE_EDGES_UV)[0],
        np.quantile(known, _QUANTILES) if len(known) else np.full(len(_QUANTILES), np.nan),
    )


def mean_shapes(
    signal_uv: np.ndarray, sfreq: float, peaks_s: np.ndarray, units: np.ndarray
) -> tuple[Shape, ...]:
    """Return the mean waveform of each class, the most frequent first.

    Parameters
    ----------
    signal_uv
        (n_samples,) one channel from the start of the recording, best band-passed; NaN where
        samples are missing, and a twitch with such samples is left out.
    sfreq
        Sampling frequency, Hz.
    peaks_s, units
        (n,) main peaks, s, and classes; those of class -1 belong to none.
    """
    half = round(_HALF_SHAPE_S * sfreq)
    around = np.arange(-half, half + 1)
    at = np.rint(peaks_s * sfreq).astype(int)
    whole = (at >= half) & (at < len(signal_uv) - half) & (units >= 0)
    waves = signal_uv[at[whole, None] + around]
    unit = units[whole]
    complete = np.isfinite(waves).all(axis=1)
    waves, unit = waves[complete], unit[complete]
    shapes = [
        Shape(
            int(number),
            int(mine.sum()),
            around / sfreq,
            waves[mine].mean(axis=0),
            waves[mine].std(axis=0, ddof=1) if mine.sum() > 1 else np.full(len(around), np.nan),
        )
        for number in np.unique(unit)
        for mine in [unit == number]
    ]
    return tuple(sorted(shapes, key=lambda shape: (-shape.count, shape.unit)))


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else float("nan")
