"""Frames of the binary formats, byte by byte, and what is made of damaged ones."""

import numpy as np
import pytest

from firmware_bridge.decoders import Block, Mark, bitalino, byb, chords, cyton, openeeg
from firmware_bridge.decoders.formats import FORMATS

COUNTED = ["chords", "openeeg", "cyton", "bitalino"]


def decode(decoder, data):
    """Return the indices and the codes of all scans."""
    blocks = [item for item in decoder.feed(data) if isinstance(item, Block)]
    indices = [block.first + k for block in blocks for k in range(block.counts.shape[1])]
    empty = np.zeros((0, 0), int)
    return indices, np.concatenate([block.counts for block in blocks] or [empty], axis=1)


def stream(name, n_scans, first=0):
    wire = FORMATS[name]
    counts = np.random.default_rng(3).integers(0, 1024, (wire.n_channels, n_scans))
    return counts, wire.encode(counts, first), wire.make_decoder(wire.n_channels)


def test_chords_frame():
    wire = chords.encode(np.array([[1], [0x3FE]]), first=0x105)
    assert wire == bytes.fromhex("c77c 05 0001 03fe 01")


def test_openeeg_frame():
    wire = openeeg.encode(np.array([[1], [0x3FE]]), first=7)
    assert wire == bytes.fromhex("a55a02 07 0001 03fe 0000 0000 0000 0000 01")


def test_cyton_frame():
    wire = cyton.encode(np.array([[-2], [0x123456]]), first=9)
    assert wire == bytes.fromhex("a009 fffffe 123456") + bytes(18 + 6) + b"\xc0"
    _, counts = decode(cyton.CytonDecoder(), wire + cyton.encode(np.zeros((2, 2), int), 10))
    assert counts[:2, 0].tolist() == [-2, 0x123456]


def crc4(frame):
    """Divide bit by bit, as the layout says, with the low nibble of the last byte zeroed."""
    register = 0
    for bit in f"{int.from_bytes(frame, 'big') & ~0x0F:0{8 * len(frame)}b}":
        register = register << 1 | int(bit)
        if register & 0x10:
            register ^= 0b10011
    return register


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5, 6])
def test_bitalino_frames(n_channels):
    counts = np.array([[0b1010110011], [0b0110101101], [0x2C5], [0x19A], [0b101101], [0b011001]])
    frame = bitalino.encode(counts[:n_channels], first=0x2B)
    assert len(frame) == [3, 4, 6, 7, 8, 8][n_channels - 1]
    assert frame[-1] >> 4 == 0xB
    assert frame[-1] & 0x0F == crc4(frame)
    assert frame[-2] == 0b1010
    assert frame[-3] == 0b110011 << 2 | (0b01 if n_channels > 1 else 0)
    if n_channels > 1:
        assert frame[-4] == 0b10101101
    if n_channels > 3:
        assert frame[-5] << 2 | frame[-6] >> 6 == 0x2C5
        assert (frame[-6] & 0x3F) << 4 | frame[-7] >> 4 == 0x19A
    if n_channels > 5:
        assert (frame[-7] & 0x0F) << 2 | frame[-8] >> 6 == 0b101101
        assert frame[-8] & 0x3F == 0b011001


def test_the_digital_lines_of_bitalino_change_no_code():
    frames = bytearray(bitalino.encode(np.full((2, 4), 700)))
    for end in (4, 8, 12, 16):
        frames[end - 2] |= 0xF0
        frames[end - 1] = (frames[end - 1] & 0xF0) | crc4(frames[end - 4 : end])
    assert decode(bitalino.BitalinoDecoder(), bytes(frames))[1].tolist() == [[700] * 3] * 2


def test_codes_beyond_six_bits_do_not_fit_the_last_channels_of_bitalino():
    with pytest.raises(ValueError, match=r"0\.\.63"):
        bitalino.encode(np.full((5, 1), 64))


