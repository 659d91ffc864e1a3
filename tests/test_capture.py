"""What stands between a device and its recording: quality, marks, and the growing recording."""

import io
import math
import os
import time

import numpy as np
import pytest

from emgtwitch.capture.live import ChannelStatus, LiveRecording
from emgtwitch.capture.marks import SpooledMarks, TypedMarks, leave_mark
from emgtwitch.capture.quality import judge, mains_hum
from emgtwitch.capture.status_line import StatusLine, status_text
from emgtwitch.cli import main
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.errors import InputError
from emgtwitch.event_table import is_twitch
from emgtwitch.simulation import simulate_recording
from emgtwitch.simulation.front_end import myoware
from emgtwitch.simulation.scenario import Scenario

SFREQ = 2000.0


def codes_of(bits: int, **kwargs) -> tuple[np.ndarray, float]:
    """Return 12 s of codes of two MyoWares, and µV per count."""
    front_end = myoware(bits, 5.0)
    signal_uv = simulate_recording(
        Scenario(minutes=0.2, sfreq=SFREQ, front_end=front_end, **kwargs), 3
    ).signal_uv
    return np.rint(signal_uv / front_end.lsb_uv) + 2 ** (bits - 1), front_end.lsb_uv


def judged(codes: np.ndarray, bits: int | None, uv: float):
    return judge(
        codes, ch_names=["calf_L", "calf_R"], sfreq=SFREQ, uv_per_count=[uv, uv], bits=bits
    )


# Quality


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_good_electrodes_are_ready(bits):
    codes, uv = codes_of(bits)
    for quality in judged(codes, bits, uv):
        assert quality.ready, quality.problems
        assert quality.baseline == pytest.approx(0.5, abs=0.01)
        assert quality.floor_uv > 15


@pytest.mark.parametrize(
    ("scenario", "word"),
    [
        ({"mains_uv": 200.0}, "mains: "),
        ({"noise_uv": (40.0, 40.0)}, "contact: "),
        ({"overloads_per_min": 40.0}, "saturation: "),
    ],
)
def test_what_disturbs_is_told(scenario, word):
    codes, uv = codes_of(14, **scenario)
    for quality in judged(codes, 14, uv):
        assert [problem for problem in quality.problems if problem.startswith(word)]
        assert not quality.ready


def test_an_unwired_and_a_wrongly_wired_sensor():
    n = int(10 * SFREQ)
    envelope = np.abs(np.random.default_rng(0).normal(40, 5, n)).round()
    still, low = judged(np.array([np.full(n, 512.0), envelope]), 10, 4.9)
    assert still.problems[0].startswith("no signal")
    assert low.problems[0].startswith("baseline off centre: at 4 %")
    assert not still.notes  # no floor is promised for what is not connected


def test_nothing_arrived():
    nothing = judged(np.full((2, int(5 * SFREQ)), np.nan), 10, 4.9)
    assert all(quality.problems == (quality.problems[0],) for quality in nothing)
    assert "no sample arrived" in nothing[0].problems[0]


def test_steps_of_a_coarse_converter_hide_the_noise():
    quality, _ = judged(np.full((2, int(5 * SFREQ)), 512.0), 10, 24.4)
    assert quality.ready
    assert "one converter step of 24.4 µV" in quality.notes[0]


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_hum_is_measured(mains_hz):
    t = np.arange(int(8 * SFREQ)) / SFREQ
    hum = 30 * np.sqrt(2) * np.sin(2 * np.pi * 1.0005 * mains_hz * t)
    hum += 10 * np.sqrt(2) * np.sin(2 * np.pi * 3.0015 * mains_hz * t + 1)
    noise = np.random.default_rng(1).normal(0, 4, t.size)
    rms_uv, found_hz = mains_hum(500 + hum + noise, SFREQ)
    assert found_hz == mains_hz
    assert rms_uv == pytest.approx(np.hypot(30, 10), rel=0.03)
    assert mains_hum(noise, SFREQ)[0] < 1


# Marks


def taken(marks, count, seconds=10.0):
    found, end = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        found += marks.take()
        time.sleep(0.01)
    return found


def test_typed_lines_are_marks():
    before = time.time()
    found = taken(TypedMarks(io.StringIO("cramp\tleft\n\nmoved \x1b[31m\nno newline")), 4)
    assert [mark.text for mark in found] == ["cramp left", "mark", "moved [31m", "no newline"]
    assert all(before <= mark.time_s <= time.time() for mark in found)


def test_typed_marks_do_not_block():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as lines, os.fdopen(write_end, "w") as keys:
        marks = TypedMarks(lines)
        assert marks.take() == []
        keys.write("felt it\n")
        keys.flush()
        assert [mark.text for mark in taken(marks, 1)] == ["felt it"]


