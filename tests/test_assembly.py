"""Streams on one axis: bytes with made-up moments, the truth known."""

import numpy as np
import pytest

from firmware_bridge import frames
from firmware_bridge.assembly import Assembly, Begin
from firmware_bridge.decoders import Block, Mark
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.items import Gap

NS = 1_000_000_000
DELAY_S = 0.002


def emgt(session, fs=1000.0, why=""):
    return Begin("emgt", 2, fs, wall_ns=0, bits=10, session=session, why=why)


def codes(first, n, n_channels=2):
    return np.tile(np.arange(first, first + n) % 1000, (n_channels, 1))


class Board:
    """Feeds frames at the moments they would arrive; `at` is the moment of its scan 0, s."""

    def __init__(self, assembly, at=0.0, fs=1000.0, session=1, name="emgt"):
        self.assembly, self.at, self.fs, self.session = assembly, at, fs, session
        self.format = None if name == "emgt" else FORMATS[name]
        self.items = []

    def wire(self, first, n):
        if self.format is None:
            return frames.encode(frames.Data.of(self.session, first, codes(first, n)))
        return self.format.encode(codes(first, n, self.format.n_channels), first=first)

    def send(self, first, last, per_frame=10, late_s=0.0):
        for at in range(first, last, per_frame):
            n = min(per_frame, last - at)
            arrival = self.at + (at + n - 1) / self.fs + DELAY_S + late_s
            self.feed(self.wire(at, n), arrival)

    def feed(self, data, arrival_s):
        self.items += self.assembly.feed(data, round(arrival_s * NS))

    @property
    def blocks(self):
        return [item for item in self.items if isinstance(item, Block)]

    @property
    def gaps(self):
        return [item for item in self.items if isinstance(item, Gap)]


def test_streams_follow_each_other_on_one_axis():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    first = Board(assembly, at=0.0)
    first.send(0, 5000)
    assert assembly.begin(emgt(2, why="the board was reset"), 6 * NS) == []
    second = Board(assembly, at=6.0004, session=2)
    second.send(0, 100, late_s=0.09)  # a late delivery does not decide
    second.send(100, 1000)
    (gap,) = second.gaps
    assert (gap.scan, gap.n_scans, gap.why) == (6000, 1000, "the board was reset")
    assert second.items[0] is gap
    assert second.blocks[0].first == 6000
    for block in second.blocks:
        assert (block.counts == codes(block.first - 6000, block.counts.shape[1])).all()
    counts = assembly.counts
    assert (counts.n_scans, counts.lost_scans, counts.lost_estimated) == (6000, 1000, 1000)


def test_scans_lost_at_the_begin_of_a_later_stream_are_counted_exactly():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    Board(assembly).send(0, 3000)
    assembly.begin(emgt(2), 4 * NS)
    board = Board(assembly, at=4.0, session=2)
    board.send(50, 600)
    assert [(gap.scan, gap.n_scans) for gap in board.gaps] == [(4050, 1000)]
    assert board.blocks[0].first == 4050
    assert assembly.counts.lost_scans == 1050
    assert assembly.counts.lost_on_the_way == 50


def test_a_stream_never_goes_back_on_the_axis():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    Board(assembly).send(0, 3000)
    assembly.begin(emgt(2), 3 * NS)
    board = Board(assembly, at=2.9, session=2)  # the clock says before the end
    board.send(0, 500)
    assert board.gaps == []
    assert board.blocks[0].first == 3000


def test_marks_move_with_their_stream_and_keep_their_place():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    Board(assembly).send(0, 1000)
    assembly.begin(emgt(2), 2 * NS)
    board = Board(assembly, at=2.0, session=2)
    board.send(0, 100)
    board.feed(frames.encode(frames.MarkEvent(2, 100, 32768, 1, 9)), 2.101)
    board.send(100, 600)
    (mark,) = (item for item in board.items if isinstance(item, Mark))
    assert (mark.scan, mark.code, mark.source) == (2100.5, 9, "button")
    place = board.items.index(mark)
    assert board.items[place - 1].first + 10 == board.items[place + 1].first == 2100


def test_what_waits_is_let_go_by_time_alone_and_at_the_end():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    Board(assembly).send(0, 1000)
    assembly.begin(emgt(2), 2 * NS)
    board = Board(assembly, at=2.0, session=2)
    board.send(0, 50)
    assert board.items == []
    board.feed(b"", 2.2)
    assert board.items == []
    board.feed(b"", 4.5)
    assert [block.first for block in board.blocks] == [2000, 2010, 2020, 2030, 2040]
    assembly.begin(emgt(3), 5 * NS)
    third = Board(assembly, at=5.0, session=3)
    third.send(0, 20)
    gap, *blocks = assembly.end()
    assert (gap.scan, [block.first for block in blocks]) == (5000, [5000, 5010])
    third.send(20, 40)
    assert third.items == []


