"""What holds for every wire format: any bytes, any cutting, bounded memory, round trips."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.decoders import Block, BridgeError, byb
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.decoders.text import TextDecoder, TimedBlock

MOST_MEMORY = 8_000
# The last scan is held until bytes after it confirm it.
HOLDS_LAST = {"byb", "cyton", "bitalino"}


def codes(wire, n_scans, seed=0, n_channels=None):
    low, high = (-(2**23), 2**23) if wire.bits == 24 else (0, 1024)
    shape = (n_channels or wire.n_channels, n_scans)
    counts = np.random.default_rng(seed).integers(low, high, shape)
    if wire.name == "bitalino":
        counts[4:] %= 64
    return counts


def joined(items):
    """Return scans as (session, index, values, time) and other items, in order."""
    found = []
    for item in items:
        if isinstance(item, Block):
            times = item.time_s if isinstance(item, TimedBlock) else np.zeros(item.counts.shape[1])
            found += [
                (item.session, item.first + k, str(scan), time)
                for k, (scan, time) in enumerate(
                    zip(item.counts.T.astype(float).tolist(), times, strict=True)
                )
            ]
        else:
            found.append(item)
    return found


def fed(decoder, data, cuts=()):
    """Return all items; between the cuts, the decoder remembers little."""
    items = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        items += decoder.feed(data[begin:end])
        assert len(pickle.dumps(decoder)) < MOST_MEMORY
    return items


def decoders(name):
    wire = FORMATS[name]
    made = {"": lambda: wire.make_decoder(wire.n_channels)}
    if name == "text":
        made |= {
            " any columns": lambda: TextDecoder(),
            " micros": lambda: TextDecoder(2, time_column=(0, "us")),
            " millis": lambda: TextDecoder(None, time_column=(1, "ms")),
        }
    if wire.variable_bits:
        made[" 14 bits"] = lambda: wire.make_decoder(3, bits=14)
    return {name + what: decoder for what, decoder in made.items()}


DECODERS = {what: made for name in FORMATS for what, made in decoders(name).items()}


@st.composite
def damaged(draw, wire):
    """Bytes of a stream, cut, changed and mixed with others."""
    data = bytearray(wire.encode(codes(wire, 40, draw(st.integers(0, 3))), draw(st.integers(0, 9))))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                del data[at : at + draw(st.integers(1, 100))]
            case 1:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 2:
                data[at:at] = draw(st.binary(max_size=20))
            case 3:
                data[at:at] = draw(st.sampled_from(PIECES))
    return bytes(data)


PIECES = [
    byb.encode_message("EVNT", "3"),
    byb.encode_message("HWT", "MUSCLESS")[:-3],
    b"\xff" * 6,
    b"StartUp!\r\n",
    b"\r\nmicros,left,right\r\n",
    b"nan,-1.5\r\n1e3;2\n3\t4",
    b"4294967295,1,2\n100,2,3\n",
    b"a:1,b:2\na:3,b:4\n",
    b"\xc7\x7c" * 9,
    b"\xa5\x5a\x02" * 9,
    b"\xa0" * 40,
    b"\x00" * 40,
    b"9" * 700,
]


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_bytes_in_any_cutting(name, data):
    wire = FORMATS[name.split()[0]]
    stream = data.draw(st.one_of(st.binary(max_size=300), damaged(wire)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    whole, cut, single = (DECODERS[name]() for _ in range(3))
    expected = joined(fed(whole, stream))
    assert joined(fed(cut, stream, cuts)) == expected
    assert joined(fed(single, stream, range(1, len(stream)))) == expected
    assert cut.statistics == single.statistics == whole.statistics
    scans = [item for item in expected if isinstance(item, tuple)]
    statistics = whole.statistics
    assert (statistics.n_bytes, statistics.n_scans) == (len(stream), len(scans))
    last = {}
    for session, index, _, _ in scans:
        assert index > last.get(session, -1)
        last[session] = index
    if not name.startswith("emgt"):  # its sessions have an axis each
        assert statistics.lost_scans == max(last.values(), default=-1) + 1 - len(scans)


@pytest.mark.parametrize("name", DECODERS)
def test_noise_leaves_no_memory(name):
    noise = np.random.default_rng(5).bytes(200_000)
    decoder = DECODERS[name]()
    fed(decoder, noise, range(1000, len(noise), 1000))
    assert decoder.statistics.n_bytes == len(noise)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5, 6])
def test_round_trip_from_the_very_first_scan(name, n_channels):
    wire = FORMATS[name]
    n_channels = wire.n_channels if wire.fixed_channels else n_channels
    counts = codes(wire, 700, n_channels=n_channels)
    decoder = wire.make_decoder(n_channels)
    stream = wire.encode(counts[:, :300]) + wire.encode(counts[:, 300:], 300)
    (block,) = decoder.feed(stream)
    n_scans = 699 if name in HOLDS_LAST else 700
    assert block.first == 0
    assert block.counts.dtype == np.int32
    assert block.counts.flags.c_contiguous
    assert np.array_equal(block.counts, counts[:, :n_scans])
    assert decoder.statistics.lost_scans == 0
    assert not decoder.statistics.rejected


@pytest.mark.parametrize("name", FORMATS)
def test_a_scan_comes_at_the_latest_with_the_second_after_it(name):
    # The second only at the beginning of BITalino, and of EMGT/1 the packet is the unit.
    wire = FORMATS[name]
    counts = codes(wire, 60)
    decoder = wire.make_decoder(wire.n_channels)
    seen = 0
    for scan in range(60):
        for block in decoder.feed(wire.encode(counts[:, scan : scan + 1], scan)):
            seen = block.first + block.counts.shape[1]
        assert seen >= scan if scan > 1 else seen >= scan - 1


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"emgt", "text"}))
def test_codes_that_do_not_fit_are_not_sent(name):
    wire = FORMATS[name]
    too_large = np.full((2, 1), 2 ** (23 if wire.bits == 24 else 16))
    with pytest.raises(ValueError, match="the format holds"):
        wire.encode(too_large)
    with pytest.raises(ValueError, match="n_channels, n_scans"):
        wire.encode(np.zeros(3))


def test_what_is_known_of_the_formats():
    assert set(FORMATS) >= {"emgt", "text", "byb", "chords", "openeeg", "cyton", "bitalino"}
    rate = {name: wire.real_sfreq_hz(1) for name, wire in FORMATS.items()}
    assert rate["byb"] == pytest.approx(10050.25, abs=0.005)
    assert (rate["openeeg"], FORMATS["openeeg"].nominal_sfreq_hz(6)) == (250, 256)
    assert FORMATS["byb"].real_sfreq_hz(2) == rate["byb"] / 2
    assert FORMATS["byb"].start(2) == b"conf s:5000;c:2;\n"
    assert FORMATS["bitalino"].start(2) == b"\xc3\x0d"
    assert FORMATS["cyton"].uv_per_count == pytest.approx(0.02235, abs=5e-6)
    assert FORMATS["bitalino"].uv_per_count * 512 == pytest.approx(1640, rel=0.01)
    assert {name: wire.sequence_modulus for name, wire in FORMATS.items() if wire.has_sequence} == {
        "emgt": 2**32,
        "chords": 256,
        "openeeg": 256,
        "cyton": 256,
        "bitalino": 16,
    }


@pytest.mark.parametrize("column", [(0, "s"), (-1, "us")])
def test_an_impossible_time_column_is_refused(column):
    with pytest.raises(BridgeError, match="time column"):
        TextDecoder(time_column=column)


@pytest.mark.parametrize("name", ["byb", "chords", "bitalino"])
@pytest.mark.parametrize("n_channels", [-1, 0, 200])
def test_an_impossible_number_of_channels_is_refused(name, n_channels):
    with pytest.raises(BridgeError, match="channels"):
        FORMATS[name].make_decoder(n_channels)
