"""Candidates: maxima of the statistic, and what is measured on each of them.

Amplitude, peak time and shape come from the cleaned signal passed through a symmetric (zero-phase)
band-pass: a causal filter turns many artefacts into look-alikes of a motor unit potential
(Jahanmiri-Nezhad et al. 2015, J NeuroEng Rehabil 12:5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import sosfreqz

DEAD_TIME_S = 0.025  # of two maxima closer than this, only the greater is a candidate
KERNEL_S = 0.06  # half length of the zero-phase band-pass
SHOWN_S = 0.035  # of the zero-phase waveform, before and after the maximum
PEAK_S = 0.012  # the main peak is this near to the maximum of the statistic
REACH_S = 0.015  # the peak to peak amplitude is that within this of the main peak
EDGE_SHARE = 0.15  # of the peak: what is below is no part of the potential,
EDGE_SD = 3.0  # nor what is below this many standard deviations of the noise,
PAUSE_S = 0.004  # and where it stays below for so long, the potential ends
SHAPE_S = 0.01  # half length of the waveform by which potentials are compared
LAGS = 4  # by which other channels are shifted to see whether they fit better then
FINE_HZ = 2000.0  # waveforms are looked at with at least so many values per second
SLOW_S = 0.02  # slow movement is seen in means over this, before and after the potential
MOST_SHARED = 3.0  # times what one leg shows of the heart, the other may
JUMP_S = 0.001  # a potential does not rise by most of its height within this,
JUMP_SFREQ = 900.0  # which slower recordings cannot show


@dataclass(slots=True)
class Candidate:
    """A maximum of the statistic, and what is found out about it, in the order of the fields."""

    channel: int
    time_s: float
    score: float
    noise_sd: float
    also: np.ndarray  # channels that may show the same at the same time
    peak_s: float = np.nan
    centre_s: float = np.nan
    amplitude_uv: float = np.nan
    onset_s: float = np.nan
    offset_s: float = np.nan
    slow_uv: float = np.nan
    jump_share: float = np.nan  # NaN where it cannot be told
    shape: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reason: str = ""


def maxima(score: np.ndarray, threshold: float, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return channels and positions of the maxima of ``(n_channels, n)`` above a threshold.

    A maximum is the first of the greatest values within `reach` positions to either side;
    positions nearer than `reach` to the ends are not looked at.
    """
    last = score.shape[1] - reach
    inner = score[:, reach:last]
    above = inner >= threshold
    if not above.any():
        nowhere = np.zeros(0, dtype=int)
        return nowhere, nowhere
    above &= inner > score[:, reach - 1 : last - 1]
    above &= inner >= score[:, reach + 1 : last + 1]
    channels, starts = np.divmod(np.flatnonzero(above), inner.shape[1])
    around = score[channels[:, None], starts[:, None] + np.arange(2 * reach + 1)]
    top = around[:, reach, None]
    greatest = (around[:, :reach] < top).all(axis=1) & (around[:, reach:] <= top).all(axis=1)
    return channels[greatest], starts[greatest] + reach


class Ruler:
    """Measures candidates in the cleaned signal at one sampling frequency."""

    def __init__(self, sos: np.ndarray, sfreq: float) -> None:
        fine = max(1, int(np.ceil(FINE_HZ / sfreq)))
        self._sfreq, self._fine_sfreq = sfreq, fine * sfreq
        half = round(KERNEL_S * sfreq)
        self._shown = round(SHOWN_S * sfreq) * fine
        self.reach = half + self._shown // fine
        """Samples of signal needed to each side of a candidate."""
        self._fine = fine
        self._kernel = kernel = _zero_phase_kernel(sos, sfreq, half, fine)
        at = np.arange(-self._shown, self._shown + 1) - fine * np.arange(
            -self.reach, self.reach + 1
        ).reshape(-1, 1)
        inside = np.abs(at) <= half * fine
        self._filter = np.where(inside, kernel[np.where(inside, at + half * fine, 0)], 0.0)
        self._index = np.arange(2 * self._shown + 1, dtype=float)
        self._means = _slow_means(self.reach, round(SLOW_S * sfreq))
        self._jump = max(1, round(JUMP_S * self._fine_sfreq))
        # Comparisons of shapes need no more than 1 kHz.
        self._shape_at = np.arange(-SHAPE_S, SHAPE_S + 1e-9, max(1e-3, 1 / sfreq))

    def measure(
        self,
        candidate: Candidate,
        clean: np.ndarray,
        first_s: float,
        other_leg: Sequence[np.ndarray] | np.ndarray = (),
    ) -> None:
        """Fill in the measurements of a candidate.

        Parameters
        ----------
        candidate
            To be completed.
        clean
            ``(2 * reach + 1,)`` µV around the maximum, unfiltered.
        first_s
            Time of the first of these samples.
        other_leg
            ``(n, 2 * reach + 1)`` µV at the same time on the other leg, if there is any.
        """
        spread = np.zeros((len(clean) - 1) * self._fine + 1)
        spread[:: self._fine] = clean
        wave = np.convolve(spread, self._kernel, mode="valid")
        size = np.abs(wave)
        middle, near = self._shown, round(PEAK_S * self._fine_sfreq)
        peak = middle - near + int(np.argmax(size[middle - near : middle + near + 1]))
        far = round(REACH_S * self._fine_sfreq)
        around = wave[max(peak - far, 0) : peak + far + 1]
        start_s = first_s + self.reach / self._sfreq - self._shown / self._fine_sfreq
        candidate.peak_s = start_s + (peak + _vertex(size, peak)) / self._fine_sfreq
        candidate.amplitude_uv = float(around.max() - around.min())
        edge = min(
            max(EDGE_SHARE * size[peak], EDGE_SD * candidate.noise_sd), 0.5 * float(size[peak])
        )
        first, last = _extent(size >= edge, peak, max(1, round(PAUSE_S * self._fine_sfreq)))
        candidate.onset_s = start_s + first / self._fine_sfreq
        candidate.offset_s = start_s + last / self._fine_sfreq
        candidate.slow_uv = self._slow(clean, other_leg)
        if self._sfreq >= JUMP_SFREQ:
            jump = np.abs(around[self._jump :] - around[: -self._jump]).max()
            candidate.jump_share = float((jump - 2 * candidate.noise_sd) / candidate.amplitude_uv)
        # Potentials with two peaks of one height are aligned by their energy, not by a peak.
        energy = np.square(around) * (np.abs(around) >= edge)
        at = self._index[max(peak - far, 0) : peak + far + 1]
        centre = float(energy @ at / energy.sum())
        candidate.centre_s = start_s + centre / self._fine_sfreq
        at = centre + self._shape_at * self._fine_sfreq
        candidate.shape = np.interp(at, self._index, wave)

    def _slow(self, clean: np.ndarray, other_leg: Iterable[np.ndarray]) -> float:
        """Return the slow swing, less what the other leg shares of it, as of a heartbeat, µV."""
        slow = clean @ self._means
        least = float(slow.max() - slow.min())
        for other in other_leg:
            far = other @ self._means
            mine, theirs = slow - slow.mean(), far - far.mean()
            share = float(mine @ theirs) / max(float(theirs @ theirs), 1e-300)
            left = mine - np.clip(share, -MOST_SHARED, MOST_SHARED) * theirs
            least = min(least, float(left.max() - left.min()))
        return least

    def waves(self, clean: np.ndarray, shift_s: float) -> np.ndarray:
        """Return what other channels have at the place of a candidate.

        As ``(n, n_shape + 2 * LAGS)`` µV: with so many values more to each side than a shape.

        Parameters
        ----------
        clean
            ``(n, 2 * reach + 1)`` µV around the maximum, unfiltered.
        shift_s
            From the maximum to the middle of the candidate's shape.
        """
        step = self._shape_at[1] - self._shape_at[0]
        more = np.arange(-LAGS, len(self._shape_at) + LAGS) * step + self._shape_at[0] + shift_s
        columns = self._shown + np.round(more * self._fine_sfreq).astype(int)
        columns = np.clip(columns, 0, 2 * self._shown)
        return np.asarray((clean[:, None, :] @ self._filter[:, columns])[:, 0])


