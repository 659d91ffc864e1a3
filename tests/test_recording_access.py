"""What the detector takes from a recording: any part of it is that part of the whole."""

from datetime import datetime

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emgtwitch import read_recording
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import blocks, channel_sides, gaps, lsb_uv, marks
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.recording.timing import fill, grid_of_counter, grid_of_times


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Return a BDF of 20 s with gaps, its samples in µV with NaN, as a raw that is not loaded."""
    path = tmp_path_factory.mktemp("access") / "a.bdf"
    counts = np.random.default_rng(2).integers(-500, 500, (3, 20_000))
    texts = [(0.0, 0.25, "BAD_gap"), (7.301, 1.2, "BAD_gap"), (8.0, 1.0, "bad_GAP")]
    texts += [(12.5, 0.0, "Knöchel"), (3.25, 0.0, "cough")]
    write_bdf(
        path,
        counts,
        sfreq=1000,
        ch_names=["calf_L", "calf_R", "TA left"],
        uv_per_count=0.5,
        start=datetime(2026, 1, 1),
        annotations=texts,
    )
    whole = counts * 0.5
    whole[:, :250] = np.nan
    whole[:, 7301:9000] = np.nan
    return read_recording(path), whole


def test_touching_gaps_are_one(recording):
    raw, _ = recording
    assert gaps(raw) == [(0.0, 0.25), (pytest.approx(7.301), 9.0)]


def test_marks_are_what_people_noted(recording):
    raw, _ = recording
    assert marks(raw) == [(3.25, "cough"), (12.5, "Knöchel")]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seconds=st.floats(0.05, 25.0))
def test_blocks_of_any_length_are_the_whole(recording, seconds):
    raw, whole = recording
    pieces = list(blocks(raw, seconds))
    starts = [start for start, _ in pieces]
    assert starts == list(np.cumsum([0, *(block.shape[1] for _, block in pieces)])[:-1])
    read = np.hstack([block for _, block in pieces])
    np.testing.assert_allclose(read, whole, rtol=5e-6)
    np.testing.assert_array_equal(read, np.hstack([block for _, block in blocks(raw, 60.0)]))
    assert read.dtype == np.float64


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_part_of_the_file_is_that_part_of_the_whole(recording, data):
    raw, _ = recording
    whole = raw.get_data()
    start = data.draw(st.integers(0, raw.n_times - 1))
    stop = data.draw(st.integers(start + 1, raw.n_times))
    picks = data.draw(st.lists(st.sampled_from(raw.ch_names), min_size=1, unique=True))
    rows = [raw.ch_names.index(name) for name in picks]
    np.testing.assert_array_equal(raw.get_data(picks, start, stop), whole[rows, start:stop])


def test_bad_channels_and_other_kinds_are_left_out(recording):
    raw = recording[0].copy()
    raw.info["bads"] = ["calf_R"]
    raw.set_channel_types({"TA left": "misc"}, on_unit_change="ignore")
    assert channel_sides(raw) == {"calf_L": "left"}
    assert next(blocks(raw, 1.0))[1].shape == (1, 1000)
    assert lsb_uv(raw).shape == (1,)


def test_the_step_is_that_of_the_converter_not_of_the_file(tmp_path):
    # A 10-bit board (24.4 µV a count) stored in counts of 0.1 µV
    counts = np.random.default_rng(1).integers(-4, 5, (2, 6000)) * 244
    counts[1] = 7
    write_bdf(
        tmp_path / "a.bdf",
        counts,
        sfreq=1000,
        ch_names=["a", "b"],
        uv_per_count=0.1,
        start=datetime(2026, 1, 1),
    )
    with pytest.warns(SignalWarning, match="constant, so probably not connected: b"):
        raw = read_recording(tmp_path / "a.bdf")
    np.testing.assert_allclose(lsb_uv(raw), [24.4, np.nan], rtol=1e-5)


def test_a_raw_made_by_hand_works_too():
    raw = mne.io.RawArray(
        np.ones((2, 100)) * 1e-6, mne.create_info(["L", "x"], 100.0, ["emg", "misc"]), verbose=False
    )
    raw.set_annotations(mne.Annotations([0.5], [0.2], ["BAD_gap"]))
    assert channel_sides(raw) == {"L": "left"}
    assert gaps(raw) == [(0.5, 0.7)]
    (start, block), *rest = blocks(raw)
    assert (start, rest) == (0, [])
    assert np.flatnonzero(np.isnan(block[0])).tolist() == list(range(50, 70))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    lost=st.floats(0, 0.3),
    gap=st.integers(0, 5000),
    sfreq=st.sampled_from([200.0, 999.7, 1000.0, 1259.259, 2048.0]),
    jitter=st.floats(0, 0.1),
)
def test_time_stamps_give_their_grid_back_whatever_is_lost(seed, lost, gap, sfreq, jitter):
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(rng.random(6000) >= lost)
    index = index - index[0] + gap * (index > 3000)
    noise = rng.uniform(-jitter, jitter, len(index))
    found, grid = grid_of_times((index + noise) / sfreq + 12.5, "x")
    np.testing.assert_array_equal(grid, index)
    assert found == pytest.approx(sfreq, rel=1e-4 * jitter + 1e-6)


def test_long_pauses_between_host_times_are_gaps():
    rng = np.random.default_rng(5)
    times = np.sort(np.arange(4000) / 1000 + np.repeat(rng.uniform(0, 0.05, 200), 20))
    times[2000:] += 3.0
    with pytest.warns(SignalWarning, match="even grid"):
        sfreq, grid = grid_of_times(times, "x")
    assert sfreq == pytest.approx(1000, rel=0.02)
    assert np.diff(grid).max() == pytest.approx(3000, rel=0.05)
    assert (np.diff(grid) > 1).sum() == 1


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 1, 2, 1.5], "runs backward after sample 3"),
        ([1, 1, 1, 1], "stands still"),
        ([0, np.nan, 2, 3], "sample 2 is missing"),
        ([0, np.inf, np.inf, np.inf], "sample 2 is missing"),
    ],
)
def test_times_that_cannot_be_are_refused(times, message):
    with pytest.raises(InputError, match=message):
        grid_of_times(np.array(times, dtype=float), "x")


@settings(deadline=None, derandomize=True)
@given(
    steps=st.lists(st.integers(1, 200), max_size=300),
    first=st.integers(0, 255),
)
def test_a_counter_that_starts_again_gives_its_grid_back(steps, first):
    index = np.concatenate([[0], np.cumsum(steps, dtype=int)])
    np.testing.assert_array_equal(grid_of_counter((first + index) % 256, 256), index)


def test_far_more_missing_than_there_is_is_refused():
    with pytest.raises(InputError, match="split it"):
        fill(np.zeros((2, 3)), np.array([0, 1, 10**9]), "x")
