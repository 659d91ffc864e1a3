"""Adaptive removal of mains and its harmonics, as sinusoids that are tracked and subtracted.

Each line of each channel has a complex amplitude that is corrected after every tile by a part of
what is left at its frequency, and each channel a mains frequency that follows the turning of
those amplitudes: a second-order phase-locked loop, one step a tile. Unlike a notch filter it does
not ring when a potential comes by.
"""

import numpy as np

NOMINAL_HZ = (50.0, 60.0)
HIGHEST_HZ = 450.0  # top of the band-pass
SEARCH_S = 2.0  # of signal, in which lines are looked for
FIRST_SEARCH_S = 1.0
SEARCH_HZ = 0.7  # mains stays within 1 % of nominal (EN 50160), here 1.4 %
# A line stands this much above the median of the spectrum around it (12 dB).
LINE_OVER_SPECTRUM = 16.0
SPECTRUM_HZ = (2.0, 8.0)  # from the line: where the spectrum around it is taken
AMPLITUDE_GAIN = 0.3  # of the loop, per tile
FREQUENCY_GAIN = AMPLITUDE_GAIN**2 / 4  # critical damping
# Largest correction in one tile, as part of the line and of the noise: a contraction must not
# throw the loop.
LINE_STEP, NOISE_STEP = 0.3, 0.5


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
        self.mains_hz = np.tile(np.array(bases, dtype=float), (n_channels, 1))
        """``(n_channels, n_bases)`` tracked mains frequency."""
        self._amplitude = np.zeros((n_channels, len(lines)), dtype=complex)
        self.active = np.zeros((n_channels, len(lines)), dtype=bool)
        """``(n_channels, n_lines)`` lines that are being subtracted."""
        self._recent = np.zeros((n_channels, 0))
        self._until_search = round(FIRST_SEARCH_S * sfreq)

    def subtract(
        self, samples: np.ndarray, noise_sd: np.ndarray, *, keep: bool = True
    ) -> np.ndarray:
        """Return the next ``(n_channels, n)`` samples without mains.

        `noise_sd` bounds the steps of the loop (infinite: no bound); `keep` False leaves the
        state as it was.
        """
        if not len(self._nominal):
            return samples
        cleaned = samples.copy()
        n = samples.shape[1]
        channels = np.flatnonzero(self.active.any(axis=1))
        for line in np.flatnonzero(self.active.any(axis=0)):
            on = channels[self.active[channels, line]]
            turning = self._turning(on, line, n)
            cleaned[on] -= (self._amplitude[on, line, None] * turning).real
        if not keep:
            return cleaned
        if len(channels):
            self._track(channels, cleaned, noise_sd)
        self._recent = np.concatenate([self._recent, samples], axis=1)[
            :, -round(SEARCH_S * self._sfreq) :
        ]
        self._until_search -= n
        if self._until_search <= 0:
            self._until_search = round(SEARCH_S * self._sfreq)
            self._search()
        return cleaned

    def _turning(self, channels: np.ndarray, line: int, n: int) -> np.ndarray:
        """Return ``exp(i w t)`` of a line for some channels, as a product of coarse and fine."""
        hz = self._harmonic[line] * self.mains_hz[channels, self._base[line]]
        step = 2j * np.pi * hz / self._sfreq
        fine = int(np.ceil(np.sqrt(n)))
        coarse = np.exp(step[:, None] * (np.arange(-(-n // fine)) * fine))
        product = coarse[:, :, None] * np.exp(step[:, None] * np.arange(fine))[:, None, :]
        return product.reshape(len(channels), -1)[:, :n]

    def _track(self, channels: np.ndarray, cleaned: np.ndarray, noise_sd: np.ndarray) -> None:
        n = cleaned.shape[1]
        window = np.hanning(n + 2)[1:-1]
        window /= window.sum()
        turned = np.zeros((len(channels), self.mains_hz.shape[1]))
        weight = np.zeros_like(turned)
        centred = cleaned[channels] - cleaned[channels].mean(axis=1, keepdims=True)
        for line in np.flatnonzero(self.active[channels].any(axis=0)):
            on = self.active[channels, line]
            turning = self._turning(channels, line, n)
            amplitude = self._amplitude[channels, line]
            left = 2 * (centred * window * turning.conj()).sum(axis=1)
            size = np.abs(left)
            bound = LINE_STEP * np.abs(amplitude) + NOISE_STEP * noise_sd[channels]
            left *= np.minimum(1.0, bound / np.maximum(size, 1e-300))
            base, k = self._base[line], self._harmonic[line]
            turned[:, base] += np.where(on, k * (left * amplitude.conj()).imag, 0.0)
            weight[:, base] += np.where(on, k**2 * np.abs(amplitude) ** 2, 0.0)
            corrected = amplitude + AMPLITUDE_GAIN * left
            step = 2j * np.pi * k * self.mains_hz[channels, base] * n / self._sfreq
            self._amplitude[channels, line] = np.where(on, corrected * np.exp(step), 0.0)
        change = turned / np.maximum(weight, 1e-300) * self._sfreq / (2 * np.pi * n)
        self.mains_hz[channels] += FREQUENCY_GAIN * change

    def _search(self) -> None:
        """Look for lines that are there and not yet tracked, in the signal of late."""
        n = self._recent.shape[1]
        window = np.hanning(n)
        centred = self._recent - self._recent.mean(axis=1, keepdims=True)
        power = np.abs(np.fft.rfft(centred * window, axis=1)) ** 2
        hz = np.fft.rfftfreq(n, 1 / self._sfreq)
        bin_hz = hz[1]
        for base in range(self.mains_hz.shape[1]):
            lines = np.flatnonzero(self._base == base)
            new = np.zeros((len(power), len(lines)), dtype=bool)
            peak_hz = np.zeros((len(power), len(lines)))
            for i, line in enumerate(lines):
                away = np.abs(hz - self._nominal[line])
                reach = max(SEARCH_HZ * self._harmonic[line], 1.5 * bin_hz)
                near = np.flatnonzero(away <= min(reach, SPECTRUM_HZ[0]))
                around = (away > SPECTRUM_HZ[0]) & (away < SPECTRUM_HZ[1])
                peak = near[np.argmax(power[:, near], axis=1)]
                rows = np.arange(len(power))
                over = power[rows, peak] / np.maximum(np.median(power[:, around], axis=1), 1e-300)
                new[:, i] = (over > LINE_OVER_SPECTRUM) & ~self.active[:, line]
                # A parabola through the logarithms finds the top of a Hann-windowed line.
                left, top, right = (
                    np.log(np.maximum(power[rows, peak + shift], 1e-300)) for shift in (-1, 0, 1)
                )
                bend = np.minimum(left - 2 * top + right, -1e-12)
                peak_hz[:, i] = hz[peak] + 0.5 * (left - right) / bend * bin_hz
            self._start(base, lines, new, peak_hz, centred, window)

    def _start(
        self,
        base: int,
        lines: np.ndarray,
        new: np.ndarray,
        peak_hz: np.ndarray,
        centred: np.ndarray,
        window: np.ndarray,
    ) -> None:
        n = len(window)
        for channel in np.flatnonzero(new.any(axis=1)):
            if not self.active[channel, lines].any():
                first = int(np.argmax(new[channel]))  # the lowest: least ambiguous
                self.mains_hz[channel, base] = (
                    peak_hz[channel, first] / self._harmonic[lines[first]]
                )
            on = np.array([channel])
            for line in lines[new[channel]]:
                turning = self._turning(on, line, n)[0]
                amplitude = 2 * np.sum(centred[channel] * window * turning.conj()) / window.sum()
                hz = self._harmonic[line] * self.mains_hz[channel, base]
                self._amplitude[channel, line] = amplitude * np.exp(2j * np.pi * hz * n / self._sfreq)
                self.active[channel, line] = True
