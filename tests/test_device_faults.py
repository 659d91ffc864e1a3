"""A device through every kind of trouble, over a pseudo-terminal, with the truth known.

The scenarios run side by side, since most of their time is waiting.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from firmware_bridge.bytelog import replay
from firmware_bridge.decoders import Block, Mark
from firmware_bridge.device import DeviceStatistics, open_device
from firmware_bridge.faults import Faults
from firmware_bridge.items import Gap, Lost, Notice, Reconnected, Stalled
from firmware_bridge.virtual import Stream, VirtualDevice

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")

EMGT_HZ = 2000.0


@dataclass
class Scenario:
    """What goes wrong for how long, and when marks are set."""

    seconds: float
    faults: Faults = field(default_factory=Faults)
    format: str = "emgt"
    n_channels: int = 2
    marks_at: tuple[float, ...] = ()
    sleep_at: tuple[float, float] | None = None
    over_tcp: bool = False
    more: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "damaged": Scenario(11.5, Faults(drop=1e-3, flip=1e-3, coalesce_ms=16, rate_error_ppm=-5000)),
    "lumps": Scenario(3.0, Faults(coalesce_ms=16)),
    "stall": Scenario(4.0, Faults(stalls=((1.0, 1.6),)), marks_at=(0.5, 1.2, 3.4)),
    "reset": Scenario(3.0, Faults(resets=(1.0,))),
    "unplugged": Scenario(5.0, Faults(unplugs=((1.0, 0.7),)), marks_at=(0.5, 1.3, 4.0)),
    "cut off": Scenario(5.0, Faults(unplugs=((1.0, 0.3), (2.5, 0.3))), over_tcp=True),
    "wrong baud": Scenario(5.0, Faults(wrong_baud=((1.0, 2.5),))),
    "slow consumer": Scenario(3.5, sleep_at=(0.5, 2.0)),
    "overflow": Scenario(3.0, sleep_at=(0.5, 1.5), more={"queue_scans": 1000}),
    "wrong rate": Scenario(11.5, Faults(rate_error_ppm=50_000)),
    "counter": Scenario(4.5, Faults(stalls=((1.0, 1.5),)), format="openeeg", n_channels=6),
    "foreign lumps": Scenario(3.0, Faults(coalesce_ms=16), format="chords", n_channels=6),
    "foreign restart": Scenario(7.0, Faults(stalls=((1.0, 3.5),)), format="chords", n_channels=6),
}


@dataclass
class Outcome:
    items: list[object]
    statistics: DeviceStatistics
    streams: tuple[Stream, ...]
    clock: Any
    replayed: list[object]

    def of(self, kind):
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def missing(self):
        """Scans missing between the blocks, which must not overlap."""
        end = missing = 0
        for block in self.of(Block):
            assert block.first >= end
            missing += block.first - end
            end = block.first + block.counts.shape[1]
        return missing


def source(n_channels):
    def codes(first, n):
        scans = np.arange(first, first + n)
        rows = np.stack([scans % 1000, scans // 1000 % 1000])
        return rows[np.arange(n_channels) % 2]

    return codes


def played(name, folder):
    scenario = SCENARIOS[name]
    log = folder / f"{name}.emgraw"
    with VirtualDevice(source(scenario.n_channels), scenario.format, scenario.faults) as virtual:
        port = virtual.serve_tcp() if scenario.over_tcp else virtual.serve_pty(folder / name)
        with open_device(
            port, scenario.format, n_channels=scenario.n_channels, log=log, **scenario.more
        ) as device:
            device.start()
            start = time.monotonic()
            marks = list(scenario.marks_at)
            sleep_at = scenario.sleep_at
            items = []
            while (now := time.monotonic() - start) < scenario.seconds:
                if marks and now > marks[0]:
                    marks.pop(0)
                    device.mark(len(marks))
                if sleep_at and now > sleep_at[0]:
                    time.sleep(sleep_at[1])
                    sleep_at = None
                items += device.read(0.05)
            device.stop()
            items += device.read(0)
            outcome = items, device.statistics, virtual.streams, device.clock
        assert device.capture_error is None
    return Outcome(*outcome, list(replay(log)))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        return dict(
            zip(SCENARIOS, pool.map(lambda name: played(name, folder), SCENARIOS), strict=True)
        )


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_missing_scan_is_counted(outcomes, name):
    outcome = outcomes[name]
    statistics = outcome.statistics
    # What was dropped last of all shows in no block.
    assert 0 <= statistics.lost_scans - outcome.missing <= statistics.lost_in_queue
    parts = (
        statistics.lost_on_board,
        statistics.lost_on_the_way,
        statistics.lost_estimated,
        statistics.lost_in_queue,
    )
    assert sum(parts) == statistics.lost_scans
    received = sum(block.counts.shape[1] for block in outcome.of(Block))
    assert received == statistics.n_scans - statistics.lost_in_queue
    assert sum(gap.n_scans for gap in outcome.of(Gap)) == statistics.lost_estimated


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "foreign restart"])
def test_no_scan_is_wrong_or_at_a_wrong_place(outcomes, name):
    expected = source(SCENARIOS[name].n_channels)
    offset = 0
    # This board sent before its port was opened; others begin with their scan 0.
    after_gap = name == "counter"
    for item in outcomes[name].of((Block, Gap)):
        if isinstance(item, Block):
            if after_gap:  # its place on the axis is estimated; in its stream it is exact
                offset = item.first - int(item.counts[0, 0] + 1000 * item.counts[1, 0])
            assert (item.counts == expected(item.first - offset, item.counts.shape[1])).all()
        after_gap = isinstance(item, Gap)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "overflow"])
def test_the_capture_replays_bit_exactly(outcomes, name):
    outcome = outcomes[name]
    again = [item for item in outcome.replayed if isinstance(item, Block | Gap)]
    live = outcome.of((Block, Gap))
    assert len(live) == len(again)
    for one, other in zip(live, again, strict=True):
        if isinstance(one, Gap):
            assert one == other
        else:
            assert (one.first, one.session) == (other.first, other.session)
            assert one.counts.dtype == other.counts.dtype
            assert (one.counts == other.counts).all()


@pytest.mark.parametrize("name", ["lumps", "foreign lumps", "slow consumer"])
def test_nothing_is_lost_without_need(outcomes, name):
    outcome = outcomes[name]
    assert outcome.missing == 0
    (stream,) = outcome.streams[-1:]
    received = sum(block.counts.shape[1] for block in outcome.of(Block))
    assert received >= 0.9 * stream.sent
    if name == "slow consumer":
        assert outcome.statistics.queue_high_water > 1.5 * EMGT_HZ


def test_damaged_bytes_cost_frames_and_the_rate_is_found_all_the_same(outcomes):
    outcome = outcomes["damaged"]
    (stream,) = outcome.streams
    assert outcome.statistics.rejected.total() > 50
    assert 0 < outcome.missing <= stream.damaged
    assert outcome.clock.trusted
    assert abs(outcome.clock.deviation_ppm + 5000) < 1000  # the machine may be busy


def test_a_stall_is_told_and_its_scans_are_counted(outcomes):
    outcome = outcomes["stall"]
    begin, end = outcome.of(Stalled)
    assert (begin.over, end.over) == (False, True)
    assert begin.seconds >= 1
    assert end.seconds >= 1.5
    (stream,) = outcome.streams
    assert outcome.statistics.lost_scans == stream.lost == outcome.statistics.lost_on_board
    assert outcome.statistics.n_stalls == 1
    assert outcome.of(Gap) == []


def test_no_mark_is_lost(outcomes):
    for name in ("stall", "unplugged"):
        outcome = outcomes[name]
        marks = {mark.code: mark for mark in outcome.of(Mark)}
        for code, at_s in zip((2, 1, 0), SCENARIOS[name].marks_at, strict=True):
            assert marks[code].source == "host"
            # When the board hangs it marks late, when it wakes.
            late_s = marks[code].scan / EMGT_HZ - at_s
            assert -1.0 < late_s < 5.0


def test_a_reset_costs_what_it_lasts(outcomes):
    outcome = outcomes["reset"]
    (notice,) = outcome.of(Notice)
    assert "reset" in notice.text
    (gap,) = outcome.of(Gap)
    first, second = outcome.streams
    away_s = (second.start_ns - first.start_ns) * 1e-9 - first.due / EMGT_HZ
    assert gap.n_scans == pytest.approx(away_s * EMGT_HZ, abs=0.2 * EMGT_HZ)
    assert outcome.statistics.n_restarts == 1
    assert len({block.session for block in outcome.of(Block)}) == 2


@pytest.mark.parametrize(("name", "times"), [("unplugged", 1), ("cut off", 2)])
def test_unplugged_it_is_found_again(outcomes, name, times):
    outcome = outcomes[name]
    kinds = [type(item) for item in outcome.of((Lost, Reconnected, Gap))]
    assert kinds == [Lost, Reconnected, Gap] * times
    assert all("has closed it" in lost.why or "cable" in lost.why for lost in outcome.of(Lost))
    assert outcome.statistics.n_losses == times
    starts = [stream.start_ns * 1e-9 for stream in outcome.streams]
    for gap, start in zip(outcome.of(Gap), starts[1:], strict=True):
        due = (start - starts[0]) * EMGT_HZ
        assert gap.scan == pytest.approx(due, abs=0.2 * EMGT_HZ)


def test_noise_on_the_line_ends_by_itself(outcomes):
    outcome = outcomes["wrong baud"]
    assert [item.over for item in outcome.of(Stalled)] == [False, True]
    assert len(outcome.streams) == 1
    assert outcome.statistics.n_losses == 0


def test_overflow_is_counted_and_told(outcomes):
    outcome = outcomes["overflow"]
    assert outcome.statistics.lost_in_queue >= outcome.missing > 0.5 * EMGT_HZ
    assert outcome.statistics.queue_high_water <= 1000
    assert any("dropped" in notice.text for notice in outcome.of(Notice))


def test_a_rate_far_from_the_promised_one_is_told(outcomes):
    (notice,) = outcomes["wrong rate"].of(Notice)
    assert "scans per second, not 2000" in notice.text
    assert outcomes["damaged"].of(Notice) == []


def test_a_gap_longer_than_the_counter(outcomes):
    outcome = outcomes["counter"]
    (stream,) = outcome.streams
    assert stream.lost > 256
    assert outcome.missing == stream.lost


def test_a_board_that_stays_silent_is_started_anew(outcomes):
    outcome = outcomes["foreign restart"]
    assert outcome.statistics.n_restarts >= 1
    assert any("started anew" in notice.text for notice in outcome.of(Notice))
    end = outcome.of(Block)[-1]
    assert (end.first + end.counts.shape[1]) / 250 == pytest.approx(7.0, abs=0.5)
