"""The one detector: causal, tile by tile, for files and devices alike."""

from collections.abc import Sequence

import numpy as np

from emgtwitch.channels import side_of
from emgtwitch.detection import gates
from emgtwitch.detection.account import ChannelAccount, channel_account
from emgtwitch.detection.calibration import threshold
from emgtwitch.detection.candidates import DEAD_TIME_S, Candidate, Ruler, maxima
from emgtwitch.detection.codes import VALID, WARM_UP
from emgtwitch.detection.decision import Decider
from emgtwitch.detection.front_end import FrontEnd, Glitch
from emgtwitch.detection.gaps import needed_after, without_short_gaps
from emgtwitch.detection.grid import TILE_BLOCKS, make_grid
from emgtwitch.detection.matching import Matcher
from emgtwitch.detection.noise import LEVEL_TILES
from emgtwitch.detection.settings import Settings
from emgtwitch.detection.validity import Validity
from emgtwitch.errors import InputError
from emgtwitch.event_table import FASCICULATION, Event

LOWEST_SFREQ = 200.0
SETTLE_S = 0.5  # for filters and mains, before the noise is looked at
IMPOSSIBLE_UV = 1e9  # a kilovolt: no sample, whatever the unit was taken for
# A score so many times a candidate's own, in another channel, may come from the muscle that the
# candidate is the crosstalk of.
LARGER = 8.0
EARLY_S = 0.008  # a provisional event is the maximum over this to either side,
EARLY_AFTER_S = 0.034  # of the statistic with no more than this after the middle of the potential
WHITEN_TILES = 2 * LEVEL_TILES  # after which it is seen whether a channel is to be whitened anew


