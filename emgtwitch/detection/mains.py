"""Adaptive removal of mains and its harmonics, as sinusoids that are tracked and subtracted.

Each line of each channel has a complex amplitude that is corrected after every tile by a part of
what is left at its frequency, and each channel a mains frequency that follows the turning of
those amplitudes: a second-order phase-locked loop, one step a tile. Unlike a notch filter it does
not ring when a potential comes by.
"""

import numpy as np
from scipy.fft import rfft
from scipy.signal import sosfreqz

from emgtwitch.detection.grid import Grid

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
AMPLITUDE_GAIN = 0.5  # of the loop, per tile
FREQUENCY_GAIN = 0.4  # of the loop, per tile, of the turning that the amplitude gain left over
WORSE = 4.0  # power of a tile with its lines subtracted, over that without: they are gone


class MainsCanceller:
    """Finds and tracks mains in every channel on its own.

    Parameters
    ----------
    n_channels, grid
        Of the signal.
    choice
        ``"auto"`` for 50 and 60 Hz, ``"50"``, ``"60"``, or ``"off"``.
    sos
        The band-pass behind which lines are looked for.
    """

    def __init__(self, n_channels: int, grid: Grid, choice: str, sos: np.ndarray) -> None:
        self._sfreq, self._seen_sfreq = grid.sfreq, grid.seen_sfreq
        bases = {"auto": NOMINAL_HZ, "off": (), "50": NOMINAL_HZ[:1], "60": NOMINAL_HZ[1:]}[choice]
        highest = min(HIGHEST_HZ, 0.45 * self._sfreq)
        lines = [(b, k) for b, hz in enumerate(bases) for k in range(1, int(highest / hz) + 1)]
        self._base = np.array([b for b, _ in lines], dtype=int)
        self._harmonic = np.array([k for _, k in lines], dtype=float)
        self._nominal = np.array([bases[b] * k for b, k in lines])
        self._response = sosfreqz(sos, worN=self._nominal, fs=self._sfreq)[1]
        self._bases_hz = np.array(bases, dtype=float)
        self.mains_hz = np.tile(self._bases_hz, (n_channels, 1))
        """``(n_channels, n_bases)`` tracked mains frequency."""
        self._amplitude = np.zeros((n_channels, len(lines)), dtype=complex)
        self.active = np.zeros((n_channels, len(lines)), dtype=bool)
        """``(n_channels, n_lines)`` lines that are being subtracted."""
        self.started = np.zeros(n_channels, dtype=bool)
        """``(n_channels,)`` bool: strong new lines were found at the end of the last tile."""
        n_seen = grid.n_tile // grid.step
        n_tiles = int(SEARCH_S * grid.seen_sfreq / n_seen)
        self._recent = np.zeros((n_channels, n_tiles, n_seen), dtype=np.float32)
        self._tile = 0
        self._tile_s = grid.n_tile / grid.sfreq
        self.until_search = int(np.ceil(FIRST_SEARCH_S / self._tile_s))
        """Tiles before lines are looked for again, at the end of the last of them."""

    def subtract(self, samples: np.ndarray, noise_sd: np.ndarray, *, keep: bool = True) -> None:
        """Take mains out of the next ``(n_channels, n)`` samples, in place.

        `noise_sd` bounds what the loop sees (infinite: no bound); `keep` False leaves the state
        as it was.
        """
        channels = np.flatnonzero(self.active.any(axis=1))
        if len(channels):
            samples[channels] = self._track(channels, samples[channels], noise_sd[channels], keep)

    def look(self, seen: np.ndarray, noise_sd: np.ndarray) -> None:
        """Take in what is seen of clean tiles, and look for lines there when it is time.

        Parameters
        ----------
        seen
            ``(n_channels, n)`` µV, band-passed: whole tiles, no more than `until_search`.
        noise_sd
            ``(n_channels,)`` µV, the noise of it.
        """
        if not len(self._nominal):
            return
        n_kept = self._recent.shape[1]
        tiles = seen.reshape(len(seen), -1, self._recent.shape[2])
        for i in range(tiles.shape[1]):
            self._recent[:, (self._tile + i) % n_kept] = tiles[:, i]
        self._tile += tiles.shape[1]
        self.started[:] = False
        self.until_search -= tiles.shape[1]
        if self.until_search <= 0:
            pause_s = PAUSE_S if self._tile >= n_kept else FIRST_SEARCH_S
            self.until_search = int(np.ceil(pause_s / self._tile_s))
            kept = np.arange(max(self._tile - n_kept, 0), self._tile) % n_kept
            recent = self._recent[:, kept].reshape(len(seen), -1)
            self._search(recent, noise_sd)
            self._recent[:, kept] = recent.reshape(len(seen), -1, tiles.shape[2])

    def _turning(self, channels: np.ndarray, line: int, n: int, sfreq: float) -> np.ndarray:
        """Return ``exp(i w t)`` of a line for some channels, as a product of coarse and fine."""
        hz = self._harmonic[line] * self.mains_hz[channels, self._base[line]]
        step = 2j * np.pi * hz / sfreq
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
        turnings = [self._turning(channels, line, n, self._sfreq) for line in lines]
        left = samples.copy()
        for line, turning in zip(lines, turnings, strict=True):
            left -= (self._amplitude[channels, line, None] * turning).real
        window = np.hanning(n + 2)[1:-1]
        power = samples.var(axis=1)
        # Not in a gap. The noise alone does not tell: false lines make it too high.
        there = power > np.where(np.isfinite(noise_sd), noise_sd**2 / 2, 0.0)
        there |= np.count_nonzero(np.diff(samples), axis=1) > n / 2
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
        """Drop lines that have faded, and start those that are there and not yet tracked.

        What is started is taken out of the recent signal too, or its end would look like others.
        """
        n = recent.shape[1]
        window = np.hanning(n).astype(np.float32)
        # Mains itself is as large as the noise around it here, so this does not clip it.
        spread = 1.4826 * _median(np.abs(recent[:, ::4]))
        bound = (CLIP_SD * spread)[:, None]
        transform = rfft(np.clip(recent, -bound, bound) * window, axis=1)
        power = np.square(transform.real) + np.square(transform.imag)
        least = LINE_OVER_NOISE * np.minimum(spread, noise_sd)
        self.active &= np.abs(self._amplitude) > least[:, None] / 2
        self._amplitude[~self.active] = 0.0
        # The spectrum around each line, as (channels, lines, places).
        step_hz = self._seen_sfreq / n
        n_beside = int(SPECTRUM_HZ[1] / step_hz)
        beside = np.arange(-n_beside, n_beside + 1)
        places = np.rint(self._nominal / step_hz).astype(int)[:, None] + beside
        around = power[:, places]
        background = _median(around[:, :, np.abs(beside) * step_hz > SPECTRUM_HZ[0]])
        reach = np.clip(SEARCH_HZ * self._harmonic, 1.5 * step_hz, SPECTRUM_HZ[0])
        near = np.abs(places * step_hz - self._nominal[:, None]) <= reach[:, None]
        peak = np.where(near, around, 0).argmax(axis=2, keepdims=True)
        top = np.take_along_axis(around, peak, axis=2)[..., 0]
        size = np.sqrt(top) * (2 / window.sum())
        found = (top > LINE_OVER_SPECTRUM * background) & (size > least[:, None])
        # A parabola through the logarithms finds the top of a Hann-windowed line.
        beside_peak = np.take_along_axis(around, peak + np.arange(-1, 2), axis=2)
        left, middle, right = np.moveaxis(np.log(np.maximum(beside_peak, 1e-30)), 2, 0)
        bend = np.minimum(left - 2 * middle + right, -1e-12)
        at = places[np.arange(len(places)), peak[..., 0]]
        found_hz = (at + 0.5 * (left - right) / bend) * step_hz
        for base in range(self.mains_hz.shape[1]):
            own = self._base == base
            first = own & np.isin(self._harmonic, FIRST_HARMONICS)
            is_mains = np.asarray((found | self.active)[:, first].any(axis=1))
            new = found & ~self.active & own & is_mains[:, None]
            strong = np.where(new, size, 0.0).max(axis=1)
            self.started |= strong > STRONG_LINE * np.minimum(noise_sd, spread)
            for channel in np.flatnonzero(new.any(axis=1)):
                if not self.active[channel, own].any():
                    lowest = int(np.argmax(new[channel]))
                    self.mains_hz[channel, base] = (
                        found_hz[channel, lowest] / self._harmonic[lowest]
                    )
                self._start(int(channel), np.flatnonzero(new[channel]), recent[channel])

    def _start(self, channel: int, lines: np.ndarray, recent: np.ndarray) -> None:
        """Begin to track lines of a channel, from its signal of late."""
        n = len(recent)
        window = np.hanning(n)
        windowed = recent * window
        for line in lines:
            turning = self._turning(np.array([channel]), line, n, self._seen_sfreq)[0]
            amplitude = 2 * np.sum(windowed * turning.conj()) / window.sum()
            recent -= (amplitude * turning).real
            hz = self._harmonic[line] * self.mains_hz[channel, self._base[line]]
            turned = np.exp(2j * np.pi * hz * n / self._seen_sfreq)
            self._amplitude[channel, line] = amplitude * turned / self._response[line]
            self.active[channel, line] = True


def _median(values: np.ndarray) -> np.ndarray:
    """Return the upper median over the last axis, several times as fast as `numpy.median`."""
    return np.asarray(np.sort(values, axis=-1)[..., values.shape[-1] // 2])
