"""The virtual device as boards of other makers: it streams what their decoders understand."""

import math
import sys
import time

import numpy as np
import pytest
import serial

from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.faults import Faults
from firmware_bridge.virtual import VirtualDevice

PATIENCE_S = 30
FOREIGN = {name: each for name, each in FORMATS.items() if name != "emgt"}
N_CHANNELS = {"chords": 6}  # all others: 2
IDENTITY = {"byb": b"HWT:", "chords": b"UNO-R3\r\n", "cyton": b"$$$", "bitalino": b"BITalino"}


def source_of(n_channels: int):
    """Return a source that tells its scan, modulo 1024, by its first channel."""
    return lambda first, n: (
        (np.arange(first, first + n) + 17 * np.arange(n_channels)[:, None]) % 1024
    )


def opened(device: VirtualDevice) -> serial.Serial:
    port = device.serve_tcp() if sys.platform == "win32" else device.serve_pty()
    return serial.serial_for_url(port, timeout=0.02)


def read_until(port: serial.Serial, done, take=lambda data: None) -> bytes:
    """Read until `done(everything)`, and have each piece taken."""
    received = b""
    end = time.monotonic() + PATIENCE_S
    while not done(received):
        assert time.monotonic() < end
        data = port.read(16_384)
        take(data)
        received += data
    return received


def decoded(port: serial.Serial, decoder, done) -> list:
    found: list[object] = []
    read_until(port, lambda _: done(), lambda data: found.extend(decoder.feed(data)))
    return found


@pytest.mark.parametrize("name", FOREIGN)
def test_its_decoder_understands_every_scan(name):
    format_ = FORMATS[name]
    n_channels = N_CHANNELS.get(name, 2)
    source = source_of(n_channels)
    device = VirtualDevice(source, name, speed=math.inf)
    with device, opened(device) as port:
        if name in IDENTITY:
            port.write(format_.identify)
            assert IDENTITY[name] in read_until(port, lambda got: IDENTITY[name] in got)
        port.write(format_.start(n_channels))
        decoder = format_.make_decoder(n_channels)
        found = decoded(port, decoder, lambda: decoder.statistics.n_scans > 3000)
        blocks = [item.counts for item in found if isinstance(item, Block)]
        counts = np.concatenate(blocks, axis=1)
        # A board that sends unasked has begun before it was opened.
        first = 0 if format_.stop else int(counts[0, 0])
        assert np.array_equal(counts[:n_channels], source(first, counts.shape[1]))
        assert not counts[n_channels:].any()
        assert decoder.statistics.lost_scans == 0
        real_sfreq = format_.real_sfreq_hz(n_channels)
        assert real_sfreq is None or float(device.streams[0].sfreq) == pytest.approx(real_sfreq)


@pytest.mark.parametrize("name", [name for name, each in FOREIGN.items() if each.stop])
def test_started_and_stopped_commands_cut_anyhow(name):
    format_ = FORMATS[name]
    n_channels = N_CHANNELS.get(name, 2)
    device = VirtualDevice(source_of(n_channels), name, speed=5)
    with device, opened(device) as port:
        start = format_.start(n_channels)
        for byte in format_.stop + start:
            port.write(bytes([byte]))
            port.flush()
        read_until(port, lambda got: len(got) > 500)
        port.write(format_.stop)
        first = device.streams[0]
        read_until(port, lambda _: first.handed_over == first.due)
        port.write(start)
        read_until(port, lambda _: len(device.streams) == 2)
        assert (first.due, first.lost) == (first.sent, 0)


def test_chords_counts_only_what_it_sends():
    device = VirtualDevice(source_of(6), "chords", speed=200, ring_bytes=200)
    with device, opened(device) as port:
        port.write(b"START\n")
        end = time.monotonic() + PATIENCE_S
        while not (device.streams and device.streams[0].lost > 500):
            assert time.monotonic() < end
            time.sleep(0.01)
        decoder = FORMATS["chords"].make_decoder(6)
        wanted = device.streams[0].sent + 500
        decoded(port, decoder, lambda: decoder.statistics.n_scans > wanted)
        assert decoder.statistics.lost_scans == 0
        assert decoder.statistics.rejected.total() == 0


def test_openeeg_counts_what_a_stall_loses():
    faults = Faults(stalls=((4.0, 0.2),))
    device = VirtualDevice(source_of(2), "openeeg", faults, speed=math.inf)
    with device, opened(device) as port:
        decoder = FORMATS["openeeg"].make_decoder(2)
        decoded(port, decoder, lambda: decoder.statistics.lost_scans > 0)
        assert decoder.statistics.lost_scans == device.streams[0].lost == 50


def test_the_button_of_a_spikerbox():
    with VirtualDevice(source_of(1), "byb") as device, opened(device) as port:
        decoder = FORMATS["byb"].make_decoder(1)
        decoded(port, decoder, lambda: decoder.statistics.n_scans > 100)
        device.press_button(3)
        found = decoded(port, decoder, lambda: decoder.statistics.n_scans > 10_000)
        assert [item.code for item in found if isinstance(item, Mark)] == [3]


@pytest.mark.parametrize(
    ("name", "n_channels", "message"),
    [
        ("chords", 2, "3, 6, 8, 16"),
        ("openeeg", 7, "openeeg cannot send 7"),
        ("cyton", 9, "cyton cannot send 9"),
        ("bitalino", 7, "bitalino cannot send 7"),
    ],
)
def test_boards_that_do_not_exist(name, n_channels, message):
    with pytest.raises(BridgeError, match=message):
        VirtualDevice(source_of(n_channels), name)
