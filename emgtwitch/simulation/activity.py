"""Sustained activity that is no twitching: voluntary contractions and cramps."""

import numpy as np

from emgtwitch.event_table import Event
from emgtwitch.simulation.firing import regular_train
from emgtwitch.simulation.potentials import recorded_potentials
from emgtwitch.simulation.scenario import Scenario

STEP_S = 0.005
CRAMP_UNITS = 12
REFRACTORY_S = 0.003
CRAMP_CV = 0.446
CRAMP_DOUBLETS = 0.041


def _slot(seconds: float, n: int) -> tuple[float, float]:
    """Return the length of each of `n` equal slots and the margin at both of its ends, s."""
    slot = seconds / max(n, 1)
    return slot, min(1.0, slot / 4)


def longest(seconds: float, n: int) -> float:
    """Return the longest duration, s, that `spread` can place `n` times."""
    slot, margin = _slot(seconds, n)
    return slot - 2 * margin


def spread(rng: np.random.Generator, seconds: float, durations_s: np.ndarray) -> np.ndarray:
    """Return starts, (n,) s, at random in equal slots, so that none overlaps the next."""
    n = durations_s.size
    slot, margin = _slot(seconds, n)
    room = slot - 2 * margin - durations_s
    return np.asarray(np.arange(n) * slot + margin + rng.random(n) * room)


def times_in(rng: np.random.Generator, per_minute: float, seconds: float) -> int:
    """Return how many to place: the expected number, a fraction by chance, at least one."""
    expected = per_minute * seconds / 60
    return max(int(expected + rng.random()), 1) if expected > 0 else 0


def contraction_trains(
    rng: np.random.Generator, scenario: Scenario, n_units: int, seconds: float
) -> list[np.ndarray]:
    """Return the firing times of each unit in one contraction that lasts `seconds`.

    Effort ramps up, holds and ramps down. A single unit fires at 6-8 Hz throughout; several are
    recruited in order of size and quicken with the effort from 6-8 to at most 25 Hz. Intervals
    vary by 10-25 %.
    """
    times = np.arange(0, seconds, STEP_S)
    ramp = seconds * rng.uniform(0.15, 0.35)
    effort = np.interp(times, [0, ramp, seconds - ramp, seconds], [0.02, 1, 1, 0.02])
    if scenario.contraction == "interference":
        effort *= rng.uniform(0.6, 1)
    trains = []
    for unit in range(n_units):
        slowest, cv = rng.uniform(6, 8), rng.uniform(0.10, 0.25)
        if n_units == 1:
            rate = np.full(times.size, slowest)
        else:
            beyond = effort - 0.8 * unit / n_units
            rate = np.where(beyond >= 0, np.minimum(slowest + 18 * beyond, 25), 0.0)
        trains.append(regular_train(rng, rate, STEP_S, cv))
    return trains


def cramp_trains(rng: np.random.Generator, seconds: float) -> list[np.ndarray]:
    """Return the firing times of each unit in a cramp that lasts `seconds`.

    14.5 +- 5.1 per second within 6-25, interval CV 44.6 % of which 4.1 % are doublets
    (Minetto 2009); the units join within the first fifth and drop out in the last.
    """
    # the doublets alone widen the distribution; the rest of the intervals makes up the figure
    cv = np.sqrt((1 + CRAMP_CV**2) * (1 - CRAMP_DOUBLETS) - 1)
    times = np.arange(0, seconds, STEP_S)
    trains = []
    for _ in range(CRAMP_UNITS):
        per_second = np.clip(rng.normal(14.5, 5.1), 6, 25) * (1 - CRAMP_DOUBLETS)
        begin, end = seconds * rng.uniform(0, 0.2), seconds * rng.uniform(0.8, 1)
        rate = np.where((times >= begin) & (times < end), per_second, 0.0)
        train = regular_train(rng, rate, STEP_S, cv)
        doubled = train[rng.random(train.size) < CRAMP_DOUBLETS / (1 - CRAMP_DOUBLETS)]
        train = np.sort(np.concatenate((train, doubled + 0.005)))
        trains.append(train[np.diff(train, prepend=-1.0) >= REFRACTORY_S])
    return trains


