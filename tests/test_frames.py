"""EMGT/1: packets, messages, golden vectors, test signals, and what the document says of them."""

import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import frames, golden
from firmware_bridge.packets import unpack

DOCUMENT = Path(frames.__file__).with_name("PROTOCOL.md").read_text(encoding="utf-8")
SIZES = {"B": 1, "H": 2, "I": 4}
KINDS = (*frames.FromDevice.__args__, *frames.Command.__args__)


def unsigned(code):
    return st.integers(0, 256 ** SIZES[code] - 1)


@st.composite
def messages(draw, kinds=KINDS):
    """Draw any message that can be sent."""
    kind = draw(st.sampled_from(kinds))
    values = [draw(unsigned(code)) for code in kind.LAYOUT]
    if kind is frames.Info:
        return kind(*values, draw(st.text(st.characters(max_codepoint=127), max_size=241)))
    if kind is frames.Log:
        return kind(draw(st.text(max_size=62)))
    if kind is frames.Data:
        n_channels = draw(st.integers(1, frames.MOST_CHANNELS))
        n = draw(st.integers(1, 120 // n_channels))
        size = 2 * n * n_channels
        values[2] = n
        return kind(*values, draw(st.binary(min_size=size, max_size=size)))
    if kind is frames.Ack and values[1:] == [frames.Start.TYPE, frames.OK]:
        values += [draw(unsigned(code)) for code in "IIBB"]
    return kind(*values)


def cut(data, places):
    """Cut bytes at places, which are taken modulo their number."""
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


# Packets


def test_crc_check_value():
    assert frames.crc16(b"123456789") == 0x29B1
    assert frames.crc16(b"") == 0xFFFF


def test_crc_finds_up_to_three_wrong_bits_and_every_odd_number_of_them():
    # A CRC is linear: an error passes if the syndromes of its bits cancel. In the longest packet
    # they all differ (no two cancel) and have an odd number of ones (no odd number of them does).
    body = bytes(frames.LONGEST_BODY)
    syndromes = [1 << bit for bit in range(16)]
    for bit in range(8 * len(body)):
        wrong = (1 << bit).to_bytes(len(body), "big")
        syndromes.append(frames.crc16(wrong) ^ frames.crc16(body))
    assert len(set(syndromes)) == len(syndromes)
    assert all(syndrome.bit_count() % 2 == 1 for syndrome in syndromes)


def test_crc_finds_every_burst_of_sixteen_bits():
    right = frames.crc16(bytes(12))
    assert all(
        frames.crc16(burst.to_bytes(3, "big") + bytes(9)) != right for burst in range(1, 1 << 16)
    )


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        # Cheshire and Baker 1999, their example: the beginning of an IP header.
        ("45 00 00 2c 4c 79 00 00 40 06 4f 37", "02 45 01 04 2c 4c 79 01 05 40 06 4f 37"),
        ("", "01"),
        ("00", "01 01"),
        ("00 00", "01 01 01"),
        ("00 11 00", "01 02 11 01"),
        ("11 22 00 33", "03 11 22 02 33"),
        ("11 22 33 44", "05 11 22 33 44"),
        ("11 00 00 00", "02 11 01 01 01"),
        ("01 " * 252, "fd " + "01 " * 252),
    ],
)
def test_cobs_vectors(data, packet):
    assert frames.cobs_encode(bytes.fromhex(data)) == bytes.fromhex(packet)
    assert frames.cobs_decode(bytes.fromhex(packet)) == bytes.fromhex(data)


@given(st.binary(max_size=frames.LONGEST_PACKET - 1))
def test_cobs_round_trip(data):
    packet = frames.cobs_encode(data)
    assert len(packet) == len(data) + 1
    assert 0 not in packet
    assert frames.cobs_decode(packet) == data


@given(st.binary(max_size=frames.LONGEST_PACKET + 1) | st.lists(st.integers(0, 6)).map(bytes))
def test_nothing_but_its_own_encoding_decodes_to_data(packet):
    try:
        data = frames.cobs_decode(packet)
    except frames.FrameError:
        return
    assert frames.cobs_encode(data) == packet


