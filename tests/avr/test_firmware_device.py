"""The compiled firmware behind a pty and `firmware_bridge.device`: both ends of the wire."""

import time

import numpy as np

from firmware_bridge import frames
from firmware_bridge.decoders import Block, Mark
from firmware_bridge.device import open_device
from firmware_bridge.items import Gap, Stalled

PATIENCE_S = 30.0


def read_until(device, items, enough):
    """Read until it is enough, no matter how slow this machine is just now."""
    ends = time.monotonic() + PATIENCE_S
    while not enough():
        assert time.monotonic() < ends
        items += device.read(0.1)


def of(items, kind):
    return [item for item in items if isinstance(item, kind)]


def n_scans(items):
    return sum(block.counts.shape[1] for block in of(items, Block))


def test_both_ends_of_the_wire(cable):
    cable.plug_in()
    items = []
    with open_device(cable.port, "emgt") as device:
        info = device.info
        assert (info.board, info.ch_names, info.bits) == ("uno", ("calf_L", "calf_R"), 10)
        device.start(frames.NOISE)
        assert device.info.sfreq == 2000
        read_until(device, items, lambda: n_scans(items) >= 1500)
        device.mark(7)
        read_until(device, items, lambda: of(items, Mark))

        cable.held.set()
        read_until(device, items, lambda: of(items, Stalled))
        cable.held.clear()
        read_until(device, items, lambda: any(stall.over for stall in of(items, Stalled)))
        assert device.statistics.lost_scans == 0

        before = len(items)
        cable.reset_board()
        read_until(device, items, lambda: of(items, Gap))
        read_until(device, items, lambda: n_scans(items[before:]) > 500)
        statistics = device.statistics
    assert (statistics.n_stalls, statistics.n_restarts, statistics.n_losses) == (1, 1, 0)
    (gap,) = of(items, Gap)
    (mark,) = of(items, Mark)
    assert (mark.code, mark.source) == (7, "host")
    assert 1500 <= mark.scan < 1500 + 2 * 2000
    for block in of(items, Block):
        n = block.counts.shape[1]
        scans = np.arange(block.first, block.first + n)
        scans -= gap.scan if block.first >= gap.scan else 0  # the board counts from 0 again
        np.testing.assert_array_equal(block.counts, frames.test_signal(frames.NOISE, scans, 2, 10))
