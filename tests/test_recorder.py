"""The recorder: three readers see what was appended, whatever the cutting, gaps and disk."""

import subprocess
import sys
import textwrap
import threading
import time
import warnings
from datetime import datetime

import edfio
import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emgtwitch.errors import InputError
from emgtwitch.recording import bdf_recorder
from emgtwitch.recording.bdf import MAX_COUNT
from emgtwitch.recording.bdf_growing import checksum_path
from emgtwitch.recording.bdf_layout import read_layout, read_texts
from emgtwitch.recording.bdf_recorder import QUEUE_S, BdfRecorder, Recorded

pyedflib = pytest.importorskip("pyedflib")

SFREQ = 100
COUNTS = np.random.default_rng(5).integers(-MAX_COUNT, MAX_COUNT, (2, 1234), endpoint=True)
COUNTS[0, :3] = [-MAX_COUNT - 1, MAX_COUNT, 0]


def recorder(path, **options):
    options = {
        "sfreq": SFREQ,
        "ch_names": ["calf_L", "calf_R"],
        "uv_per_count": 24.4140625,
        "start": datetime(2026, 5, 17, 22, 30),
        **options,
    }
    return BdfRecorder(path, **options)


def read_counts(path):
    return np.array([signal.digital for signal in edfio.read_bdf(path).signals])


def gaps(path):
    return [(onset, duration) for onset, duration, text in read_texts(path) if text == "BAD_gap"]


def missing(path):
    """Return the mask of the scans in gaps, and check that no two gaps overlap."""
    layout = read_layout(path)
    times = np.zeros(layout.n_records * layout.sfreq, int)
    for onset, duration in gaps(path):
        first, length = round(onset * layout.sfreq), round(duration * layout.sfreq)
        assert (first / layout.sfreq, length / layout.sfreq) == pytest.approx((onset, duration))
        times[first : first + length] += 1
    assert times.max(initial=0) <= 1
    return times > 0


@pytest.fixture
def finished(tmp_path):
    """A recording with two gaps and two marks, the last second partial."""
    path = tmp_path / "Wade links ü.bdf"
    with recorder(path, subject="sub-01") as growing:
        growing.append(0, COUNTS[:, :130])
        growing.append(150, COUNTS[:, 150:700])
        growing.annotate(6.5, 0, "Krampf, stärker")
        growing.append(905, COUNTS[:, 905:])
        growing.annotate(2.25, 1.5, "early")
    return path, growing.close()


def test_what_became_of_it(finished):
    path, recorded = finished
    assert recorded == Recorded(1234, 13, 225, 0, 0, None)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert gaps(path) == [(1.3, 0.2), (7.0, 2.05), (12.34, 0.66)]


def test_three_readers_see_the_same(finished):
    path, _ = finished
    expected = np.pad(COUNTS, [(0, 0), (0, 66)], mode="edge")
    expected[:, 130:150] = expected[:, 129:130]
    expected[:, 700:905] = expected[:, 699:700]
    marks = [
        (1.3, 0.2, "BAD_gap"),
        (2.25, 1.5, "early"),
        (6.5, 0.0, "Krampf, stärker"),
        (7.0, 2.05, "BAD_gap"),
        (12.34, 0.66, "BAD_gap"),
    ]
    np.testing.assert_array_equal(read_counts(path), expected)
    raw = mne.io.read_raw_bdf(path, verbose="error")
    np.testing.assert_allclose(raw.get_data() * 1e6, expected * 24.4140625, rtol=5e-6)
    assert [tuple(mark)[:3] for mark in zip(*_columns(raw.annotations), strict=True)] == marks
    with pyedflib.EdfReader(str(path)) as read:
        np.testing.assert_array_equal(
            [read.readSignal(index, digital=True) for index in range(2)], expected
        )
        onsets, durations, texts = read.readAnnotations()
    assert sorted(zip(onsets, np.maximum(durations, 0), texts, strict=True)) == marks


def _columns(annotations):
    return annotations.onset, annotations.duration, annotations.description


def test_the_growing_file_is_readable_and_says_that_it_grows(tmp_path):
    path = tmp_path / "a.bdf"
    growing = recorder(path)
    growing.append(0, COUNTS[:, :350])
    growing.annotate(3.2, 0, "now")
    growing.append(350, COUNTS[:, 350:450])
    while growing.written_s < 4:
        time.sleep(0.001)
    assert read_layout(path).n_records == -1
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_array_equal(read_counts(path), COUNTS[:, :400])
        raw = mne.io.read_raw_bdf(path, verbose="error")
    assert raw.n_times == 400
    assert list(raw.annotations.description) == ["now"]
    assert len(checksum_path(path).read_bytes().split()) == 4
    growing.close()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 320), st.booleans()), max_size=20))
