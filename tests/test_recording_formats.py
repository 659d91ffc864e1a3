"""Formats that MNE reads, and EMG-BIDS: what was written comes back in volts, with its sides."""

from datetime import UTC, datetime

import edfio
import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emgtwitch import read_recording
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import (
    blocks,
    channel_muscles,
    channel_sides,
    emg_channels,
    gaps,
    lsb_uv,
)
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.recording.bids import entities, find_recordings
from emgtwitch.sample_study import sample_folder

SFREQ = 1000
NAMES = ["calf_L", "calf_R"]


def _signal_uv(n_samples=6000, n_channels=2, step=0.5, seed=7):
    """Return noise of 10 µV in steps that every format can hold exactly."""
    noise = np.random.default_rng(seed).normal(0, 10, (n_channels, n_samples))
    return np.round(noise / step) * step


def _whole(raw):
    return np.hstack([block for _, block in blocks(raw)])


def _edf(path, data_uv, *, names=NAMES, unit="uV", sfreq=SFREQ, annotations=(), **signal):
    signals = [
        edfio.EdfSignal(
            row,
            sfreq,
            label=name,
            physical_dimension=unit,
            physical_range=(-16384, 16383.5),
            **signal,
        )
        for name, row in zip(names, data_uv, strict=True)
    ]
    edfio.Edf(signals, annotations=annotations).write(path)
    return path


