"""How small a twitch each method still sees, at one false alarm a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtri

from benchmarks import ideal_observer, ours, peers
from benchmarks.tables import Task, markdown, number
from emgtwitch.evaluation import match_times
from emgtwitch.evaluation.scores import TOLERANCE_S
from emgtwitch.event_table import is_twitch
from emgtwitch.simulation import Scenario, Simulated, simulate_recording
from emgtwitch.simulation.potentials import band_gain

NOISE_SEED, TWITCH_SEED = 9001, 9002
PER_HOUR = 60.0
MINUTES = 60.0
N_CHANNELS = 4
PER_MINUTE = 15
SMALLEST, LARGEST = 2.0, 16.0  # peak to peak over noise rms, log-uniform
RESAMPLES = 200

IDEAL = "ideal observer"
OURS = "**emgtwitch**"
METHODS = (IDEAL, OURS, *peers.STATISTICS)


def _noise(minutes: float, seed: int) -> Simulated:
    names = tuple(f"EMG{number}" for number in range(1, N_CHANNELS + 1))
    return simulate_recording(Scenario(minutes=minutes, ch_names=names, rate_per_min=0), seed)


def _unit_amplitude(recording: Simulated) -> list[np.ndarray]:
    """Return the templates of each channel at a peak to peak of one noise rms, in the band."""
    scaled = []
    for templates, noise_uv in zip(recording.templates, recording.noise_rms_uv, strict=True):
        n = 8 * templates.shape[1]
        spectrum = rfft(templates, n) * band_gain(rfftfreq(n, 1 / recording.sfreq), recording.sfreq)
        size = np.ptp(irfft(spectrum, n), axis=1)
        scaled.append(templates * (noise_uv / size)[:, None])
    return scaled


@dataclass(frozen=True)
class Injected:
    """Noise with twitches of known size: signal, and per channel their times and amplitudes."""

    recording: Simulated
    signal_uv: np.ndarray
    times_s: list[np.ndarray]
    amplitudes: list[np.ndarray]


def inject(minutes: float) -> Injected:
    """Add the potentials of each channel's units, at random sizes and 4 ± 1.5 s apart."""
    recording = _noise(minutes, TWITCH_SEED)
    sfreq, n_samples = recording.sfreq, recording.signal_uv.shape[1]
    rng = np.random.default_rng(TWITCH_SEED)
    signal_uv = recording.signal_uv.copy()
    times_s, amplitudes = [], []
    for channel, templates in enumerate(_unit_amplitude(recording)):
        middle_s = np.arange(10, n_samples / sfreq - 5, 60 / PER_MINUTE)
        peaks = np.rint((middle_s + rng.uniform(-1.5, 1.5, len(middle_s))) * sfreq).astype(int)
        sizes = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), len(peaks)))
        units = rng.integers(len(templates), size=len(peaks))
        length = np.arange(templates.shape[1]) - recording.template_peak
        signal_uv[channel, peaks[:, None] + length] += sizes[:, None] * templates[units]
        times_s.append(peaks / sfreq)
        amplitudes.append(sizes)
    return Injected(recording, signal_uv, times_s, amplitudes)


