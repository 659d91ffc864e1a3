"""What is behind a port is found out, or said to be unknown; side by side to save waiting."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from firmware_bridge import frames
from firmware_bridge.decoders import Block, BridgeError
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.device import open_device
from firmware_bridge.identify import recognise
from firmware_bridge.virtual import About, VirtualDevice

needs_pty = pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
FOREIGN = {"byb": 2, "chords": 6, "openeeg": 6, "cyton": 8, "bitalino": 2, "text": 2}


def source(n_channels):
    def codes(first, n):
        return np.tile(np.arange(first, first + n) % 900, (n_channels, 1))

    return codes


def foreign(name):
    """Return what a board is taken for when nobody says what it is, and what it sends then."""
    about = About(tuple(f"c{k}" for k in range(FOREIGN[name])), sfreq=500)
    with (
        VirtualDevice(source(FOREIGN[name]), name, about=about) as virtual,
        open_device(virtual.serve_tcp()) as device,
    ):
        device.start()
        blocks = []
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            blocks += [item for item in device.read(0.05) if isinstance(item, Block)]
        return device.info, blocks, device.statistics


def silence():
    """Return what is said when nobody answers, and what was sent there."""
    import pty
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    with pytest.raises(BridgeError) as error:
        open_device(os.ttyname(slave), "emgt")
    sent = os.read(master, 4096)
    os.close(master)
    os.close(slave)
    return str(error.value), sent


def booting():
    """Return what is found while an Uno, reset by the opening of its port, is still deaf."""
    with (
        VirtualDevice(source(2), boot_s=1.6) as virtual,
        open_device(virtual.serve_tcp()) as device,
    ):
        return device.info


def wrong_format(format_name):
    """Return what is said when a board with EMGT/1 is taken for another one."""
    with VirtualDevice(source(2)) as virtual:
        url = virtual.serve_tcp()
        with open_device(url, format_name) as device, pytest.raises(BridgeError) as error:
            device.start()
        return str(error.value)


@pytest.fixture(scope="module")
def answers():
    with ThreadPoolExecutor(len(FOREIGN) + 3) as pool:
        asked = {name: pool.submit(foreign, name) for name in FOREIGN}
        asked["wrong"] = pool.submit(wrong_format, "chords")
        asked["booting"] = pool.submit(booting)
        if hasattr(os, "openpty"):
            asked["silence"] = pool.submit(silence)
        return {name: each.result() for name, each in asked.items()}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_boards_are_identified(answers, name):
    info, blocks, statistics = answers[name]
    assert (info.format, info.n_channels) == (name, FOREIGN[name])
    assert info.sfreq_is_measured == (name == "text")
    if name == "text":
        assert float(info.sfreq) == pytest.approx(500, rel=0.1)
    codes = np.concatenate([block.counts for block in blocks], axis=1)
    assert codes.shape[1] > 50
    assert np.isin(np.diff(codes), (1, -899)).all()
    assert statistics.lost_scans == 0


def test_what_boards_answer(answers):
    assert answers["chords"][0].board == "UNO-R3"
    assert answers["cyton"][0].uv_per_count == pytest.approx((0.02235,) * 8, rel=1e-3)
    assert answers["bitalino"][0].board.startswith("BITalino_v5")


def test_a_board_that_boots_is_waited_for(answers):
    assert answers["booting"].format == "emgt"


@needs_pty
def test_nothing_answers(answers):
    said, sent = answers["silence"]
    assert "does not answer" in said
    assert "emgtwitch flash" in said
    assert sent[0] == 0
    first, second, *_ = map(frames.decode, frames.PacketReader().feed(sent))
    assert isinstance(first, frames.Stop)
    assert isinstance(second, frames.Ident)


def test_the_wrong_format_is_noticed(answers):
    assert "bytes came, but no scans as Upside Down Labs Chords sends them" in answers["wrong"]


def test_recognise_takes_nothing_for_something():
    rng = np.random.default_rng(1)
    assert recognise(b"") is None
    assert recognise(rng.bytes(5000)) is None
    assert recognise(bytes(5000)) is None
    assert recognise(b"Hello, world\r\n" * 100) is None
    assert recognise(b"1,2,3\r\n" * 100) == ("text", 3)
    assert recognise(b"1,2,3\r\n" * 100, n_channels=2) is None


def test_a_board_that_has_not_so_many_channels_is_known_all_the_same():
    wire = FORMATS["openeeg"].encode(np.zeros((6, 100), int))
    assert recognise(wire, n_channels=2) == ("openeeg", 6)
