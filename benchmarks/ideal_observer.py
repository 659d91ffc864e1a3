"""The ideal observer: it knows the true potentials and the true noise spectrum.

For a known waveform in Gaussian noise of known spectrum no test detects more at the same rate of
false alarms than the matched filter of the whitened signal (North 1943; Neyman & Pearson 1933).
Here the unit that fires is unknown too, so the largest filter output of the units is taken. No
detector that must learn the shapes and the noise can pass it: it is the limit to compare with.
"""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import oaconvolve, welch

FILTER_S = 1.0


def matched_filters(
    templates_uv: np.ndarray, peak: int, noise_uv: np.ndarray, sfreq: float
) -> np.ndarray:
    """Return the filters whose output is the likelihood-ratio statistic of each unit.

    Parameters
    ----------
    templates_uv
        (n_units, n_template) true potentials, µV, the main peak on sample `peak`.
    noise_uv
        (n_samples,) noise alone, long enough for its spectrum to be called the true one.
    sfreq
        Hz.

    Returns
    -------
    (n_units, n_filter) float64, n_filter odd: convolved with a signal in µV, mode ``"same"``,
    they give the whitened correlation at the main peak, with variance 1 in the noise.
    """
    half = next_fast_len(round(FILTER_S * sfreq / 2), real=True)
    n = 2 * half
    frequency, power = welch(noise_uv, sfreq, nperseg=n, noverlap=half, detrend=False)
    # Welch gives the one-sided density; between bins it is smooth, as the noise has no lines.
    density = np.interp(rfftfreq(n, 1 / sfreq), frequency, power) * sfreq / 2
    padded = np.zeros((len(templates_uv), n))
    padded[:, : templates_uv.shape[1]] = templates_uv
    spectrum = rfft(np.roll(padded, -peak, axis=1))
    # Energy of the whitened template, by Parseval's theorem for a real signal.
    energy = irfft(np.abs(spectrum) ** 2 / density, n)[:, :1]
    kernel = irfft(np.conj(spectrum) / density, n) / np.sqrt(energy)
    centred = np.roll(kernel, half, axis=1)
    return np.concatenate([centred, centred[:, :1]], axis=1)


def statistic(signal_uv: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return the largest output of the filters, (n_samples,), in noise standard deviations."""
    best = np.full(signal_uv.shape, -np.inf)
    for kernel in filters:
        np.maximum(best, oaconvolve(signal_uv, kernel, mode="same"), out=best)
    return best