def test_bdf(tmp_path):
    data = _signal_uv()
    path = tmp_path / "a.bdf"
    marks = [(1.0, 0.5, "BAD_gap"), (3.0, 0.0, "mark")]
    write_bdf(
        path,
        (data * 2).astype(int),
        sfreq=SFREQ,
        ch_names=NAMES,
        uv_per_count=0.5,
        start=datetime(2026, 1, 2, 3, 4, 5),
        annotations=marks,
    )
    raw = read_recording(path)
    assert not raw.preload
    assert raw.get_channel_types() == ["emg", "emg"]
    assert raw.info["meas_date"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert channel_sides(raw) == {"calf_L": "left", "calf_R": "right"}
    assert channel_muscles(raw) == {"calf_L": "calf", "calf_R": "calf"}
    assert gaps(raw) == [(1.0, 1.5)]
    np.testing.assert_allclose(lsb_uv(raw), [0.5, 0.5], rtol=1e-5)
    expected = data.copy()
    expected[:, 1000:1500] = np.nan
    np.testing.assert_allclose(_whole(raw), expected, rtol=5e-6, atol=1e-9)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_edf_units(tmp_path, unit, factor):
    data = _signal_uv()
    raw = read_recording(_edf(tmp_path / "a.edf", data, unit=unit))
    np.testing.assert_allclose(_whole(raw), data * factor, rtol=1e-9, atol=1e-9 * factor)


def test_edf_without_unit(tmp_path):
    path = _edf(tmp_path / "a.edf", _signal_uv(), unit="")
    with pytest.raises(InputError, match=r"no unit.*state the unit"):
        read_recording(path)
    np.testing.assert_allclose(_whole(read_recording(path, unit="mV")), _signal_uv() * 1e3)
    counts = _whole(read_recording(path, uv_per_count=2.0))
    median = np.median(_signal_uv(), axis=1, keepdims=True)
    np.testing.assert_allclose(counts, (_signal_uv() - median) * 2, atol=1e-9)


def test_edf_takes_emg_of_one_rate_and_leaves_the_rest(tmp_path):
    data = _signal_uv(6000, 1)
    slow = _signal_uv(600, 1)
    signals = [
        edfio.EdfSignal(
            row, rate, label=name, physical_dimension=unit, physical_range=(-16384, 16383.5)
        )
        for name, row, rate, unit in [
            ("ECG", data[0] * 3, 1000, "uV"),
            ("EMG calf_L", data[0], 1000, "uV"),
            ("Acc X", slow[0], 100, "g"),
            ("Fast sound", np.zeros(24000), 4000, ""),
        ]
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    raw = read_recording(tmp_path / "a.edf")
    assert raw.ch_names == ["EMG calf_L"]
    assert raw.info["sfreq"] == 1000
    np.testing.assert_allclose(_whole(raw), data, atol=1e-9)


def test_edf_with_emg_of_two_rates_is_refused(tmp_path):
    signals = [
        edfio.EdfSignal(np.zeros(6 * rate), rate, label=name, physical_dimension="uV")
        for name, rate in (("EMG calf_L", 1000), ("EMG slow", 100))
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    with pytest.raises(InputError, match=r"different sampling rates.*EMG slow 100 Hz"):
        read_recording(tmp_path / "a.edf")


def test_edf_with_one_name_twice_is_refused(tmp_path):
    path = _edf(tmp_path / "a.edf", _signal_uv(), names=["EMG", "EMG"])
    with pytest.raises(InputError, match="two channels are named 'EMG'"):
        read_recording(path)


def test_edf_fractional_rate(tmp_path):
    data = _signal_uv(9997 * 2)
    signals = [
        edfio.EdfSignal(
            row, 999.7, label=name, physical_dimension="uV", physical_range=(-16384, 16383.5)
        )
        for name, row in zip(NAMES, data, strict=True)
    ]
    edfio.Edf(signals, data_record_duration=10).write(tmp_path / "a.edf")
    raw = read_recording(tmp_path / "a.edf")
    assert raw.info["sfreq"] == pytest.approx(999.7, rel=1e-9)
    np.testing.assert_allclose(_whole(raw), data, atol=1e-9)


def _discontinuous(path, starts):
    """Write a BDF+ whose one-second records start at given times, as no writer here would."""
    data = np.round(_signal_uv(1000 * len(starts)))
    write_bdf(
        path,
        data.astype(int),
        sfreq=SFREQ,
        ch_names=NAMES,
        uv_per_count=1.0,
        start=datetime(2026, 1, 1),
        annotations=[(len(starts) - 0.5, 0.0, "a long text that leaves room for times" * 3)],
    )
    whole = path.read_bytes()
    room = (len(whole) - 1024) // len(starts) - 6000
    parts = [whole[:1024].replace(b"BDF+C", b"BDF+D")]
    for index, start in enumerate(starts):
        record = whole[1024 + index * (6000 + room) :][:6000]
        text = f"+{start}\x14\x14\0".encode()
        if index == len(starts) - 1:
            text += f"+{start + 0.5}\x14last\x14\0".encode()
        parts.append(record + text.ljust(room, b"\0"))
    path.write_bytes(b"".join(parts))
    return data


@pytest.mark.parametrize("says_so", [True, False])
def test_discontinuous_bdf_gets_its_gaps(tmp_path, says_so):
    data = _discontinuous(tmp_path / "a.bdf", [0, 1, 5, 6, 7, 10.25])
    if not says_so:
        whole = (tmp_path / "a.bdf").read_bytes()
        (tmp_path / "a.bdf").write_bytes(whole.replace(b"BDF+D", b"BDF+C"))
    with pytest.warns(SignalWarning, match="missing between its records"):
        raw = read_recording(tmp_path / "a.bdf")
    assert gaps(raw) == [(2.0, 5.0), (8.0, 10.25)]
    whole = _whole(raw)
    assert whole.shape == (2, 11250)
    np.testing.assert_allclose(whole[:, :2000], data[:, :2000], rtol=5e-6)
    np.testing.assert_allclose(whole[:, 5000:8000], data[:, 2000:5000], rtol=5e-6)
    np.testing.assert_allclose(whole[:, 10250:], data[:, 5000:], rtol=5e-6)
    assert np.isnan(whole[:, 2000:5000]).all()
    assert 10.75 in raw.annotations.onset
    assert np.isfinite(raw.get_data()).all()


def test_discontinuous_bdf_without_gap_is_continuous(tmp_path):
    data = _discontinuous(tmp_path / "a.bdf", [0, 1, 2, 3, 4, 5])
    raw = read_recording(tmp_path / "a.bdf")
    assert gaps(raw) == []
    np.testing.assert_allclose(_whole(raw), data, rtol=5e-6)


@pytest.mark.parametrize("starts", [[0, 1, 0.5, 3], [0, 1, 2, 1e9]])
def test_discontinuous_bdf_that_cannot_be_is_refused(tmp_path, starts):
    _discontinuous(tmp_path / "a.bdf", starts)
    with pytest.raises(InputError, match=r"backward|split it"):
        read_recording(tmp_path / "a.bdf")


def _raw_array(data_uv, names=NAMES, kinds="emg", sfreq=SFREQ):
    return mne.io.RawArray(data_uv * 1e-6, mne.create_info(names, sfreq, kinds), verbose="error")


@pytest.mark.parametrize("kinds", ["emg", "eeg"])
def test_fif(tmp_path, kinds):
    data = _signal_uv(n_channels=3)
    raw = _raw_array(data, [*NAMES, "ECG"], kinds if kinds == "eeg" else ["emg", "emg", "ecg"])
    raw.set_meas_date(datetime(2026, 1, 1, tzinfo=UTC))
    raw.set_annotations(mne.Annotations([2.0], [0.5], ["BAD_gap"], orig_time=raw.info["meas_date"]))
    raw.crop(1.0).save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    read = read_recording(tmp_path / "a_raw.fif")
    assert not read.preload
    assert read.ch_names == NAMES
    assert gaps(read) == [(1.0, 1.5)]  # though the file starts one second in
    whole = _whole(read)
    np.testing.assert_allclose(whole[:, :1000], data[:2, 1000:2000], rtol=1e-12)
    assert np.isnan(whole[:, 1000:1500]).all()


def _brainvision(folder, data_uv, markers="", unit="µV"):
    (data_uv / 0.5).astype("<i2").T.tofile(folder / "a b ü.eeg")
    channels = "\n".join(f"Ch{k + 1}={name},,0.5,{unit}" for k, name in enumerate(NAMES))
    (folder / "a b ü.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=a b ü.eeg\nMarkerFile=a b ü.vmrk\nDataFormat=BINARY\n"
        "DataOrientation=MULTIPLEXED\nNumberOfChannels=2\nSamplingInterval=1000\n\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    (folder / "a b ü.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=a b ü.eeg\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20260102030405000000\n"
        + markers,
        encoding="utf-8",
    )
    return folder / "a b ü.vhdr"


def test_brainvision_with_a_pause(tmp_path):
    data = _signal_uv()
    path = _brainvision(tmp_path, data, "Mk2=New Segment,,2001,1,0,20260102031405000000\n")
    with pytest.warns(SignalWarning, match="paused 1 times"):
        raw = read_recording(path)
    assert not raw.preload
    assert gaps(raw) == [pytest.approx((2.0, 2.001))]
    whole = _whole(raw)
    assert np.flatnonzero(np.isnan(whole[0])).tolist() == [2000]
    np.testing.assert_allclose(np.delete(whole, 2000, 1), np.delete(data, 2000, 1), rtol=1e-12)
    with pytest.raises(InputError, match=r"give the \.vhdr"):
        read_recording(path.with_suffix(".eeg"))
    with pytest.raises(InputError, match=r"give the \.vhdr"):
        read_recording(path.with_suffix(".vmrk"))


def _bids(root, name="sub-01_ses-1_task-rest_emg.bdf", ch_names=("A1", "A2")):
    folder = root / "sub-01" / "ses-1" / "emg"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.11.0"}')
    write_bdf(
        folder / name,
        (_signal_uv() * 2).astype(int),
        sfreq=SFREQ,
        ch_names=ch_names,
        uv_per_count=0.5,
        start=datetime(2026, 1, 1),
    )
    return folder / name


def test_bids_sides_muscles_and_mains_come_from_the_files_beside(tmp_path):
    path = _bids(tmp_path)
    (tmp_path / "task-rest_emg.json").write_text('{"PowerLineFrequency": 50, "Gain": 200}')
    (path.parent / "sub-01_ses-1_task-rest_emg.json").write_text('{"SamplingFrequency": 1000}')
    (path.parent / "sub-01_ses-1_task-rest_channels.tsv").write_text(
        "name\ttype\tunits\ttarget_muscle\tstatus\n"
        "A1\tEMG\tV\tleft gastrocnemius\tgood\nA2\tEMG\tV\tSoleus (right)\tbad\n"
    )
    raw = read_recording(path)
    assert raw.info["line_freq"] == 50
    assert raw.info["bads"] == ["A2"]
    assert emg_channels(raw) == ["A1"]
    assert channel_sides(raw.copy()) == {"A1": "left"}
    raw.info["bads"] = []
    assert channel_sides(raw) == {"A1": "left", "A2": "right"}
    assert channel_muscles(raw) == {"A1": "gastrocnemius", "A2": "soleus"}


def test_bids_side_that_contradicts_itself_is_not_kept(tmp_path):
    path = _bids(tmp_path, ch_names=("calf_L", "calf_R"))
    (path.parent / "sub-01_ses-1_task-rest_channels.tsv").write_text(
        "name\ttarget_muscle\ncalf_L\tright soleus\ncalf_R\tright soleus\n"
    )
    with pytest.warns(SignalWarning, match="calf_L: both left and right"):
        raw = read_recording(path)
    assert channel_sides(raw) == {"calf_L": None, "calf_R": "right"}


def test_bids_rate_that_contradicts_the_file_is_refused(tmp_path):
    path = _bids(tmp_path)
    (tmp_path / "emg.json").write_text('{"SamplingFrequency": 2000}')
    with pytest.raises(InputError, match="1000 Hz, but 2000 stated"):
        read_recording(path)


def test_find_recordings(tmp_path):
    first = _bids(tmp_path)
    second = _bids(tmp_path, "sub-01_ses-1_task-rest_run-2_emg.bdf")
    aside = tmp_path / "derivatives" / "x" / "sub-01_task-rest_emg.bdf"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(first.read_bytes())
    assert find_recordings(tmp_path) == sorted([first, second])
    assert find_recordings(tmp_path / "sub-01") == sorted([first, second])
    assert find_recordings(first) == [first]
    assert entities(second) == {"sub": "01", "ses": "1", "task": "rest", "run": "2"}


def test_recordings_of_a_session_come_in_order_of_time():
    tasks = [entities(path)["task"] for path in find_recordings(sample_folder())]
    assert tasks == ["rest", "rest", "rest", "postexercise", "rest", "rest", "rest", "postexercise"]


def test_find_recordings_in_a_plain_folder(tmp_path):
    recordings = [
        _edf(tmp_path / "night 1.edf", _signal_uv()),
        tmp_path / "log.csv",
    ]
    recordings[1].write_text("a_uV,b_uV\n" + "\n".join(f"{a},{b}" for a, b in _signal_uv().T))
    (tmp_path / "night 1_events.tsv").write_text("onset\tduration\n1.5\t0\n2.5\t0\n")
    (tmp_path / "README.txt").write_text("recorded at night\n")
    (tmp_path / "notes.md").write_text("1,2\n3,4\n")
    assert find_recordings(tmp_path) == sorted(recordings)
    with pytest.raises(InputError, match="a folder; give one recording of it"):
        read_recording(tmp_path)


def _small_bdf(folder):
    path = folder / "a.bdf"
    if not path.exists():
        _discontinuous(path, [0, 1, 2, 3, 4, 5])
    return path


def _gappy_bdf(folder):
    path = folder / "a.bdf"
    if not path.exists():
        _discontinuous(path, [0, 1, 5, 6, 7, 10.25])
    return path


def _small_edf(folder):
    path = folder / "a.edf"
    return path if path.exists() else _edf(path, _signal_uv())


def _small_fif(folder):
    path = folder / "a_raw.fif"
    if not path.exists():
        _raw_array(_signal_uv()).save(path, verbose="error")
    return path


def _small_brainvision(folder):
    path = folder / "a b ü.vhdr"
    return path if path.exists() else _brainvision(folder, _signal_uv())


def _small_bids(folder):
    """Return the table beside a recording, which is what is damaged."""
    path = folder / "sub-01/ses-1/emg/sub-01_ses-1_task-rest_channels.tsv"
    if not path.exists():
        _bids(folder)
        path.write_text("name\ttype\ttarget_muscle\nA1\tEMG\tleft soleus\nA2\tEMG\tright soleus\n")
    return path


_FILES = {
    "edf": _small_edf,
    "bdf": _small_bdf,
    "gappy bdf": _gappy_bdf,
    "fif": _small_fif,
    "brainvision": _small_brainvision,
    "bids": _small_bids,
}


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("kind", sorted(_FILES))
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path, check_damaged, kind, data):
    path = _FILES[kind](tmp_path)
    check_damaged(path, data, lambda: read_recording(next(path.parent.glob("*.bdf"), path)))
