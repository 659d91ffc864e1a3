"""Every format: a signal written by hand or by another program comes back in volts, named."""

import json
import struct
from datetime import UTC, datetime

import edfio
import mne
import numpy as np
import pytest
from scipy.io import wavfile

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

SFREQ = 1000
NAMES = ["calf_L", "calf_R"]


def _signal_uv(n_samples=6000, n_channels=2, step=0.5, seed=7):
    """Return noise of 10 µV in steps that every format can hold exactly."""
    noise = np.random.default_rng(seed).normal(0, 10, (n_channels, n_samples))
    return np.round(noise / step) * step


def _whole(raw):
    return np.hstack([block for _, block in blocks(raw)])


def _text(path, rows, header="", delimiter=","):
    lines = [delimiter.join(f"{cell:.10g}" for cell in row) for row in rows]
    path.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    return path


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
    with pytest.raises(InputError, match=r"no unit.*state unit"):
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
            ("EMG slow", slow[0], 100, "uV"),
            ("Acc X", slow[0], 100, "g"),
            ("Fast sound", np.zeros(24000), 4000, ""),
        ]
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    with pytest.warns(SignalWarning, match="more slowly: EMG slow"):
        raw = read_recording(tmp_path / "a.edf")
    assert raw.ch_names == ["EMG calf_L"]
    assert raw.info["sfreq"] == 1000
    np.testing.assert_allclose(_whole(raw), data, atol=1e-9)


def test_edf_duplicate_names_are_numbered(tmp_path):
    path = _edf(tmp_path / "a.edf", _signal_uv(), names=["EMG", "EMG"])
    with pytest.warns(SignalWarning, match="two channels are named 'EMG'"):
        raw = read_recording(path)
    assert raw.ch_names == ["EMG", "EMG-2"]
    np.testing.assert_allclose(_whole(raw), _signal_uv(), atol=1e-9)


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


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("time,calf_L_uV,calf_R_uV\n", 1),
        ("time_s,calf_L (mV),calf_R (mV)\n", 1e3),
        ("# made by hand\n\nTime [s],calf_L [V],calf_R [V]\n", 1e6),
        ("time,calf_L,calf_R\ns,µV,µV\n", 1),
    ],
)
def test_csv_with_time_and_units(tmp_path, header, factor):
    data = _signal_uv()
    rows = np.column_stack([np.arange(6000) / SFREQ + 0.25, *data])
    raw = read_recording(_text(tmp_path / "a.csv", rows, header))
    assert raw.ch_names == NAMES
    assert raw.info["sfreq"] == SFREQ
    np.testing.assert_allclose(_whole(raw), data * factor, rtol=1e-9)


@pytest.mark.parametrize(("column", "per_second"), [("time_ms", 1e3), ("micros", 1e6), ("t", 1)])
def test_csv_time_units(tmp_path, column, per_second):
    rows = np.column_stack([np.arange(6000) / SFREQ * per_second, *_signal_uv()])
    raw = read_recording(_text(tmp_path / "a.csv", rows, f"{column},EMG_uV,aux\n"))
    assert raw.ch_names == ["EMG"]
    assert raw.info["sfreq"] == SFREQ


def test_csv_gap_in_time_is_filled(tmp_path):
    data = _signal_uv()
    keep = np.r_[0:2000, 2500:4000, 4001:6000]
    rows = np.column_stack([keep / SFREQ, *data[:, keep]])
    with pytest.warns(SignalWarning, match="501 of 6000 samples are missing, in 2 gaps"):
        raw = read_recording(_text(tmp_path / "a.csv", rows, "time,a_uV,b_uV\n"))
    assert gaps(raw) == [(2.0, 2.5), (4.0, 4.001)]
    whole = _whole(raw)
    np.testing.assert_allclose(whole[:, keep], data[:, keep], rtol=1e-9)
    assert np.isnan(np.delete(whole, keep, axis=1)).all()


def test_csv_counter_tells_gaps_also_when_it_starts_again(tmp_path):
    data = _signal_uv()
    keep = np.r_[0:2000, 2100:6000]
    rows = np.column_stack([keep % 256, *data[:, keep]])
    path = _text(tmp_path / "a.tsv", rows, "counter\ta_uV\tb_uV\n", "\t")
    with pytest.warns(SignalWarning, match="are missing"):
        raw = read_recording(path, sfreq=SFREQ)
    assert gaps(raw) == [(2.0, 2.1)]
    np.testing.assert_allclose(_whole(raw)[:, keep], data[:, keep], rtol=1e-9)