def test_marks_of_another_program(tmp_path, capsys):
    dataset = tmp_path / "wädchen 1"
    dataset.mkdir()
    with pytest.raises(InputError, match="no recording is running"):
        leave_mark(dataset, "too early")
    spooled = SpooledMarks(dataset)
    assert main(["mark", "stood  up", "--dataset", str(dataset)]) == 0
    assert capsys.readouterr().out == "marked: stood up\n"
    leave_mark(dataset, "")
    assert [mark.text for mark in spooled.take()] == ["stood up", "mark"]
    assert spooled.take() == []
    spooled.close()
    assert main(["mark", "--dataset", str(dataset)]) == 2
    assert list(dataset.iterdir()) == []


def test_a_mark_is_for_all_recordings_that_run(tmp_path, monkeypatch):
    first = SpooledMarks(tmp_path)
    monkeypatch.setattr(os, "getpid", lambda: 1)  # the second is another program
    second = SpooledMarks(tmp_path)
    leave_mark(tmp_path, "one")
    assert [mark.text for marks in (first, second) for mark in marks.take()] == ["one", "one"]
    second.close()
    leave_mark(tmp_path, "two")
    assert [mark.text for mark in first.take()] == ["two"]


def test_hostile_marks_are_passed_over(tmp_path):
    spooled = SpooledMarks(tmp_path)
    (spool,) = tmp_path.iterdir()
    spool.write_bytes(b'[1]\n{"time_s": "x"}\n\xff\xfe\n{"time_s": 5, "text": "good"}\n{"time_s":')
    assert [mark.text for mark in spooled.take()] == ["good"]
    with spool.open("ab") as file:
        file.write(b' 6, "text": "rest"}\n')
    assert [mark.text for mark in spooled.take()] == ["rest"]


def test_a_recording_that_was_killed_is_not_running(tmp_path):
    SpooledMarks(tmp_path)
    (spool,) = tmp_path.iterdir()
    os.utime(spool, (time.time() - 60,) * 2)
    with pytest.raises(InputError, match="no recording is running"):
        leave_mark(tmp_path, "cramp")


# The status line


def test_the_line_keeps_what_matters_most_where_there_is_little_room():
    channels = [
        ChannelStatus("calf_L", "left", 1, 3.0, 6.6, 29.0, 20.0),
        ChannelStatus("calf_R", "right", 6, 15.0, math.nan, math.nan, 0.0),
    ]
    full = status_text(83, channels, 12, "signal lost since 12:00:00")
    assert full == (
        "0:01:23 | SIGNAL LOST SINCE 12:00:00 | lost 12 | calf_L 3/min (1), noise 6.6 µV | "
        "calf_R 15/min (6), noise unknown yet"
    )
    assert status_text(83, channels, 12, width=79) == (
        "0:01:23 | lost 12 | calf_L 3/min (1) | calf_R 15/min (6)"
    )
    assert status_text(83, channels, 12, width=39) == "0:01:23 | lost 12 | L 3/min | R 15/min"


def test_the_line_is_rewritten_on_a_terminal_and_silence_is_silent():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    line = StatusLine(terminal)
    assert line.due
    line.show("long text")
    assert not line.due
    line.show("short")
    line.say("stays")
    assert terminal.getvalue() == "\rlong text\rshort    \r     \rstays\n"
    quiet = io.StringIO()
    StatusLine(quiet, quiet=True).say("nothing")
    assert quiet.getvalue() == ""


# The growing recording


def test_lost_scans_are_gaps_for_the_detector_and_twitches_are_counted():
    scenario = Scenario(minutes=0.5, rate_per_min=40.0, amplitude_uv=100.0)
    signal_uv = simulate_recording(scenario, 5).signal_uv
    live = LiveRecording(None, StreamingDetector(1000.0, ["calf_L", "calf_R"]), [1.0, 1.0])
    missing = range(12_000, 13_500)
    for first in range(0, signal_uv.shape[1], 500):
        if first not in missing:
            live.take(first, signal_uv[:, first : first + 500])
    assert live.lost_scans == 1500
    assert live.recorded_s == pytest.approx(30)
    status = live.status()
    found = live.finish("x.bdf", None)
    gaps = found.events[found.events["trial_type"] == "gap"]
    assert gaps["onset"] == pytest.approx([12.0, 12.0], abs=0.05)
    assert gaps["duration"] == pytest.approx([1.6, 1.6], abs=0.1)  # and what filters smear
    for state, rate in zip(status, found.rates(), strict=True):
        assert state.side == rate.side
        assert rate.count - 3 <= state.twitches <= rate.count
        assert state.recent_per_min == pytest.approx(2 * state.twitches, abs=1)
    assert is_twitch(found.events).sum() > 20