def _statistic(
    method: str, channel: int, noise: Simulated, injected: Injected
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from one channel to the statistic to which a threshold is put."""
    if method != IDEAL:
        return lambda signal_uv: peers.STATISTICS[method](signal_uv, noise.sfreq)
    true = injected.recording
    filters = ideal_observer.matched_filters(
        true.templates[channel], true.template_peak, noise.signal_uv[channel], noise.sfreq
    )
    return partial(ideal_observer.statistic, filters=filters)


def _found_by_statistic(
    method: str, noise: Simulated, injected: Injected
) -> tuple[list[np.ndarray], float]:
    """Return the detected times per channel at the wanted rate on noise, and that rate."""
    sfreq, hours = noise.sfreq, noise.signal_uv.shape[1] / noise.sfreq / 3600
    detected = []
    for channel, (alone_uv, signal_uv) in enumerate(
        zip(noise.signal_uv, injected.signal_uv, strict=True)
    ):
        statistic = _statistic(method, channel, noise, injected)
        values = statistic(alone_uv)
        threshold = peers.height_for(values[peers.peaks(values, sfreq, 0)], hours, PER_HOUR)
        detected.append(peers.peaks(statistic(signal_uv), sfreq, threshold) / sfreq)
    return detected, PER_HOUR


def _found_by_us(noise: Simulated, injected: Injected) -> tuple[list[np.ndarray], float]:
    names = list(noise.ch_names)
    tables = [
        ours.detect(signal_uv, noise.sfreq, names, noise.lsb_uv, PER_HOUR)
        for signal_uv in (noise.signal_uv, injected.signal_uv)
    ]
    false, found = (table[is_twitch(table)] for table in tables)
    hours = noise.signal_uv.size / noise.sfreq / 3600
    return [found["peak_time"][found["channel"] == name] for name in names], len(false) / hours


@dataclass(frozen=True)
class Sensitivity:
    """Amplitude, peak to peak over noise rms, seen with a chance of 50 and of 90 %."""

    method: str
    half: float
    most: float
    half_error: float
    most_error: float
    false_per_minute: float


def _fit(amplitudes: np.ndarray, hit: np.ndarray) -> tuple[float, float]:
    """Return the amplitudes of 50 and 90 % detection: a cumulative normal in the logarithm."""
    log_amplitude = np.log(amplitudes)
    sign = np.where(hit, 1.0, -1.0)

    def cost(parameters: np.ndarray) -> float:
        middle, log_width = parameters
        return -float(log_ndtr(sign * (log_amplitude - middle) * np.exp(-log_width)).sum())

    middle, log_width = minimize(cost, (np.log(6.0), np.log(0.3)), method="Nelder-Mead").x
    return float(np.exp(middle)), float(np.exp(middle + ndtri(0.9) * np.exp(log_width)))


def measure(method: str, minutes: float) -> Sensitivity:
    """Return the sensitivity of a method, with bootstrap standard errors."""
    noise, injected = _noise(minutes, NOISE_SEED), inject(minutes)
    if method == OURS:
        detected, per_hour = _found_by_us(noise, injected)
    else:
        detected, per_hour = _found_by_statistic(method, noise, injected)
    hits = []
    for found_s, true_s in zip(detected, injected.times_s, strict=True):
        hit = np.zeros(len(true_s), bool)
        hit[match_times(found_s, true_s, TOLERANCE_S)[1]] = True
        hits.append(hit)
    hit, amplitudes = np.concatenate(hits), np.concatenate(injected.amplitudes)
    rng = np.random.default_rng(TWITCH_SEED)
    drawn = rng.integers(len(hit), size=(RESAMPLES, len(hit)))
    spread = np.std([_fit(amplitudes[index], hit[index]) for index in drawn], axis=0)
    half, most = _fit(amplitudes, hit)
    return Sensitivity(method, half, most, float(spread[0]), float(spread[1]), per_hour / 60)


def tasks(minutes: float) -> list[Task]:
    """Return the measurements to make."""
    return [(measure, (method, minutes)) for method in METHODS]


def table(results: Sequence[Sensitivity]) -> str:
    """Return the amplitudes, and how far each is above the limit."""
    limit = next(result for result in results if result.method == IDEAL)
    return markdown(
        ["method", "50 %", "90 %", "over ideal, 50 %", "over ideal, 90 %", "false/min on noise"],
        [
            [
                result.method,
                f"{result.half:.2f} ± {result.half_error:.2f}",
                f"{result.most:.2f} ± {result.most_error:.2f}",
                f"{result.half / limit.half:.2f}",
                f"{result.most / limit.most:.2f}",
                number(result.false_per_minute, ".2f"),
            ]
            for result in results
        ],
    )
