"""A recording on the live page: what is shown, and when."""

import numpy as np
import pytest

from emgtwitch.detection.files import detect
from emgtwitch.event_table import COLUMNS, event_array
from emgtwitch.live.playback import SHOWN_S, Playback
from emgtwitch.recording import emg_channels, gaps, reader
from emgtwitch.recording.read import read_recording
from emgtwitch.sample_study import read_study, sample_folder

TICK_S = 0.025
MARKS = [(1.0, "cough"), (4.0, "moved"), (100.0, "stood up")]


class Seen:
    """A page that remembers what it was shown since it began anew."""

    def restart(self, hello):
        self.hello, self.pieces, self.rows, self.states, self.marks = hello, [], [], [], []

    def scans(self, first, uv):
        self.pieces.append((first, uv))

    def events(self, events):
        self.rows += events

    def state(self, state):
        self.states.append(state)

    def mark(self, at_s, text):
        self.marks.append((at_s, text))

    @property
    def first(self):
        return self.pieces[0][0]

    @property
    def uv(self):
        """All samples, which must come one after the other."""
        ends = [first + uv.shape[1] for first, uv in self.pieces]
        assert [first for first, _ in self.pieces[1:]] == ends[:-1]
        return np.hstack([uv for _, uv in self.pieces])


@pytest.fixture(scope="module")
def recording():
    """The first recording of the sample study, and what detect finds in it."""
    raw = read_recording(read_study(sample_folder()).recordings[0].path)
    return raw, detect(raw)


@pytest.fixture
def playback(recording):
    raw, found = recording
    seen = Seen()
    read = reader(raw)
    assert list(found.ch_names) == emg_channels(raw)
    hello = {"mode": "playback"}
    played = Playback(read, raw.n_times, raw.info["sfreq"], gaps(raw), MARKS, found, seen, hello)
    played.clock_s = 1000.0
    return played, seen


def play(playback, seconds):
    for _ in range(round(seconds / TICK_S)):
        playback.step(playback.clock_s)
        playback.clock_s += TICK_S


def same_events(events, table):
    shown = event_array(list(events))
    assert len(shown) == len(table)
    for name in COLUMNS:
        np.testing.assert_array_equal(shown[name], table[name])


def test_what_is_shown_is_the_recording_and_what_detect_reports(recording, playback):
    raw, found = recording
    played, seen = playback
    played.obey("speed", {"factor": 16.0})
    play(played, raw.n_times / raw.info["sfreq"] / 16 + 1)
    assert seen.first == 0
    np.testing.assert_allclose(seen.uv, raw.get_data(units="uV"))
    same_events(seen.rows, found.events)
    state = seen.states[-1]
    assert state["playing"] == {"position_s": played.duration_s, "speed": 16.0, "paused": True}
    for channel, rate in zip(state["channels"], found.rates(), strict=True):
        assert channel["twitches"] == rate.count
        assert channel["valid_s"] == pytest.approx(60 * rate.valid_min)
        assert (channel["noise_uv"], channel["floor_uv"]) == (rate.noise_uv, rate.floor_uv)
    for k, name in enumerate(found.ch_names):
        table = found.rates_over_time(name)
        np.testing.assert_array_equal(state["rates"]["minute_s"], table["start_s"])
        shown = [[row[k] for row in state["rates"][what]] for what in ("per_min", "valid")]
        np.testing.assert_allclose(shown[0], table["rate_per_min"], rtol=0.02)
        np.testing.assert_allclose(shown[1], table["valid_s"] / 60, rtol=0.02)


def test_moved_to_another_place_it_shows_what_was_before(recording, playback):
    raw, found = recording
    played, seen = playback
    play(played, 1.0)
    to_s = 100.0
    played.obey("seek", {"to_s": to_s})
    played.obey("pause", {})
    assert seen.pieces == seen.marks == []
    play(played, 1.0)
    sfreq = raw.info["sfreq"]
    assert seen.first == (to_s - SHOWN_S) * sfreq
    np.testing.assert_allclose(
        seen.uv, raw.get_data(start=seen.first, stop=round(to_s * sfreq), units="uV")
    )
    rows = found.events
    ends_s = rows["onset"] + rows["duration"]
    same_events(seen.rows, rows[(rows["onset"] <= to_s) & (ends_s >= to_s - SHOWN_S)])
    assert seen.marks == MARKS  # those before, too: the rates over time show them
    played.obey("seek", {"to_s": 2.0})
    play(played, 1.0)
    assert seen.marks == MARKS[:1]
    played.obey("seek", {"to_s": to_s})
    play(played, 1.0)
    state = seen.states[-1]
    for channel, name in zip(state["channels"], found.ch_names, strict=True):
        peaks_s = found.twitches(name)["peak_time"]
        assert channel["twitches"] == (peaks_s <= to_s).sum()
        assert 0.5 * to_s < channel["valid_s"] <= to_s


def test_pause_speed_and_the_end(playback):
    played, seen = playback
    play(played, 1.0)
    assert played.position_s == pytest.approx(1.0, abs=2 * TICK_S)
    played.obey("pause", {})
    paused_s = played.position_s
    play(played, 1.0)
    assert played.position_s == paused_s
    assert seen.states[-1]["playing"]["paused"]
    played.obey("speed", {"factor": 0.0})  # a quarter is the slowest
    played.obey("play", {})
    play(played, 1.0)
    assert played.position_s == pytest.approx(paused_s + 0.25, abs=2 * TICK_S)
    played.obey("speed", {"factor": 1e300})
    assert played.speed == 16
    played.obey("seek", {"to_s": 1e300})
    play(played, 0.2)
    assert (played.position_s, played.paused) == (played.duration_s, True)
    n_shown = len(seen.pieces)
    play(played, 1.0)
    assert len(seen.pieces) == n_shown  # it stands still
    played.obey("seek", {"to_s": -5.0})
    assert (played.position_s, played.paused) == (0.0, True)
    played.obey("seek", {"to_s": played.duration_s})
    played.obey("play", {})  # at the end: from the beginning
    play(played, 0.5)
    assert 0 < played.position_s < 10


def test_a_computer_that_slept_does_not_jump(playback):
    played, _ = playback
    play(played, 1.0)
    played.clock_s += 3600
    play(played, 1.0)
    assert played.position_s < 3


def test_a_long_recording_is_read_in_small_pieces(recording):
    _, found = recording
    asked = []

    def read(start, stop):
        asked.append(stop - start)
        return np.zeros((2, stop - start))

    sfreq, n_samples = 2000.0, 8 * 3600 * 2000
    played = Playback(read, n_samples, sfreq, [(10.0, 11.5)], [], found, seen := Seen(), {})
    played.clock_s = 0.0
    for to_s in (20_000.0, 25_000.0, 12.0):
        played.obey("seek", {"to_s": to_s})
        play(played, 2.0)
        seen.pieces.clear()
    assert max(asked) <= 4 * sfreq
    assert seen.states[-1]["lost_scans"] == 3000
