"""Which blocks are a signal at all: not missing, not at the rails, not a dead line."""

import numpy as np

from emgtwitch.detection.codes import FLAT, GAP, SATURATION, VALID
from emgtwitch.detection.grid import TILE_BLOCKS, Grid

SATURATED_S = 0.003  # and at least four samples on one value far from the baseline
SATURATED_SD = 20.0  # times the noise from the baseline
SATURATED_LSB = 4.0  # and at least so many steps: the tip of a potential in a coarse recording
FLAT_BLOCKS = 2  # without any change, where the noise exceeds the converter's step
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
        self._middles = np.full((n_channels, BASELINE_TILES), np.nan)  # in no order
        self._tile = 0
        self._still = np.zeros(n_channels, dtype=int)
        self._run = max(4, round(SATURATED_S * grid.sfreq))

    @property
    def lsb_uv(self) -> np.ndarray:
        """``(n_channels,)`` step of the converter: as given, or the least change seen so far."""
        seen = np.where(np.isfinite(self._least_step), self._least_step, 0.0)
        return np.where(np.isfinite(self._given_lsb), self._given_lsb, seen)

    def next_tile(self, raw: np.ndarray, noise_sd: np.ndarray) -> np.ndarray:
        """Judge the next tile.

        Parameters
        ----------
        raw
            ``(n_channels, n_tile)`` µV, NaN where missing.
        noise_sd
            ``(n_channels,)`` present noise, infinite if unknown.

        Returns
        -------
        ndarray
            ``(n_channels, TILE_BLOCKS)`` of VALID, GAP, SATURATION or FLAT.
        """
        self._move_baseline(raw)
        change = np.empty_like(raw)
        change[:, 0] = raw[:, 0] - self._last
        np.subtract(raw[:, 1:], raw[:, :-1], out=change[:, 1:])
        still = change == 0
        self._last = raw[:, -1].copy()
        self._note_steps(raw, change, noise_sd)
        codes = np.full((len(raw), TILE_BLOCKS), VALID)
        if np.isnan(raw.sum()):
            codes[self._per_block(np.isnan(raw)).any(axis=2)] = GAP
        held = still.any(axis=1)
        if held.any():
            still_blocks = np.asarray(self._per_block(still).all(axis=2))
            for channel in np.flatnonzero(held).tolist():
                self._mark_saturation(
                    codes[channel], raw[channel], still[channel], noise_sd[channel], channel
                )
                self._mark_flat(codes[channel], still_blocks[channel], noise_sd[channel], channel)
        self._still[~held] = 0
        return codes

    def _per_block(self, mask: np.ndarray) -> np.ndarray:
        return mask.reshape(len(mask), TILE_BLOCKS, mask.shape[1] // TILE_BLOCKS)

    def _note_steps(self, raw: np.ndarray, change: np.ndarray, noise_sd: np.ndarray) -> None:
        # Steps much finer than the noise make no difference.
        coarse = ~(self._least_step < 0.05 * np.where(np.isfinite(noise_sd), noise_sd, 0.0))
        unknown = np.flatnonzero(~np.isfinite(self._given_lsb) & coarse)
        if len(unknown):
            # Rounding errors of the file's calibration are no steps.
            least = 1e-9 * np.nan_to_num(
                np.abs(raw[unknown]).max(axis=1, initial=0.0, keepdims=True)
            )
            size = np.abs(change[unknown])
            steps = np.where(size > least, size, np.inf)
            self._least_step[unknown] = np.minimum(self._least_step[unknown], steps.min(axis=1))

    def _mark_flat(
        self, codes: np.ndarray, still: np.ndarray, noise_sd: float, channel: int
    ) -> None:
        noisy = np.isfinite(noise_sd) and noise_sd > self.lsb_uv[channel]
        limit = FLAT_BLOCKS if noisy else round(DEAD_S / self._grid.block_s)
        for block in range(TILE_BLOCKS):
            self._still[channel] = self._still[channel] + 1 if still[block] else 0
            if self._still[channel] >= limit and codes[block] == VALID:
                codes[block] = FLAT

    def _mark_saturation(
        self, codes: np.ndarray, raw: np.ndarray, still: np.ndarray, noise_sd: float, channel: int
    ) -> None:
        far = max(SATURATED_SD * noise_sd, SATURATED_LSB * self.lsb_uv[channel])
        baseline = np.nanmedian(self._middles[channel])
        if not np.isfinite(far):
            return
        edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
        for start, stop in edges.reshape(-1, 2):
            held = stop - start + 1  # the sample before the first unchanged one too
            if held >= self._run and abs(raw[start] - baseline) > far:
                n = len(raw) // TILE_BLOCKS
                codes[start // n : (stop - 1) // n + 1] = SATURATION

    def _move_baseline(self, raw: np.ndarray) -> None:
        some = raw[:, :: max(1, raw.shape[1] // 8)]
        here = np.isfinite(some)
        seen = here.any(axis=1)  # a tile that is missing leaves an older one in its place
        sums = np.where(here, some, 0.0).sum(axis=1)[seen]
        self._middles[seen, self._tile % BASELINE_TILES] = sums / here.sum(axis=1)[seen]
        self._tile += 1
