"""The fixed grid of tiles on which everything is computed.

Whatever blocks the samples arrive in, each step works on whole tiles that start at fixed sample
numbers and have one size: so the result cannot depend on the blocks, down to the last bit.
"""

from dataclasses import dataclass

TILE_BLOCKS = 8
BLOCK_S = 0.025  # at most
# From the beginning of a block to the tile with which it is decided: with the look-ahead of the
# front end, and since a peak may lie a little before the block, this makes at most 1 s.
DECISION_S = 0.97


@dataclass(frozen=True)
class Grid:
    """Sizes of tiles and blocks.

    Attributes
    ----------
    sfreq
        Sampling frequency of the recording, Hz.
    step
        The statistic sees every `step`-th filtered sample, at 1 to 2 kHz for fast recordings.
    hop
        The statistic is computed at every `hop`-th of those.
    n_block
        Seen samples of a block, up to 25 ms; a potential fills one or two.
    """

    sfreq: float
    step: int
    hop: int
    n_block: int

    @property
    def seen_sfreq(self) -> float:
        """Rate of the samples that the statistic sees, Hz."""
        return self.sfreq / self.step

    @property
    def n_tile(self) -> int:
        """Samples of the recording in a tile."""
        return self.n_block * self.step * TILE_BLOCKS

    @property
    def block_s(self) -> float:
        """Length of a block, s."""
        return self.n_block * self.step / self.sfreq

    @property
    def ahead(self) -> int:
        """Blocks that are known after those that are decided with a tile."""
        return int(DECISION_S / self.block_s) - TILE_BLOCKS


def make_grid(sfreq: float) -> Grid:
    """Return the grid for a sampling frequency."""
    step = max(1, int(sfreq // 1000))
    hop = 2 if sfreq / step >= 750 else 1
    return Grid(sfreq, step, hop, hop * int(BLOCK_S * sfreq / step / hop))
