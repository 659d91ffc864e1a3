"""Stretches of the recording around its events: what was counted, and what was not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emgtwitch.comparison.patterns import Shape
from emgtwitch.detection.detections import Detections
from emgtwitch.event_table import NOT_APPLICABLE
from emgtwitch.recording import gaps

if TYPE_CHECKING:
    import mne

BAND_HZ = (20.0, 450.0)  # that of the detector; without its removal of hum and glitches
SHAPE_S, EXAMPLE_S = 0.02, 0.05  # before and after the main peak
MOST_AVERAGED = 100
MOST_SHAPES = 3
EXAMPLES = 5
_AROUND_S = 0.25  # further to both sides, for the filter
_LOADED = 30_000_000  # values: up to here a recording is read at once, which is quicker


@dataclass(frozen=True, eq=False)
class Example:
    """An event as it was recorded.

    Attributes
    ----------
    channel, side, peak_s, reason
        As in the event table; `reason` is empty for a twitch that counts.
    times_s, signal_uv
        (m,) from the main peak, and band-passed.
    """

    channel: str
    side: str | None
    peak_s: float
    reason: str
    times_s: np.ndarray
    signal_uv: np.ndarray


@dataclass(frozen=True, eq=False)
class Waveforms:
    """Mean shapes by channel, and examples of what was counted and of what was not."""

    shapes: dict[str, tuple[Shape, ...]]
    counted: tuple[Example, ...]
    rejected: tuple[Example, ...]


def waveforms_of(raw: "mne.io.Raw", found: Detections) -> Waveforms:
    """Read the stretches around some of the events of a recording.

    Parameters
    ----------
    raw
        The recording.
    found
        What was found in it.
    """
    if raw.n_times * len(raw.ch_names) <= _LOADED:
        raw.load_data(verbose="error")
    sides = dict(zip(found.ch_names, found.sides, strict=True))
    shapes = {name: _shapes(raw, name, found.twitches(name)) for name in found.ch_names}
    twitches = [row for name in found.ch_names for row in _spread(found.twitches(name), EXAMPLES)]
    candidates = found.events[
        (found.events["reason"] != NOT_APPLICABLE) & np.isfinite(found.events["peak_time"])
    ]
    rejected = [
        row
        for reason in np.unique(candidates["reason"])
        for row in _spread(candidates[candidates["reason"] == reason], EXAMPLES)
    ]
    return Waveforms(
        {name: some for name, some in shapes.items() if some},
        _examples(raw, _alternating(twitches, "channel"), sides),
        _examples(raw, _alternating(rejected, "reason"), sides),
    )


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many rows, evenly over the recording."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _alternating(rows: Sequence[np.void], column: str) -> list[np.void]:
    """Return rows so that each value of a column comes once before one comes again."""
    seen: dict[str, int] = {}
    ranked = []
    for row in rows:
        value = str(row[column])
        seen[value] = seen.get(value, -1) + 1
        ranked.append((seen[value], row))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def _examples(
    raw: "mne.io.Raw", rows: Sequence[np.void], sides: dict[str, str | None]
) -> tuple[Example, ...]:
    """Return the first few that lie wholly within the recording, in order of time."""
    examples: list[Example] = []
    for row in rows:
        if len(examples) == EXAMPLES:
            break
        channel, peak_s = str(row["channel"]), float(row["peak_time"])
        times_s, waves = _around(raw, channel, np.array([peak_s]), EXAMPLE_S)
        if len(waves):
            reason = "" if row["reason"] == NOT_APPLICABLE else str(row["reason"])
            examples.append(Example(channel, sides[channel], peak_s, reason, times_s, waves[0]))
    return tuple(sorted(examples, key=lambda example: (example.peak_s, example.channel)))


def _shapes(raw: "mne.io.Raw", channel: str, twitches: np.ndarray) -> tuple[Shape, ...]:
    """Return the mean shapes of the most frequent classes."""
    units, counts = np.unique(twitches["unit"][twitches["unit"] >= 0], return_counts=True)
    shapes = []
    for unit in units[np.argsort(-counts, kind="stable")][:MOST_SHAPES]:
        mine = twitches[twitches["unit"] == unit]
        some = _spread(mine, MOST_AVERAGED)
        times_s, waves = _around(raw, channel, some["peak_time"], SHAPE_S)
        if len(waves) > 1:
            mean, sd = waves.mean(axis=0), waves.std(axis=0, ddof=1)
            shapes.append(Shape(int(unit), len(mine), times_s, mean, sd))
    return tuple(shapes)


def _around(
    raw: "mne.io.Raw", channel: str, peaks_s: np.ndarray, half_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return stretches around peaks, band-passed without delay.

    Returns
    -------
    times_s, waves_uv
        (m,) from the peak; (n, m) one row for each peak whose surroundings were recorded.
    """
    from scipy.signal import butter, sosfiltfilt

    sfreq = raw.info["sfreq"]
    half, more = round(half_s * sfreq), round((half_s + _AROUND_S) * sfreq)
    at = np.rint(np.asarray(peaks_s) * sfreq).astype(int)
    at = at[(at >= more) & (at < raw.n_times - more)]
    for start, stop in gaps(raw):
        at = at[(at + more < start * sfreq) | (at - more > stop * sfreq)]
    times_s = np.arange(-half, half + 1) / sfreq
    if len(at) == 0:
        return times_s, np.empty((0, len(times_s)))
    signal = 1e6 * np.stack(
        [raw.get_data(picks=[channel], start=k - more, stop=k + more + 1)[0] for k in at.tolist()]
    )
    signal = signal[np.isfinite(signal).all(axis=1)]
    edges = (BAND_HZ[0], min(BAND_HZ[1], 0.45 * sfreq))
    sos = butter(2, edges, "bandpass", fs=sfreq, output="sos")
    return times_s, sosfiltfilt(sos, signal, axis=1)[:, more - half : more + half + 1]
