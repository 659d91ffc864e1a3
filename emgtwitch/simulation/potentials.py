"""Surface potentials of motor units: a tripole travels along each fibre, both ways."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from emgtwitch.simulation.front_end import FrontEnd

FIBRES = 40
ELECTRODES_M = (-0.010, 0.010)  # bipolar, 20 mm apart (SENIAM)
# The action potential's second derivative as three point sources that sum to zero and have no
# dipole moment: strength, and distance behind the leading pole.
_POLE_STRENGTH = np.array([24.6, -35.4, 10.8])
_POLE_LAG_M = np.array([0.0, 0.0021, 0.0068])
_MODEL_HZ = 4000.0  # nothing is left at 2 kHz after 8 mm of tissue
_MODEL_SAMPLES = 128  # 32 ms: the slowest potential has reached the tendon
_PADDED = 1024  # room for the tails of the filters
GRID_HZ = 8000.0
BEFORE_S, AFTER_S = 0.030, 0.060  # what is kept of a potential around its main peak
EDGE = 0.15  # onset and end: where the waveform leaves 15 % of its peak


def skin_potentials(rng: np.random.Generator, n_units: int) -> np.ndarray:
    """Return potentials at the skin in arbitrary scale, (n_units, 128) float64 at 4 kHz.

    Each unit has 40 fibres in a territory of 3 mm radius at 8-24 mm depth, end-plates dispersed
    over some 15 mm at 15-40 mm to either side, and conducts at about 4 m/s; the poles stop
    one by one at the dispersed tendon ends, so the end effect is there too. The distances are
    effective ones in an isotropic half-space. This is the fibre model of the prototype
    benchmark (median duration 13 ms at 15 % of the peak, median frequency 85 Hz); the spreads
    were set to meet these two figures.
    """
    shape = (n_units, FIBRES)
    depth = rng.uniform(0.008, 0.024, (n_units, 1))
    lateral = rng.normal(0, 0.008, (n_units, 1))
    radius = 0.003 * np.sqrt(rng.random(shape))
    angle = rng.uniform(0, 2 * np.pi, shape)
    across2 = (lateral + radius * np.cos(angle)) ** 2
    across2 += np.maximum(depth + radius * np.sin(angle), 0.004) ** 2
    velocity = np.clip(rng.normal(4.0, 0.3, (n_units, 1)), 3.0, 5.0) + rng.normal(0, 0.1, shape)
    side = rng.choice((-1, 1), (n_units, 1))
    end_plate = side * rng.uniform(0.015, 0.040, (n_units, 1)) + rng.normal(0, 0.004, shape)
    times = np.arange(_MODEL_SAMPLES) / _MODEL_HZ
    travelled = velocity[..., None, None] * times[:, None] - _POLE_LAG_M  # unit, fibre, time, pole
    potentials = np.zeros((n_units, _MODEL_SAMPLES))
    for direction in (1, -1):
        tendon = rng.uniform(0.040, 0.062, (n_units, 1)) + rng.normal(0, 0.004, shape)
        along = np.clip(travelled, 0, tendon[..., None, None])
        along = end_plate[..., None, None] + direction * along
        for electrode, sign in zip(ELECTRODES_M, (1, -1), strict=True):
            distance2 = (along - electrode) ** 2 + across2[..., None, None]
            potentials += sign * (distance2**-0.5 @ _POLE_STRENGTH).sum(axis=1)
    return potentials


def band_hz(sfreq: float) -> tuple[float, float]:
    """Return the band in which amplitudes and noise are stated: 20 to min(450, 0.45 fs) Hz."""
    return 20.0, min(450.0, 0.45 * sfreq)


def band_gain(frequency_hz: np.ndarray, sfreq: float) -> np.ndarray:
    """Return the zero-phase gain of that band: the magnitude of 4th-order Butterworth edges."""
    low, high = band_hz(sfreq)
    frequency = np.maximum(frequency_hz, 1e-9)
    return ((1 + (low / frequency) ** 8) * (1 + (frequency / high) ** 8)) ** -0.5


@dataclass(frozen=True)
class Potentials:
    """Potentials of the units of one channel, as recorded, on a fine grid.

    Attributes
    ----------
    waveforms_uv
        (n_units, n_grid) float64 at `GRID_HZ`, µV, through the analogue front end.
    peak_s, onset_s, end_s
        (n_units,) s from the start of the grid: the main peak, and where the band-passed
        waveform leaves and returns to 15 % of it.
    amplitude_uv
        (n_units,) peak to peak of the band-passed waveform.
    """

    waveforms_uv: np.ndarray
    peak_s: np.ndarray
    onset_s: np.ndarray
    end_s: np.ndarray
    amplitude_uv: np.ndarray

    @cached_property
    def _splines(self) -> list[CubicSpline]:
        times = np.arange(self.waveforms_uv.shape[1]) / GRID_HZ
        return [CubicSpline(times, waveform) for waveform in self.waveforms_uv]

    def at(self, unit: int, from_peak_s: np.ndarray) -> np.ndarray:
        """Return the waveform of a unit in µV at times counted from its main peak, same shape."""
        fade = np.clip((AFTER_S - from_peak_s) / 0.010, 0, 1)  # ends the tail of the AC coupling
        return np.asarray(self._splines[unit](from_peak_s + self.peak_s[unit]) * fade)

    def sampled(self, sfreq: float) -> tuple[np.ndarray, int]:
        """Return (n_units, n_template) µV at `sfreq` with the main peak on the index returned."""
        before, after = int(BEFORE_S * sfreq), int(AFTER_S * sfreq)
        times = np.arange(-before, after + 1) / sfreq
        return np.array([self.at(unit, times) for unit in range(len(self.peak_s))]), before

    def train(self, unit: int, peaks_s: np.ndarray, sfreq: float, n_samples: int) -> np.ndarray:
        """Return (n_samples,) µV: a unit firing with its main peaks at `peaks_s`, not rounded."""
        length = int((BEFORE_S + AFTER_S) * sfreq) + 1
        first = np.ceil((peaks_s - BEFORE_S) * sfreq).astype(int)
        index = first[:, None] + np.arange(length)
        values = self.at(unit, index / sfreq - peaks_s[:, None])
        inside = (index >= 0) & (index < n_samples)
        return np.bincount(index[inside], values[inside], minlength=n_samples)


def recorded_potentials(
    rng: np.random.Generator, sizes_uv: np.ndarray, front_end: FrontEnd, sfreq: float
) -> Potentials:
    """Return one potential per size, scaled to that amplitude as recorded.

    Parameters
    ----------
    rng
        Source of the shapes.
    sizes_uv
        (n_units,) peak to peak of the band-passed recorded waveform, µV.
    front_end, sfreq
        The recorder; its filters shape the waveforms.
    """
    spectrum = np.fft.rfft(skin_potentials(rng, sizes_uv.size), _PADDED)
    frequency = np.fft.rfftfreq(_PADDED, 1 / _MODEL_HZ)
    spectrum *= front_end.response(frequency, sfreq)
    n_grid = round(_PADDED * GRID_HZ / _MODEL_HZ)
    recorded = np.fft.irfft(spectrum, n_grid)
    banded = np.fft.irfft(spectrum * band_gain(frequency, sfreq), n_grid)
    lead = n_grid // 8  # the zero-phase filters reach before the start, round the circle
    recorded, banded = np.roll(recorded, lead, axis=1), np.roll(banded, lead, axis=1)
    scale = sizes_uv / np.ptp(banded, axis=1)
    height = np.abs(banded)
    peak = height.argmax(axis=1)
    beyond = height > EDGE * height.max(axis=1, keepdims=True)
    onset = beyond.argmax(axis=1)
    end = n_grid - 1 - beyond[:, ::-1].argmax(axis=1)
    return Potentials(
        recorded * scale[:, None], peak / GRID_HZ, onset / GRID_HZ, end / GRID_HZ, sizes_uv
    )