def test_txt_without_header_and_sidecar_with_converter(tmp_path):
    counts = 500 + np.round(_signal_uv(step=1)).astype(int)
    path = _text(tmp_path / "log.txt", counts.T, delimiter=" ")
    with pytest.raises(InputError, match="sampling rate; state sfreq"):
        read_recording(path)
    with pytest.raises(InputError, match="state unit"):
        read_recording(path, sfreq=SFREQ)
    said = {"SamplingFrequency": SFREQ, "Gain": 200, "Bits": 10, "Vref": 5.0}
    path.with_suffix(".json").write_text(json.dumps(said))
    raw = read_recording(path)
    step = 5e6 / 1024 / 200  # an Arduino Uno and a MyoWare: 24.41 µV
    np.testing.assert_allclose(lsb_uv(raw), [step, step])
    expected = (counts - np.median(counts, axis=1, keepdims=True)) * step
    np.testing.assert_allclose(_whole(raw), expected, atol=1e-9)


def test_csv_of_other_countries_and_row_numbers(tmp_path):
    data = _signal_uv()
    lines = [f"{k};{a:.1f};{b:.1f}".replace(".", ",") for k, (a, b) in enumerate(data.T)]
    path = tmp_path / "messung.csv"
    path.write_text("﻿;GM links (µV);GM rechts (µV)\n" + "\n".join(lines), encoding="utf-8")
    raw = read_recording(path, sfreq=SFREQ)
    assert raw.ch_names == ["GM links", "GM rechts"]
    np.testing.assert_allclose(_whole(raw), data, rtol=1e-9)


def test_utf16_and_missing_cells(tmp_path):
    data = _signal_uv()
    rows = [[f"{cell:.1f}" for cell in row] for row in data.T]
    rows[100][0], rows[101] = "", ["n/a", "NaN"]
    path = tmp_path / "a.txt"
    path.write_text("EMG1 (uV)\tEMG2 (uV)\n" + "\n".join("\t".join(r) for r in rows), "utf-16")
    with pytest.warns(SignalWarning, match="are missing"):
        raw = read_recording(path, sfreq=SFREQ)
    whole = _whole(raw)
    assert np.argwhere(np.isnan(whole)).tolist() == [[0, 100], [0, 101], [1, 101]]
    assert gaps(raw) == [(0.101, 0.102)]


def test_host_times_that_come_in_bursts_give_only_the_mean_rate(tmp_path):
    rng = np.random.default_rng(3)
    arrival = np.sort(np.arange(6000) / SFREQ + np.repeat(rng.uniform(0, 0.03, 600), 10))
    rows = np.column_stack([arrival, *_signal_uv()])
    with pytest.warns(SignalWarning, match="even grid"):
        raw = read_recording(_text(tmp_path / "a.csv", rows, "time,a_uV,b_uV\n"))
    assert raw.info["sfreq"] == pytest.approx(SFREQ, rel=0.01)
    assert raw.n_times == 6000


def test_millisecond_times_of_a_faster_signal_are_even(tmp_path):
    rows = np.column_stack([np.floor(np.arange(12000) / 2) / 1000, *_signal_uv(12000)])
    raw = read_recording(_text(tmp_path / "a.csv", rows, "time,a_uV,b_uV\n"))
    assert raw.info["sfreq"] == pytest.approx(2000, rel=1e-3)
    assert gaps(raw) == []


def test_simple_text_format(tmp_path):
    data = _signal_uv(step=1)
    path = _text(
        tmp_path / "a.txt",
        2048 + data.T,
        "# Simple Text Format\n# Sampling Rate (Hz):= 1000.00\n# Resolution:= 12\n"
        "# Labels:= EMG1\tEMG2\n",
        "\t",
    )
    with pytest.raises(InputError, match="counts"):
        read_recording(path)
    raw = read_recording(path, uv_per_count=3.0)
    np.testing.assert_allclose(_whole(raw), 3 * (data - np.median(data, axis=1)[:, np.newaxis]))


def test_delsys_csv(tmp_path):
    data = _signal_uv()
    labels = ["Sensor 1: EMG 1", "Sensor 1: ACC.X 1", "Sensor 2: EMG 2"]
    rates = [1000, 100, 1000]
    head = "".join(
        f"Label: {label} Sampling frequency: {rate:.6e} Number of points: {6 * rate} "
        f"start: 0.000000e+000 Unit: {'g' if 'ACC' in label else 'V'} Domain Unit: s\n"
        for label, rate in zip(labels, rates, strict=True)
    )
    head += "Start Trigger Method: None\n\n" + ",".join(f'X[s],"{name}"' for name in labels) + "\n"
    lines = []
    for k, (a, b) in enumerate(data.T * 1e-6):
        acc = f"{k / 100},0.5" if k < 600 else ","
        lines.append(f"{k / 1000},{a:.7e},{acc},{k / 1000},{b:.7e}")
    path = tmp_path / "a.csv"
    path.write_text(head + "\n".join(lines) + "\n")
    raw = read_recording(path)
    assert raw.ch_names == ["Sensor 1: EMG 1", "Sensor 2: EMG 2"]
    np.testing.assert_allclose(_whole(raw), data, rtol=1e-6, atol=1e-6)