@pytest.mark.parametrize("name", COUNTED)
def test_the_counter_tells_how_many_frames_are_missing(name):
    counts, wire, decoder = stream(name, 60)
    size = decoder.length
    indices, got = decode(decoder, wire[: 20 * size] + wire[29 * size :])
    # The last one waits for confirmation, where a format has no header the one before the gap too.
    missing = {"bitalino": [*range(19, 29), 59], "cyton": [*range(20, 29), 59]}
    left = [k for k in range(60) if k not in missing.get(name, range(20, 29))]
    assert indices == left
    assert np.array_equal(got, counts[:, left])
    assert decoder.statistics.lost_scans == indices[-1] + 1 - len(left)


@pytest.mark.parametrize("name", COUNTED)
def test_the_first_counter_may_be_any(name):
    _, wire, decoder = stream(name, 10, first=123)
    indices, _ = decode(decoder, wire)
    assert indices[0] == 0
    assert decoder.statistics.lost_scans == 0


@pytest.mark.parametrize("name", COUNTED)
def test_losses_of_a_whole_round_of_the_counter_are_known_by_their_remains_only(name):
    modulus = FORMATS[name].sequence_modulus
    _, wire, decoder = stream(name, 3 * modulus)
    size = decoder.length
    before, after = wire[: 5 * size], wire[(5 + 2 * modulus) * size :]
    lost_without_a_trace, _ = decode(decoder, before + after)
    assert lost_without_a_trace[-1] < modulus
    decoder = FORMATS[name].make_decoder(FORMATS[name].n_channels)
    remains, _ = decode(decoder, before + b"\xff" * (2 * modulus * size) + after)
    assert remains[-1] >= 3 * modulus - 2


@pytest.mark.parametrize("name", COUNTED)
def test_joining_a_stream_midway_loses_the_cut_frame_only(name):
    counts, wire, decoder = stream(name, 30)
    indices, got = decode(decoder, wire[3:])
    assert indices[0] == 0
    assert np.array_equal(got, counts[:, 1 : 1 + len(indices)])


@pytest.mark.parametrize("name", COUNTED)
def test_a_wrong_counter_is_not_believed(name):
    counts, wire, decoder = stream(name, 30)
    place = {"chords": 2, "openeeg": 3, "cyton": 1, "bitalino": decoder.length - 1}[name]
    broken = bytearray(wire)
    broken[10 * decoder.length + place] ^= 0x50
    indices, got = decode(decoder, bytes(broken))
    assert 10 not in indices
    assert np.array_equal(got, counts[:, indices])
    assert decoder.statistics.lost_scans == indices[-1] + 1 - len(indices)


@pytest.mark.parametrize("name", ["chords", "openeeg"])
def test_a_code_beyond_ten_bits_is_not_believed(name):
    counts, wire, decoder = stream(name, 30)
    broken = bytearray(wire)
    broken[10 * decoder.length + 4 - (name == "chords")] |= 0x04
    indices, got = decode(decoder, bytes(broken))
    assert indices == [k for k in range(30) if k != 10]
    assert np.array_equal(got, counts[:, indices])


def test_codes_of_14_bits_need_the_right_board():
    counts = np.array([[16383, 0, 9000]] * 6)
    wire = chords.encode(counts)
    assert np.array_equal(decode(chords.ChordsDecoder(6, bits=14), wire)[1], counts)
    assert decode(chords.ChordsDecoder(6, bits=12), wire)[0] == []


def test_samples_that_look_like_a_header_make_no_frame():
    # Channels of C77C and 01 in the right place, in a board of 16 bits.
    counts = np.zeros((6, 20), int)
    counts[1], counts[5] = 0xC77C, 0x0101
    decoder = chords.ChordsDecoder(6, bits=16)
    indices, got = decode(decoder, chords.encode(counts)[4:])
    assert np.array_equal(got, counts[:, : len(indices)])
    assert len(indices) == 19


@pytest.mark.parametrize("ends", [[0xC0] * 6, [0xC0, 0xC0, 0xC3, 0xC3, 0xC0, 0xC4]])
def test_the_last_byte_of_cyton_may_change(ends):
    frames = bytearray(cyton.encode(np.arange(48).reshape(8, 6)))
    frames[32::33] = bytes(ends)
    assert decode(cyton.CytonDecoder(), bytes(frames))[0] == [0, 1, 2, 3, 4]


