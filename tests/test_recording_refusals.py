"""What cannot be analysed is refused, or warned of, in words that say what to do."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from emgtwitch import read_recording
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import emg_channels
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.recording.bids import find_recordings

SFREQ = 1000


def _raw_emg(seconds=30, noise_uv=5.0, seed=4):
    """Return noise in the band of EMG with a burst of contraction every 7 s, in µV."""
    rng = np.random.default_rng(seed)
    time = np.arange(seconds * SFREQ) / SFREQ
    band = signal.butter(2, [20, 450], "bandpass", fs=SFREQ, output="sos")
    burst = np.where(time % 7 < 1.5, 10.0, 1.0)
    return signal.sosfilt(band, rng.normal(0, noise_uv, len(time))) * burst


def _low_passed(values, hz, order):
    return signal.sosfilt(signal.butter(order, hz, fs=SFREQ, output="sos"), values)


def _bdf(path, *channels_uv, names=("EMG a", "EMG b"), step=0.05, sfreq=SFREQ):
    write_bdf(
        path,
        np.round(np.array(channels_uv) / step).astype(int),
        sfreq=sfreq,
        ch_names=names[: len(channels_uv)],
        uv_per_count=step,
        start=datetime(2026, 1, 1),
    )
    return path


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_rectified_is_refused(tmp_path, offset):
    path = _bdf(tmp_path / "a.bdf", np.abs(_raw_emg()) + offset)
    with pytest.raises(InputError, match=r"EMG a \(rectified\).*Record the RAW output"):
        read_recording(path)


@pytest.mark.parametrize(("hz", "order"), [(3.6, 1), (10, 1), (3.6, 4), (10, 4)])
def test_envelope_is_refused(tmp_path, hz, order):
    path = _bdf(tmp_path / "a.bdf", _low_passed(np.abs(_raw_emg()), hz, order))
    with pytest.raises(InputError, match=r"EMG a \(envelope\)"):
        read_recording(path)


def test_envelope_in_counts_with_an_offset_is_refused(tmp_path):
    # What the ENV output of a MyoWare gives on a 10-bit board: a floor, and bursts above it
    envelope = 100 + np.round(_low_passed(np.abs(_raw_emg()), 3.6, 1) * 4)
    path = tmp_path / "log.csv"
    path.write_text("\n".join(f"{count:.0f}" for count in envelope))
    with pytest.raises(InputError, match="envelope"):
        read_recording(path, sfreq=SFREQ, uv_per_count=24.4)


def test_envelope_beside_raw_is_left_out(tmp_path):
    raw_emg = _raw_emg()
    path = _bdf(tmp_path / "a.bdf", raw_emg, _low_passed(np.abs(raw_emg), 3.6, 1))
    with pytest.warns(SignalWarning, match=r"EMG b \(envelope\).*the other channels are used"):
        raw = read_recording(path)
    assert emg_channels(raw) == ["EMG a"]


@pytest.mark.parametrize("kind", ["plain", "drift", "sway", "mains", "coarse", "tonic", "clipped"])
def test_raw_emg_is_never_taken_for_an_envelope(tmp_path, kind):
    emg = _raw_emg()
    time = np.arange(len(emg)) / SFREQ
    rng = np.random.default_rng(8)
    emg = {
        "plain": emg,
        "drift": emg + np.cumsum(rng.normal(0, 0.5, len(emg))) + 2000,
        "sway": emg * 0.4 + 100 * np.sin(2 * np.pi * 1.7 * time) ** 3,
        "mains": emg + 200 * np.sin(2 * np.pi * 50 * time),
        "coarse": np.round((emg + 13) / 24.4) * 24.4,
        "tonic": emg + 300 * np.exp(-(((time % 0.1) - 0.05) ** 2) / (2 * 0.003**2)),
        "clipped": np.clip(emg, -8, 8),
    }[kind]
    assert emg_channels(read_recording(_bdf(tmp_path / "a.bdf", emg, step=0.01))) == ["EMG a"]


def test_never_below_zero_is_warned_of(tmp_path):
    # An envelope so small that the steps of the converter hide that it is smooth
    envelope = _low_passed(np.abs(_raw_emg()), 3.6, 1)
    noise = np.random.default_rng(2).normal(0, 0.7, len(envelope))
    coarse = np.maximum(np.round(envelope * 4 / 2.44 + noise), 1) * 2.44
    with pytest.warns(SignalWarning, match="never below zero"):
        read_recording(_bdf(tmp_path / "a.bdf", coarse, step=0.01))


def test_rates(tmp_path):
    slow = _bdf(tmp_path / "slow.bdf", _raw_emg()[:6000], sfreq=100)
    with pytest.raises(InputError, match=r"sampled at 100 Hz.*at least 200 Hz"):
        read_recording(slow)
    low = _bdf(tmp_path / "low.bdf", _raw_emg()[:6000], sfreq=500)
    with pytest.warns(SignalWarning, match="sampled at 500 Hz, below the 1000 Hz advised"):
        read_recording(low)


def test_short(tmp_path):
    with pytest.warns(SignalWarning, match=r"too short \(2 s\)"):
        read_recording(_bdf(tmp_path / "a.bdf", _raw_emg()[:2000]))


def test_constant(tmp_path):
    emg = _raw_emg()
    with pytest.warns(SignalWarning, match="constant.*EMG b"):
        read_recording(_bdf(tmp_path / "a.bdf", emg, emg * 0 + 3))
    with pytest.raises(InputError, match="every EMG channel is constant"):
        read_recording(_bdf(tmp_path / "b.bdf", emg * 0, emg * 0 + 3))


def test_constant_but_for_the_last_samples(tmp_path):
    values = np.zeros(10_100)
    values[-50:] = 300.0
    assert read_recording(_bdf(tmp_path / "a.bdf", values)).n_times == 11_000


def test_no_emg_channel(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg(), _raw_emg(), names=("ECG", "Resp"))
    with pytest.raises(InputError, match="no EMG channel among: ECG, Resp"):
        read_recording(path)


def test_cut_off(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1500])
    with pytest.warns(SignalWarning, match="cut off: 29 of 30 records"):
        assert read_recording(path).n_times == 29_000
    path.write_bytes(whole[:236] + b"-1      " + whole[244:])
    with pytest.warns(SignalWarning, match=r"interrupted .*recover\); 30 records"):
        assert read_recording(path).n_times == 30_000
    path.write_bytes(whole[:236] + b"-1      " + whole[244 : int(whole[184:192])])
    with pytest.raises(InputError, match=r"no samples in it: .* it is still being recorded"):
        read_recording(path)
    path.write_bytes(whole[:600])
    with pytest.raises(InputError, match="header is damaged"):
        read_recording(path)
    path.write_bytes(whole[:768])
    with pytest.raises(InputError, match="no samples in it"):
        read_recording(path)


def test_end_of_zeros_is_not_taken_for_samples(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    whole = path.read_bytes()
    path.write_bytes(whole[:-7000] + bytes(7000))  # what a loss of power can leave
    with pytest.raises(InputError, match="record 28 of 30 has no time stamp"):
        read_recording(path)


@pytest.mark.parametrize(
    ("place", "width", "value", "message"),
    [
        (252, 4, "9999", "9999 signals need"),
        (252, 4, "-1", "damaged"),
        (252, 4, "1e9", "number of signals is '1e9'"),
        (244, 8, "0", "records of 0 s"),
        (244, 8, "nan", "'nan' is no number"),
        (184, 8, "512", "damaged"),
        (256 + 2 * 104, 8, "-0", "calibration"),  # physical minimum ...
        (256 + 2 * 120, 8, "8388608", "calibration"),  # digital minimum
        (256 + 2 * 216, 8, "99999999", "no samples"),
        (256 + 2 * 216, 8, "-5", "calibration or length"),
    ],
)
def test_damaged_header(tmp_path, place, width, value, message):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    whole = bytearray(path.read_bytes())
    whole[place : place + width] = value.ljust(width).encode()
    if value == "-0":  # ... equal to the physical maximum
        whole[256 + 2 * 112 : 256 + 2 * 112 + 8] = b"0       "
    path.write_bytes(whole)
    with pytest.raises(InputError, match=re.escape(message)):
        read_recording(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty"),
        ("empty.bdf", b"", "empty"),
        ("a.edf", b"time,emg\n0,1\n1,2\n", "content is text"),
        ("a.bdf", b"0       ".ljust(512), "content is EDF"),
        ("a.txt", b"\xffBIOSEMI".ljust(512), "content is BDF"),
        ("a.xlsx", b"PK\x03\x04....", "Excel.*save the sheet as CSV"),
        ("a.csv", b"PK\x03\x04....", "Excel"),
        ("a.RData", b"\xfd7zXZ\0....", "R data"),
        ("a.mat", b"MATLAB 5.0 MAT-file", "MATLAB"),
        ("a.npy", b"\x93NUMPY\x01", "numpy"),
        ("a.pkl", b"\x80\x04\x95\x00\x00", "pickle"),
        ("a.bin", bytes(range(256)), "no format that is known"),
        ("a.fif", bytes(range(256)), "damaged, or no FIF file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "damaged, or no hdf5 file"),
        ("a.xdf", b"XDF:", "no EMG stream"),
        ("a.wav", b"RIFF\0\0\0\0WAVE", "damaged, or no wav file"),
        ("a.txt", b"Some words\nand more\n", "no rows of numbers"),
        ("a.txt", b"7" * 200_000, "never ends"),
        ("a.csv", b"1,2\n", "no recording"),
        ("a.csv", b"1,2\n3,4\n5,x\n7,8\n9,1\n" * 3, "line 3 breaks"),
        ("a.csv", b"1,2\n" * 50 + b"5,x\n7,8\n", "line 51 has 'x'"),
        ("a.csv", b"1,2\n3,4\n" + b"5,foo\n" * 9, "line 3 breaks"),
        ("a.csv", b"1,2\n3,4\n# note\n" + b"7,8\n" * 9, "line 3 breaks"),
        ("a.csv", b"1,2\n3,4\n5,6\n7,8\n9,1\n5\n7,8\n", "line 6 has too few cells"),
        ("a.csv", b"1,2\n3,4\n5,6\n7,8\n9,1\n1e999,2\n1,2\n", "infinite"),
        ("a.csv", b"ECG,Acc x\n" + b"1,2\n" * 9, "no EMG column among: ECG, Acc x"),
        (
            "a.txt",
            b"# OpenSignals Text File Format\n# {\n# EndOfHeader\n1 2\n",
            "header is damaged",
        ),
        ("a.txt", b"%OpenBCI Raw EEG Data\n", "header is damaged"),
        ("a.txt", b"# Simple Text Format\n1\n2\n", "header lacks"),
        ("a.csv", b"Label: EMG\n1\n2\n", "Delsys header"),
        ("a.vhdr", b"Brain Vision Data Exchange Header File Version 1.0\n", "damaged, or no vhdr"),
    ],
)
def test_files_that_are_no_recording(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        read_recording(path, sfreq=1000, unit="uV")
    assert name in str(refused.value)


def test_hdf5_of_another_kind(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(5)
    with pytest.raises(InputError, match="no EMG channel of an OpenSignals device"):
        read_recording(tmp_path / "a.h5")


def test_hdf5_that_claims_more_than_it_holds(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("00:01")
        group.attrs.update(
            {"channels": [1], "device": "channeller", "resolution": [16], "sampling rate": 1000}
        )
        huge = group.create_dataset("raw/channel_1", (10**12, 1), "u2", chunks=(1000, 1))
        huge.attrs.update({"label": "A1", "sensor": "EMG"})
    with pytest.raises(InputError, match="more samples than it can"):
        read_recording(tmp_path / "a.h5")


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_recording(tmp_path / "missing.bdf")
    with pytest.raises(InputError, match="no such file or folder"):
        find_recordings(tmp_path / "missing")
    with pytest.raises(InputError, match="no recording in this folder"):
        find_recordings(tmp_path)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX permissions")
def test_permission_denied(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg()[:6000])
    path.chmod(0)
    code = (
        "import sys; from emgtwitch import read_recording\n"
        "from emgtwitch.errors import InputError\n"
        "import emgtwitch.recording.read, os\n"
        "os.getuid() or os.setuid(65534)\n"  # root may read everything
        "try: read_recording(sys.argv[1])\n"
        "except InputError as error: print(error)\n"
    )
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert "cannot be read: Permission denied" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a JSON object"),
        (json.dumps({"SamplingFrequency": -5}), "samplingfrequency"),
        (json.dumps({"SamplingFrequency": "1000"}), "samplingfrequency"),
        (json.dumps({"Units": 3}), "units"),
        (json.dumps({"Units": "furlong"}), "'furlong' is no unit of voltage"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + "{", "JSON"),
    ],
)
def test_sidecar_that_cannot_be_used(tmp_path, said, message):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(f"{value:.2f}" for value in _raw_emg()))
    path.with_suffix(".json").write_text(said, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_recording(path, sfreq=1000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sfreq": 2000}, "1000 Hz, but 2000 stated"),
        ({"unit": "mV"}, "it says that it is in uV"),
        ({"unit": "counts"}, "'counts' is no unit"),
    ],
)
def test_what_is_stated_must_agree(tmp_path, given, message):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    with pytest.raises(InputError, match=message):
        read_recording(path, **given)


def test_a_calibration_that_is_not_needed_is_not_used(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    with pytest.warns(SignalWarning, match="not used"):
        raw = read_recording(path, uv_per_count=3.0)
    np.testing.assert_array_equal(raw.get_data(), read_recording(path).get_data())


@pytest.mark.parametrize("uv_per_count", [0.0, -1.0, float("nan"), float("inf")])
def test_calibration_that_cannot_be(tmp_path, uv_per_count):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(f"{value:.0f}" for value in _raw_emg() * 10))
    with pytest.raises(InputError, match="cannot be"):
        read_recording(path, sfreq=1000, uv_per_count=uv_per_count)


@pytest.mark.parametrize("unit_of_time", ["ms as s", "missing"])
def test_time_in_the_wrong_unit(tmp_path, unit_of_time):
    times = [f"{k}" for k in range(6000)]
    if unit_of_time == "missing":
        times[7] = ""
    rows = [f"{time},{value:.2f}" for time, value in zip(times, _raw_emg(), strict=False)]
    path = tmp_path / "a.csv"
    path.write_text("time,EMG_uV\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"name it time_ms|sample 8 is missing"):
        read_recording(path)


def test_names_from_a_file_cannot_disturb_a_terminal(tmp_path):
    path = _bdf(tmp_path / "a.bdf", _raw_emg())
    whole = path.read_bytes()
    path.write_bytes(whole[:256] + b"EMG\x1b]0;a\x07\n".ljust(16) + whole[272:])
    assert read_recording(path).ch_names == ["EMG ]0;a"]


def test_reading_needs_no_working_directory(tmp_path, monkeypatch):
    folder = tmp_path / "Nacht 1 – Wäde"
    folder.mkdir()
    _bdf(folder / "links & rechts.bdf", _raw_emg())
    monkeypatch.chdir(folder)
    assert read_recording("links & rechts.bdf").n_times == 30_000
    assert find_recordings(Path()) == [Path("links & rechts.bdf")]