def test_longer_than_a_packet():
    with pytest.raises(frames.FrameError, match="too long"):
        frames.cobs_encode(bytes(frames.LONGEST_PACKET))
    with pytest.raises(frames.FrameError, match="too long"):
        frames.cobs_decode(bytes([255] * 255))
    for body in (b"", bytes(frames.LONGEST_BODY + 1)):
        with pytest.raises(frames.FrameError, match="wrong length"):
            frames.pack(body)


# The reader

wires = st.lists(
    st.one_of(
        messages().map(frames.encode),
        messages().map(lambda message: frames.encode(message)[:-1]),
        st.binary(max_size=20),
        st.just(b"\0"),
        st.binary(min_size=300, max_size=600),
    ),
    max_size=8,
).map(b"".join)
places = st.lists(st.integers(0, 10**4), max_size=12)


@given(wires, places)
def test_reader_gives_the_same_for_every_cutting(wire, places):
    whole, cut_up, single = frames.PacketReader(), frames.PacketReader(), frames.PacketReader()
    bodies = whole.feed(wire)
    assert [body for part in cut(wire, places) for body in cut_up.feed(part)] == bodies
    assert [body for byte in wire for body in single.feed(bytes([byte]))] == bodies
    for reader in (cut_up, single):
        assert reader.rejected == whole.rejected
        assert (reader.n_bytes, reader.n_packets) == (len(wire), len(bodies))


@given(st.lists(messages(), max_size=5), st.binary(max_size=50))
def test_messages_after_garbage_arrive(sent, garbage):
    reader = frames.PacketReader()
    bodies = reader.feed(garbage + b"\0" + b"".join(map(frames.encode, sent)))
    assert [frames.decode(body) for body in bodies[len(bodies) - len(sent) :]] == sent


def test_endless_packet_is_dropped_counted_once_and_takes_no_memory():
    reader = frames.PacketReader()
    piece = b"\x01" * 4096
    reader.feed(piece)
    tracemalloc.start()
    for _ in range(1000):
        assert reader.feed(piece) == []
    assert tracemalloc.get_traced_memory()[1] < 20_000
    tracemalloc.stop()
    assert reader.rejected == {"too long": 1}
    assert reader.feed(b"\x01\0" + frames.encode(frames.Stop(1))) == [b"\x42\x01"]
    assert reader.n_bytes == 1001 * 4096 + 2 + 6
    assert reader.rejected == {"too long": 1}


def test_leading_and_doubled_delimiters_are_no_fault():
    reader = frames.PacketReader()
    assert len(reader.feed(b"\0\0" + frames.encode(frames.Ident(1)) + b"\0")) == 1
    assert not reader.rejected


# Messages


@given(messages())
def test_every_message_round_trips(message):
    wire = frames.encode(message)
    assert len(wire) == len(frames.encode_body(message)) + 4 <= frames.LONGEST_PACKET + 1
    assert 0 not in wire[:-1]
    (body,) = frames.PacketReader().feed(wire)
    assert frames.decode(body) == message


typed = st.builds(lambda kind, rest: bytes([kind.TYPE]) + rest, st.sampled_from(KINDS), st.binary())


@given(st.binary(max_size=frames.LONGEST_BODY) | typed)
def test_any_body_is_refused_or_means_what_it_says(body):
    try:
        message = frames.decode(body)
    except frames.FrameError as error:
        assert str(error) in ("unknown type", "wrong length", "bad text")
        return
    if not isinstance(message, frames.Log):  # what is no UTF-8 in it is replaced
        assert frames.encode_body(message) == body


@pytest.mark.parametrize(
    "message",
    [
        frames.Ping(256, 0),
        frames.Ping(0, 2**32),
        frames.Start(0, 0, -1, 0, 0),
        frames.Info(1, 0, 0, 0, 1, "µV"),
        frames.Log("x" * frames.LONGEST_BODY),
    ],
)
def test_message_that_does_not_fit(message):
    with pytest.raises(frames.FrameError):
        frames.encode(message)


def test_scans_of_data():
    counts = np.arange(12).reshape(3, 4) * 5000
    message = frames.Data.of(9, 2**32 + 7, counts, frames.OVERRUN, 0b100)
    assert (message.scan0, message.n, len(message.samples)) == (7, 4, 24)
    assert message.samples[:6] == bytes.fromhex("0000 204e 409c")  # scan by scan, little-endian
    assert np.array_equal(message.counts, counts)
    assert message.counts.dtype == np.int32