def test_with_nothing_received_the_next_stream_is_the_first():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    assembly.begin(emgt(2), 9 * NS)
    board = Board(assembly, at=9.0, session=2)
    board.send(0, 50)
    assert (board.blocks[0].first, board.gaps) == (0, [])
    assert assembly.clock.start_ns == pytest.approx(9 * NS, abs=0.01 * NS)


def test_the_exact_rate_of_the_answer_to_start():
    assembly = Assembly()
    assembly.begin(emgt(1, fs=1500.0), 0)
    start = frames.Start.TYPE
    answer = frames.Ack(5, start, frames.OK, fs_num=2_000_000, fs_den=1333, n_channels=2, n=10)
    assembly.feed(frames.encode(answer), 1000)
    Board(assembly, fs=2_000_000 / 1333).send(0, 6000)
    assert assembly.clock.nominal_hz == 2_000_000 / 1333
    assert abs(assembly.clock.deviation_ppm) < 5


def test_losses_that_the_board_tells_are_told_apart():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    board = Board(assembly)
    board.send(0, 500)
    board.send(600, 1000)
    board.send(1050, 1500)
    board.feed(frames.encode(frames.Status(1, 1500, 1500, 100, 10, 1, 2, 5000, 0, 1)), 1.51)
    counts = assembly.counts
    assert (counts.lost_scans, counts.lost_on_board, counts.lost_on_the_way) == (150, 100, 50)
    assert (counts.board_overruns, counts.board_rejected) == (10, 3)


def test_pongs_give_the_delay():
    assembly = Assembly()
    assembly.begin(emgt(1), 0)
    board = Board(assembly)
    for second in range(4):
        board.send(1000 * second, 1000 * (second + 1))
        now = second + 1.0
        assembly.ping(second, round((now + 0.003) * NS))
        pong = frames.Pong(second, 1, 1000 * (second + 1) + 4, 0, 0)
        board.feed(frames.encode(pong), now + 0.005)
    board.send(4000, 5000)
    assert assembly.clock.latency_s == pytest.approx(DELAY_S, abs=2e-4)
    assert assembly.clock.latency_error_s == pytest.approx(0.001, abs=1e-6)
    assert assembly.clock.monotonic_ns_of(3000) == pytest.approx(3 * NS, abs=2e-4 * NS)


@pytest.mark.parametrize(
    ("name", "fs", "lost", "exact"),
    [
        ("openeeg", 250.0, 375, True),
        ("openeeg", 250.0, 1000, True),
        ("openeeg", 250.0, 100, True),  # less than a round: the counter alone
        ("openeeg", 250.0, 512, False),  # whole rounds leave no trace in the counter
        ("bitalino", 1000.0, 3000, False),
        ("byb", 10000.0, 20000, False),
        ("text", 500.0, 700, False),
    ],
)
def test_gaps_longer_than_the_counter(name, fs, lost, exact):
    assembly = Assembly()
    wire = FORMATS[name]
    assembly.begin(Begin(name, wire.n_channels, fs, wall_ns=0), 0)
    board = Board(assembly, fs=fs, name=name)
    per_frame = max(1, round(fs / 100))
    n = round(2 * fs)
    board.send(0, n, per_frame)
    board.send(n + lost, 2 * n + lost, per_frame)
    board.feed(b"", 60.0)
    total = sum(block.counts.shape[1] for block in board.blocks)
    end = board.blocks[-1].first + board.blocks[-1].counts.shape[1]
    assert assembly.counts.lost_scans == end - total
    assert end - total == (lost if exact else pytest.approx(lost, abs=0.02 * fs))
    assert bool(board.gaps) == (lost > 256 or not exact)


@pytest.mark.parametrize("name", ["openeeg", "bitalino", "byb", "text"])
def test_late_deliveries_are_no_gaps(name):
    assembly = Assembly()
    wire = FORMATS[name]
    fs = wire.real_sfreq_hz(wire.n_channels) or 500.0
    assembly.begin(Begin(name, wire.n_channels, fs, wall_ns=0), 0)
    board = Board(assembly, fs=fs, name=name)
    n = round(2 * fs)
    board.send(0, n)
    # 2 s late; the backlog then comes in several deliveries, twice as fast as real time.
    step = round(0.4 * fs)
    for k in range(10):
        board.feed(board.wire(n + k * step, step), 4.0 + 0.2 * k + DELAY_S)
    board.send(n + 10 * step, n + 11 * step)
    board.feed(b"", 60.0)
    assert board.gaps == []
    assert assembly.counts.lost_scans == 0
    assert board.blocks[-1].first + board.blocks[-1].counts.shape[1] >= n + 11 * step - 2


def test_a_chords_board_that_hangs_counts_nothing_and_the_clock_tells():
    assembly = Assembly()
    assembly.begin(Begin("chords", 6, 250.0, wall_ns=0, bits=10), 0)
    board = Board(assembly, fs=250.0, name="chords")
    board.send(0, 500)
    board.at = 1.5  # its scans of 1.5 s were never taken, nor counted
    board.send(500, 1000)
    (gap,) = board.gaps
    assert gap.n_scans == pytest.approx(375, abs=3)
