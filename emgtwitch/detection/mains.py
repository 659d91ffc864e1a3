"""Adaptive removal of mains and its harmonics, as sinusoids that are tracked and subtracted.

Each line of each channel has a complex amplitude that is corrected after every tile by a part of
what is left at its frequency, and each channel a mains frequency that follows the turning of
those amplitudes: a second-order phase-locked loop, one step a tile. Unlike a notch filter it does
not ring when a potential comes by.
"""

from collections import deque

import numpy as np
from scipy.fft import rfft

NOMINAL_HZ = (50.0, 60.0)
HIGHEST_HZ = 450.0  # top of the band-pass
SEARCH_S = 2.0  # of signal, in which lines are looked for
FIRST_SEARCH_S = 0.9  # of signal, after which and between the first searches
PAUSE_S = 8.0  # between later ones
SEARCH_HZ = 0.7  # mains stays within 1 % of nominal (EN 50160), here 1.4 %
# A line stands this much above the median of the spectrum around it (13 dB).
LINE_OVER_SPECTRUM = 20.0
LINE_OVER_NOISE = 0.15  # amplitude, of the standard deviation: what is smaller does not matter
STRONG_LINE = 0.4  # amplitude, of the noise: the noise must be learned anew without it
CLIP_SD = 3.0  # so that neither potentials nor a contraction throw search and loop
FIRST_HARMONICS = (1, 2, 3)  # one of these is there, or it is not mains
SPECTRUM_HZ = (2.0, 8.0)  # from the line: where the spectrum around it is taken
AMPLITUDE_GAIN = 0.4  # of the loop, per tile
FREQUENCY_GAIN = 0.3  # of the loop, per tile, of the turning that the amplitude gain left over
WORSE = 4.0  # power of a tile with its lines subtracted, over that without: they are gone