class StreamingDetector:
    """Finds fasciculations in a signal that arrives block by block.

    The events do not depend on how the signal is cut into blocks: everything is computed on a
    fixed grid of tiles (see `emgtwitch.detection.grid`), with memory that does not grow.

    Parameters
    ----------
    sfreq
        Sampling frequency, Hz; at least 200.
    ch_names
        Channel names, which also tell the side of the body.
    lsb_uv
        Step of the converter in µV, one or one per channel; NaN where unknown (it is then taken
        from the data).
    preset, mains, false_alarms_per_hour
        See `emgtwitch.detection.settings.Settings`.

    Raises
    ------
    InputError
        A sampling frequency below 200 Hz, no channel, a name twice or one that no table can keep,
        or a wrong setting.
    """

    def __init__(
        self,
        sfreq: float,
        ch_names: Sequence[str],
        *,
        lsb_uv: float | Sequence[float] | np.ndarray | None = None,
        preset: str = "default",
        mains: str = "auto",
        false_alarms_per_hour: float | None = None,
    ) -> None:
        if not LOWEST_SFREQ <= sfreq <= 100_000:
            raise InputError(
                f"sampling frequency {sfreq:g} Hz: twitches need at least {LOWEST_SFREQ:g} Hz, "
                "better 1000 Hz or more"
            )
        if not len(ch_names) or len(set(ch_names)) < len(ch_names):
            raise InputError(f"channel names must be there and differ, not {list(ch_names)}")
        for name in ch_names:
            if name != " ".join(name.split()) or not name:
                raise InputError(
                    f"channel name {name!r}: empty, or with tabs, line breaks or spaces in a row, "
                    "which no table can keep; rename the channel"
                )
        self.settings = Settings(preset, mains, false_alarms_per_hour)
        self.sfreq, self.ch_names = float(sfreq), tuple(ch_names)
        sides = [side_of(name) for name in ch_names]
        self._other_leg = np.array(
            [[{side, other} == {"left", "right"} for other in sides] for side in sides]
        )
        self.grid = grid = make_grid(self.sfreq)
        n_channels = len(self.ch_names)
        self._front = FrontEnd(n_channels, grid, mains)
        lsb = np.asarray(np.nan if lsb_uv is None else lsb_uv, dtype=float)
        if lsb.shape not in ((), (n_channels,)) or not np.all(np.isnan(lsb) | (lsb > 0)):
            raise InputError(f"lsb_uv must be above 0 µV, one or one per channel, not {lsb_uv}")
        lsb = np.broadcast_to(lsb, n_channels).copy()
        self._validity = Validity(n_channels, grid, lsb)
        self._matcher = Matcher(self._front.sos, grid, self._validity.lsb_uv)
        self._noise = self._matcher.noise
        self._known_sd = np.full(n_channels, np.inf)  # at the beginning of the present round
        self._known_lsb_uv = np.zeros(n_channels)
        self._settled_s = np.full(n_channels, SETTLE_S)
        self._threshold = threshold(self.settings.wanted_false_alarms, grid.seen_sfreq)
        self._reach = max(1, round(DEAD_TIME_S * grid.seen_sfreq / grid.hop))
        self._ruler = Ruler(self._front.sos, self.sfreq)
        self._decider = Decider(self.ch_names, self.settings.gates, grid, self._threshold)

        self._needed_after = needed_after(self.sfreq)
        self._raw = np.full((n_channels, self._front.look_ahead), np.nan)  # the last ones, and new
        self._n_pushed = 0
        self._flushed = False
        self._last = np.full((n_channels, 1), np.nan)
        self._tile = 0
        self._n_kept = 2 * self._ruler.reach + 1
        self._clean = [np.zeros((n_channels, self._n_kept))]  # what was cleaned of late
        self._score = np.zeros((n_channels, 2 * self._reach))
        self._unmeasured: list[Candidate] = []
        self._announced = np.full(n_channels, -np.inf)

    def push(self, block: np.ndarray) -> list[Event]:
        """Take in the next samples and return what is found or decided by now.

        Parameters
        ----------
        block
            ``(n_channels, n_samples)`` µV; NaN for missing samples.

        Returns
        -------
        list of Event
            Events known so far as `provisional` (within 60 ms of their peak, if blocks are
            short), and decided ones (at most 1 s after the peak), each of these once.
        """
        block = np.asarray(block, dtype=float)
        if block.ndim != 2 or len(block) != len(self.ch_names):
            raise InputError(
                f"a block must be ({len(self.ch_names)} channels, samples), not {block.shape}"
            )
        if self._flushed:
            raise InputError("this detector was flushed: make a new one for the next recording")
        if not block.shape[1]:
            return []
        self._n_pushed += block.shape[1]
        self._last = block[:, -1:].copy()
        events: list[Event] = []
        start = 0
        while start < block.shape[1]:  # in pieces that stay in the processor's cache
            n_needed = self._tiles_alike() * self.grid.n_tile + 2 * self._front.look_ahead
            n_needed += self._needed_after
            stop = start + n_needed - self._raw.shape[1]
            events += self._take_in(block[:, start:stop])
            start = stop
        return events + self._provisional()

    def _take_in(self, samples: np.ndarray) -> list[Event]:
        n_tile, ahead = self.grid.n_tile, self._front.look_ahead
        raw = np.concatenate([self._raw, samples], axis=1)
        every = raw.ravel()
        damaged = not np.einsum("i,i", every, every) < IMPOSSIBLE_UV**2  # NaN too
        if damaged:
            raw = np.where(np.abs(raw) < IMPOSSIBLE_UV, raw, np.nan)
        after = ahead + (self._needed_after if damaged else 0)
        n = max((raw.shape[1] - ahead - after) // n_tile, 0) * n_tile
        self._raw = raw[:, n:].copy()
        if not n:
            return []
        whole = without_short_gaps(raw, self.sfreq) if damaged else raw
        return self._next_tiles(whole[:, : n + 2 * ahead])

    def flush(self) -> list[Event]:
        """Decide the rest, as if the signal went on in silence; the detector is then used up."""
        n_pushed = self._n_pushed
        end_s = n_pushed / self.sfreq
        n_block = self.grid.n_block * self.grid.step
        n_rest = (self.grid.ahead + 3 * TILE_BLOCKS) * n_block + self._ruler.reach
        silence = np.full((len(self.ch_names), n_rest), np.nan)
        silence[:, : -n_pushed % n_block] = self._last  # the last block is whole
        events = [event for event in self.push(silence) if not event.provisional]
        self._n_pushed, self._flushed = n_pushed, True
        events = [event for event in events if not event.peak_time >= end_s]
        return events + self._decider.finish(end_s)

    def _tiles_alike(self) -> int:
        """Return how many of the next tiles can be computed at once.

        Those for which the same is known about noise and mains: none of it is learned in between.
        """
        if np.isnan(self._matcher.whitened_s).any():
            return 1
        return min(LEVEL_TILES - self._tile % LEVEL_TILES, self._front.mains.until_search)

    def _next_tiles(self, raw: np.ndarray) -> list[Event]:
        """Take in as many tiles as `_tiles_alike` says, or fewer, as the front end takes them."""
        n_tile, ahead = self.grid.n_tile, self._front.look_ahead
        n_tiles = (raw.shape[1] - 2 * ahead) // n_tile
        tile_s = n_tile / self.sfreq
        learning = np.isnan(self._matcher.whitened_s)
        anew = learning | (self._tile % LEVEL_TILES == 0)
        self._known_sd = np.where(anew, self._noise_sd(), self._known_sd)
        self._known_lsb_uv = np.where(anew, self._validity.lsb_uv, self._known_lsb_uv)
        codes = self._validity.next_tiles(raw[:, ahead : raw.shape[1] - ahead], self._known_sd)
        clean, new, glitches = self._front.process(raw, self._known_sd)
        events = [self._glitch_row(glitch) for glitch in glitches]
        self._clean.append(clean)
        while sum(part.shape[1] for part in self._clean[1:-1]) >= self._n_kept:
            self._clean.pop(0)
        seen = self._matcher.seen(new)
        pieces = self._matcher.pieces(seen)
        powers, high_powers = self._matcher.powers(seen)
        start_s = (self._tile + np.arange(n_tiles)) * tile_s
        settled = start_s >= self._settled_s[:, None]
        self._matcher.update_noise(
            powers, high_powers, (codes == VALID) & settled[..., None], pieces
        )
        score = self._scores(seen, pieces)
        self._score = np.concatenate([self._score[:, -2 * self._reach :], score], axis=1)
        codes[learning[:, None, None] & (codes == VALID)] = WARM_UP
        self._find()
        first, self._tile = self._tile, self._tile + n_tiles
        level = self._noise.level
        relative = powers / np.where(np.isfinite(level), level, np.inf)[:, None, None]
        in_block = self.grid.n_block // self.grid.hop
        mean = np.full(in_block, 1 / in_block, dtype=np.float32)  # faster than numpy's own
        scores = score.reshape(*powers.shape, in_block) @ mean
        for i in range(n_tiles):
            measured = self._measured((first + i + 1) * n_tile)
            events += self._decider.next_tile(
                codes[:, i], relative[:, i], scores[:, i], level, measured
            )
        started = self._front.mains.started & ~self._noise.restless
        if started.any():  # until now the noise was taken for greater than it is
            self._noise.forget(started)
            self._matcher.whitened_s[started] = np.nan
            self._settled_s[started] = self._tile * tile_s + SETTLE_S
        among = np.isnan(self._matcher.whitened_s) | (self._tile % WHITEN_TILES == 0)
        self._matcher.whiten(among, self._validity.lsb_uv)
        return events

    def _glitch_row(self, glitch: Glitch) -> Event:
        time = (self._tile * self.grid.n_tile + glitch.sample) / self.sfreq
        return Event(
            onset=time,
            duration=0.0,
            trial_type="artifact",
            channel=self.ch_names[glitch.channel],
            peak_time=time,
            amplitude_uv=glitch.height_uv,
            snr=glitch.height_uv / float(self._known_sd[glitch.channel]),
            reason="glitch",
        )

    def _noise_sd(self) -> np.ndarray:
        return np.sqrt(np.where(np.isfinite(self._noise.level), self._noise.level, np.inf))

    def _scores(self, seen: np.ndarray, pieces: np.ndarray) -> np.ndarray:
        """Return the statistic against the present noise, at each position of the new signal.

        Overridden to put another statistic behind the same front end, noise floor and gates.
        """
        return self._matcher.scores(pieces)

    def _time_of(self, position: int) -> float:
        """Return the time of a place in the kept scores, of which the next tile is the newest."""
        n_old = 2 * self._reach
        last_seen = (position - n_old + 1) * self.grid.hop - 1
        middle = (last_seen - self._matcher.bank.after) * self.grid.step
        return (self._tile * self.grid.n_tile + middle) / self.sfreq

    def _find(self) -> None:
        channels, positions = maxima(self._score, self._threshold, self._reach)
        noise_sd = self._noise_sd()
        for channel, position in zip(channels.tolist(), positions.tolist(), strict=True):
            near = self._score[:, position - self._reach : position + self._reach + 1]
            score = float(self._score[channel, position])
            also = np.flatnonzero((near.max(axis=1) > LARGER * score) | self._other_leg[channel])
            self._unmeasured.append(
                Candidate(channel, self._time_of(position), score, float(noise_sd[channel]), also)
            )

    def _cleaned(self, channels: int | np.ndarray) -> np.ndarray:
        """Return what was cleaned of late in one channel, or in each of some."""
        return np.concatenate([part[channels] for part in self._clean], axis=-1)

    def _measured(self, end: int) -> list[Candidate]:
        """Measure and return the candidates whose surroundings end before a sample."""
        reach = self._ruler.reach
        first_kept = self._tile * self.grid.n_tile - sum(part.shape[1] for part in self._clean)
        done, later = [], []
        for candidate in self._unmeasured:
            first = round(candidate.time_s * self.sfreq) - reach
            if first + 2 * reach >= end:
                later.append(candidate)
                continue
            kept = slice(first - first_kept, first - first_kept + 2 * reach + 1)
            around = self._cleaned(candidate.channel)[kept]
            other_leg = np.flatnonzero(self._other_leg[candidate.channel])
            others = self._cleaned(other_leg)[:, kept] if len(other_leg) else ()
            self._ruler.measure(candidate, around, first / self.sfreq, others)
            lsb_uv = float(self._known_lsb_uv[candidate.channel])
            reason = gates.shape_reason(candidate, lsb_uv, self.sfreq)
            candidate.reason = reason or self._shared_reason(candidate, kept)
            done.append(candidate)
        self._unmeasured = later
        return done

    def _shared_reason(self, candidate: Candidate, kept: slice) -> str:
        """Look at the other channels at the time of a candidate."""
        if not len(candidate.also):
            return ""
        waves = self._ruler.waves(
            self._cleaned(candidate.also)[:, kept], candidate.centre_s - candidate.time_s
        )
        other_leg = self._other_leg[candidate.channel]
        return gates.shared_reason(
            candidate,
            waves,
            self._noise_sd()[candidate.also],
            other_leg[candidate.also],
            int(other_leg.sum()),
            self._threshold,
        )

    def _provisional(self) -> list[Event]:
        """Return candidates of the unfinished tile, and of the end of the one before."""
        ahead = self._front.look_ahead
        hop = self.grid.hop * self.grid.step
        n = min(self._raw.shape[1] - 2 * ahead, self.grid.n_tile) // hop * hop
        if n <= 0:
            return []
        raw = without_short_gaps(self._raw, self.sfreq)[:, : n + 2 * ahead]
        clean, new, _ = self._front.process(raw, self._noise_sd(), keep=False)
        # A slow recording's window is longer than may be waited for: its end is taken as silence.
        early = max(self._matcher.bank.after - round(EARLY_AFTER_S * self.grid.seen_sfreq), 0)
        new = np.pad(new, ((0, 0), (0, early * hop)))
        seen = self._matcher.seen(new, keep=False)
        score = self._scores(seen, self._matcher.pieces(seen))[:, : n // hop + early]
        score = np.concatenate([self._score[:, -2 * self._reach :], score], axis=1)
        reach = max(1, int(EARLY_S * self.grid.seen_sfreq / self.grid.hop))
        channels, positions = maxima(score, self._threshold, reach)
        events = []
        for channel, position in zip(channels.tolist(), positions.tolist(), strict=True):
            time = self._time_of(position)
            if time > self._announced[channel] + DEAD_TIME_S:
                self._announced[channel] = time
                events.append(self._early_event(channel, time, clean))
        return events

    def _early_event(self, channel: int, time: float, clean: np.ndarray) -> Event:
        kept = self._cleaned(channel)
        known = np.concatenate([kept, clean[channel]])
        middle = round(time * self.sfreq) - self._tile * self.grid.n_tile + len(kept)
        near = round(DEAD_TIME_S / 2 * self.sfreq)
        size = float(np.ptp(known[middle - near : middle + near + 1]))
        noise = float(self._noise_sd()[channel])
        return Event(
            onset=time,
            duration=0.0,
            trial_type=FASCICULATION,
            channel=self.ch_names[channel],
            peak_time=time,
            amplitude_uv=size,
            snr=size / noise,
            provisional=True,
        )

    def ongoing(self) -> list[Event]:
        """Return the contractions and other excluded stretches that have not ended yet.

        Their duration is that known by now; the decided event comes when they end.
        """
        return self._decider.ongoing()

    def account(self) -> tuple[ChannelAccount, ...]:
        """Return how the time decided so far was used, channel by channel; all after `flush`."""
        n_block = self.grid.n_block * self.grid.step
        return tuple(
            channel_account(
                name,
                {code: int(count[i]) * n_block for code, count in self._decider.blocks.items()},
                self._n_pushed,
                self.sfreq,
                noise_uv=self._decider.noise_uv(i),
                threshold=self._threshold,
                least_uv=gates.LEAST_LSB * float(self._validity.lsb_uv[i]),
            )
            for i, name in enumerate(self.ch_names)
        )