def _size_principle(n_units: int, median_uv: float) -> np.ndarray:
    """Return unit sizes in order of recruitment, smallest first, (n_units,) µV."""
    if n_units == 1:
        return np.array([median_uv])
    return np.asarray(median_uv * 10 ** np.linspace(-0.5, 0.5, n_units))


def _bursts(
    rng: np.random.Generator,
    scenario: Scenario,
    trial_type: str,
    channel: int,
    episodes: list[tuple[float, list[np.ndarray]]],
    n_samples: int,
    sfreq: float,
) -> tuple[np.ndarray, list[Event]]:
    """Return one channel's signal, (n_samples,) µV, and a row per episode (start, trains)."""
    signal = np.zeros(n_samples)
    if not episodes:
        return signal, []
    episodes = [
        (start, [train[start + train >= 0] for train in trains]) for start, trains in episodes
    ]
    n_units = len(episodes[0][1])
    sizes = _size_principle(n_units, scenario.contraction_uv)
    potentials = recorded_potentials(rng, sizes, scenario.front_end, sfreq)
    for unit in range(n_units):
        peaks = np.concatenate([start + trains[unit] for start, trains in episodes])
        signal += potentials.train(unit, peaks, sfreq, n_samples)
    rows = []
    for start, trains in episodes:
        spikes = np.concatenate(trains)
        if spikes.size:
            first, last = start + spikes.min(), start + spikes.max()
            rows.append(Event(first, last - first, trial_type, scenario.ch_names[channel]))
    return signal, rows


def contractions(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return voluntary activity, (n_channels, n_samples) µV, and its rows.

    Each contraction lasts 1-30 s, in one muscle or, one time in three, in all.
    """
    seconds = n_samples / sfreq
    n_units = {"single_unit": 1, "few_units": 4, "interference": 40}[scenario.contraction]
    n = times_in(rng, scenario.contractions_per_min, seconds)
    durations = np.exp(rng.uniform(0, np.log(30), n))
    durations = np.minimum(durations, longest(seconds, n))
    starts = spread(rng, seconds, durations)
    n_channels = len(scenario.ch_names)
    takes_part = (rng.random((n, 1)) < 1 / 3) | (
        rng.integers(n_channels, size=(n, 1)) == np.arange(n_channels)
    )
    if scenario.starts_contracted and n:
        starts[0], takes_part[0] = -durations[0] / 3, True
    signal = np.zeros((n_channels, n_samples))
    rows = []
    for channel, channel_rng in enumerate(rng.spawn(n_channels)):
        episodes = [
            (start, contraction_trains(channel_rng, scenario, n_units, duration))
            for start, duration, joins in zip(
                starts, durations, takes_part[:, channel], strict=True
            )
            if joins
        ]
        signal[channel], found = _bursts(
            channel_rng, scenario, "contraction", channel, episodes, n_samples, sfreq
        )
        rows += found
    return signal, rows


def cramps(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return cramps, (n_channels, n_samples) µV, and their rows.

    23.6 +- 16 s long (Minetto 2009), at least 5 s and no longer than fits; one muscle each.
    """
    seconds = n_samples / sfreq
    durations = np.maximum(rng.normal(23.6, 16, scenario.cramps), 5)
    durations = np.minimum(durations, longest(seconds, scenario.cramps))
    starts = spread(rng, seconds, durations)
    where = rng.integers(len(scenario.ch_names), size=scenario.cramps)
    signal = np.zeros((len(scenario.ch_names), n_samples))
    rows = []
    for start, duration, channel in zip(starts, durations, where, strict=True):
        episode = (start, cramp_trains(rng, duration))
        added, found = _bursts(rng, scenario, "cramp", channel, [episode], n_samples, sfreq)
        signal[channel] += added
        rows += found
    return signal, rows