def test_switches_of_openeeg_may_be_pressed():
    frames = bytearray(openeeg.encode(np.arange(48).reshape(6, 8)))
    frames[16::17] = bytes([1, 1, 3, 3, 3, 1, 1, 1])
    assert decode(openeeg.OpenEegDecoder(), bytes(frames))[0] == list(range(8))


def test_byb_bytes():
    assert byb.encode(np.array([[0x3FF, 0], [0x080, 5]])) == bytes.fromhex("877f 0100 8000 0005")
    assert byb.encode(np.array([[0x3FFF]]), bits=14) == b"\xff\x7f"


@pytest.mark.parametrize("bits", [10, 14])
def test_byb_of_every_resolution(bits):
    counts = np.random.default_rng(1).integers(0, 2**bits, (3, 500))
    decoder = byb.BybDecoder(3, bits=bits)
    indices, got = decode(decoder, byb.encode(counts, bits=bits) + b"\x80")
    assert indices == list(range(500))
    assert np.array_equal(got, counts)


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("second byte lost", lambda scan: scan[:1] + scan[2:]),
        ("last byte lost", lambda scan: scan[:-1]),
        ("high byte beyond ten bits", lambda scan: scan[:2] + bytes([scan[2] | 0x08]) + scan[3:]),
        ("bit 7 in the middle", lambda scan: scan[:2] + bytes([scan[2] | 0x80]) + scan[3:]),
        ("second byte doubled", lambda scan: scan[:1] + scan[1:2] * 2 + scan[2:]),
    ],
)
def test_a_damaged_byb_scan_is_one_lost_scan(what, damage):
    counts = np.random.default_rng(1).integers(0, 1024, (2, 50))
    wire = byb.encode(counts)
    decoder = byb.BybDecoder(2)
    indices, got = decode(decoder, wire[:80] + damage(wire[80:84]) + wire[84:] + b"\x80")
    assert indices == [k for k in range(50) if k != 20]
    assert np.array_equal(got, counts[:, indices])
    assert decoder.statistics.lost_scans == 1


def test_a_byb_scan_without_its_beginning_spoils_the_one_before():
    counts = np.random.default_rng(1).integers(0, 1024, (2, 50))
    wire = byb.encode(counts)
    indices, got = decode(byb.BybDecoder(2), wire[:80] + wire[81:] + b"\x80")
    assert indices == [k for k in range(50) if k not in (19, 20)]
    assert np.array_equal(got, counts[:, indices])


@pytest.mark.parametrize(("sent", "expected"), [(1, 2), (2, 1)])
def test_a_wrong_number_of_byb_channels_gives_nothing(sent, expected):
    wire = byb.encode(np.full((sent, 100), 512))
    assert decode(byb.BybDecoder(expected), wire)[0] == []


@pytest.mark.parametrize("at", [0, 80, 82])
def test_byb_messages_come_between_and_inside_scans(at):
    counts = np.random.default_rng(1).integers(0, 1024, (2, 50))
    wire = byb.encode(counts) + b"\x80"
    texts = byb.encode_message("HWT", "MUSCLESS") + byb.encode_message("EVNT", "4")
    decoder = byb.BybDecoder(2)
    items = decoder.feed(wire[:at] + texts + wire[at:])
    assert [item for item in items if not isinstance(item, Block)] == [
        byb.Message("HWT", "MUSCLESS"),
        Mark(at // 4 + (at % 4 > 1), 4, "pin"),
    ]
    got = np.concatenate([item.counts for item in items if isinstance(item, Block)], axis=1)
    assert np.array_equal(got, counts)
    assert decoder.statistics.lost_scans == 0


def test_a_byb_message_without_an_end_is_given_up():
    decoder = byb.BybDecoder(1)
    wire = byb.encode(np.full((1, 1000), 512))
    indices, _ = decode(decoder, wire + byb.encode_message("HWT", "X")[:9] + wire)
    assert decoder.statistics.rejected["messages"] == 1
    assert len(indices) >= 1998
