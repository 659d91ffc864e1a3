"""Lines with a clock from a board that prints their names once, at its start."""

import socket
import threading
import time

import numpy as np
import pytest

from firmware_bridge.decoders import Block
from firmware_bridge.decoders.text import TimedBlock, encode
from firmware_bridge.device import open_device

SFREQ = 500
LUMP = 10


def print_lines(server, ending):
    """Serve one reader: the names, then scans that are their own index, at their rate."""
    connection, _ = server.accept()
    with connection:
        ending.wait(0.5)  # pyserial drops what comes while it opens the port
        began = time.monotonic()
        for first in range(0, 100 * SFREQ, LUMP):
            counts = np.tile(np.arange(first, first + LUMP) % 1000, (2, 1))
            try:
                connection.sendall(encode(counts, first, step_us=1e6 / SFREQ))
            except OSError:
                return
            if ending.wait(max(0, began + (first + LUMP) / SFREQ - time.monotonic())):
                return


@pytest.mark.parametrize("format_name", ["auto", "text"])
def test_names_read_while_identifying_serve_the_stream(format_name):
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        board = threading.Thread(target=print_lines, args=(server, ending))
        board.start()
        try:
            url = f"socket://127.0.0.1:{server.getsockname()[1]}"
            with open_device(url, format_name, sfreq=SFREQ) as device:
                assert device.info.ch_names == ("ch0", "ch1")
                device.start()
                blocks = []
                until = time.monotonic() + 10
                while len(blocks) < 5 and time.monotonic() < until:
                    blocks += [item for item in device.read(0.1) if isinstance(item, Block)]
        finally:
            ending.set()
            board.join()
    assert len(blocks) >= 5
    for block in blocks:
        assert isinstance(block, TimedBlock)
        assert np.array_equal(block.counts[0], np.rint(block.time_s * SFREQ) % 1000)
