"""From raw samples to the cleaned signal, causally and tile by tile.

The order matters: one-sample impulses go before any filter turns them into something like a motor
unit potential; gaps are bridged so that the filter sees no step; mains is subtracted, not notched,
since a notch rings after every potential.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import butter, sosfilt

from emgtwitch.detection.mains import MainsCanceller

LOW_HZ = 20.0  # De Luca 2010, J Biomech 43:1573: removes most motion, little of the EMG
HIGH_HZ = 450.0
ORDER = 4  # of each corner of the band-pass: 24 dB per octave
GLITCH_S = 0.002  # impulses up to this long, and no longer than two samples, are glitches
GLITCH_SD = 9.0  # standard deviations of the noise that an impulse exceeds
# ... and this share of the peak to peak of what is around it: a real potential has flanks, and the
# sharpest, whose peak lasts two samples, still swings about as far without it.
GLITCH_SHARE = 1.3
AROUND_S = 0.006  # before and after an impulse, for that comparison


def band_pass(sfreq: float) -> np.ndarray:
    """Return the second-order sections of the band-pass at a sampling frequency."""
    return butter(
        ORDER, [LOW_HZ, min(HIGH_HZ, 0.45 * sfreq)], btype="bandpass", fs=sfreq, output="sos"
    )


class GapBridge:
    """Replaces missing samples by the last one, and removes the step at the end of a gap."""

    def __init__(self, n_channels: int) -> None:
        self._last = np.zeros(n_channels)
        self._offset = np.zeros(n_channels)
        self._in_gap = np.ones(n_channels, dtype=bool)  # the signal starts as if after a gap

    def bridge(self, samples: np.ndarray) -> np.ndarray:
        """Return ``(n_channels, n)`` samples without NaN and without the steps of gaps."""
        missing = ~np.isfinite(samples)
        bridged = samples - self._offset[:, None]
        for row in np.flatnonzero(missing.any(axis=1) | self._in_gap).tolist():
            self._bridge_row(row, samples[row], missing[row], bridged[row])
        self._last = bridged[:, -1].copy()
        self._in_gap = missing[:, -1].copy()
        return bridged

    def _bridge_row(
        self, row: int, samples: np.ndarray, missing: np.ndarray, bridged: np.ndarray
    ) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate([[self._in_gap[row]], missing]))).tolist()
        last = self._last[row]
        in_gap = bool(self._in_gap[row])
        start = 0
        for stop in [*edges, len(samples)]:
            if stop > start and in_gap:
                bridged[start:stop] = last
            elif stop > start:
                bridged[start:stop] = samples[start:stop] - self._offset[row]
                last = bridged[stop - 1]
            if stop < len(samples):
                in_gap = not in_gap
                if not in_gap:
                    self._offset[row] = samples[stop] - last
            start = stop


@dataclass(frozen=True)
class Glitch:
    """An impulse that was removed: where in the tile, and how high."""

    channel: int
    sample: int
    height_uv: float


def remove_glitches(
    samples: np.ndarray, noise_sd: np.ndarray, around: int, longest: int
) -> tuple[np.ndarray, list[Glitch]]:
    """Replace impulses of one sample up to `longest` by a straight line.

    Parameters
    ----------
    samples
        ``(n_channels, around + n + around)``: a tile, what came before, and what follows.
    noise_sd
        ``(n_channels,)`` standard deviation of the noise; infinite where it is unknown.
    around
        Samples to each side of an impulse that it is compared with.
    longest
        Longest impulse in samples.

    Returns
    -------
    samples : ndarray
        As given, or a cleaned copy.
    glitches : list of Glitch
        With samples counted from the start of the tile.
    """
    found: list[Glitch] = []
    n = samples.shape[1] - 2 * around
    if longest == 0:
        return samples, found
    middle = samples[:, around : around + n]
    bend = samples[:, around - 1 : around + n - 1] + samples[:, around + 1 : around + n + 1]
    bend -= 2 * middle
    limit = GLITCH_SD * noise_sd
    channels, starts = np.nonzero(np.abs(bend, out=bend) > limit[:, None])
    if len(channels) == 0:
        return samples, found
    windows = samples[channels[:, None], starts[:, None] + np.arange(2 * around + 1)]
    cleaned = samples
    for length in range(1, longest + 1):
        before, after = windows[:, around - 1, None], windows[:, around + length, None]
        line = before + (after - before) * np.arange(1, length + 1) / (length + 1)
        inside = slice(around, around + length)
        height = np.abs(windows[:, inside] - line).min(axis=1)
        high = np.flatnonzero(height > limit[channels])
        if len(high) == 0:
            continue
        mended = windows[high]
        mended[:, inside] = line[high]
        hits = high[height[high] > GLITCH_SHARE * np.ptp(mended, axis=1)]
        if len(hits) and not found:
            cleaned = samples.copy()
        for hit in hits:
            at = starts[hit] + around
            cleaned[channels[hit], at : at + length] = line[hit]
            found.append(Glitch(int(channels[hit]), int(starts[hit]), float(height[hit])))
    return cleaned, found


class FrontEnd:
    """Removes glitches and mains tile by tile, and filters; keeps its state.

    Parameters
    ----------
    n_channels, sfreq, n_tile
        Of the signal; samples of a tile.
    mains
        See `MainsCanceller`.
    """

    def __init__(self, n_channels: int, sfreq: float, n_tile: int, mains: str) -> None:
        self._n_tile = n_tile
        self.sos = band_pass(sfreq)
        self.look_ahead = max(4, round(AROUND_S * sfreq))
        self._longest_glitch = min(2, int(GLITCH_S * sfreq))
        self._past = np.zeros((n_channels, self.look_ahead))
        self._state = np.zeros((len(self.sos), n_channels, 2))
        self.mains = MainsCanceller(n_channels, sfreq, mains)

    def process(
        self, samples: np.ndarray, noise_sd: np.ndarray, *, keep: bool = True
    ) -> tuple[np.ndarray, np.ndarray, list[Glitch]]:
        """Clean some tiles.

        Parameters
        ----------
        samples
            ``(n_channels, n + look_ahead)`` µV without gaps: the tiles and what follows.
        noise_sd
            ``(n_channels,)`` noise of the filtered signal, µV; infinite where unknown.
        keep
            False for a look at an unfinished tile, which leaves the state as it was.

        Returns
        -------
        clean : ndarray
            ``(n_channels, n)`` µV, impulses and mains removed.
        filtered : ndarray
            ``(n_channels, n)`` µV, band-passed too, with the delay of a causal filter.
        glitches : list of Glitch
            What was removed, with samples counted from the start of the first tile.
        """
        ahead = self.look_ahead
        extended = np.concatenate([self._past, samples], axis=1)
        cleaned, glitches = [], []
        for start in range(ahead, samples.shape[1], self._n_tile):
            stop = min(start + self._n_tile, samples.shape[1])
            tile = extended[:, start:stop]
            mended, found = remove_glitches(
                extended[:, start - ahead : stop + ahead], noise_sd, ahead, self._longest_glitch
            )
            if found:
                tile[:] = mended[:, ahead:-ahead]
                glitches += [
                    replace(glitch, sample=glitch.sample + start - ahead) for glitch in found
                ]
            cleaned.append(self.mains.subtract(tile, noise_sd, keep=keep))
        clean = np.concatenate(cleaned, axis=1)
        filtered, state = sosfilt(self.sos, clean, axis=-1, zi=self._state)
        if keep:
            self._state = state
            self._past = extended[:, -2 * self.look_ahead : -self.look_ahead].copy()
        return clean, filtered, glitches
