"""An open port that goes away."""

import gc
import socket
import struct

import pytest

from firmware_bridge.link import PORT_ERRORS, Link

# Closing with a linger time of 0 s sends a reset, as a computer does whose program was killed.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@pytest.mark.filterwarnings("error")
def test_a_connection_cut_off_by_the_other_end_is_closed():
    """pyserial leaves such a socket open, for the interpreter to find and complain about."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(f"socket://127.0.0.1:{server.getsockname()[1]}", 115200)
        other, _ = server.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        other.close()
        with pytest.raises(PORT_ERRORS):
            for _ in range(100):
                link.read()
        link.close()
        del link
        gc.collect()
