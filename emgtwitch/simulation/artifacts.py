"""What disturbs a recording now and then: movement, electrodes, glitches, gaps, overload.

Sizes vary log-normally about their median. Each function returns the disturbance,
(n_channels, n_samples) µV, and one row of the event table per channel and interval.
"""

import numpy as np
from scipy import signal as sps

from emgtwitch.event_table import Event
from emgtwitch.simulation.activity import longest, spread, times_in
from emgtwitch.simulation.background import hum
from emgtwitch.simulation.scenario import Scenario

Disturbance = tuple[np.ndarray, list[Event]]
OVERLOAD_RECOVERY_S = 0.05


def _placed(
    rng: np.random.Generator,
    per_minute: float,
    seconds: float,
    shortest_s: float,
    longest_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    n = times_in(rng, per_minute, seconds)
    durations = np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s), n))
    durations = np.minimum(durations, longest(seconds, n))
    return spread(rng, seconds, durations), durations


def _affected(rng: np.random.Generator, n: int, n_channels: int, all_share: float) -> np.ndarray:
    """Return which channels each of `n` disturbances meets, (n, n_channels): one, or all."""
    one = rng.integers(n_channels, size=(n, 1)) == np.arange(n_channels)
    return np.asarray(one | (rng.random((n, 1)) < all_share))


