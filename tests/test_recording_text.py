"""Text tables, OpenSignals, OpenBCI, WAV and XDF: what was written comes back in volts."""

import json
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from emgtwitch import read_recording
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import (
    blocks,
    gaps,
    lsb_uv,
)

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


def test_a_column_of_times_without_a_name_is_not_taken_for_emg(tmp_path):
    data = _signal_uv()
    rows = np.column_stack([np.arange(data.shape[1]) / SFREQ, *data])
    with pytest.raises(InputError, match=r"column 1 only rises.*time_ms"):
        read_recording(_text(tmp_path / "a.csv", rows), sfreq=SFREQ, unit="uV")


def test_a_table_of_events_is_named_as_such(tmp_path):
    path = tmp_path / "calves_events.tsv"
    path.write_text("onset\tduration\n1.5\t0\n2.5\t0\n")
    with pytest.raises(InputError, match="table of events"):
        read_recording(path, sfreq=SFREQ, unit="uV")


def test_a_rate_that_no_emg_has_is_refused(tmp_path):
    with pytest.raises(InputError, match="200000 Hz, which no EMG is"):
        read_recording(_text(tmp_path / "a.csv", _signal_uv().T), sfreq=2e5, unit="uV")


def test_unit_and_converter_together_are_refused(tmp_path):
    path = _text(tmp_path / "a.csv", _signal_uv().T)
    with pytest.raises(InputError, match="not both"):
        read_recording(path, sfreq=SFREQ, unit="uV", uv_per_count=2.0)


def test_txt_without_header_and_sidecar_with_converter(tmp_path):
    counts = 500 + np.round(_signal_uv(step=1)).astype(int)
    path = _text(tmp_path / "log.txt", counts.T, delimiter=" ")
    with pytest.raises(InputError, match=r"rate and the unit; state.*--sfreq.*--unit"):
        read_recording(path)
    with pytest.raises(InputError, match="state the unit"):
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


def test_metadata_before_the_header_and_a_delimiter_at_the_end(tmp_path):
    data = _signal_uv()
    lines = [f"{a:.1f},{b:.1f},start," for a, b in data.T]
    head = "Device,MyoWare,,\nRate,1000,Hz,\n\ncalf_L [uV],calf_R [uV],marker,\n"
    (tmp_path / "a.csv").write_text(head + "\n".join(lines) + "\n")
    raw = read_recording(tmp_path / "a.csv", sfreq=SFREQ)
    assert raw.ch_names == NAMES
    np.testing.assert_allclose(_whole(raw), data)


def test_cut_off_xdf_is_warned_of(tmp_path):
    pytest.importorskip("pyxdf")
    path = _xdf(tmp_path / "a.xdf", _signal_uv(12000), np.arange(12000) / SFREQ)
    path.write_bytes(path.read_bytes()[:-60_000])
    with pytest.warns(SignalWarning, match="cut off or never finished"):
        assert 6000 < read_recording(path).n_times < 12000


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


def _opensignals_hdf5(path, counts):
    """Write each row of counts as channel of a device of its own."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for number, row in enumerate(counts):
            group = file.create_group(f"00:0{number}")
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
            channel.attrs.update({"label": f"CH {number}", "sensor": "EMG"})
            sequence = np.arange(len(row))[:, np.newaxis]
            group["raw"].create_dataset("nSeq", data=sequence)


def test_opensignals_hdf5_of_two_devices(tmp_path):
    counts = 32768 + np.round(_signal_uv(step=1)).astype(int)
    _opensignals_hdf5(tmp_path / "a.h5", counts)
    raw = read_recording(tmp_path / "a.h5")
    assert raw.ch_names == ["CH 0", "CH 1"]
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
    with pytest.raises(InputError, match="state the unit"):
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


def _small_csv(folder):
    path = folder / "a.csv"
    if not path.exists():
        rows = np.column_stack([np.arange(5000) / SFREQ, *_signal_uv(5000)])
        _text(path, rows, "time,calf_L_uV,calf_R_uV\n")
    return path


def _small_opensignals(folder):
    path = folder / "opensignals.txt"
    if not path.exists():
        header = _opensignals_header("bitalino", ["ECG", "EMG"], [10, 10])
        rows = np.column_stack([np.arange(5000) % 16, np.zeros(5000), *_signal_uv(5000, step=1)])
        head = f"# OpenSignals Text File Format\n# {json.dumps({'00': header})}\n# EndOfHeader\n"
        _text(path, rows, head, "\t")
    return path


def _small_openbci(folder):
    path = folder / "openbci.txt"
    if not path.exists():
        rows = np.column_stack([np.arange(5000) % 256, *_signal_uv(5000), *np.zeros((4, 5000))])
        _text(path, rows, "%OpenBCI Raw EEG Data\n%Sample Rate = 1000 Hz\n")
    return path


def _small_delsys(folder):
    path = folder / "delsys.csv"
    if not path.exists():
        head = (
            "Label: EMG 1 Sampling frequency: 1.0e3 Number of points: 5000 start: 0 Unit: mV "
            "Domain Unit: s\nX[s],EMG 1\n"
        )
        _text(path, np.column_stack([np.arange(5000) / SFREQ, _signal_uv(5000)[0]]), head)
    return path


def _small_hdf5(folder):
    path = folder / "a.h5"
    if not path.exists():
        _opensignals_hdf5(path, 32768 + _signal_uv(step=1).astype(int))
    return path


def _small_wav(folder):
    path = folder / "a.wav"
    if not path.exists():
        wavfile.write(path, SFREQ, _signal_uv().T.astype(np.int16))
    return path


def _small_xdf(folder):
    path = folder / "a.xdf"
    return path if path.exists() else _xdf(path, _signal_uv(), np.arange(6000) / SFREQ)


_FILES = {
    "csv": _small_csv,
    "opensignals": _small_opensignals,
    "openbci": _small_openbci,
    "delsys": _small_delsys,
    "hdf5": _small_hdf5,
    "wav": _small_wav,
    "xdf": _small_xdf,
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
    check_damaged(
        path,
        data,
        lambda: read_recording(path, uv_per_count=1.0 if path.suffix == ".wav" else None),
    )
