"""Bytes of a board, with the moments they arrived, become items on one axis of the recording.

Streams follow each other when a board is reset or unplugged; each begins at scan 0. Here they get
their places on the one axis, by the computer's clock where nothing else tells how long a gap was.
No port, no thread and no clock is read here, so that a capture replays to the same items.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from firmware_bridge.clock import ClockEstimator, ClockFit
from firmware_bridge.decoders import Block, Decoder, Mark, Statistics
from firmware_bridge.decoders.emgt import EmgtDecoder
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.device_info import EMGT
from firmware_bridge.frames import Ack, Pong, Status
from firmware_bridge.items import Gap

# How long the first blocks after a gap wait for the quickest delivery, which tells its length.
_PLACING_S = 0.25
# Without a block for so much longer than the scans account for, scans that no counter tells of may
# be lost. Or they come late: judged when deliveries have not caught up by a step for so long.
_SUSPICIOUS_S = 0.25
_CATCHING_UP_S = 0.5
_STEP_S = 0.05
# Blocks that wait are let go, even if none follows to judge by.
_LONGEST_WAIT_S = 2.0
_MOST_PINGS = 16
_FIT_EVERY_S = 0.5
_S = 1e-9


@dataclass(frozen=True)
class Begin:
    """A stream that begins.

    Attributes
    ----------
    format
        Name in `decoders.formats.FORMATS`.
    n_channels, bits, session
        As the decoder of the format takes them; None where it does not.
    sfreq
        Scans per second that the board promises.
    wall_ns
        Time of day at the moment of the beginning, since 1970 (UTC).
    why
        Why a stream after the first one was begun.
    time_column
        Of lines of numbers: place and unit of the board's clock; see `decoders.text`.
    """

    format: str
    n_channels: int
    sfreq: float
    wall_ns: int
    bits: int | None = None
    session: int | None = None
    why: str = ""
    time_column: tuple[int, str] | None = None


@dataclass(frozen=True)
class AssemblyCounts:
    """What was received and lost since the first stream began.

    Attributes
    ----------
    n_bytes, n_frames, n_scans
        Bytes received, frames (or lines) accepted, scans received.
    lost_scans
        Scans missing on the axis, all together: the sum of the next three.
    lost_on_board
        Those the board itself tells of: it could not send them.
    lost_on_the_way
        The other ones that an index or a counter proves lost.
    lost_estimated
        Those in gaps whose length the computer's clock gave.
    rejected
        Frames or bytes thrown away, by reason.
    board_overruns, board_rejected
        As the board last told: how often its sending ring was full; damaged commands it received.
    """

    n_bytes: int = 0
    n_frames: int = 0
    n_scans: int = 0
    lost_scans: int = 0
    lost_on_board: int = 0
    lost_on_the_way: int = 0
    lost_estimated: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    board_overruns: int = 0
    board_rejected: int = 0


class Assembly:
    """Decodes, counts and places on one axis.

    Attributes
    ----------
    clock
        The latest fit of the board's clock, twice a second; None before the first scan.
    """

    def __init__(self) -> None:
        self.clock: ClockFit | None = None
        self._estimator = ClockEstimator(1.0, 0, 0)
        self._begin = Begin("", 0, 1.0, 0)
        self._begin_ns = 0
        self._decoder: Decoder | None = None
        self._modulus: int | None = None
        self._past = Statistics()
        self._past_on_board = 0
        self._estimated = 0
        self._status: Status | None = None
        self._pings: dict[int, int] = {}
        # The axis: where scan 0 of the stream lies, the next scan, the last block's end and moment.
        self._offset = 0
        self._next = 0
        self._last_ns = 0
        self._fitted_ns = 0
        # Blocks and marks that wait until the length of a gap before them is known.
        self._held: list[tuple[Block | Mark, int]] = []
        self._judge_ns = 0
        self._least_behind = 0.0
        self._is_placed = True

    def begin(self, begin: Begin, now_ns: int) -> list[object]:
        """Begin a stream; return what was still to be placed of the one before."""
        left = self.end()
        self._begin = begin
        self._begin_ns = now_ns
        if self._next == 0:  # nothing received yet: the recording begins only now
            self._estimator = ClockEstimator(begin.sfreq, now_ns, begin.wall_ns)
        else:
            self._estimator.restart()
            self._is_placed = False
        if begin.format == EMGT:
            self._decoder = EmgtDecoder(begin.n_channels, begin.bits, begin.session)
            self._modulus = None
        else:
            wire = FORMATS[begin.format]
            more: dict[str, object] = (
                {"bits": begin.bits} if wire.variable_bits and begin.bits else {}
            )
            if begin.time_column:
                more["time_column"] = begin.time_column
            self._decoder = wire.make_decoder(begin.n_channels, **more)
            self._modulus = wire.sequence_modulus or 1
        return left

    def end(self) -> list[object]:
        """End the stream; return what was still to be placed. Bytes are ignored until `begin`."""
        left = self._release()
        self._close_books()
        self._decoder = None
        return left

    def ping(self, token: int, now_ns: int) -> None:
        """Note the moment when a PING was sent."""
        self._pings[token] = now_ns
        if len(self._pings) > _MOST_PINGS:
            del self._pings[next(iter(self._pings))]

    def feed(self, data: bytes, arrival_ns: int) -> list[object]:
        """Take in bytes and the moment they arrived, and return what they complete, in order.

        Without bytes it only lets go what need not wait any longer.

        Returns
        -------
        `Block` and `Mark` on the axis of the recording, `Gap`, and whatever else the decoder gives.
        """
        too_long = arrival_ns >= self._judge_ns + round(_LONGEST_WAIT_S / _S)
        found = self._release() if self._held and too_long else []
        for item in self._decoder.feed(data) if self._decoder and data else ():
            if isinstance(item, Block | Mark):
                found += self._place(item, arrival_ns)
            else:
                self._learn(item, arrival_ns)
                found.append(item)
        return found

    @property
    def n_scans(self) -> int:
        """Scans received so far."""
        return self._past.n_scans + (self._decoder.statistics.n_scans if self._decoder else 0)

    @property
    def counts(self) -> AssemblyCounts:
        """What was received and lost so far."""
        now = self._decoder.statistics if self._decoder else Statistics()
        past = self._past
        by_index = past.lost_scans + now.lost_scans
        on_board = min(self._past_on_board + self._on_board(), by_index)
        status = self._status
        return AssemblyCounts(
            n_bytes=past.n_bytes + now.n_bytes,
            n_frames=past.n_frames + now.n_frames,
            n_scans=past.n_scans + now.n_scans,
            lost_scans=by_index + self._estimated,
            lost_on_board=on_board,
            lost_on_the_way=by_index - on_board,
            lost_estimated=self._estimated,
            # A copy first: the thread that decodes may be adding to it.
            rejected=past.rejected + Counter(dict(now.rejected)),
            board_overruns=status.tx_overruns if status else 0,
            board_rejected=status.rx_crc_errors + status.rx_overruns if status else 0,
        )

    def _on_board(self) -> int:
        status = self._status
        return status.lost_scans if status and status.session == self._begin.session else 0

    def _close_books(self) -> None:
        counts = self.counts
        self._past_on_board = counts.lost_on_board
        self._past = Statistics(
            counts.n_bytes,
            counts.n_frames,
            counts.n_scans,
            counts.lost_scans - self._estimated,
            counts.rejected,
        )
        self._status = None
        self._pings.clear()

    def _learn(self, item: object, arrival_ns: int) -> None:
        """Take in what the board tells of its clock and its losses."""
        if isinstance(item, Status):
            self._status = item
        elif isinstance(item, Ack) and item.fs_den and self._next == 0:
            # The exact rate, told before the first scan.
            rate = item.fs_num / item.fs_den
            self._begin = replace(self._begin, sfreq=rate)
            self._estimator = ClockEstimator(rate, self._begin_ns, self._begin.wall_ns)
        elif isinstance(item, Pong):
            sent_ns = self._pings.pop(item.token, None)
            known = item.session == self._begin.session and self._is_placed and self._next > 0
            if sent_ns is not None and known:
                scan = self._offset + item.scan + item.sub / 65536
                self._estimator.add_pong(scan, sent_ns, arrival_ns)

    def _place(self, item: Block | Mark, arrival_ns: int) -> list[object]:
        """Return the item with its place on the axis, or nothing as long as it has to wait."""
        if not self._held:
            if not self._has_to_wait(item, arrival_ns):
                return [self._put(item, arrival_ns)]
            self._least_behind = np.inf
            self._judge_ns = arrival_ns + round(_PLACING_S / _S)
        self._held.append((item, arrival_ns))
        if self._is_placed and isinstance(item, Block):
            if not self._is_late(item, arrival_ns):
                return self._release()
            behind = self._behind(item, arrival_ns)
            if behind < self._least_behind - _STEP_S * self._rate_hz():
                self._least_behind = behind
                self._judge_ns = arrival_ns + round(_CATCHING_UP_S / _S)
        return self._release() if arrival_ns >= self._judge_ns else []

    def _has_to_wait(self, item: Block | Mark, arrival_ns: int) -> bool:
        if not self._is_placed:
            return True
        return isinstance(item, Block) and self._is_late(item, arrival_ns)

    def _is_late(self, block: Block, arrival_ns: int) -> bool:
        """Tell whether scans that no index tells of may be missing before the block."""
        if self._modulus is None or not self._next:
            return False
        least = max(self._modulus / 2, _SUSPICIOUS_S * self._rate_hz())
        return self._behind(block, arrival_ns) > least

    def _behind(self, block: Block, arrival_ns: int) -> float:
        """Return by how many scans the block is late, compared with the last one placed."""
        elapsed = (arrival_ns - self._last_ns) * _S * self._rate_hz()
        return elapsed - (self._offset + _end(block) - self._next)

    def _rate_hz(self) -> float:
        return self.clock.sfreq_hz if self.clock and self.clock.trusted else self._begin.sfreq

    def _release(self) -> list[object]:
        """Return what was held, now with its place."""
        held, self._held = self._held, []
        blocks = [(item, moment) for item, moment in held if isinstance(item, Block)]
        gap, at = 0, held[0][0] if held else None
        if blocks and not self._is_placed:
            gap = self._place_stream(blocks)
            why = self._begin.why
        elif blocks:
            gap, at = self._uncounted(blocks)
            why = "nothing came for longer than the counter of this format can tell"
        found: list[object] = []
        for item, moment in held:
            if gap and item is at:
                self._offset += gap
                self._estimated += gap
                first = item.first if isinstance(item, Block) else blocks[0][0].first
                found.append(Gap(moment, self._offset + first, gap, why))
            found.append(self._put(item, moment))
        return found

    def _place_stream(self, blocks: list[tuple[Block, int]]) -> int:
        """Return the gap before a new stream: its quickest delivery is as quick as those before."""
        self._is_placed = True
        self._offset = self._next
        clock = self.clock
        if clock is None:
            return 0
        latency_ns = round((clock.latency_s or 0.0) / _S)
        due = min(clock.scan_at(moment - latency_ns) + 1 - _end(block) for block, moment in blocks)
        return max(0, round(due) - self._next)

    def _uncounted(self, blocks: list[tuple[Block, int]]) -> tuple[int, Block]:
        """Return how many scans are missing without evidence, and the block after them.

        Where a counter jumped, whole rounds of it are missing besides. Where none did, there is no
        counter, or the board does not count what it skips.
        """
        if not all(self._is_late(block, moment) for block, moment in blocks):
            return 0, blocks[0][0]
        missing = min(self._behind(block, moment) for block, moment in blocks)
        ends = [self._next - self._offset, *(_end(block) for block, _ in blocks)]
        jumps = [block.first - end for (block, _), end in zip(blocks, ends, strict=False)]
        after = blocks[jumps.index(max(jumps))][0]
        modulus = self._modulus if self._modulus and max(jumps) else 1
        return round(missing / modulus) * modulus, after

    def _put(self, item: Block | Mark, arrival_ns: int) -> Block | Mark:
        """Return the item on the axis of the recording, and let the clock learn from it."""
        if isinstance(item, Mark):
            return replace(item, scan=item.scan + self._offset)
        placed = replace(item, first=item.first + self._offset) if self._offset else item
        self._next = _end(placed)
        self._last_ns = arrival_ns
        self._estimator.add(self._next - 1, arrival_ns)
        if arrival_ns - self._fitted_ns > _FIT_EVERY_S / _S or self.clock is None:
            self.clock = self._estimator.fit()
            self._fitted_ns = arrival_ns
        return placed


def _end(block: Block) -> int:
    """Return the index after the last scan of a block."""
    return block.first + block.counts.shape[1]
