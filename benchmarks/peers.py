"""The peers: published statistics written here, and the packages as they are shipped.

Every peer gets one channel in µV, with zeros where samples are missing, and returns the samples
at which it sees an event. Events closer than 30 ms are thinned to the larger one. Detectors of
intervals are given the largest sample of each interval as its time: kinder than its onset.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.signal import butter, find_peaks, sosfiltfilt

from emgtwitch.event_table import Event, event_array

APART_S = 0.030
NORMAL_MAD = 0.6745  # median of |x| of a standard normal variable
CALIBRATION_HOURS = 5
CALIBRATION_SEED = 8001

Statistic = Callable[[np.ndarray, float], np.ndarray]


def band_passed(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the signal between 20 and min(450, 0.45 fs) Hz, without delay."""
    sos = butter(2, (20, min(450, 0.45 * sfreq)), "bandpass", fs=sfreq, output="sos")
    return np.asarray(sosfiltfilt(sos, signal_uv))


def _in_spreads(values: np.ndarray) -> np.ndarray:
    """Distance from the median, in standard deviations of normal noise of the same spread."""
    from_middle = values - np.median(values)
    return np.asarray(from_middle * (NORMAL_MAD / np.median(np.abs(from_middle))))


def mad(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """Absolute value over the robust noise scale (Quiroga 2004)."""
    size = np.abs(band_passed(signal_uv, sfreq))
    return np.asarray(size * (NORMAL_MAD / np.median(size)))


def tkeo(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """Teager-Kaiser energy, averaged over 10 ms, in robust spreads."""
    x = band_passed(signal_uv, sfreq)
    energy = np.zeros_like(x)
    energy[1:-1] = x[1:-1] ** 2 - x[:-2] * x[2:]
    n = max(1, round(0.010 * sfreq))
    return _in_spreads(np.convolve(np.abs(energy), np.full(n, 1 / n), "same"))


def modified_hodges(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """Rectified and low-passed at 50 Hz, in robust spreads."""
    sos = butter(2, 50, fs=sfreq, output="sos")
    return _in_spreads(sosfiltfilt(sos, np.abs(band_passed(signal_uv, sfreq))))


STATISTICS: dict[str, Statistic] = {
    "MAD threshold": mad,
    "TKEO": tkeo,
    "modified Hodges": modified_hodges,
}


def peaks(statistic: np.ndarray, sfreq: float, height: float) -> np.ndarray:
    """Return the samples of the local maxima above `height`, at least 30 ms apart."""
    apart = max(1, round(APART_S * sfreq))
    return np.asarray(find_peaks(statistic, height=height, distance=apart)[0])


def height_for(heights: np.ndarray, hours: float, per_hour: float) -> float:
    """Return the threshold that lets `per_hour` of these noise peaks of `hours` through."""
    wanted = round(per_hour * hours)
    if not 0 < wanted < len(heights):
        raise ValueError(f"{len(heights)} peaks in {hours} h do not reach {per_hour} an hour")
    return float(np.sort(heights)[::-1][wanted - 1 : wanted + 1].mean())


@cache
def calibrated_height(name: str, sfreq: float, per_hour: float) -> float:
    """Return the threshold of a statistic at which white noise gives `per_hour` false alarms."""
    rng = np.random.default_rng(CALIBRATION_SEED)
    heights = []
    for _ in range(2 * CALIBRATION_HOURS):
        statistic = STATISTICS[name](rng.standard_normal(round(1800 * sfreq)), sfreq)
        heights.append(np.sort(statistic[peaks(statistic, sfreq, 0)])[-1000:])
    return height_for(np.concatenate(heights), CALIBRATION_HOURS, per_hour)


def _largest(signal_uv: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return the largest sample of each interval."""
    size = np.abs(signal_uv)
    return np.array(
        [start + size[start:stop].argmax() for start, stop in zip(starts, stops, strict=True)],
        dtype=int,
    )


def _active(crossings: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn crossings of a threshold, in both directions, into intervals.

    BioSPPy does not tell which crossings go up. Activity is the shorter part of a recording.
    """
    edges = np.concatenate([[0], crossings, [n]]).astype(int)
    even, odd = (np.arange(first, len(edges) - 1, 2) for first in (0, 1))
    length = [np.sum(edges[which + 1] - edges[which]) for which in (even, odd)]
    which = even if length[0] < length[1] else odd
    which = which[edges[which + 1] > edges[which]]
    return edges[which], edges[which + 1]


def biosppy_emg(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """BioSPPy ``emg.emg`` with its defaults; up to 200 Hz it fails, so it finds nothing."""
    from biosppy.signals.emg import emg

    if sfreq <= 200:
        return np.zeros(0, dtype=int)
    _, filtered, onsets = emg(signal_uv, sampling_rate=sfreq, show=False)
    return _largest(filtered, *_active(onsets, len(filtered)))


def biosppy_silva(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """BioSPPy ``silva_onset_detector``, 8 and 50 ms, 12 µV: three times a noise of 4 µV."""
    from biosppy.signals.emg import silva_onset_detector

    filtered = band_passed(signal_uv, sfreq)
    onsets, _ = silva_onset_detector(
        filtered,
        sampling_rate=sfreq,
        size=round(0.008 * sfreq),
        threshold_size=round(0.050 * sfreq),
        threshold=12,
    )
    return _largest(filtered, *_active(onsets, len(filtered)))


def _neurokit2(signal_uv: np.ndarray, sfreq: float, method: str) -> np.ndarray:
    import neurokit2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own calls
        signals, info = neurokit2.emg_process(
            signal_uv, sampling_rate=round(sfreq), method_activation=method
        )
    clean = signals["EMG_Clean"].to_numpy()
    onsets, offsets = (np.asarray(info[name], dtype=int) for name in ("EMG_Onsets", "EMG_Offsets"))
    starts, stops = _pair(onsets, offsets, len(clean))
    return _largest(clean, starts, stops)


def _pair(onsets: np.ndarray, offsets: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Close intervals that are cut off by the ends of the recording."""
    if len(offsets) and (not len(onsets) or offsets[0] <= onsets[0]):
        onsets = np.concatenate([[0], onsets])
    if len(onsets) > len(offsets):
        offsets = np.concatenate([offsets, [n]])
    return onsets, np.maximum(offsets, onsets + 1)


def neurokit2_threshold(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """NeuroKit2 ``emg_process`` with its defaults."""
    return _neurokit2(signal_uv, sfreq, "threshold")


def neurokit2_mixture(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """NeuroKit2 ``emg_process`` with ``method_activation="mixture"``."""
    return _neurokit2(signal_uv, sfreq, "mixture")


@dataclass(frozen=True)
class Package:
    """A detector of a package; `slow` ones run on one seed of a few scenarios only."""

    find: Callable[[np.ndarray, float], np.ndarray]
    slow: bool = False


PACKAGES = {
    "BioSPPy emg.emg": Package(biosppy_emg),
    "BioSPPy silva": Package(biosppy_silva),
    "NeuroKit2 threshold": Package(neurokit2_threshold, slow=True),
    "NeuroKit2 mixture": Package(neurokit2_mixture, slow=True),
}


def detect(
    name: str, signal_uv: np.ndarray, sfreq: float, ch_names: list[str], per_hour: float
) -> np.ndarray:
    """Return the event table of a peer.

    Parameters
    ----------
    name
        One of `STATISTICS` or `PACKAGES`.
    signal_uv
        (n_channels, n_samples) µV, NaN in gaps.
    sfreq, ch_names
        Sampling frequency, Hz, and one name a channel.
    per_hour
        False alarms per channel-hour of white noise to which the threshold of a statistic is set.
        The packages have no such setting.
    """
    events = []
    for ch_name, channel_uv in zip(ch_names, np.nan_to_num(signal_uv), strict=True):
        if name in STATISTICS:
            statistic = STATISTICS[name](channel_uv, sfreq)
            found = peaks(statistic, sfreq, calibrated_height(name, sfreq, per_hour))
        else:
            found = _thinned(PACKAGES[name].find(channel_uv, sfreq), channel_uv, sfreq)
        events += [
            Event(time, 0.0, "fasciculation", ch_name, peak_time=time) for time in found / sfreq
        ]
    return event_array(events)


def _thinned(found: np.ndarray, channel_uv: np.ndarray, sfreq: float) -> np.ndarray:
    marks = np.zeros(len(channel_uv))
    marks[found] = np.abs(channel_uv[found]) + 1
    return peaks(marks, sfreq, 0.5)
