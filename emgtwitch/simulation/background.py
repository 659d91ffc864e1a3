"""What is there all or half of the time: skin-electrode noise, hum, the heart, vibration."""

import numpy as np
from scipy import fft

from emgtwitch.event_table import Event
from emgtwitch.simulation.potentials import band_gain
from emgtwitch.simulation.scenario import Scenario

MAINS_HARMONICS = {1: 1.0, 3: 0.3, 5: 0.15, 7: 0.08}  # this model's choice


def noise_level(rng: np.random.Generator, scenario: Scenario, times_s: np.ndarray) -> np.ndarray:
    """Return the factor by which the noise differs from its nominal level, (n_samples,).

    The level keeps still, then steps or ramps (0-5 s) to another, drawn uniformly in dB.
    """
    seconds = times_s[-1]
    n = rng.poisson(scenario.noise_steps_per_min * seconds / 60)
    if scenario.noise_steps_per_min and n == 0:
        n = 1
    starts = np.sort(rng.uniform(0, seconds, n))
    ends = np.minimum(starts + rng.uniform(0, 5, n), np.append(starts[1:], seconds))
    levels_db = np.concatenate(
        ([0.0], rng.uniform(-scenario.noise_step_db, scenario.noise_step_db, n))
    )
    knots_s = np.column_stack((starts, ends)).ravel()
    knots_db = np.column_stack((levels_db[:-1], levels_db[1:])).ravel()
    if n == 0:
        return np.ones(times_s.size)
    return np.asarray(10 ** (np.interp(times_s, knots_s, knots_db) / 20))


def electrode_noise(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> np.ndarray:
    """Return white plus 1/f noise through the front end, (n_samples,).

    Its rms in the band of `emgtwitch.simulation.potentials.band_hz` is 1.
    """
    n = fft.next_fast_len(n_samples, real=True)
    frequency = fft.rfftfreq(n, 1 / sfreq)
    frequency[0] = frequency[1]
    gain = np.abs(scenario.front_end.response(frequency, sfreq))
    gain *= np.sqrt(1 + scenario.noise_corner_hz / frequency)
    gain[0] = 0
    in_band = np.sqrt(np.mean((gain * band_gain(frequency, sfreq)) ** 2))
    white = fft.rfft(rng.standard_normal(n))
    shaped = fft.irfft(white * gain, n)[:n_samples]
    return np.asarray(shaped / in_band)


def band_rms(signal_uv: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the rms of each channel in the band, (n_channels,) µV."""
    n = fft.next_fast_len(signal_uv.shape[1], real=True)
    spectrum = fft.rfft(signal_uv, n) * band_gain(fft.rfftfreq(n, 1 / sfreq), sfreq)
    banded = fft.irfft(spectrum, n)[:, : signal_uv.shape[1]]
    return np.asarray(np.sqrt(np.mean(banded**2, axis=1)))


def mains(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return mains hum, (n_channels, n_samples) µV; it has no rows in the event table."""
    return hum(rng, scenario, scenario.mains_uv, np.arange(n_samples) / sfreq), []


def hum(
    rng: np.random.Generator, scenario: Scenario, amplitude_uv: float, times_s: np.ndarray
) -> np.ndarray:
    """Return mains hum of this amplitude, (n_channels, n_samples) µV.

    The fundamental and the 3rd, 5th and 7th harmonic share one phase, whose frequency swings
    within `mains_drift_hz`; each channel has its own harmonics and a slowly changing amplitude.
    """
    n_channels = len(scenario.ch_names)
    swing = 2 * np.pi / rng.uniform(40, 120)  # one swing takes 40-120 s
    start = rng.uniform(0, 2 * np.pi)
    phase = scenario.mains_hz * times_s
    phase += scenario.mains_drift_hz / swing * np.sin(swing * times_s + start)
    recorded = np.zeros((n_channels, times_s.size))
    for channel in range(n_channels):
        slow = 2 * np.pi / rng.uniform(20, 60)
        swell = amplitude_uv * (1 + 0.25 * np.sin(slow * times_s + rng.uniform(0, 2 * np.pi)))
        for harmonic, share in MAINS_HARMONICS.items():
            if scenario.front_end.antialias and harmonic * scenario.mains_hz > scenario.sfreq / 2:
                break
            part = share if harmonic == 1 else share * rng.uniform(0.3, 1)
            angle = 2 * np.pi * (harmonic * phase + rng.random())
            recorded[channel] += part * np.sin(angle) * swell
    return recorded


def heart(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return the ECG, (n_channels, n_samples) µV, on all channels at once; it has no rows.

    P, QRS and T are Gaussian waves; 60-100 beats per minute (detection facts, 2.4), breathing
    and chance vary the interval by some per cent; channels see it in different sizes.
    """
    times_s = np.arange(n_samples) / sfreq
    mean_s = 60 / rng.uniform(60, 100)
    n = int(times_s[-1] / mean_s * 1.2) + 2
    breathing = 0.03 * np.sin(2 * np.pi * np.arange(n) * mean_s / 4)
    beats = np.cumsum(mean_s * (1 + breathing + rng.normal(0, 0.02, n))) - mean_s
    nearest = np.searchsorted((beats[1:] + beats[:-1]) / 2, times_s)
    since = times_s - beats[nearest]
    wave = np.zeros(times_s.size)
    # centre s, width s, height
    for centre, width, height in (
        (-0.17, 0.02, 0.12),
        (-0.025, 0.008, -0.12),
        (0.0, 0.010, 0.75),
        (0.028, 0.009, -0.25),
        (0.25, 0.04, 0.2),
    ):
        wave += height * np.exp(-(((since - centre) / width) ** 2) / 2)
    sizes = scenario.ecg_uv * rng.uniform(0.5, 1, (len(scenario.ch_names), 1))
    return scenario.front_end.couple(sizes * wave, sfreq), []


def vibration(
    rng: np.random.Generator, scenario: Scenario, n_samples: int, sfreq: float
) -> tuple[np.ndarray, list[Event]]:
    """Return the trembling of a machine, (n_channels, n_samples) µV; it has no rows.

    A tone between 20 and 45 Hz that is not quite steady, on and off for 10 to 40 s in turn: the
    noise changes in its spectrum more than in its level.
    """
    n_channels = len(scenario.ch_names)
    seconds = n_samples / sfreq
    cycles = rng.uniform(20, 45) * np.arange(n_samples) / sfreq
    cycles += 0.1 * np.cumsum(rng.standard_normal(n_samples)) / np.sqrt(sfreq)
    turns = np.cumsum(rng.uniform(10, 40, int(seconds / 10) + 1))
    on = np.searchsorted(turns, np.arange(n_samples) / sfreq) % 2 == 1
    sizes = scenario.vibration_uv * rng.uniform(0.5, 1, (n_channels, 1))
    phases = rng.random((n_channels, 1))
    trembling = sizes * np.sin(2 * np.pi * (cycles + phases)) * on
    return scenario.front_end.couple(trembling, sfreq), []
