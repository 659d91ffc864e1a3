"""Opening, identifying, starting, marking and stopping a device; what is refused, and how."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
import serial
from serial.rfc2217 import PortManager

from firmware_bridge import frames
from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.device import open_device
from firmware_bridge.device_info import emgt_info, foreign_info
from firmware_bridge.inbox import Inbox
from firmware_bridge.link import Link
from firmware_bridge.reader import State
from firmware_bridge.virtual import About, VirtualDevice

needs_pty = pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")


def source(n_channels):
    def codes(first, n):
        return np.tile(np.arange(first, first + n) % 900, (n_channels, 1))

    return codes


@pytest.fixture
def virtual():
    about = About(("calf_L", "calf_R"), serial="A7", gain=200)
    with VirtualDevice(source(2), about=about) as device:
        yield device


def blocks_of(device, seconds):
    """Return the blocks that come in some seconds."""
    until = time.monotonic() + seconds
    items = []
    while time.monotonic() < until:
        items += device.read(0.05)
    return [item for item in items if isinstance(item, Block)]


def test_over_tcp_from_opening_to_closing(virtual):
    url = virtual.serve_tcp()
    threads = set(threading.enumerate())
    with open_device(url) as device:
        info = device.info
        assert (info.format, info.board, info.serial) == ("emgt", "virtual", "A7")
        assert (info.ch_names, info.n_channels) == (("calf_L", "calf_R"), 2)
        assert (info.sfreq, info.bits, info.vref_mv) == (2000, 10, 5000)
        assert info.gain == (200, 200)
        assert info.uv_per_count == (5e6 / 1024 / 200,) * 2
        assert (device.state, device.port, device.clock) == (State.IDLE, url, None)
        device.start()
        assert device.state is State.STREAMING
        with pytest.raises(BridgeError, match="streams already"):
            device.start()
        first = blocks_of(device, 0.5)
        assert first[0].first == 0
        device.stop()
        assert device.state is State.IDLE
        device.read(0)
        assert device.read(10.0) == []  # at once
        device.start()
        assert blocks_of(device, 0.3)[0].first == 0
    assert device.state is State.CLOSED
    device.close()
    with pytest.raises(BridgeError, match="closed"):
        device.start()
    assert not set(threading.enumerate()) - threads


def test_rate_and_channels_are_asked_for(virtual):
    url = virtual.serve_tcp()
    with open_device(url, "emgt", n_channels=1, sfreq=1500) as device:
        device.start()
        assert device.info.sfreq == pytest.approx(1500, rel=1e-3)
        assert device.info.sfreq != 1500  # what the timer of the board makes of it, exactly
        (block, *_) = blocks_of(device, 0.3)
        assert block.counts.shape[0] == 1
    with pytest.raises(BridgeError, match="has 2 channels, 5 were asked for"):
        open_device(url, "emgt", n_channels=5)
    with pytest.raises(BridgeError, match="whole rates"):
        open_device(url, "emgt", sfreq=0.5)


def test_a_refused_start_says_what_to_do():
    about = About(("calf_L", "calf_R"), only_sfreq=True)
    with VirtualDevice(source(2), about=about) as virtual:
        virtual.serve_tcp()
        with (
            open_device(virtual.url, sfreq=500) as device,
            pytest.raises(BridgeError, match="refuses 2 channels at 500 Hz"),
        ):
            device.start()


def test_test_signal_and_marks(virtual):
    with open_device(virtual.serve_tcp()) as device:
        device.start(frames.RAMP)
        virtual_start = time.monotonic()
        device.mark(40_000)
        virtual.press_button(3)
        items = []
        while time.monotonic() < virtual_start + 0.5:
            items += device.read(0.05)
        blocks = [item for item in items if isinstance(item, Block)]
        assert all(block.test_signal for block in blocks)
        scans = np.arange(blocks[0].first, blocks[0].first + blocks[0].counts.shape[1])
        assert (blocks[0].counts == frames.test_signal(frames.RAMP, scans, 2, 10)).all()
        marks = [(item.code, item.source) for item in items if isinstance(item, Mark)]
        assert sorted(marks) == [(3, "button"), (40_000, "host")]
        with pytest.raises(BridgeError, match="0 to 65535"):
            device.mark(-1)
        device.stop()
        device.start()
        assert not blocks_of(device, 0.3)[0].test_signal


def test_marks_of_boards_that_cannot_mark():
    with (
        VirtualDevice(source(6), "openeeg") as virtual,
        open_device(virtual.serve_tcp(), "openeeg") as device,
    ):
        device.start()
        blocks_of(device, 0.5)
        device.mark(5)
        (mark,) = (item for item in device.read(1.0) if isinstance(item, Mark))
        assert (mark.code, mark.source) == (5, "host")
        assert 50 < mark.scan < 2000


def test_a_stale_stream_is_stopped_first(virtual):
    url = virtual.serve_tcp()
    link = Link(url, 500_000)
    link.write(b"\0" + frames.encode(frames.Start(0, 77, 2000, 3, 0)))
    time.sleep(0.3)
    link.close()
    with open_device(url) as device:
        device._reader._session = 5  # otherwise the clock's, which may be 77 too
        device.start()
        blocks = blocks_of(device, 0.5)
        assert blocks[0].first == 0
        assert {block.session for block in blocks}.isdisjoint({77})
        assert device.statistics.rejected.total() == 0
        assert device.statistics.lost_scans == 0


def test_clock_and_statistics_while_it_streams(virtual):
    with open_device(virtual.serve_tcp()) as device:
        device.start()
        blocks_of(device, 1.0)
        clock = device.clock
        assert not clock.trusted
        assert clock.sfreq_hz == 2000
        assert 0 <= clock.latency_s < 0.1
        (stream,) = virtual.streams
        assert clock.start_ns == pytest.approx(virtual.monotonic_ns(stream, 0), abs=50e6)
        assert abs(clock.start_wall_ns - time.time_ns()) < 60e9
        statistics = device.statistics
        assert statistics.n_scans > 1000
        assert statistics.n_bytes > 4000
        assert statistics.queue_high_water > 0


@needs_pty
def test_a_port_in_use(virtual):
    port = virtual.serve_pty()
    with open_device(port), pytest.raises(BridgeError, match="in use by another program"):
        open_device(port)


def test_refusals_in_words(tmp_path):
    with pytest.raises(BridgeError, match="there is no such port"):
        open_device("/dev/emgtwitch-nowhere")
    with pytest.raises(BridgeError, match="cannot be reached: Connection refused"):
        open_device("socket://127.0.0.1:1")
    with pytest.raises(BridgeError, match="given as socket://HOST:PORT"):
        open_device("socket://nonsense")
    with pytest.raises(BridgeError, match="format morse is unknown: auto, emgt, "):
        open_device("loop://", "morse")
    for baud in (0, -9600, 99_999_999_999):
        with pytest.raises(BridgeError, match=f"^{baud} baud: the speed of a line is above 0"):
            open_device("loop://", baud=baud)
    log = tmp_path / "x.emgraw"
    log.write_bytes(b"")
    with pytest.raises(BridgeError, match="is there already"):
        open_device("loop://", log=log)


@pytest.fixture
def remote(virtual):
    """The virtual device behind a server of RFC 2217, as ser2net is one; yields the URL."""
    line = serial.serial_for_url(virtual.serve_tcp(), timeout=0)
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    class Client:
        def __init__(self, connection):
            self.write = connection.sendall

    def serve():
        connection, _ = listener.accept()
        manager = PortManager(line, Client(connection))
        while not ending.is_set():
            ready, *_ = select.select([connection, line.fileno()], [], [], 0.05)
            if connection in ready:
                data = connection.recv(4096)
                if not data:
                    break
                line.write(b"".join(manager.filter(data)))
            if line.fileno() in ready:
                connection.sendall(b"".join(manager.escape(line.read(4096))))
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
    ending.set()
    thread.join()
    listener.close()
    line.close()


@pytest.mark.filterwarnings(r"ignore:set\w+\(\) is:DeprecationWarning")  # of pyserial
def test_over_rfc_2217(remote):
    with open_device(remote) as device:
        assert device.info.format == "emgt"
        device.start()
        assert blocks_of(device, 0.5)[0].first == 0
        assert device.statistics.rejected.total() == 0


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_interrupted_it_stops_the_board_and_ends(virtual):
    program = """
