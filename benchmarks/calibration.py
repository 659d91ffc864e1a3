"""Noise alone: the rate of false alarms against the one that was asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import sosfilt, sosfreqz, tf2sos, zpk2sos
from scipy.stats import chi2

from benchmarks.tables import Task, markdown, number
from emgtwitch import StreamingDetector
from emgtwitch.event_table import event_array, is_twitch

SEED = 9001
N_CHANNELS = 4
BLOCK_S = 60.0
OFFSET_CODES = 0.3  # where the resting signal lies between two codes of the converter


@dataclass(frozen=True)
class Condition:
    """One kind of noise, and the rate asked for."""

    noise: str = "white"
    sfreq: float = 1000.0
    noise_uv: float = 4.0
    lsb_uv: float | None = None
    per_hour: float = 60.0
    channel_hours: float = 4.0


CONDITIONS = (
    *(Condition(sfreq=sfreq) for sfreq in (200, 250, 500, 1000, 2000, 4000)),
    *(Condition("pink", sfreq) for sfreq in (200, 1000, 4000)),
    *(Condition("AR(2)", sfreq) for sfreq in (500, 1000, 2000)),
    *(Condition(noise_uv=noise_uv) for noise_uv in (1, 20)),
    *(Condition(lsb_uv=lsb_uv) for lsb_uv in (1.0, 4.03, 8.0, 16.1, 24.4)),
    *(Condition("pink", lsb_uv=lsb_uv) for lsb_uv in (4.03, 8.0, 24.4)),
    Condition(per_hour=6, channel_hours=20),
    Condition("pink", per_hour=6, channel_hours=20),
)
QUICK = (Condition(channel_hours=1), Condition("pink", channel_hours=1))


def shaping_filter(noise: str, sfreq: float) -> np.ndarray:
    """Return second-order sections that turn white noise into this kind, of unit variance.

    Pink: poles and zeros alternate half a decade apart, which falls by 10 dB a decade from
    0.5 Hz up. AR(2): a broad resonance at 80 Hz, where surface EMG has its middle.
    """
    if noise == "white":
        return np.array([[1.0, 0, 0, 1, 0, 0]])
    if noise == "pink":
        poles_hz = np.arange(-0.3, np.log10(sfreq / 2), 1 / 3)
        poles = np.exp(-2 * np.pi * 10**poles_hz / sfreq)
        zeros = np.exp(-2 * np.pi * 10 ** (poles_hz + 1 / 6) / sfreq)
        sos = zpk2sos(zeros, poles, 1.0)
    else:
        radius = np.exp(-np.pi * 100 / sfreq)
        sos = tf2sos([1.0], [1, -2 * radius * np.cos(2 * np.pi * 80 / sfreq), radius**2])
    _, response = sosfreqz(sos, 2**17)
    sos[0, :3] /= np.sqrt(np.mean(np.abs(response) ** 2))
    return np.asarray(sos)


def false_alarms(condition: Condition) -> int:
    """Return how many twitches the detector sees in noise alone."""
    names = [f"EMG{number}" for number in range(1, N_CHANNELS + 1)]
    stream = StreamingDetector(
        sfreq=condition.sfreq,
        ch_names=names,
        lsb_uv=condition.lsb_uv,
        false_alarms_per_hour=condition.per_hour,
    )
    rng = np.random.default_rng(SEED)
    sos = shaping_filter(condition.noise, condition.sfreq)
    state = np.zeros((len(sos), N_CHANNELS, 2))
    shape = (N_CHANNELS, round(BLOCK_S * condition.sfreq))
    events = []
    for _ in range(round(condition.channel_hours / N_CHANNELS * 3600 / BLOCK_S)):
        noise, state = sosfilt(sos, rng.standard_normal(shape), zi=state)
        signal_uv = condition.noise_uv * noise
        if condition.lsb_uv is not None:
            codes = np.rint(signal_uv / condition.lsb_uv + OFFSET_CODES)
            signal_uv = condition.lsb_uv * codes
        events += stream.push(signal_uv)
    events += stream.flush()
    return int(is_twitch(event_array([event for event in events if not event.provisional])).sum())


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of a Poisson count (Garwood 1936)."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)


def tasks(conditions: Iterable[Condition]) -> list[Task]:
    """Return the measurements to make."""
    return [(false_alarms, (condition,)) for condition in conditions]


def table(conditions: Sequence[Condition], counts: Sequence[int]) -> str:
    """Return the measured against the wanted rates."""
    rows = []
    for condition, count in zip(conditions, counts, strict=True):
        expected = condition.per_hour * condition.channel_hours
        low, high = (bound / expected for bound in poisson_interval(count))
        rows.append(
            [
                condition.noise,
                f"{condition.sfreq:g}",
                f"{condition.noise_uv:g}",
                "none" if condition.lsb_uv is None else f"{condition.lsb_uv:g}",
                f"{condition.channel_hours:g}",
                f"{condition.per_hour:g}",
                number(count / condition.channel_hours, ".1f"),
                f"{count / expected:.2f} ({low:.2f}–{high:.2f})",
            ]
        )
    header = ["noise", "Hz", "µV rms", "step µV", "channel-hours", "wanted/h", "measured/h"]
    return markdown([*header, "measured/wanted (95 %)"], rows)
