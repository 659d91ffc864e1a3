"""The parts of the firmware that need no board, compiled for this computer, against Python's."""

import ctypes
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import frames
from firmware_bridge.golden import PATH

GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))
FROM_BOARD = {
    0x01: "host_info",
    0x02: "host_data",
    0x03: "host_event",
    0x04: "host_status",
    0x05: "host_ack",
    0x06: "host_pong",
    0x07: "host_log",
}
FRAMING = {"too long", "bad COBS", "bad CRC"}
LONGEST_COMMAND = 31  # bytes of a packet without its 00 and its COBS byte, CRC included


@pytest.fixture(scope="module")
def firmware(compile_here):
    here = PATH.parent / "arduino" / "emgtwitch"
    sources = [here / f"{name}.cpp" for name in ("framing", "messages", "signals")]
    return compile_here("g++", "host.cpp", "-std=c++11", "-I", here, *sources)


def pack(firmware, body):
    wire = ctypes.create_string_buffer(300)
    n = firmware.host_pack(body, len(body), wire)
    return wire.raw[:n]


def read(firmware, data):
    """Return the bodies of the packets in some bytes and how many packets were damaged."""
    found, errors = ctypes.create_string_buffer(2 * len(data) + 1), ctypes.c_uint()
    n = firmware.host_read(data, len(data), found, ctypes.byref(errors))
    rest, bodies = found.raw[:n], []
    while rest:
        bodies.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    return bodies, errors.value


@pytest.mark.parametrize("vector", GOLDEN["packets"], ids=lambda vector: vector["name"])
def test_golden_packets(firmware, vector):
    body, wire = bytes.fromhex(vector["body"]), bytes.fromhex(vector["wire"])
    assert firmware.host_crc16(body, len(body)) == frames.crc16(body)
    assert pack(firmware, body) == wire
    if vector["type"] < frames.Ident.TYPE:
        values = list(vector["fields"].values())
        tail = b""
        if vector["type"] == frames.Data.TYPE:
            tail = np.array(values.pop()).T.astype("<u2").tobytes()
        elif isinstance(values[-1], str):
            tail = values.pop().encode()
        numbers = (ctypes.c_uint32 * 16)(*values)
        written = ctypes.create_string_buffer(300)
        write = getattr(firmware, FROM_BOARD[vector["type"]])
        n = write(numbers, tail, len(tail), written)
        assert written.raw[:n] == wire
    else:
        assert read(firmware, wire) == ([body], 0)
        numbers = (ctypes.c_uint32 * 3)()
        assert firmware.host_command(body, len(body), numbers) == 1 + frames.OK
        assert numbers[0] == vector["fields"]["seq"]
        longest = body[2:].ljust(4, b"\0")
        if len(body) >= 4:
            assert numbers[1] == int.from_bytes(longest[:2], "little")
        if len(body) >= 6:
            assert numbers[2] == int.from_bytes(longest[:4], "little")


@pytest.mark.parametrize("vector", GOLDEN["bad"], ids=lambda vector: vector["why"])
def test_golden_packets_that_are_bad(firmware, vector):
    wire, reason = bytes.fromhex(vector["wire"]), vector["why"].split(":")[0]
    bodies, errors = read(firmware, wire)
    assert (len(bodies), errors) == ((0, 1) if reason in FRAMING else (1, 0))
    for body in bodies:
        answer = firmware.host_command(body, len(body), (ctypes.c_uint32 * 3)())
        known = {"unknown type": frames.UNKNOWN_COMMAND, "wrong length": frames.BAD_LENGTH}
        assert answer == (1 + known[reason] if body[0] >= frames.Ident.TYPE else 0)


@pytest.mark.parametrize("vector", GOLDEN["test_signals"], ids=str)
def test_golden_test_signals(firmware, vector):
    for channel, codes in enumerate(vector["codes"]):
        got = [
            firmware.host_test_signal(vector["mode"], scan, channel, vector["bits"])
            for scan in vector["scans"]
        ]
        assert got == codes


@given(
    mode=st.sampled_from([frames.RAMP, frames.SINE, frames.NOISE]),
    first=st.integers(0, 2**32 - 1),
    bits=st.integers(8, 16),
)
def test_test_signals(firmware, mode, first, bits):
    scans = (first + np.arange(40)) % 2**32
    expected = frames.test_signal(mode, scans, 8, bits)
    got = [
        [firmware.host_test_signal(mode, int(scan), channel, bits) for scan in scans]
        for channel in range(8)
    ]
    np.testing.assert_array_equal(got, expected)


@given(st.binary(min_size=1, max_size=frames.LONGEST_BODY))
def test_any_body_is_packed_as_python_does(firmware, body):
    assert pack(firmware, body) == frames.pack(body)


def test_what_is_too_long_is_cut(firmware):
    assert pack(firmware, bytes(300)) == frames.pack(bytes(frames.LONGEST_BODY))


packets = st.binary(min_size=1, max_size=LONGEST_COMMAND - 2).map(frames.pack)


@given(st.lists(st.one_of(packets, st.binary(max_size=80)), max_size=8).map(b"".join))
def test_any_bytes_are_read_as_python_does(firmware, data):
    """But for packets longer than any command, which the firmware counts as damaged."""
    reader = frames.PacketReader()
    expected, errors = [], 0
    for packet in data.split(b"\0")[:-1]:
        found = reader.feed(packet + b"\0")
        short = len(packet) <= 1 + LONGEST_COMMAND
        expected += found if short else []
        errors += bool(packet) and not (found and short)
    assert read(firmware, data) == (expected, errors)


@given(st.lists(st.integers(0, 300).map(lambda step: min(step, 256)), max_size=60))
def test_the_ring_keeps_the_order(firmware, steps):
    held, expected = [], []
    for step in steps:
        if step < 256:
            held += [step] if len(held) < 15 else []
        elif held:
            expected.append(held.pop(0))
    got = ctypes.create_string_buffer(len(steps) + 1)
    n = firmware.host_ring((ctypes.c_uint16 * len(steps))(*steps), len(steps), got)
    assert list(got.raw[:n]) == expected


@given(
    n_channels=st.integers(1, 8),
    steps=st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 22]), max_size=900),
)
def test_the_queue_accounts_for_each_scan(firmware, n_channels, steps):
    capacity = min(2048 // (n_channels + 1), 255) - 1
    waiting, due, full, expected = [], 0, 0, []
    for step in steps:
        if step < 2:
            stored = step == 1 and len(waiting) < capacity
            full += step == 1 and not stored
            waiting += [due] if stored else []
            due += 1
            continue
        n = 0
        while n < min(step - 2, len(waiting)) and waiting[n] == waiting[0] + n:
            n += 1
        expected.append((waiting[0] if n else None, n))
        del waiting[:n]
    runs, overruns = (ctypes.c_uint32 * (2 * len(steps) + 2))(), ctypes.c_uint()
    n = firmware.host_scans(n_channels, bytes(steps), len(steps), runs, ctypes.byref(overruns))
    got = [(runs[2 * i] if runs[2 * i + 1] else None, runs[2 * i + 1]) for i in range(n)]
    assert got == expected
    assert overruns.value == full
