"""The statistic of a stream: the bank is kept matched to the noise, and slid along the signal.

The signal is cut into pieces of half a block, each with the window before it; all positions in one
are then one product, of the piece with the bank written out at each of them. Single precision is
enough: it moves a score by less than a millionth.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy.signal import sosfilt

from emgtwitch.detection.grid import TILE_BLOCKS, Grid
from emgtwitch.detection.noise import NoiseFloor
from emgtwitch.detection.statistic import (
    make_bank,
    noise_responses,
    spread_bank,
    statistic,
    whitened_bank,
)

WARM_UP_S = 0.7  # of quiet signal, before anything is detected
# The noise is known only from what was seen of it; scores are lowered by this over the seconds.
# This is more than the error of its estimate: what a recording starts with may be no noise, and
# the peaks of a contraction lie further above their mean.
DOUBT_S = 0.6
LEAST_NOISE_UV2 = 1e-12  # far below any amplifier: a dead channel must not divide by zero
WHITEN_S = 10.0  # of quiet signal between new whitenings; each tile has its own level
WHITEN_MORE = 2.0  # or so many times as much as before, at the beginning


class Matcher:
    """Knows the noise of each channel, and scores the signal against it.

    Parameters
    ----------
    sos
        The band-pass that the signal has passed.
    grid
        Tiles and blocks.
    lsb_uv
        ``(n_channels,)`` step of the converter, µV; 0 where unknown.
    """

    def __init__(self, sos: np.ndarray, grid: Grid, lsb_uv: np.ndarray) -> None:
        self._grid = grid
        in_block = grid.n_block // grid.hop
        self._halves = 2 if in_block % 2 == 0 else 1
        self._n_positions = in_block // self._halves  # of the statistic in a piece
        self.bank = make_bank(sos, grid.sfreq, grid.step)
        self._n_window = len(self.bank.shapes)
        response = sosfilt(sos, np.eye(1, 4096)[0])
        products = np.correlate(response, response, mode="full")
        self._filter_products = products[4095 :: grid.step][: self._n_window]
        self.noise = NoiseFloor(self._converter_noise(lsb_uv), grid.seen_sfreq, grid.n_block)
        n_channels = len(lsb_uv)
        whitened = np.zeros((n_channels, *self.bank.shapes.shape), dtype=np.float32)
        self._bank_at = spread_bank(whitened, self._n_positions, grid.hop)
        self._responses = noise_responses(whitened)
        self._level = np.full(n_channels, np.nan)  # when the bank was whitened
        self.whitened_s = np.full(n_channels, np.nan)
        """``(n_channels,)`` seconds of quiet signal that the bank is matched to; NaN: none yet."""
        self._past = np.zeros((n_channels, self._n_window - 1), dtype=np.float32)

    def seen(self, new: np.ndarray, *, keep: bool = True) -> np.ndarray:
        """Return what is seen of tiles, after a window less one sample of what was.

        Parameters
        ----------
        new
            ``(n_channels, n_seen)`` float32, µV.
        keep
            False for a look at an unfinished tile, which leaves the state as it was.

        Returns
        -------
        ndarray
            ``(n_channels, n_window - 1 + n_seen)`` float32, with zeros up to the end of a block.
        """
        n_past, n_block = self._n_window - 1, self._grid.n_block
        n_blocks = -(-new.shape[1] // n_block)
        seen = np.zeros((len(new), n_past + n_blocks * n_block), dtype=np.float32)
        seen[:, :n_past] = self._past
        seen[:, n_past : n_past + new.shape[1]] = new
        if keep:
            self._past = seen[:, -n_past:].copy()
        return seen

    def powers(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean squares of seen tiles and of their second differences.

        Each is ``(n_channels, n_tiles, TILE_BLOCKS)``.
        """
        new = seen[:, self._n_window - 3 :]
        bend = new[:, 2:] + new[:, :-2]
        bend -= 2 * new[:, 1:-1]
        return self._mean_square(new[:, 2:]), self._mean_square(bend)

    def pieces(self, seen: np.ndarray) -> np.ndarray:
        """Return each half of a block with what its windows need of the signal before.

        As ``(n_channels, n_tiles, n_pieces, n_piece)``; an unfinished tile has fewer pieces.
        """
        hop, n_new = self._grid.hop, self._n_positions * self._grid.hop
        n_piece = self._n_window + n_new - hop
        n_all = (seen.shape[1] - self._n_window + 1) // n_new
        n_pieces = min(n_all, TILE_BLOCKS * self._halves)
        channel, sample = seen.strides
        pieces = as_strided(
            seen[:, hop - 1 :],
            (len(seen), n_all // n_pieces, n_pieces, n_piece),
            (channel, n_pieces * n_new * sample, n_new * sample, sample),
        )
        return np.ascontiguousarray(pieces)

    def update_noise(
        self, powers: np.ndarray, high_powers: np.ndarray, valid: np.ndarray, pieces: np.ndarray
    ) -> None:
        """Let the noise learn its level and its autocovariance from the quiet blocks of tiles.

        Parameters
        ----------
        powers, high_powers, pieces
            Of the tiles.
        valid
            ``(n_channels, n_tiles, TILE_BLOCKS)`` bool: blocks that are a signal at all.
        """
        quiet = self.noise.update_level(powers, high_powers, valid)
        # The first blocks of a tile are never quiet, since those before are not looked at.
        calm = quiet[..., 2:].repeat(self._halves, axis=2)
        pieces = pieces[:, :, -calm.shape[2] :]
        newest = pieces[..., self._n_window - 1 :: self._grid.hop] * calm[..., None]
        products = newest.swapaxes(2, 3) @ pieces
        *outer, position, sample = products.strides
        lagged = as_strided(  # each position with the window it ends
            products,
            (*products.shape[:3], self._n_window),
            (*outer, position + self._grid.hop * sample, sample),
        ).sum(axis=2)[..., ::-1]
        n_quiet = calm.sum(axis=2) * self._n_positions
        lagged = lagged / np.maximum(n_quiet, 1)[..., None]
        self.noise.update_shape(quiet, powers, high_powers, lagged)

    def scores(self, pieces: np.ndarray) -> np.ndarray:
        """Return ``(n_channels, n_positions)``: the statistic against the present noise."""
        ratio = self._level / self.noise.level / (1 + DOUBT_S / self.whitened_s)
        to_level = np.where(np.isfinite(ratio), ratio, 0.0)
        # A product for each tile, whose last bits cannot depend on how many tiles there are.
        scores = statistic(pieces, self._bank_at[:, None], self._n_positions)
        return scores.reshape(len(pieces), -1) * to_level.astype(np.float32)[:, None]

    def whiten(self, among: np.ndarray, lsb_uv: np.ndarray) -> None:
        """Match the bank to the noise of those channels of which enough more has been seen."""
        if not among.any():
            return
        seen_s = self.noise.seen_s
        due = seen_s >= np.fmin(WHITEN_MORE * self.whitened_s, self.whitened_s + WHITEN_S)
        due |= np.isnan(self.whitened_s) & (seen_s >= WARM_UP_S)
        known = among & np.isfinite(self.whitened_s)
        due |= self.noise.look_for_change(known, self._responses)
        due &= among
        if due.any():
            self.noise.set_least(due, self._converter_noise(lsb_uv))
            whitened = whitened_bank(self.bank, self.noise.autocovariance()[due])
            self._responses[due] = noise_responses(whitened)
            self._bank_at[due] = spread_bank(whitened, self._n_positions, self._grid.hop)
            self._level[due] = self.noise.level[due]
            self.whitened_s[due] = seen_s[due]

    def _converter_noise(self, lsb_uv: np.ndarray) -> np.ndarray:
        """Return the autocovariance of rounding noise, LSB²/12 before the filter."""
        variance = np.maximum(lsb_uv**2 / 12, LEAST_NOISE_UV2)
        return variance[:, None] * self._filter_products

    def _mean_square(self, signal: np.ndarray) -> np.ndarray:
        n_block = self._grid.n_block
        blocks = signal.reshape(len(signal), -1, TILE_BLOCKS, n_block)
        return np.einsum("ctbn,ctbn->ctb", blocks, blocks).astype(float) / n_block