def _opensignals_header(device, sensors, bits):
    labels = [f"A{k + 1}" for k in range(len(sensors))]
    return {
        "sensor": sensors,
        "column": ["nSeq", "I1", *labels],
        "time": "10:29:43.249",
        "date": "2018-7-5",
        "device": device,
        "sampling rate": 1000,
        "label": labels,
        "channels": list(range(1, len(sensors) + 1)),
        "resolution": [4, 1, *bits],
    }


@pytest.mark.parametrize(
    ("device", "full_scale_uv"),
    [("biosignalsplux", 3000.0), ("bitalino", 3300.0), ("bitalino_rev", 3.3e6 / 1009)],
)
def test_opensignals_text(tmp_path, device, full_scale_uv):
    counts = 512 + np.round(_signal_uv(step=1)).astype(int)
    keep = np.r_[0:2000, 2003:6000]
    header = _opensignals_header(device, ["ECG", "EMG"], [10, 10])
    rows = np.column_stack([keep % 16, keep * 0, counts[0, keep], counts[1, keep]])
    path = _text(
        tmp_path / "a.txt",
        rows,
        f"# OpenSignals Text File Format. Version 1\n# {json.dumps({'00:07': header})}\n"
        "# EndOfHeader\n",
        "\t",
    )
    with pytest.warns(SignalWarning, match="missing"):
        raw = read_recording(path)
    assert raw.ch_names == ["A2"]
    assert raw.info["meas_date"] == datetime(2018, 7, 5, 10, 29, 43, tzinfo=UTC)
    assert gaps(raw) == [(2.0, 2.003)]
    expected = (counts[1] / 1024 - 0.5) * full_scale_uv
    np.testing.assert_allclose(_whole(raw)[0, keep], expected[keep], atol=1e-9)


def test_opensignals_of_an_unknown_device_needs_its_step(tmp_path):
    counts = 512 + np.round(_signal_uv(step=1)).astype(int)
    header = _opensignals_header("newplux", ["EMG", "EMG"], [10, 10])
    rows = np.column_stack([np.arange(6000) % 16, np.zeros(6000), *counts])
    path = _text(
        tmp_path / "a.txt",
        rows,
        f"# OpenSignals Text File Format\n# {json.dumps({'00:07': header})}\n# EndOfHeader\n",
        "\t",
    )
    with pytest.raises(InputError, match=r"newplux.*uv_per_count"):
        read_recording(path)
    np.testing.assert_allclose(lsb_uv(read_recording(path, uv_per_count=2.0)), [2, 2])


def test_opensignals_hdf5_of_two_devices(tmp_path):
    h5py = pytest.importorskip("h5py")
    counts = 32768 + np.round(_signal_uv(step=1)).astype(int)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, row in zip(["00:01", "00:02"], counts, strict=True):
            group = file.create_group(name)
            group.attrs.update(
                {
                    "channels": [2],
                    "date": "2019-10-14",
                    "time": "16:52:39.448",
                    "device": "channeller",
                    "resolution": [16],
                    "sampling rate": 1000,
                }
            )
            channel = group.create_dataset("raw/channel_2", data=row[:, np.newaxis])
            channel.attrs.update({"label": f"CH {name}", "sensor": "EMG"})
            group["raw"].create_dataset("nSeq", data=np.arange(6000)[:, np.newaxis])
    raw = read_recording(tmp_path / "a.h5")
    assert raw.ch_names == ["CH 00:01", "CH 00:02"]
    np.testing.assert_allclose(_whole(raw), (counts / 65536 - 0.5) * 3000, atol=1e-9)


@pytest.mark.parametrize("version", ["old", "new"])
def test_openbci_with_lost_samples(tmp_path, version):
    data = np.round(_signal_uv(3000), 2)
    keep = np.r_[0:1000, 1005:3000]
    head = "%OpenBCI Raw EXG Data\n%\n%Sample Rate = 250 Hz\n"
    if version == "new":
        head += "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Timestamp, Timestamp (Formatted)\n"  # noqa: E501
        rest = ", 0.5, 1.6e9, 2020-09-13 12:26:40.000"
    else:
        rest = ", 0.0, 0.0, 0.0, 10:30:31.035"
    lines = [f"{k % 256}, {data[0, k]:.2f}, {data[1, k]:.2f}{rest}" for k in keep]
    path = tmp_path / "OpenBCI-RAW.txt"
    path.write_text(head + "\n".join(lines) + "\n")
    with pytest.warns(SignalWarning) as caught:
        raw = read_recording(path)
    assert any("5 of 3000 samples are missing" in str(warning.message) for warning in caught)
    assert any("250 Hz, below" in str(warning.message) for warning in caught)
    assert len(raw.ch_names) == 2
    assert gaps(raw) == [(4.0, 4.02)]
    np.testing.assert_allclose(_whole(raw)[:, keep], data[:, keep], atol=1e-9)


