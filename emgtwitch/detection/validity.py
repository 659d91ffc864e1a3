"""Which blocks are a signal at all: not missing, not at the rails, not a dead line."""

import numpy as np

from emgtwitch.detection.codes import FLAT, GAP, SATURATION, VALID
from emgtwitch.detection.gaps import with_gaps
from emgtwitch.detection.grid import TILE_BLOCKS, Grid

SATURATED_S = 0.003  # and at least four samples on one value far from the baseline
SATURATED_SD = 20.0  # times the noise from the baseline
SATURATED_LSB = 4.0  # and at least so many steps: the tip of a potential in a coarse recording
# Without any change, where the noise exceeds the converter's step, or, as long as it is not known,
# unless only some samples have been seen to differ.
FLAT_BLOCKS = 2
DEAD_S = 10.0  # without any change, whatever the step
BASELINE_TILES = 31  # over whose means the baseline is the median: a few seconds


class Validity:
    """Judges the raw samples of each channel, block by block.

    Parameters
    ----------
    n_channels, grid
        Of the recording.
    lsb_uv
        ``(n_channels,)`` step of the converter, NaN where unknown.
    """

    def __init__(self, n_channels: int, grid: Grid, lsb_uv: np.ndarray) -> None:
        self._grid = grid
        self._given_lsb = lsb_uv
        self._least_step = np.full(n_channels, np.inf)
        self._last = np.full(n_channels, np.nan)
        self._middles = np.full((n_channels, BASELINE_TILES), np.nan)
        self._still = np.zeros(n_channels, dtype=int)
        # Blocks have been seen in which most samples differed, and such in which only some did.
        self._lively, self._coarse_seen = np.zeros((2, n_channels), dtype=bool)
        self._run = max(4, round(SATURATED_S * grid.sfreq))

    @property
    def lsb_uv(self) -> np.ndarray:
        """``(n_channels,)`` step of the converter: as given, or the least change seen so far."""
        seen = np.where(np.isfinite(self._least_step), self._least_step, 0.0)
        return np.where(np.isfinite(self._given_lsb), self._given_lsb, seen)

    def next_tiles(self, raw: np.ndarray, noise_sd: np.ndarray) -> np.ndarray:
        """Judge the next tiles.

        Parameters
        ----------
        raw
            ``(n_channels, n_tiles * n_tile)`` µV, NaN where missing.
        noise_sd
            ``(n_channels,)`` present noise, infinite if unknown.

        Returns
        -------
        ndarray
            ``(n_channels, n_tiles, TILE_BLOCKS)`` of VALID, GAP, SATURATION or FLAT.
        """
        before, self._last = self._last, raw[:, -1].copy()
        still: np.ndarray = np.empty(raw.shape, dtype=bool)
        still[:, 0] = (raw[:, 0] == before) | (np.isnan(before) & np.isfinite(raw[:, 0]))
        np.equal(raw[:, 1:], raw[:, :-1], out=still[:, 1:])
        tiles = raw.reshape(len(raw), -1, self._grid.n_tile)
        still = still.reshape(tiles.shape)
        held = np.asarray(still.any(axis=2))
        baselines = self._move_baseline(tiles)
        codes = np.full((*tiles.shape[:2], TILE_BLOCKS), VALID)
        gaps = np.flatnonzero(with_gaps(raw))
        if len(gaps):
            codes[gaps] = np.where(self._per_block(np.isnan(tiles[gaps])).any(axis=3), GAP, VALID)
        coarse = self._coarse(noise_sd)
        for i in range(tiles.shape[1]):
            if coarse.any():
                self._note_steps(tiles[:, i], before, coarse)
                coarse = self._coarse(noise_sd)
                before = tiles[:, i, -1]
            for channel in np.flatnonzero(held[:, i]).tolist():
                now = codes[channel, i], tiles[channel, i], still[channel, i], noise_sd[channel]
                self._mark_saturation(*now, channel, baselines[channel, i : i + BASELINE_TILES])
                self._mark_flat(codes[channel, i], still[channel, i], noise_sd[channel], channel)
            self._still[~held[:, i]] = 0
            if np.isinf(noise_sd).any():
                self._look_for_life(~still[:, i] & np.isfinite(tiles[:, i]))
        return codes

    def _per_block(self, mask: np.ndarray) -> np.ndarray:
        *outer, n = mask.shape
        return mask.reshape(*outer, TILE_BLOCKS, n // TILE_BLOCKS)

    def _coarse(self, noise_sd: np.ndarray) -> np.ndarray:
        """Return the channels of which the step is to be found out: no less than noise hides."""
        fine = self._least_step < 0.05 * np.where(np.isfinite(noise_sd), noise_sd, 0.0)
        return np.asarray(~fine & ~np.isfinite(self._given_lsb))

    def _note_steps(self, raw: np.ndarray, before: np.ndarray, coarse: np.ndarray) -> None:
        raw = raw[coarse]
        # Rounding errors of the file's calibration are no steps.
        least = 1e-9 * np.nan_to_num(np.abs(raw).max(axis=1, initial=0.0, keepdims=True))
        size = np.abs(np.diff(raw, prepend=before[coarse, None]))
        steps = np.where(size > least, size, np.inf)
        self._least_step[coarse] = np.minimum(self._least_step[coarse], steps.min(axis=1))

    def _look_for_life(self, differ: np.ndarray) -> None:
        """See whether samples differ most of the time: then standing still is no noise."""
        share = self._per_block(differ).mean(axis=2)
        self._lively |= (share > 0.5).any(axis=1)
        self._coarse_seen |= ((share > 0) & (share <= 0.5)).any(axis=1)

    def _mark_flat(
        self, codes: np.ndarray, still: np.ndarray, noise_sd: float, channel: int
    ) -> None:
        still = np.asarray(self._per_block(still).all(axis=1))
        limit = round(DEAD_S / self._grid.block_s)
        if np.isfinite(noise_sd):
            limit = FLAT_BLOCKS if noise_sd > self.lsb_uv[channel] else limit
        elif self._lively[channel] or not self._coarse_seen[channel]:
            limit = 1  # or it would be the first that is known of the noise
        for block in range(TILE_BLOCKS):
            self._still[channel] = self._still[channel] + 1 if still[block] else 0
            if self._still[channel] >= limit and codes[block] == VALID:
                codes[block] = FLAT

    def _mark_saturation(
        self,
        codes: np.ndarray,
        raw: np.ndarray,
        still: np.ndarray,
        noise_sd: float,
        channel: int,
        middles: np.ndarray,
    ) -> None:
        far = max(SATURATED_SD * noise_sd, SATURATED_LSB * self.lsb_uv[channel])
        if not np.isfinite(far):
            return
        baseline = np.nanmedian(middles)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
        for start, stop in edges.reshape(-1, 2):
            held = stop - start + 1  # the sample before the first unchanged one too
            if held >= self._run and abs(raw[start] - baseline) > far:
                n = len(raw) // TILE_BLOCKS
                codes[start // n : (stop - 1) // n + 1] = SATURATION

    def _move_baseline(self, tiles: np.ndarray) -> np.ndarray:
        """Return the means of tiles from so long ago that the last few give each its baseline."""
        some = tiles[..., :: max(1, tiles.shape[2] // 8)]
        here = np.isfinite(some)
        sums, count = np.where(here, some, 0.0).sum(axis=2), here.sum(axis=2)
        # A tile that is missing leaves an older one in its place.
        older = self._middles[:, : tiles.shape[1]]
        middles = np.where(count > 0, sums / np.maximum(count, 1), older)
        known = np.concatenate([self._middles, middles], axis=1)
        self._middles = known[:, tiles.shape[1] :]
        return known[:, 1:]
