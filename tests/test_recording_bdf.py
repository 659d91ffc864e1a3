"""BDF+ files: what is written is what three independent readers read back."""

import warnings
from datetime import UTC, datetime

import edfio
import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emgtwitch.errors import InputError
from emgtwitch.recording.bdf import MAX_COUNT, UNFINISHED, header, record, tal, write_bdf

pyedflib = pytest.importorskip("pyedflib")

START = datetime(2026, 5, 17, 22, 30, 0)
NAMES = ["calf_L", "calf_R"]
MARKS = [(0.25, 0.0, "start"), (1.5, 0.75, "BAD_gap"), (2.0, 0.0, "Wadenkrampf, stärker als zuvor")]


def _counts(n_channels=2, n_samples=3000, seed=1):
    counts = np.random.default_rng(seed).integers(
        -MAX_COUNT, MAX_COUNT, (n_channels, n_samples), endpoint=True
    )
    counts[0, :4] = [-MAX_COUNT - 1, -MAX_COUNT, MAX_COUNT, 0]
    return counts


def _write(path, counts, **options):
    options = {
        "sfreq": 1000,
        "ch_names": NAMES[: len(counts)],
        "uv_per_count": 24.4140625,
        "start": START,
        **options,
    }
    write_bdf(path, counts, **options)
    return path


def test_mne_reads_samples_names_time_and_annotations(tmp_path):
    counts = _counts()
    path = _write(tmp_path / "a.bdf", counts, annotations=MARKS, subject="S 01", about="night 1")
    raw = mne.io.read_raw_bdf(path, verbose="error")
    assert raw.ch_names == NAMES
    assert raw.info["sfreq"] == 1000
    assert raw.info["meas_date"] == START.replace(tzinfo=UTC)
    np.testing.assert_allclose(raw.get_data() * 1e6, counts * 24.4140625, rtol=5e-6)
    read = [(mark["onset"], mark["duration"], mark["description"]) for mark in raw.annotations]
    assert read == MARKS


def test_edfio_reads_the_same_counts_and_annotations(tmp_path):
    counts = _counts()
    read = edfio.read_bdf(_write(tmp_path / "a.bdf", counts, annotations=MARKS, subject="S 01"))
    np.testing.assert_array_equal([signal.digital for signal in read.signals], counts)
    assert read.is_continuous
    assert read.patient.code == "S_01"
    assert read.starttime == START.time()
    assert [(mark.onset, mark.duration or 0, mark.text) for mark in read.annotations] == MARKS


def test_pyedflib_reads_the_same_counts_and_annotations(tmp_path):
    counts = _counts()
    path = _write(tmp_path / "a.bdf", counts, annotations=MARKS)
    with pyedflib.EdfReader(str(path)) as read:
        np.testing.assert_array_equal(
            [read.readSignal(index, digital=True) for index in range(2)], counts
        )
        onsets, durations, texts = read.readAnnotations()
    assert [
        (onset, max(duration, 0), text)
        for onset, duration, text in zip(onsets, durations, texts, strict=True)
    ] == MARKS


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(1e-3, 1e5))
def test_calibration_is_read_back_within_5e_6(tmp_path_factory, uv_per_count):
    path = tmp_path_factory.mktemp("cal") / "a.bdf"
    _write(path, np.array([[1, 0, MAX_COUNT, -MAX_COUNT]]), sfreq=4, uv_per_count=uv_per_count)
    read = mne.io.read_raw_bdf(path, verbose="error").get_data()[0] * 1e6
    np.testing.assert_allclose(
        read, np.array([1, 0, MAX_COUNT, -MAX_COUNT]) * uv_per_count, rtol=5e-6, atol=1e-9
    )


def test_one_calibration_per_channel(tmp_path):
    path = _write(tmp_path / "a.bdf", np.full((2, 1000), 10), uv_per_count=[0.1, 24.0])
    read = mne.io.read_raw_bdf(path, verbose="error").get_data()[:, 0] * 1e6
    np.testing.assert_allclose(read, [1.0, 240.0], rtol=5e-6)