@pytest.mark.parametrize("kind", ["int16", "int24", "uint8", "float32"])
def test_wav(tmp_path, kind):
    counts = np.round(_signal_uv(step=1)).astype(int)
    path = tmp_path / "BYB.wav"
    if kind == "int24":
        data = counts.T.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
        form = struct.pack("<HHIIHH", 1, 2, SFREQ, SFREQ * 6, 6, 24)
        path.write_bytes(
            b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16)
            + form + b"data" + struct.pack("<I", len(data)) + data
        )  # fmt: skip
    else:
        wavfile.write(path, SFREQ, (counts.T + (128 if kind == "uint8" else 0)).astype(kind))
    with pytest.raises(InputError, match="state unit"):
        read_recording(path)
    if kind == "float32":
        np.testing.assert_allclose(_whole(read_recording(path, unit="mV")), counts * 1e3)
    else:
        whole = _whole(read_recording(path, uv_per_count=1.5))
        np.testing.assert_allclose(
            whole, 1.5 * (counts - np.median(counts, axis=1, keepdims=True)), atol=1e-9
        )


def _xdf_chunk(tag, content):
    content = struct.pack("<H", tag) + content
    return b"\x04" + struct.pack("<I", len(content)) + content


def _xdf(path, data, stamps, kind="EMG", unit="microvolts"):
    """Write one stream of float32, a chunk of 100 samples at a time, each with its stamp."""
    channels = "".join(
        f"<channel><label>{name}</label><unit>{unit}</unit><type>EMG</type></channel>"
        for name in NAMES
    )
    info = (
        f"<?xml version='1.0'?><info><name>leg</name><type>{kind}</type>"
        f"<channel_count>2</channel_count><nominal_srate>1000</nominal_srate>"
        f"<channel_format>float32</channel_format><desc><channels>{channels}</channels></desc>"
        f"</info>"
    )
    parts = [
        b"XDF:",
        _xdf_chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>"),
        _xdf_chunk(2, struct.pack("<I", 1) + info.encode()),
    ]
    for first in range(0, len(stamps), 100):
        samples = b"".join(
            b"\x08" + struct.pack("<d", stamp) + struct.pack("<2f", *values)
            for stamp, values in zip(
                stamps[first : first + 100], data.T[first : first + 100], strict=True
            )
        )
        n_here = min(100, len(stamps) - first)
        parts.append(_xdf_chunk(3, struct.pack("<IB", 1, 1) + struct.pack("<B", n_here) + samples))
    parts.append(_xdf_chunk(6, struct.pack("<I", 1) + b"<?xml version='1.0'?><info></info>"))
    path.write_bytes(b"".join(parts))
    return path


def test_xdf_with_a_gap(tmp_path):
    pytest.importorskip("pyxdf")
    data = _signal_uv()
    keep = np.r_[0:2000, 4000:6000]
    path = _xdf(tmp_path / "a.xdf", data[:, keep], 5000 + keep / SFREQ)
    with pytest.warns(SignalWarning, match="missing"):
        raw = read_recording(path)
    assert raw.ch_names == NAMES
    assert raw.info["sfreq"] == SFREQ
    assert gaps(raw) == [(2.0, 4.0)]
    np.testing.assert_allclose(_whole(raw)[:, keep], data[:, keep], atol=1e-6)


def test_xdf_stream_must_be_emg_or_named(tmp_path):
    pytest.importorskip("pyxdf")
    path = _xdf(tmp_path / "a.xdf", _signal_uv(), np.arange(6000) / SFREQ, kind="EEG")
    with pytest.raises(InputError, match=r"no EMG stream.*leg \(EEG\)"):
        read_recording(path)
    assert read_recording(path, stream="leg").ch_names == NAMES


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


def test_find_recordings_in_a_plain_folder(tmp_path):
    recordings = [
        _edf(tmp_path / "night 1.edf", _signal_uv()),
        _text(tmp_path / "log.csv", _signal_uv().T, "a_uV,b_uV\n"),
    ]
    (tmp_path / "night 1_events.tsv").write_text("onset\tduration\n1.5\t0\n2.5\t0\n")
    (tmp_path / "README.txt").write_text("recorded at night\n")
    (tmp_path / "notes.md").write_text("1,2\n3,4\n")
    assert find_recordings(tmp_path) == sorted(recordings)
    with pytest.raises(InputError, match="a folder; give one recording of it"):
        read_recording(tmp_path)
