"""A recursive filter, computed a block of samples at a time.

Within a block, each output and the state at its end are fixed sums over the samples of the block
and the state before it: two products with a matrix, which take half of the time of a recursion
from sample to sample, and need no output that nobody looks at (Burrus 1972, IEEE Trans Audio
Electroacoust 20:230).
"""

import numpy as np
from scipy.signal import sosfilt

from emgtwitch.detection.grid import Grid

MOST_SAMPLES = 50  # in a block: more make larger matrices, fewer make more steps


class BlockFilter:
    """Filters whole tiles, and keeps its state from one to the next.

    Parameters
    ----------
    sos
        The filter, as second-order sections.
    n_channels, grid
        Of the signal. Of the output, only every `step`-th sample is computed.
    """

    def __init__(self, sos: np.ndarray, n_channels: int, grid: Grid) -> None:
        n_seen = grid.n_tile // grid.step
        fits = [
            n for n in range(1, n_seen + 1) if n_seen % n == 0 and n * grid.step <= MOST_SAMPLES
        ]
        self._n_tile, self._step = grid.n_tile, grid.step
        self._n_seen = max(fits, default=1)  # in a block
        n, n_state = self._n_seen * grid.step, 2 * len(sos)
        # What becomes of each sample alone, and of each part of the state.
        states = np.zeros((n + n_state, n_state))
        states[n:] = np.eye(n_state)
        outputs, states = sosfilt(
            sos, np.eye(n + n_state, n), zi=states.reshape(-1, len(sos), 2).swapaxes(0, 1)
        )
        states = states.swapaxes(0, 1).reshape(-1, n_state)
        self._of_samples = np.hstack([outputs[:n, :: grid.step], states[:n]])
        self._output_of_state, self._state_of_state = outputs[n:, :: grid.step], states[n:]
        self._state = np.zeros((n_channels, n_state))

    def filter(self, samples: np.ndarray, *, keep: bool = True) -> np.ndarray:
        """Return ``(n_channels, n / step)`` float32 of ``(n_channels, n)`` samples.

        If not `keep`, the samples may end within a tile, and the state stays as it was.
        """
        n_channels, n_samples = samples.shape
        n_block = self._n_seen * self._step
        if n_samples % self._n_tile:
            whole = np.zeros((n_channels, -(-n_samples // n_block) * n_block))
            whole[:, :n_samples] = samples
            blocks = whole.reshape(n_channels, 1, -1, n_block) @ self._of_samples
        else:
            # A product for each tile: its last bits cannot depend on how many tiles there are.
            tiles = samples.reshape(n_channels, -1, self._n_tile // n_block, n_block)
            blocks = tiles @ self._of_samples
        states = np.empty((*blocks.shape[:3], self._state.shape[1]))
        state = self._state
        for tile in range(blocks.shape[1]):
            for block in range(blocks.shape[2]):
                states[:, tile, block] = state
                state = (state[:, None] @ self._state_of_state)[:, 0]
                state += blocks[:, tile, block, self._n_seen :]
        if keep:
            self._state = state
        outputs = states @ self._output_of_state
        outputs += blocks[..., : self._n_seen]
        return outputs.astype(np.float32).reshape(n_channels, -1)[:, : n_samples // self._step]