def test_any_cutting_and_any_losses(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("cut") / "a.bdf"
    came = np.zeros(COUNTS.shape[1], bool)
    with recorder(path) as growing:
        at = 0
        for length, lost in parts:
            block = COUNTS[:, at : at + length]
            if not lost:
                growing.append(at, block)
                came[at : at + block.shape[1]] = True
            at = min(at + length, COUNTS.shape[1])
    recorded = growing.close()
    n_scans = int(np.flatnonzero(came)[-1]) + 1 if came.any() else 0
    assert recorded.n_scans == n_scans
    assert recorded.lost_scans == n_scans - came.sum()
    assert recorded.n_seconds == max(-(-n_scans // SFREQ), 1)
    there = ~missing(path)
    np.testing.assert_array_equal(there[:n_scans], came[:n_scans])
    assert not there[n_scans:].any()
    read = read_counts(path)
    np.testing.assert_array_equal(read[:, there], COUNTS[:, : len(came)][:, came])
    held = ~there & (np.cumsum(there) > 0)
    np.testing.assert_array_equal(read[:, held], read[:, np.flatnonzero(held) - 1])


def test_texts_that_do_not_fit_go_into_the_next_records(tmp_path):
    path = tmp_path / "a.bdf"
    notes = [f"note {number} {'x' * 60}" for number in range(30)]
    with recorder(path) as growing:
        growing.append(0, COUNTS[:, :150])
        for note in notes:
            growing.annotate(1.5, 0, note)
        growing.append(150, COUNTS[:, 150:280])
    texts = read_texts(path)
    assert [text for _, _, text in texts if text != "BAD_gap"] == notes
    assert {onset for onset, _, text in texts if text != "BAD_gap"} == {1.5}
    recorded = growing.close()
    assert recorded.n_seconds > 3
    assert gaps(path) == [(2.8, pytest.approx(recorded.n_seconds - 2.8))]
    np.testing.assert_array_equal(read_counts(path)[:, :280], COUNTS[:, :280])


def test_a_long_text_becomes_several_and_a_broken_one_breaks_nothing(tmp_path):
    path = tmp_path / "a.bdf"
    with recorder(path) as growing:
        growing.append(0, COUNTS[:, :250])
        growing.annotate(1, 0, "überall " * 100)
        growing.annotate(1, 0, "a\x14b\0c\ud800")
    pieces = [text for _, _, text in read_texts(path) if text != "BAD_gap"]
    assert "".join(pieces[:-1]) == "überall " * 100
    assert pieces[-1] == "a b c?"
    with pytest.raises(ValueError, match="nan"):
        growing.annotate(float("nan"), 0, "when?")


def test_more_gaps_than_there_is_room_for_become_one_each_scan_accounted_for(tmp_path):
    path = tmp_path / "a.bdf"
    with recorder(path) as growing:
        for scan in range(0, 1200, 2):
            growing.append(scan, COUNTS[:, scan : scan + 1])
    recorded = growing.close()
    assert recorded.lost_scans == 599
    assert recorded.masked_scans > 0
    marked = missing(path)
    assert marked[1:1199:2].all()
    assert marked[:1199].sum() == recorded.lost_scans + recorded.masked_scans
    there = ~marked[:1199]
    read = read_counts(path)[:, :1199]
    np.testing.assert_array_equal(read[:, there], COUNTS[:, :1199][:, there])


def test_hours_of_silence_cost_no_memory_and_are_one_gap(tmp_path):
    path = tmp_path / "a.bdf"
    with recorder(path, sfreq=10) as growing:
        growing.append(0, COUNTS[:, :5])
        growing.append(100_000, COUNTS[:, :5])
        assert growing.waiting_s <= 3
    assert gaps(path) == [(0.5, 9999.5), (10000.5, 0.5)]
    assert growing.close().n_seconds == 10001


def test_a_disk_that_is_too_slow_stops_nobody_and_every_loss_is_told(tmp_path, monkeypatch):
    """The disk stands still for longer than the queue is, then goes on."""
    go_on, sync = threading.Event(), bdf_recorder.sync

    def stalled(file):
        go_on.wait()
        sync(file)

    monkeypatch.setattr(bdf_recorder, "sync", stalled)
    path = tmp_path / "a.bdf"
    counts = np.random.default_rng(6).integers(0, 1024, (2, 10 * (QUEUE_S + 40)))
    growing = recorder(path, sfreq=10)
    stops = [*range(7, counts.shape[1] - 100, 7)]
    for first, stop in zip([0, *stops], stops, strict=False):
        if first != 700:
            growing.append(first, counts[:, first:stop])
    assert growing.dropped_scans > 0
    assert growing.failed is None
    growing.annotate(QUEUE_S + 10, 0, "not forgotten")
    go_on.set()
    while growing.waiting_s:
        time.sleep(0.001)
    growing.append(stops[-1], counts[:, stops[-1] :])
    recorded = growing.close()
    assert recorded.error is None
    assert recorded.lost_scans == 7
    assert recorded.dropped_scans >= 200
    marked = missing(path)[: counts.shape[1]]
    assert marked.sum() == recorded.lost_scans + recorded.dropped_scans
    np.testing.assert_array_equal(
        read_counts(path)[:, : len(marked)][:, ~marked], counts[:, ~marked]
    )
    assert "not forgotten" in [text for _, _, text in read_texts(path)]


DISK_FULL = """
    import resource, sys
    from datetime import datetime
    import numpy as np
    from emgtwitch.recording.bdf_recorder import BdfRecorder

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    growing = BdfRecorder(
        sys.argv[1], sfreq=500, ch_names=["a", "b"], uv_per_count=1.0, start=datetime(2026, 1, 1)
    )
    for scan in range(0, 10_000, 250):
        growing.append(scan, np.arange(scan, scan + 250) + np.array([[0], [7]]))
    recorded = growing.close()
    assert growing.failed is recorded.error
    print(recorded.n_seconds, recorded.dropped_scans, type(recorded.error).__name__)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes there")
def test_a_full_disk_ends_the_file_after_the_last_whole_second(tmp_path):
    path = tmp_path / "a.bdf"
    words = [sys.executable, "-c", textwrap.dedent(DISK_FULL), path]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["5", "7500", "OSError"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.bdf"]
    expected = np.arange(2500) + np.array([[0], [7]])
    np.testing.assert_array_equal(read_counts(path), expected)
    assert mne.io.read_raw_bdf(path, verbose="error").n_times == 2500


def test_a_second_recorder_of_the_same_file_is_refused(tmp_path):
    path = tmp_path / "a.bdf"
    with recorder(path) as growing:
        growing.append(0, COUNTS)
        with pytest.raises(InputError, match=r"a\.bdf: is there already"):
            recorder(path)
    np.testing.assert_array_equal(read_counts(path)[:, : COUNTS.shape[1]], COUNTS)
    with pytest.raises(InputError, match="is there already"):
        recorder(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.bdf"]


def test_what_cannot_be_a_block_is_refused_and_nothing_of_it_stored(tmp_path):
    growing = recorder(tmp_path / "a.bdf")
    growing.append(0, COUNTS[:, :10])
    for first, counts in (
        (9, COUNTS[:, 9:20]),
        (10, COUNTS[:1, 10:20]),
        (10, COUNTS[:, 10:20].astype(float)),
        (10, np.full((2, 5), MAX_COUNT + 1)),
    ):
        with pytest.raises(ValueError, match=r"scan|24 bits"):
            growing.append(first, counts)
    growing.append(10, COUNTS[:, 10:10])
    growing.append(10, COUNTS[:, 10:100])
    assert growing.close() == Recorded(100, 1, 0, 0, 0, None)
    np.testing.assert_array_equal(read_counts(growing.path), COUNTS[:, :100])
    with pytest.raises(ValueError, match="closed"):
        growing.append(100, COUNTS[:, 100:200])


def test_an_empty_recording_is_one_second_of_gap(tmp_path):
    path = tmp_path / "a.bdf"
    with recorder(path):
        pass
    assert gaps(path) == [(0, 1)]
    np.testing.assert_array_equal(read_counts(path), np.zeros((2, 100)))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nowhere/a.bdf", {}, "nowhere/a.bdf: cannot be written: No such file"),
        ("a.bdf", {"ch_names": ["a", "a"]}, "differ"),
        ("a.bdf", {"uv_per_count": 0.0}, "µV per count"),
        ("a.bdf", {"sfreq": 999.7}, "whole number"),
    ],
)
def test_what_cannot_be_recorded_leaves_nothing(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        recorder(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