import sys
from firmware_bridge.device import open_device
with open_device(sys.argv[1]) as device:
    device.start()
    print("started", flush=True)
    while True:
        device.read(1.0)
"""
    command = [sys.executable, "-c", program, virtual.serve_tcp()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "started\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors.endswith("KeyboardInterrupt\n")
    (stream,) = virtual.streams
    due = stream.due
    time.sleep(0.2)
    assert stream.due == due


def test_loop_url_carries_bytes():
    link = Link("loop://", 115_200)
    assert not link.has_baud
    link.write(bytes(range(200)))
    data = b"".join(link.listen(0.2, threading.Event()))
    assert data == bytes(range(200))
    link.close()


def test_info_that_makes_no_sense():
    with pytest.raises(BridgeError, match="cannot be understood"):
        emgt_info({"nch": "two"}, 1, 500_000, None, None)
    info = emgt_info(
        {"nch": "2", "fs_num": "1", "fs_den": "2", "bits": "12"}, 1, 500_000, None, None
    )
    assert (info.sfreq, info.uv_per_count, info.gain) == (Fraction(1, 2), None, None)
    assert info.ch_names == ("ch1", "ch2")


def test_foreign_boards_have_their_own_channels_and_rates():
    assert foreign_info("bitalino", 115_200, 3).n_channels == 3
    with pytest.raises(BridgeError, match=r"always sends 6 channels, not 2: name all .* ch3 … ch6"):
        foreign_info("openeeg", 57_600, 2)
    with pytest.raises(BridgeError, match="say how many Hz"):
        foreign_info("text", 115_200, 2)


def test_an_error_of_the_thread_reaches_the_reader_after_what_came():
    inbox = Inbox(10)
    block = Block(0, np.zeros((2, 8), np.int32))
    assert inbox.put(block)
    assert not inbox.put(block)
    assert inbox.put("a notice")
    inbox.end(BridgeError("broken"))
    assert inbox.take(1.0) == [block, "a notice"]
    with pytest.raises(BridgeError, match="broken"):
        inbox.take(1.0)
    assert (inbox.lost_scans, inbox.high_water) == (8, 9)
