"""The EMGT/1 decoder: scans counted by index, nothing corrupted accepted, any cutting the same."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import wire as campaign
from firmware_bridge import frames
from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.decoders.emgt import EmgtDecoder

SESSION = 3


def codes(first, n, n_channels=2):
    return frames.test_signal(frames.NOISE, np.arange(first, first + n), n_channels, 10)


def data(first, n=5, session=SESSION, n_channels=2, flags=0, clip=0):
    return frames.encode(
        frames.Data.of(session, first, codes(first, n, n_channels), flags=flags, clip=clip)
    )


def joined(items):
    """Return the items with blocks that follow each other joined, blocks as plain values."""
    found = []
    for item in items:
        if isinstance(item, Block):
            kind = (len(item.counts), item.session, item.clipped, item.test_signal)
            scans = [tuple(scan) for scan in item.counts.T.tolist()]
            last = found[-1] if found else None
            if isinstance(last, tuple) and last[:2] == (kind, item.first - len(last[2])):
                last[2].extend(scans)
                continue
            item = (kind, item.first, scans)
        found.append(item)
    return found


def expecting(**more):
    return EmgtDecoder(n_channels=2, bits=10, session=SESSION, **more)


def test_a_stream_becomes_one_block():
    decoder = expecting()
    (block,) = decoder.feed(b"\0" + b"".join(data(first) for first in range(0, 100, 5)))
    assert (block.first, block.session, block.clipped, block.test_signal) == (0, SESSION, 0, False)
    assert block.counts.shape == (2, 100)
    assert block.counts.dtype == np.int32
    assert block.counts.flags.c_contiguous
    assert np.array_equal(block.counts, codes(0, 100))
    statistics = decoder.statistics
    assert (statistics.n_frames, statistics.n_scans, statistics.lost_scans) == (20, 100, 0)
    assert statistics.n_bytes == 1 + 20 * (9 + 20 + 4)
    assert not statistics.rejected


def test_flags_and_clipping_of_a_frame_stay_with_its_scans():
    wire = data(0) + data(5, clip=2) + data(10, flags=frames.TEST_SIGNAL | frames.RING_FULL)
    blocks = expecting().feed(wire)
    assert [block.first for block in blocks] == [0, 5, 10]
    assert [block.clipped for block in blocks] == [0, 2, 0]
    assert [block.test_signal for block in blocks] == [False, False, True]


@given(st.lists(st.integers(0, 30), max_size=40), st.booleans())
def test_lost_and_repeated_frames_are_counted_exactly(delivered, attached_late):
    # Frames of 5 scans, each lost, repeated or out of order as the list says.
    decoder = EmgtDecoder(2, 10, None if attached_late else SESSION)
    blocks = decoder.feed(b"".join(data(5 * number) for number in delivered))
    newest = -1 if not attached_late else (delivered or [0])[0] - 1
    accepted, lost = [], 0
    for number in delivered:
        if number > newest:
            accepted.append(number)
            lost += 5 * (number - newest - 1)
            newest = number
    scans = [scan for block in blocks for scan in block.first + np.arange(block.counts.shape[1])]
    assert scans == [5 * number + i for number in accepted for i in range(5)]
    for block in blocks:
        assert np.array_equal(block.counts, codes(block.first, block.counts.shape[1]))
    assert decoder.statistics.lost_scans == lost
    assert decoder.statistics.n_scans == 5 * len(accepted)
    assert decoder.statistics.rejected["scans seen before"] == len(delivered) - len(accepted)


def test_frame_that_begins_before_the_next_scan_is_dropped_whole():
    decoder = expecting()
    assert len(decoder.feed(data(0) + data(4) + data(5))[0].counts.T) == 10
    assert decoder.statistics.rejected == {"scans seen before": 1}


def test_index_goes_on_beyond_32_bits():
    start = 2**32 - 10
    decoder = EmgtDecoder(2, 10)
    first, later = decoder.feed(data(start) + data(start + 5) + data(start + 10) + data(2**32 + 7))
    assert (first.first, later.first) == (start, 2**32 + 7)
    assert decoder.statistics.lost_scans == 2
    after = [
        frames.MarkEvent(SESSION, 11, 0x4000, 1, 9),
        frames.Status(SESSION, 0, 12, 2, 0, 0, 0, 0, 0, 1),
        frames.Pong(1, SESSION, 2**32 - 1, 0, 0),
        frames.Pong(2, SESSION + 1, 0, 0, 0),
    ]
    mark, status, pong, other = decoder.feed(b"".join(map(frames.encode, after)))
    assert mark == Mark(2**32 + 11.25, 9, "button", SESSION)
    assert status.scan == 2**32 + 12
    assert pong.scan == 2**32 - 1
    assert other == after[3]


def test_far_jumps_are_forward_up_to_half_the_circle():
    decoder = expecting()
    assert decoder.feed(data(2**31 - 1))[0].first == 2**31 - 1
    assert decoder.statistics.lost_scans == 2**31 - 1
    decoder = expecting()
    assert decoder.feed(data(2**31)) == []
    assert decoder.statistics.rejected == {"scans seen before": 1}


def test_only_the_session_asked_for():
    decoder = expecting()
    mark = frames.encode(frames.MarkEvent(SESSION + 1, 0, 0, 0, 1))
    assert decoder.feed(data(0, session=SESSION + 1) + mark) == []
    assert decoder.statistics.rejected == {"other session": 2}
    decoder.expect(SESSION + 1, 2, 10)
    (block,) = decoder.feed(data(5) + data(10, session=SESSION + 1))
    assert (block.first, block.session) == (10, SESSION + 1)
    assert decoder.statistics.lost_scans == 10
    assert decoder.statistics.rejected == {"other session": 3}


def test_reset_of_the_board_is_seen():
    boot = frames.Info(1, 0, 77, 0, 1, "fw=1\n")
    wire = data(40) + frames.encode(boot) + data(5, session=SESSION + 1)
    before, info, after = EmgtDecoder().feed(wire)
    assert info == boot
    assert (before.session, before.first) == (SESSION, 40)
    assert (after.session, after.first) == (SESSION + 1, 5)


def test_a_following_session_begins_at_scan_0():
    decoder = EmgtDecoder()
    decoder.feed(data(40) + data(5, session=SESSION + 1))
    assert decoder.statistics.lost_scans == 5


def test_channels_are_told_by_the_length_where_none_are_asked_for():
    two, six = EmgtDecoder().feed(data(0) + data(5, n_channels=6))
    assert (len(two.counts), len(six.counts)) == (2, 6)


def body(n=1, samples=b"\0\0\0\0"):
    return bytes([2, SESSION, 0, 0, 0, 0, n, 0, 0]) + samples


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (frames.pack(body(samples=b"")), "wrong length"),
        (frames.pack(body(n=0)), "wrong length"),
        (frames.pack(body(samples=b"\0\0")), "wrong length"),
        (frames.pack(body(n=2)), "wrong length"),
        (frames.pack(b"\x02"), "wrong length"),
        (frames.pack(b"\x03\x01"), "wrong length"),
        (frames.pack(body(samples=b"\xff\x03\x00\x04")), "code out of range"),
        (frames.pack(b"\x08abc"), "unknown type"),
        (frames.encode(frames.Start(1, 2, 3, 4, 5)), "unknown type"),
        (frames.encode(frames.MarkEvent(SESSION, 0, 0, 3, 1)), "bad value"),
        (frames.pack(b"\x01" + bytes(8) + b"\xff"), "bad text"),
        (data(0)[:-3] + b"\x01\0", "bad COBS"),
        (b"\x01" * 300, "too long"),
    ],
)
def test_refused_and_counted(wire, reason):
    decoder = expecting()
    assert decoder.feed(wire) == []
    assert decoder.statistics.rejected == {reason: 1}
    assert decoder.statistics.n_frames == 0


def test_codes_up_to_full_scale_are_in_range():
    for bits in (8, 10, 12, 14, 16):
        decoder = EmgtDecoder(1, bits, SESSION)
        for number, code in enumerate((2**bits - 1, 2**bits)[: 1 if bits == 16 else 2]):
            message = frames.Data.of(SESSION, number, np.array([[code]]))
            assert len(decoder.feed(frames.encode(message))) == 1 - number


def test_more_channels_than_clip_bits_are_no_data():
    decoder = EmgtDecoder()
    assert decoder.feed(frames.pack(body(samples=bytes(18)))) == []
    assert decoder.statistics.rejected == {"wrong length": 1}


@pytest.mark.parametrize("wrong", [{"bits": 7}, {"bits": 24}, {"n_channels": 0}, {"n_channels": 9}])
def test_board_that_cannot_be(wrong):
    with pytest.raises(BridgeError, match="EMGT/1 carries"):
        EmgtDecoder(**wrong)


# Any bytes, any cutting

starts = st.integers(0, 20) | st.integers(2**32 - 20, 2**32 - 1)
messages = st.one_of(
    st.builds(
        lambda first, n, session, clip: data(first, n, session=session, clip=clip),
        st.integers(0, 40),
        st.integers(1, 3),
        st.sampled_from([SESSION, SESSION, SESSION, SESSION + 1]),
        st.sampled_from([0, 0, 1]),
    ),
    starts.map(data),
    st.builds(
        frames.MarkEvent, st.just(SESSION), starts, st.just(1), st.integers(0, 3), st.just(1)
    ).map(frames.encode),
    st.just(frames.encode(frames.Pong(1, SESSION, 5, 0, 0))),
    st.just(frames.encode(frames.Info(1, 0, 7, 0, 1, "fw=1\n"))),
    st.just(data(0)[:11]),
    st.binary(max_size=30),
    st.binary(min_size=200, max_size=400),
)
decoders = st.sampled_from([(2, 10, SESSION), (2, 10, None), (None, None, None), (None, 16, 7)])


@given(
    st.lists(messages, max_size=12).map(b"".join),
    st.lists(st.integers(0, 10**4), max_size=12),
    decoders,
)
def test_same_output_for_every_cutting(wire, places, arguments):
    whole, pieces = EmgtDecoder(*arguments), EmgtDecoder(*arguments)
    ends = sorted(place % (len(wire) + 1) for place in places)
    parts = [wire[a:b] for a, b in zip([0, *ends], [*ends, len(wire)], strict=True)]
    together = joined(whole.feed(wire))
    assert joined(item for part in parts for item in pieces.feed(part)) == together
    assert pieces.statistics == whole.statistics
    assert sum(len(item[2]) for item in together if isinstance(item, tuple)) == (
        whole.statistics.n_scans
    )


def test_memory_does_not_grow():
    decoder = expecting()
    rng = np.random.default_rng(1)
    noise = rng.bytes(20_000) + b"\x01" * 20_000
    decoder.feed(noise + b"\0")
    tracemalloc.start()
    for number in range(40):
        decoder.feed(noise)
        decoder.feed(data(5 * number))
    assert tracemalloc.get_traced_memory()[0] < 20_000
    tracemalloc.stop()
    assert decoder.statistics.n_bytes > 1_600_000


@pytest.mark.parametrize("damage", campaign.CASES)
@pytest.mark.parametrize("layout", campaign.LAYOUTS)
def test_bad_cable(layout, damage):
    n_channels, n = layout
    outcome = campaign.run(n_channels, n, campaign.CASES[damage], scans=60_000)
    assert outcome.corrupted == 0
    assert outcome.lost_counted == outcome.sent - outcome.accepted > 3000
    if not campaign.CASES[damage].duplicate:
        assert outcome.ends["whole"] * n == outcome.accepted