class MainsCanceller:
    """Finds and tracks mains in every channel on its own.

    Parameters
    ----------
    n_channels, sfreq
        Of the signal.
    choice
        ``"auto"`` for 50 and 60 Hz, ``"50"``, ``"60"``, or ``"off"``.
    """

    def __init__(self, n_channels: int, sfreq: float, choice: str) -> None:
        self._sfreq = sfreq
        bases = {"auto": NOMINAL_HZ, "off": (), "50": NOMINAL_HZ[:1], "60": NOMINAL_HZ[1:]}[choice]
        highest = min(HIGHEST_HZ, 0.45 * sfreq)
        lines = [(b, k) for b, hz in enumerate(bases) for k in range(1, int(highest / hz) + 1)]
        self._base = np.array([b for b, _ in lines], dtype=int)
        self._harmonic = np.array([k for _, k in lines], dtype=float)
        self._nominal = np.array([bases[b] * k for b, k in lines])
        self._bases_hz = np.array(bases, dtype=float)
        self.mains_hz = np.tile(self._bases_hz, (n_channels, 1))
        """``(n_channels, n_bases)`` tracked mains frequency."""
        self._amplitude = np.zeros((n_channels, len(lines)), dtype=complex)
        self.active = np.zeros((n_channels, len(lines)), dtype=bool)
        """``(n_channels, n_lines)`` lines that are being subtracted."""
        self.started = np.zeros(n_channels, dtype=bool)
        """``(n_channels,)`` bool: strong new lines were found at the end of the last tile."""
        self._recent: deque[np.ndarray] = deque()
        self.until_search = round(FIRST_SEARCH_S * sfreq)
        """Samples before lines are looked for again, at the end of a tile."""

    def subtract(
        self, samples: np.ndarray, noise_sd: np.ndarray, *, keep: bool = True
    ) -> np.ndarray:
        """Return the next ``(n_channels, n)`` samples without mains.

        `noise_sd` bounds what the loop sees (infinite: no bound); `keep` False leaves the state
        as it was.
        """
        if not len(self._nominal):
            return samples
        cleaned = samples
        channels = np.flatnonzero(self.active.any(axis=1))
        if len(channels):
            cleaned = samples.copy()
            cleaned[channels] = self._track(channels, samples[channels], noise_sd[channels], keep)
        if keep:
            self._recent.append(samples)
            full = len(self._recent) * samples.shape[1] > SEARCH_S * self._sfreq
            if full:
                self._recent.popleft()
            self.started[:] = False
            self.until_search -= samples.shape[1]
            if self.until_search <= 0:
                self.until_search = round((PAUSE_S if full else FIRST_SEARCH_S) * self._sfreq)
                self._search(np.concatenate(self._recent, axis=1), noise_sd)
        return cleaned

    def _turning(self, channels: np.ndarray, line: int, n: int) -> np.ndarray:
        """Return ``exp(i w t)`` of a line for some channels, as a product of coarse and fine."""
        hz = self._harmonic[line] * self.mains_hz[channels, self._base[line]]
        step = 2j * np.pi * hz / self._sfreq
        fine = int(np.ceil(np.sqrt(n)))
        coarse = np.exp(step[:, None] * (np.arange(-(-n // fine)) * fine))
        product = coarse[:, :, None] * np.exp(step[:, None] * np.arange(fine))[:, None, :]
        return product.reshape(len(channels), -1)[:, :n]

    def _track(
        self, channels: np.ndarray, samples: np.ndarray, noise_sd: np.ndarray, keep: bool
    ) -> np.ndarray:
        """Return samples of some channels without their lines, and correct the loops."""
        n = samples.shape[1]
        lines = np.flatnonzero(self.active[channels].any(axis=0)).tolist()
        turnings = [self._turning(channels, line, n) for line in lines]
        left = samples.copy()
        for line, turning in zip(lines, turnings, strict=True):
            left -= (self._amplitude[channels, line, None] * turning).real
        window = np.hanning(n + 2)[1:-1]
        power = samples.var(axis=1)
        there = power > np.where(np.isfinite(noise_sd), noise_sd**2 / 2, 0.0)  # not in a gap
        # The hum of a loose electrode ends at once: then the loop jumps to what is there now.
        worse = there & (left.var(axis=1) > WORSE * power)
        bound = np.where(worse, np.inf, CLIP_SD * noise_sd)[:, None]
        gain = np.where(worse, 1.0, AMPLITUDE_GAIN) * there
        clipped = np.clip(left - np.median(left, axis=1, keepdims=True), -bound, bound)
        clipped *= 2 * gain[:, None] * window / window.sum()
        turned = np.zeros((len(channels), self.mains_hz.shape[1]))
        weight = np.full(turned.shape, 1e-300)
        for line, turning in zip(lines, turnings, strict=True):
            base, k = self._base[line], self._harmonic[line]
            amplitude = self._amplitude[channels, line]
            on = self.active[channels, line]
            change = np.where(on, (clipped * turning.conj()).sum(axis=1), 0.0)
            left -= (change[:, None] * turning).real
            turned[:, base] += k * (change * amplitude.conj()).imag
            weight[:, base] += np.where(on, k**2 * np.abs(amplitude) ** 2, 0.0)
            if keep:
                step = 2j * np.pi * k * self.mains_hz[channels, base] * n / self._sfreq
                self._amplitude[channels, line] = (amplitude + change) * np.exp(step)
        if keep:
            turning_hz = turned / weight * self._sfreq / (2 * np.pi * n)
            # Where hardly any amplitude is left, as after a gap, its turning tells nothing.
            off_hz = self.mains_hz[channels] + FREQUENCY_GAIN * turning_hz - self._bases_hz
            self.mains_hz[channels] = self._bases_hz + np.clip(off_hz, -SEARCH_HZ, SEARCH_HZ)
        return left

    def _search(self, recent: np.ndarray, noise_sd: np.ndarray) -> None:
        """Drop lines that have faded, and start those that are there and not yet tracked."""
        n = recent.shape[1]
        window = np.hanning(n).astype(np.float32)
        # Single precision is plenty here, once the offset is gone.
        centred = (recent - np.median(recent[:, ::8], axis=1, keepdims=True)).astype(np.float32)
        # Mains itself is as large as the noise around it here, so this does not clip it.
        spread = 1.4826 * np.median(np.abs(centred[:, ::8]), axis=1, keepdims=True)
        clipped = np.clip(centred, -CLIP_SD * spread, CLIP_SD * spread)
        clipped *= window
        hz = np.fft.rfftfreq(n, 1 / self._sfreq)
        hz = hz[hz < HIGHEST_HZ + SPECTRUM_HZ[1]]
        spectrum = np.abs(rfft(clipped, axis=1)[:, : len(hz)]) * (2 / window.sum())
        least = LINE_OVER_NOISE * np.minimum(spread[:, 0], noise_sd)
        self.active &= np.abs(self._amplitude) > least[:, None] / 2
        self._amplitude[~self.active] = 0.0
        found = np.zeros_like(self.active)
        found_hz, spectrum_at = np.zeros(self.active.shape), np.zeros(self.active.shape)
        rows = np.arange(len(spectrum))
        for line, nominal in enumerate(self._nominal):
            away = np.abs(hz - nominal)
            reach = np.clip(SEARCH_HZ * self._harmonic[line], 1.5 * hz[1], SPECTRUM_HZ[0])
            near = np.flatnonzero(away <= reach)
            around = (away > SPECTRUM_HZ[0]) & (away < SPECTRUM_HZ[1])
            peak = near[np.argmax(spectrum[:, near], axis=1)]
            limit = np.sqrt(LINE_OVER_SPECTRUM) * np.median(spectrum[:, around], axis=1)
            spectrum_at[:, line] = spectrum[rows, peak]
            found[:, line] = spectrum_at[:, line] > np.maximum(limit, least)
            # A parabola through the logarithms finds the top of a Hann-windowed line.
            left, top, right = (
                np.log(np.maximum(spectrum[rows, peak + shift], 1e-30)) for shift in (-1, 0, 1)
            )
            bend = np.minimum(left - 2 * top + right, -1e-12)
            found_hz[:, line] = hz[peak] + 0.5 * (left - right) / bend * hz[1]
        for base in range(self.mains_hz.shape[1]):
            own = self._base == base
            first = own & np.isin(self._harmonic, FIRST_HARMONICS)
            is_mains = np.asarray((found | self.active)[:, first].any(axis=1))
            new = found & ~self.active & own & is_mains[:, None]
            strong = np.where(new, spectrum_at, 0.0).max(axis=1)
            self.started |= strong > STRONG_LINE * np.minimum(noise_sd, spread[:, 0])
            for channel in np.flatnonzero(new.any(axis=1)):
                if not self.active[channel, own].any():
                    lowest = int(np.argmax(new[channel]))
                    self.mains_hz[channel, base] = (
                        found_hz[channel, lowest] / self._harmonic[lowest]
                    )
                self._start(int(channel), np.flatnonzero(new[channel]), centred[channel] * window)

    def _start(self, channel: int, lines: np.ndarray, windowed: np.ndarray) -> None:
        """Begin to track lines of a channel, from the windowed signal of late."""
        n = len(windowed)
        for line in lines:
            turning = self._turning(np.array([channel]), line, n)[0]
            amplitude = 2 * np.sum(windowed * turning.conj()) / np.hanning(n).sum()
            hz = self._harmonic[line] * self.mains_hz[channel, self._base[line]]
            turned = np.exp(2j * np.pi * hz * n / self._sfreq)
            self._amplitude[channel, line] = amplitude * turned
            self.active[channel, line] = True