def _slow_means(reach: int, n: int) -> np.ndarray:
    """Return the matrix of means over `n` samples, as many as fit before and after the middle."""
    count = (reach - n) // n
    starts = [n * i for i in range(count)]
    starts += [2 * reach + 1 - n * (i + 1) for i in range(count)]
    means = np.zeros((2 * reach + 1, 2 * count))
    for column, start in enumerate(starts):
        means[start : start + n, column] = 1 / n
    return means


def _extent(above: np.ndarray, peak: int, pause: int) -> tuple[int, int]:
    """Return first and last sample of the part that holds the peak and has no longer pause."""
    flags = above.tolist()
    return peak - _run(flags[peak::-1], pause), peak + _run(flags[peak:], pause)


def _run(above: list[bool], pause: int) -> int:
    """Return the last place that is above, before the first pause that is too long."""
    last = 0
    for place, is_above in enumerate(above):
        if is_above:
            last = place
        elif place - last >= pause:
            break
    return last


def _zero_phase_kernel(sos: np.ndarray, sfreq: float, half: int, fine: int) -> np.ndarray:
    """Return the symmetric impulse response with the magnitude of a causal filter.

    It has `fine` values per sample, to see the waveform between the samples.
    """
    n = 8 * half
    _, response = sosfreqz(sos, worN=np.linspace(0, sfreq / 2, n // 2 + 1), fs=sfreq)
    impulse = np.fft.irfft(np.abs(response), n * fine) * fine
    length = half * fine
    kernel = np.concatenate([impulse[-length:], impulse[: length + 1]])
    taper = np.hanning(2 * length + 3)[1:-1]
    kernel *= np.minimum(1.0, 2 * taper)
    return kernel - taper * (kernel.sum() / taper.sum())  # a constant must give nothing


def _vertex(size: np.ndarray, peak: int) -> float:
    """Return where the parabola through a maximum and its neighbours peaks, in samples."""
    if not 0 < peak < len(size) - 1:
        return 0.0
    left, top, right = size[peak - 1 : peak + 2].tolist()
    bend = left - 2 * top + right
    return 0.5 * (left - right) / bend if bend < 0 else 0.0


def likeness(shape: np.ndarray, others: np.ndarray, *, sized: bool = True) -> np.ndarray:
    """Return how alike a waveform is to each of ``(n, n_shape)`` others, from -1 to 1.

    The cosine at the best of three alignments; if `sized`, less where one is more than half
    again as large as the other: another size is another potential.
    """
    core = shape[1:-1]
    products = np.array([others[:, start : start + len(core)] @ core for start in range(3)])
    highest, lowest = products.max(axis=0), products.min(axis=0)
    best = np.where(highest >= -lowest, highest, lowest)
    size = np.sqrt(core @ core)
    middles = others[:, 1:-1]
    sizes = np.sqrt(np.einsum("ij,ij->i", middles, middles))
    cosine = best / np.maximum(size * sizes, 1e-300)
    if not sized:
        return cosine
    ratio = np.minimum(size, sizes) / np.maximum(np.maximum(size, sizes), 1e-300)
    return cosine * np.minimum(1.0, 1.5 * ratio)