def test_partial_last_second_is_filled_and_marked(tmp_path):
    counts = _counts(n_samples=2300)
    raw = mne.io.read_raw_bdf(_write(tmp_path / "a.bdf", counts), verbose="error")
    assert raw.n_times == 3000
    mark = raw.annotations[0]
    assert (mark["onset"], mark["duration"], mark["description"]) == (2.3, 0.7, "BAD_gap")
    np.testing.assert_allclose(raw.get_data()[:, 2300:], raw.get_data()[:, 2299:2300] * [[1] * 700])


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4_999_999).map(lambda onset: onset / 1e6),
            st.sampled_from([0.0, 0.5, 1e-3]),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
            .map(str.strip)
            .filter(lambda text: text and "@@" not in text),
        ),
        max_size=40,
    )
)
def test_all_annotations_fit_and_return(tmp_path, marks):
    path = _write(tmp_path / "a.bdf", np.zeros((1, 500), int), sfreq=100, annotations=marks)
    read = edfio.read_bdf(path).annotations
    assert sorted((mark.onset, mark.duration or 0.0, mark.text) for mark in read) == sorted(marks)


def test_same_input_same_bytes(tmp_path):
    counts = _counts()
    first = _write(tmp_path / "a.bdf", counts, annotations=MARKS).read_bytes()
    assert _write(tmp_path / "b.bdf", counts, annotations=MARKS).read_bytes() == first


def test_growing_file_is_readable_with_its_count_unknown(tmp_path):
    options = {"sfreq": 1000, "ch_names": NAMES, "uv_per_count": 1.0, "start": START}
    counts = _counts(n_samples=2000)
    path = tmp_path / "a.bdf"
    path.write_bytes(
        header(UNFINISHED, text_samples=40, **options)
        + b"".join(
            record(counts[:, k * 1000 : (k + 1) * 1000], b"+%d\x14\x14\0" % k, 40) for k in (0, 1)
        )
    )
    with warnings.catch_warnings(action="ignore"):
        raw = mne.io.read_raw_bdf(path, verbose="error")
    np.testing.assert_allclose(raw.get_data() * 1e6, counts, rtol=5e-6)


def test_nothing_is_left_under_the_final_name_after_a_failure(tmp_path):
    counts = np.zeros((1, 3000), int)
    counts[0, -1] = MAX_COUNT + 1
    with pytest.raises(InputError, match="24 bits"):
        _write(tmp_path / "a.bdf", counts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ch_names": ["calf_L", "calf_L"]}, "differ"),
        ({"ch_names": ["calf_L"]}, "1 channel names for 2"),
        ({"ch_names": ["Wade_ü", "b"]}, "ASCII"),
        ({"ch_names": ["calf_left_medial_head", "b"]}, "16"),
        ({"ch_names": ["BDF Annotations", "b"]}, "reserved"),
        ({"uv_per_count": 0.0}, "µV per count"),
        ({"uv_per_count": float("nan")}, "µV per count"),
        ({"uv_per_count": -1.0}, "µV per count"),
        ({"sfreq": 999.7}, "whole number"),
        ({"start": datetime(1984, 1, 1)}, "1984"),
        ({"subject": "x" * 80}, "80"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        _write(tmp_path / "a.bdf", np.zeros((2, 1000), int), **change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "counts", [np.zeros((2, 1000)), np.zeros(1000, int), np.zeros((2, 0), int)]
)
def test_counts_must_be_a_table_of_integers(tmp_path, counts):
    with pytest.raises(InputError, match="counts"):
        _write(tmp_path / "a.bdf", counts, ch_names=NAMES)


def test_texts_that_do_not_fit_into_a_record_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        record(np.zeros((1, 10), int), tal(0, 0, "x" * 100), 20)


def test_control_characters_cannot_break_the_list():
    assert tal(1.5, 0, "a\x14b\x00c\x15\n") == b"+1.5\x150\x14a b c  \x14\0"
