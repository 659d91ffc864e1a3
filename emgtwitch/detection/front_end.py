"""From raw samples to the cleaned signal, causally and tile by tile.

The order matters: one-sample impulses go before any filter turns them into something like a motor
unit potential; gaps are bridged so that the filter sees no step; mains is subtracted, not notched,
since a notch rings after every potential.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter

from emgtwitch.detection.block_filter import BlockFilter
from emgtwitch.detection.gaps import GapBridge
from emgtwitch.detection.grid import Grid
from emgtwitch.detection.mains import MainsCanceller

LOW_HZ = 20.0  # De Luca 2010, J Biomech 43:1573: removes most motion, little of the EMG
HIGH_HZ = 450.0
ORDER = 4  # of each corner of the band-pass: 24 dB per octave
GLITCH_S = 0.002  # impulses up to this long, and no longer than two samples, are glitches
GLITCH_SD = 9.0  # standard deviations of the noise that an impulse exceeds
# ... and this share of the peak to peak of what is around it: a real potential has flanks, and the
# sharpest, whose peak lasts two samples, still swings about as far without it.
GLITCH_SHARE = 1.3
# Of the height, an impulse of one or two samples makes so much in one step; if it exceeds what is
# around it, it makes so much up and down.
STEEP, STEEP_BACK = 0.75, 0.6
AROUND_S = 0.006  # before and after an impulse, for that comparison


def band_pass(sfreq: float) -> np.ndarray:
    """Return the second-order sections of the band-pass at a sampling frequency."""
    return butter(
        ORDER, [LOW_HZ, min(HIGH_HZ, 0.45 * sfreq)], btype="bandpass", fs=sfreq, output="sos"
    )


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
    if longest == 0:
        return samples, found
    limit = GLITCH_SD * noise_sd
    change = samples[:, around : 1 - around] - samples[:, around - 1 : -around]
    steep = np.flatnonzero(np.abs(change, out=change).max(axis=1) > STEEP * limit)
    if len(steep) == 0:
        return samples, found
    change = np.diff(samples[steep, around - 1 : samples.shape[1] - around + 2])
    first = change[:, :-2]
    back = np.minimum(first * change[:, 1:-1], first * change[:, 2:])
    rows, starts = np.nonzero(back < -np.square(STEEP_BACK * limit[steep, None]))
    if len(rows) == 0:
        return samples, found
    channels = steep[rows]
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
    """Bridges gaps, removes glitches and mains tile by tile, and filters; keeps its state.

    Parameters
    ----------
    n_channels, grid
        Of the signal.
    mains
        See `MainsCanceller`.
    """

    def __init__(self, n_channels: int, grid: Grid, mains: str) -> None:
        self._grid = grid
        self.sos = band_pass(grid.sfreq)
        self._longest_glitch = min(2, int(GLITCH_S * grid.sfreq))
        # Where no impulse can be told from a potential, nothing is to be waited for.
        self.look_ahead = max(4, round(AROUND_S * grid.sfreq)) if self._longest_glitch else 0
        self._gaps = GapBridge(n_channels)
        self._past = np.zeros((n_channels, self.look_ahead))
        self._filter = BlockFilter(self.sos, n_channels, grid)
        self.mains = MainsCanceller(n_channels, grid, mains, self.sos)

    def process(
        self, samples: np.ndarray, noise_sd: np.ndarray, *, keep: bool = True
    ) -> tuple[np.ndarray, np.ndarray, list[Glitch]]:
        """Clean some tiles, in place.

        Parameters
        ----------
        samples
            ``(n_channels, look_ahead + n + look_ahead)`` µV, NaN where missing: what came before,
            which is replaced by what was made of it, the tiles, and what follows.
        noise_sd
            ``(n_channels,)`` noise of the filtered signal, µV; infinite where unknown.
        keep
            False for a look at an unfinished tile, which leaves the state as it was.

        Returns
        -------
        clean : ndarray
            ``(n_channels, n)`` µV, impulses and mains removed.
        seen : ndarray
            ``(n_channels, n / step)`` float32, µV: band-passed too, with the delay of a causal
            filter, at every `step`-th sample.
        glitches : list of Glitch
            What was removed, with samples counted from the start of the first tile.
        """
        ahead = self.look_ahead
        end = samples.shape[1] - ahead
        samples[:, :ahead] = self._past
        self._gaps.bridge(samples[:, ahead:], end - ahead, keep=keep)
        glitches = self._remove_glitches(samples, noise_sd)
        past = samples[:, end - ahead : end].copy()
        clean = samples[:, ahead:end]
        for start in range(0, clean.shape[1], self._grid.n_tile):
            self.mains.subtract(clean[:, start : start + self._grid.n_tile], noise_sd, keep=keep)
        seen = self._filter.filter(clean, keep=keep)
        if keep:
            self._past = past
            self.mains.look(seen, noise_sd)
        return clean, seen, glitches

    def _remove_glitches(self, extended: np.ndarray, noise_sd: np.ndarray) -> list[Glitch]:
        """Remove impulses from tiles, in place; they have `look_ahead` samples on both sides."""
        ahead, n_tile = self.look_ahead, self._grid.n_tile
        _, found = remove_glitches(extended, noise_sd, ahead, self._longest_glitch)
        rows = np.unique([glitch.channel for glitch in found])  # most often, none
        glitches: list[Glitch] = []
        for start in range(0, extended.shape[1] - 2 * ahead, n_tile) if len(rows) else ():
            tile = slice(start + ahead, min(start + n_tile, extended.shape[1] - 2 * ahead) + ahead)
            mended, found = remove_glitches(
                extended[rows, start : tile.stop + ahead],
                noise_sd[rows],
                ahead,
                self._longest_glitch,
            )
            extended[rows, tile] = mended[:, ahead:-ahead]
            glitches += [Glitch(int(rows[g.channel]), g.sample + start, g.height_uv) for g in found]
        return glitches
