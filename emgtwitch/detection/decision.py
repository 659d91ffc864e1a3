"""The decision on each candidate once its surroundings are known, and the account of valid time.

A block is decided when most of a second after it is known, `Grid.ahead` blocks. Stretches of
sustained activity are found from how much of a second is active and from trains of alike, regular
potentials; what lies in them is rejected, like what lies in gaps or beside artefacts, and the
stretch itself becomes a row of the event table and is taken out of the valid time.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emgtwitch.detection import gates
from emgtwitch.detection.candidates import Candidate
from emgtwitch.detection.codes import (
    CONTRACTION,
    EXCLUSIONS,
    FLAT,
    GAP,
    SATURATION,
    VALID,
)
from emgtwitch.detection.grid import TILE_BLOCKS, Grid
from emgtwitch.detection.heart import Heart
from emgtwitch.detection.settings import Preset
from emgtwitch.detection.units import FiringUnits, UnitMemory
from emgtwitch.event_table import FASCICULATION, NOT_APPLICABLE, Event

BURST_S = 0.25  # twitches closer than this form a burst (Sleutjes et al. 2016)
# Blocks before and after each that are excluded with it: filters and amplifiers need to recover.
BEFORE = {GAP: 0, SATURATION: 2, FLAT: 0}
AFTER = {GAP: 4, SATURATION: 8, FLAT: 4}
HALF_SECOND = 18  # blocks to each side over which activity is judged
MARGIN = 12  # blocks beside sustained activity that go with it
CHAIN = 10  # blocks from one potential to the next, or to the activity that it begins
RUN, RUN_SHARE = 10, 0.9  # blocks, of which so many active are a contraction by themselves
RUN_MARGIN = 20  # blocks beside such a run that go with it
PAUSE = 20  # blocks without activity that end a contraction,
TAIL = 120  # which cannot go on for longer than this after it was last sustained
PAST = 48  # blocks kept before those that are being decided
PAST_S = 1.0  # candidates before them are kept for so long
NOW = slice(PAST, PAST + TILE_BLOCKS)  # those that are being decided
ACTIVE = 1.9**2  # power over that of the noise, above which a block is active
# Power and statistic of a typical block around, above which the noise counts as louder there.
LOUDER = 1.3
NOISE_SCORE = 3.0  # mean of the statistic over a typical block of the noise it is matched to
TRIAL_TYPE_OF = {reason: trial_type for trial_type, reason in EXCLUSIONS.values()}


class Decider:
    """Decides tile after tile.

    Parameters
    ----------
    ch_names
        Channel names; sides are read from them.
    preset
        Limits of the gates.
    grid
        The tiles.
    score_limit
        Threshold of the statistic.
    """

    def __init__(
        self, ch_names: Sequence[str], preset: Preset, grid: Grid, score_limit: float
    ) -> None:
        self._names, self._preset, self._grid = tuple(ch_names), preset, grid
        self.score_limit = score_limit
        n_channels = len(ch_names)
        n_blocks = NOW.stop + grid.ahead
        self._codes = np.full((n_channels, n_blocks), VALID)
        self._power = np.zeros((n_channels, n_blocks))
        self._score = np.zeros((n_channels, n_blocks))
        self._in_train = np.zeros((n_channels, n_blocks), dtype=bool)
        self._candidates: list[list[Candidate]] = [[] for _ in ch_names]
        self._units = [UnitMemory() for _ in ch_names]
        self._firing = [FiringUnits() for _ in ch_names]
        self._heart = Heart(n_channels)
        self._bursts = [0] * n_channels
        self._last_twitch = np.full(n_channels, -np.inf)
        self._since_sustained = np.full(n_channels, TAIL)
        self._since_active = np.zeros(n_channels, dtype=int)
        self._state = np.full(n_channels, VALID)
        self._since = np.zeros(n_channels)
        self._first = -grid.ahead - TILE_BLOCKS  # of the blocks that are decided next
        self.blocks = {code: np.zeros(n_channels, dtype=int) for code in (VALID, *EXCLUSIONS)}
        """Number of decided blocks of each channel that were valid, or excluded and why."""
        self._log_noise = np.zeros(
            n_channels
        )  # sum over valid blocks of the logarithm of its power

    def next_tile(
        self,
        codes: np.ndarray,
        power: np.ndarray,
        score: np.ndarray,
        level: np.ndarray,
        candidates: list[Candidate],
    ) -> list[Event]:
        """Take in the newest tile and decide as many blocks of before.

        Parameters
        ----------
        codes
            ``(n_channels, TILE_BLOCKS)`` as `Validity` gives them, or WARM_UP.
        power
            ``(n_channels, TILE_BLOCKS)`` of the signal over that of the noise.
        score
            ``(n_channels, TILE_BLOCKS)`` mean of the statistic.
        level
            ``(n_channels,)`` power of the noise, µV².
        candidates
            Those measured since the last call.

        Returns
        -------
        list of Event
            Decided, none provisional.
        """
        self._codes = np.concatenate([self._codes[:, TILE_BLOCKS:], codes], axis=1)
        self._power = np.concatenate([self._power[:, TILE_BLOCKS:], power], axis=1)
        self._score = np.concatenate([self._score[:, TILE_BLOCKS:], score], axis=1)
        self._in_train = np.concatenate(
            [self._in_train[:, TILE_BLOCKS:], np.zeros(codes.shape, dtype=bool)], axis=1
        )
        for candidate in candidates:
            self._candidates[candidate.channel].append(candidate)
        common = (candidate for candidate in candidates if candidate.reason == "common-mode")
        for candidate in sorted(common, key=lambda candidate: candidate.centre_s):
            self._heart.learn(candidate.channel, candidate.centre_s, candidate.shape)
        self._first += TILE_BLOCKS
        return self._decide(level)

    def _decide(self, level: np.ndarray) -> list[Event]:
        start_s = self._first * self._grid.block_s
        stop_s = (self._first + TILE_BLOCKS) * self._grid.block_s
        due = [c for found in self._candidates for c in found if start_s <= c.time_s < stop_s]
        self._look_for_trains(start_s)
        codes = self._exclusions(start_s)
        for candidate in due:
            block = min(int((candidate.time_s - start_s) / self._grid.block_s), TILE_BLOCKS - 1)
            code = codes[candidate.channel, block]
            if code != VALID:
                candidate.reason = EXCLUSIONS[code][1]
            elif not candidate.reason:
                candidate.reason = self._local_noise_reason(candidate, block)
                if self._heart.beats_at(candidate.channel, candidate.centre_s, candidate.shape):
                    candidate.reason = "common-mode"
        events = [self._row(c) for c in due]
        events += self._intervals(codes)
        recorded = codes[:, max(-self._first, 0) :]  # the rest is before the first sample
        n_valid = (recorded == VALID).sum(axis=1)
        self.blocks[VALID] += n_valid
        self._log_noise += n_valid * np.log(np.where(level > 0, level, 1.0))
        for code in EXCLUSIONS if recorded.any() else ():
            self.blocks[code] += (recorded == code).sum(axis=1)
        for found in self._candidates:
            while found and found[0].time_s < start_s - PAST_S:
                found.pop(0)
        return sorted(events, key=lambda event: (event.onset, event.channel))

    def _block_of(self, time_s: float, start_s: float) -> int:
        """Return the place in the kept blocks of a time, when the tile at `start_s` is decided."""
        return NOW.start + int(np.floor((time_s - start_s) / self._grid.block_s))

    def _look_for_trains(self, start_s: float) -> None:
        """Find the trains of the candidates to be decided, and those that begin after them.

        The first potentials of a contraction come before its train can be told from chance.
        """
        for channel, found in enumerate(self._candidates):
            if len(found) <= gates.SHORT_RHYTHM.intervals:
                continue
            for candidate in found:
                if candidate.reason or candidate.time_s < start_s:
                    continue
                block = self._block_of(candidate.time_s, start_s)
                if block < NOW.stop or not self._in_train[channel, block]:
                    self._look_for_train(candidate, start_s)

    def _look_for_train(self, candidate: Candidate, start_s: float) -> None:
        channel = candidate.channel
        around = [c for c in self._candidates[channel] if c.reason not in ("motion", "pop")]
        span = gates.train_span(candidate, around, self._preset, self._firing[channel])
        near = [c for c in around if abs(c.peak_s - candidate.peak_s) < 0.5]
        if span is None and len(near) >= gates.DENSE:
            span = near[0].peak_s, near[-1].peak_s
        if span is not None:
            first, last = (self._block_of(time, start_s) for time in span)
            self._in_train[channel, max(first - MARGIN, 0) : last + MARGIN + 1] = True

    def _exclusions(self, start_s: float) -> np.ndarray:
        """Return the codes of the blocks of the tile that is being decided."""
        codes = self._codes[:, NOW].copy()
        for code in BEFORE if self._codes.any() else ():
            wide = slice(NOW.start - AFTER[code], NOW.stop + BEFORE[code])
            near = _dilated(self._codes[:, wide] == code, BEFORE[code], AFTER[code])
            codes[near & (codes == VALID)] = code
        sustained = self._sustained()
        self._add_first_potentials(sustained, start_s)
        sustained = self._with_tail(sustained[:, :TILE_BLOCKS]) | self._in_train[:, NOW]
        codes[sustained & (codes == VALID)] = CONTRACTION
        return codes

    def _add_first_potentials(self, sustained: np.ndarray, start_s: float) -> None:
        """Let contractions begin with their first potentials, which come one by one."""
        busy = sustained | self._in_train[:, NOW.start : NOW.start + sustained.shape[1]]
        for channel in np.flatnonzero(busy.any(axis=1)).tolist():
            for candidate in reversed(self._candidates[channel]):
                at = self._block_of(candidate.peak_s, start_s) - NOW.start
                soon = np.flatnonzero(busy[channel, max(at, 0) : at + CHAIN + 1])
                if at >= 0 and len(soon) and soon[0] > 0:
                    first = at + int(soon[0])
                    busy[channel, at:first] = True
                    self._in_train[channel, NOW.start + at - 1 : NOW.start + first] = True

    def _with_tail(self, sustained: np.ndarray) -> np.ndarray:
        """Let contractions go on to the first pause: their last potentials come one by one."""
        if not sustained.any() and (self._since_sustained >= TAIL).all():
            return sustained
        active = self._power[:, NOW] > ACTIVE
        known = self._codes[:, NOW] == VALID  # a gap is no pause
        for block in range(TILE_BLOCKS):
            now, later = sustained[:, block], known[:, block]
            since = np.minimum(self._since_sustained + later, TAIL)
            self._since_sustained = np.where(now, 0, since)
            self._since_active = np.where(now | active[:, block], 0, self._since_active + later)
            # After a pause, only a new contraction starts anew.
            self._since_sustained[self._since_active > PAUSE] = TAIL
            sustained[:, block] |= self._since_sustained < TAIL
        return sustained

    def _sustained(self) -> np.ndarray:
        """Return which blocks of the tile, and of what follows, lie in sustained activity.

        Most of the second around a block is active, or of the time that follows or precedes it:
        these find the beginning and the end. Or a quarter of a second near it is active
        throughout, as in a step.
        """
        reach, n = MARGIN + HALF_SECOND, TILE_BLOCKS + CHAIN
        active = self._power[:, NOW.start - reach : NOW.start + n + reach] > ACTIVE
        if active.sum(axis=1).max() < RUN_SHARE * RUN:
            return np.zeros((len(active), n), dtype=bool)
        unknown = n + 2 * reach - active.shape[1]
        active = np.pad(active, ((0, 0), (0, max(unknown, 0))))
        count = np.cumsum(np.pad(active, ((0, 0), (1, 0))), axis=1, dtype=int)

        def most(length: int, share: float) -> np.ndarray:
            return np.asarray(count[:, length:] - count[:, :-length] >= share * length)

        share = self._preset.active_share
        around = _dilated(most(2 * HALF_SECOND + 1, share), MARGIN, MARGIN)
        beside = most(reach + 1, share)
        after = RUN + RUN_MARGIN - 1
        runs = most(RUN, RUN_SHARE)[:, reach - after : reach + n + RUN_MARGIN]
        return np.asarray(
            around | beside[:, :n] | beside[:, -n:] | _dilated(runs, RUN_MARGIN, after)
        )

    def _local_noise_reason(self, candidate: Candidate, block: int) -> str:
        """Reject what would not have been found against the noise of the second around it."""
        middle = NOW.start + block
        around = slice(middle - HALF_SECOND, middle + HALF_SECOND + 1)
        power, score = (
            float(np.partition(kept[candidate.channel, around], HALF_SECOND)[HALF_SECOND])  # median
            for kept in (self._power, self._score)
        )
        louder = max(power, score / NOISE_SCORE)
        if louder > LOUDER and candidate.score / louder < self.score_limit:
            return "noise"
        return ""

    def _row(self, candidate: Candidate) -> Event:
        channel, name = candidate.channel, self._names[candidate.channel]
        trial_type, unit, burst = FASCICULATION, -1, -1
        if candidate.reason:
            trial_type = TRIAL_TYPE_OF.get(candidate.reason, "artifact")
        else:
            unit = self._units[channel].classify(candidate.shape)
            burst = self._burst(candidate)
        return Event(
            onset=candidate.onset_s,
            duration=candidate.offset_s - candidate.onset_s,
            trial_type=trial_type,
            channel=name,
            peak_time=candidate.peak_s,
            amplitude_uv=candidate.amplitude_uv,
            snr=candidate.amplitude_uv / candidate.noise_sd,
            unit=unit,
            burst=burst,
            reason=candidate.reason or NOT_APPLICABLE,
        )

    def _burst(self, candidate: Candidate) -> int:
        """Return the number of the burst a twitch belongs to, -1 for an isolated one."""
        channel, time = candidate.channel, candidate.peak_s
        continues = time - self._last_twitch[channel] <= BURST_S
        self._last_twitch[channel] = time
        followed = any(
            not c.reason and 0 < c.peak_s - time <= BURST_S for c in self._candidates[channel]
        )
        if not continues and followed:
            self._bursts[channel] += 1
        return self._bursts[channel] if continues or followed else -1

    def _intervals(self, codes: np.ndarray) -> list[Event]:
        """Return rows for the excluded stretches that end in these blocks."""
        before = np.concatenate([self._state[:, None], codes[:, :-1]], axis=1)
        events = []
        for channel, block in zip(*np.nonzero(codes != before), strict=True):
            time = float(self._first + block) * self._grid.block_s
            events += self._close(channel, before[channel, block], time)
            self._since[channel] = time
        self._state = codes[:, -1].copy()
        return events

    def _close(self, channel: int, code: int, time: float) -> list[Event]:
        if code == VALID:
            return []
        trial_type, reason = EXCLUSIONS[code]
        since = float(self._since[channel])
        told = reason if trial_type == "artifact" else NOT_APPLICABLE
        return [Event(since, time - since, trial_type, self._names[channel], reason=told)]

    def ongoing(self) -> list[Event]:
        """Return the excluded stretches that go on, as far as they are decided, provisional."""
        now_s = (self._first + TILE_BLOCKS) * self._grid.block_s
        rows = [self._close(channel, code, now_s) for channel, code in enumerate(self._state)]
        return [replace(row, provisional=True) for found in rows for row in found]

    def noise_uv(self, channel: int) -> float:
        """Return the noise rms, geometric mean over the valid blocks of a channel, NaN without any.

        A few loud seconds hardly move it, which would multiply a mean of the power.
        """
        valid = self.blocks[VALID][channel]
        return float(np.exp(self._log_noise[channel] / valid / 2)) if valid else np.nan

    def finish(self, end_s: float) -> list[Event]:
        """Return rows for the stretches that are still open at the end of the recording."""
        events = []
        for channel, code in enumerate(self._state):
            if self._since[channel] < end_s:
                events += self._close(channel, code, end_s)
        return events


def _dilated(mask: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return where a mask is true within `before` places later or `after` earlier.

    The mask reaches `after` places before the result and `before` places behind it.
    """
    count = np.cumsum(np.pad(mask.astype(int), ((0, 0), (1, 0))), axis=1)
    length = before + after + 1
    return count[:, length:] > count[:, :-length]