def test_text_that_is_cut_in_a_letter_is_still_shown():
    assert frames.decode(b"\x07" + "Grüße".encode()[:3]) == frames.Log("Gr\ufffd")


def test_info_is_joined_over_its_parts():
    text = "fw=1.0\nserial=\nch0.name=calf_L\nnote=a=b\n"
    parts = [
        frames.Info(1, 0, 5, part, 3, piece)
        for part, piece in enumerate((text[:9], text[9:10], text[10:]))
    ]
    values = {"fw": "1.0", "serial": "", "ch0.name": "calf_L", "note": "a=b"}
    assert frames.info_values(parts) == values
    assert frames.info_values([parts[2], parts[0], parts[1], parts[1]]) == values
    assert frames.info_values(parts[:2]) is None
    assert frames.info_values([]) is None
    # A board that started anew in between has to tell everything again.
    again = [frames.Info(1, 0, 6, 0, 3, "fw=2\n"), *parts[1:]]
    assert frames.info_values(again[::-1]) is None


# Golden vectors


def test_golden_vectors_are_current():
    assert golden.PATH.read_text(encoding="ascii") == golden.text()


def test_golden_vectors_are_read_back():
    vectors = json.loads(golden.PATH.read_text(encoding="ascii"))
    assert {row["type"] for row in vectors["packets"]} == {kind.TYPE for kind in KINDS}
    for row, message in zip(vectors["packets"], golden.MESSAGES.values(), strict=True):
        (body,) = frames.PacketReader().feed(bytes.fromhex(row["wire"]))
        assert body.hex() == row["body"]
        assert frames.decode(body) == message
    for row in vectors["bad"]:
        with pytest.raises(frames.FrameError, match=row["why"].split(":")[0]):
            frames.decode(unpack(bytes.fromhex(row["wire"])[:-1]))


# Test signals


def expected_code(mode, scan, channel, bits):
    """Return one code as the document defines it, in whole numbers."""
    levels = 2**bits
    if mode == frames.RAMP:
        return (scan + 64 * channel) % levels
    if mode == frames.SINE:
        angle = 2 * np.pi * ((scan + 8 * channel) % 32) / 32
        return levels // 2 + round(levels / 4 * np.sin(angle))
    mixed = (scan * 0x9E3779B1 + channel * 0x85EBCA6B) % 2**32
    return (mixed ^ (mixed >> 15)) >> (32 - bits)


@pytest.mark.parametrize("mode", [frames.RAMP, frames.SINE, frames.NOISE])
@pytest.mark.parametrize("bits", [8, 10, 14, 16])
def test_test_signals(mode, bits):
    scans = np.concatenate([np.arange(100), 2**32 - np.arange(1, 100), [2**31, 123456789]])
    codes = frames.test_signal(mode, scans, 6, bits)
    assert codes.dtype == np.int32
    assert codes.tolist() == [
        [expected_code(mode, int(scan), channel, bits) for scan in scans] for channel in range(6)
    ]
    assert np.array_equal(frames.test_signal(mode, scans + 2**32, 6, bits), codes)


def test_no_such_test_signal():
    with pytest.raises(ValueError, match="no test signal 4"):
        frames.test_signal(4, np.arange(3), 1, 10)


# The document


def rows_of(title):
    """Return the cells of the table under the heading of a type."""
    section = re.split(r"\n###? ", DOCUMENT.split(f"### {title}", 1)[1])[0]
    lines = [line for line in section.splitlines() if re.match(r"\| *\d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_document_has_every_field_at_its_place(kind):
    names = {"MarkEvent": "EVENT", "MarkCommand": "MARK"}
    title = f"{kind.TYPE:02X} {names.get(kind.__name__, kind.__name__.upper())}"
    rows = [row for row in rows_of(title) if row[1] in ("u8", "u16", "u32")]
    sizes = {"u8": "B", "u16": "H", "u32": "I"}
    layout = "".join(sizes[row[1]] for row in rows)
    assert layout == "B" + kind.LAYOUT + ("IIBB" if kind is frames.Ack else "")
    offsets = np.cumsum([0, *(SIZES[code] for code in layout)])[:-1]
    assert [int(row[0]) for row in rows] == offsets.tolist()


def test_document_shows_the_worked_example():
    wire = frames.encode(golden.MESSAGES["data of the worked example"])
    assert f"`{wire.hex(' ').upper()}`" in DOCUMENT