def motion(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> Disturbance:
    """Movement of the leg or the cable: 0.3-3 s of slow swings, mostly below 20 Hz (De Luca 2010).

    One channel or, one time in three, all of them.
    """
    names = scenario.ch_names
    starts, durations = _placed(rng, scenario.motion_per_min, n_samples / sfreq, 0.3, 3.0)
    affected = _affected(rng, starts.size, len(names), 1 / 3)
    lowpass = sps.butter(2, 6.0, fs=sfreq, output="sos")
    skin = np.zeros((len(names), n_samples))
    rows = []
    for start, duration, hits in zip(starts, durations, affected, strict=True):
        first, length = round(start * sfreq), round(duration * sfreq)
        swings = sps.sosfilt(lowpass, rng.standard_normal((len(names), length + 500)))[:, 500:]
        swings *= sps.windows.tukey(length, 0.5)
        size = scenario.motion_uv * rng.lognormal(0, 0.5)
        swings *= size / np.abs(swings).max(axis=1, keepdims=True)
        for channel in np.flatnonzero(hits):
            skin[channel, first : first + length] += swings[channel]
            rows.append(Event(start, duration, "artifact", names[channel], reason="motion"))
    return scenario.front_end.couple(skin, sfreq), rows


def pops(rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float) -> Disturbance:
    """Electrode pops: a step at one electrode that decays there within 0.1-1 s.

    The AC coupling shortens what is recorded of it to an exponential of its own time constant.
    """
    names = scenario.ch_names
    n = times_in(rng, scenario.pops_per_min, n_samples / sfreq)
    starts = spread(rng, n_samples / sfreq, np.zeros(n))
    affected = _affected(rng, starts.size, len(names), 0.0)
    skin = np.zeros((len(names), n_samples))
    rows = []
    for start, hits in zip(starts, affected, strict=True):
        first = int(np.ceil(start * sfreq))
        decay_s = rng.uniform(0.1, 1.0)
        size = rng.choice((-1, 1)) * scenario.pop_uv * rng.lognormal(0, 0.5)
        channel = int(np.flatnonzero(hits)[0])
        decaying = skin[channel, first : first + int(20 * decay_s * sfreq)]
        decaying += size * np.exp(-np.arange(decaying.size) / (decay_s * sfreq))
        if scenario.front_end.highpass_hz:
            decay_s = min(decay_s, 1 / (2 * np.pi * scenario.front_end.highpass_hz))
        rows.append(Event(start, 3 * decay_s, "artifact", names[channel], reason="pop"))
    return scenario.front_end.couple(skin, sfreq), rows


def glitches(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> Disturbance:
    """Common-mode glitches: 1 or 2 samples, same sign and nearly the same size on all channels."""
    names = scenario.ch_names
    n = times_in(rng, scenario.glitches_per_min, n_samples / sfreq)
    recorded = np.zeros((len(names), n_samples))
    rows = []
    for first in rng.integers(1, n_samples - 2, n):
        length = int(rng.integers(1, 3))
        size = rng.choice((-1, 1)) * scenario.glitch_uv * rng.lognormal(0, 0.3)
        each = size * rng.uniform(0.9, 1.1, len(names))
        recorded[:, first : first + length] += each[:, None]
        rows += [
            Event(first / sfreq, length / sfreq, "artifact", name, reason="glitch")
            for name in names
        ]
    return recorded, rows


def lift_offs(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> Disturbance:
    """Electrode lift-off: for 2-15 s one channel shows large mains hum and wanders."""
    names = scenario.ch_names
    starts, durations = _placed(rng, scenario.lift_offs_per_min, n_samples / sfreq, 2.0, 15.0)
    affected = _affected(rng, starts.size, len(names), 0.0)
    wander = sps.butter(1, 1.0, fs=sfreq, output="sos")
    skin = np.zeros((len(names), n_samples))
    rows = []
    for start, duration, hits in zip(starts, durations, affected, strict=True):
        first, length = round(start * sfreq), round(duration * sfreq)
        size = scenario.lift_off_uv * rng.lognormal(0, 0.3)
        off = hum(rng, scenario, size, np.arange(length) / sfreq)
        drift = sps.sosfilt(wander, rng.standard_normal(length))
        channel = int(np.flatnonzero(hits)[0])
        skin[channel, first : first + length] += off[channel]
        skin[channel, first : first + length] += size * (1 + drift / np.abs(drift).max())
        rows.append(Event(start, duration, "artifact", names[channel], reason="lift-off"))
    return scenario.front_end.couple(skin, sfreq), rows


def overloads(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> Disturbance:
    """Drive one channel beyond the converter's range for 0.1-2 s, then recover exponentially.

    The rows tell where the drive is, to keep twitches away; where the converter is at its limit
    is seen in the converted signal.
    """
    names, front_end = scenario.ch_names, scenario.front_end
    recorded = np.zeros((len(names), n_samples))
    rows = []
    starts, durations = _placed(rng, scenario.overloads_per_min, n_samples / sfreq, 0.1, 2.0)
    affected = _affected(rng, starts.size, len(names), 0.0)
    for start, duration, hits in zip(starts, durations, affected, strict=True):
        first, length = round(start * sfreq), round(duration * sfreq)
        limit_uv = 2 ** ((front_end.bits or 0) - 1) * (front_end.lsb_uv or 0.0)
        size = rng.choice((-1, 1)) * limit_uv * rng.uniform(1.1, 1.5)
        channel = int(np.flatnonzero(hits)[0])
        driven = recorded[channel, first : first + length + int(20 * OVERLOAD_RECOVERY_S * sfreq)]
        since = np.maximum(np.arange(driven.size) - length, 0) / sfreq
        driven += size * np.exp(-since / OVERLOAD_RECOVERY_S)
        duration += 5 * OVERLOAD_RECOVERY_S
        rows.append(Event(start, duration, "saturation", names[channel]))
    return recorded, rows


def gaps(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return which samples are lost, (n_samples,) bool, and the rows: 0.05-5 s, all channels."""
    starts, durations = _placed(rng, scenario.gaps_per_min, n_samples / sfreq, 0.05, 5.0)
    lost = np.zeros(n_samples, dtype=bool)
    rows = []
    for start, duration in zip(starts, durations, strict=True):
        first, last = round(start * sfreq), round((start + duration) * sfreq)
        lost[first:last] = True
        rows += [
            Event(first / sfreq, (last - first) / sfreq, "gap", name) for name in scenario.ch_names
        ]
    return lost, rows
