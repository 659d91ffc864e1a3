"""Every real recording at hand is read with sensible numbers, or refused in words.

The recordings are not part of this project; without them beside it these tests are skipped.
"""

import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emgtwitch import read_recording
from emgtwitch.errors import InputError, SignalWarning
from emgtwitch.recording import blocks, channel_muscles, channel_sides, emg_channels, gaps, lsb_uv
from emgtwitch.recording.bids import find_recordings

DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real recordings at {DATA.name}")

# file: (what has to be stated, channels, Hz, samples, step in µV, least and most rms in µV)
READ = {
    "biosppy/emg_1.txt": ({"uv_per_count": 1.0}, 1, 1000, 63880, 1.0, 20, 30),
    "gait_calf/ID0012_TW_01_TA_PL_GM_GL_SO_uV_1000Hz.csv": (
        {"unit": "uV"},
        5,
        1000,
        7618,
        0.1007,
        30,
        80,
    ),
    "opensignals/emg_1000_hz_16_bits_solo.h5": ({}, 1, 1000, 87600, 3000 / 2**16, 60, 80),
    "opensignals/emg_bursts.h5": ({}, 1, 1000, 28519, 3000 / 2**16, 60, 80),
    "opensignals/emg_fatigue.h5": ({}, 1, 1000, 126900, 3000 / 2**12, 300, 400),
    "formats/delsys_trigno_truncated.csv": ({}, 2, 1259.259, 2519, 0.1678, 10, 200),
    **{
        f"openbci_myoware/OpenBCI-RAW-{name}.txt": ({}, 4, 200, n_samples, 0.01, 2, 21)
        for name, n_samples in {
            "S02_S1REST": 6414,
            "S04_S1REST": 4654,
            "S05_S1R0": 26474,
            "S05_S1REST": 4879,
            "S06_S1R0": 28124,
            "S06_S1REST": 5767,
            "S08_S1REST": 5190,
            "S12_S1R0": 25592,
            "S12_S1REST": 5536,
        }.items()
    },
}
# Placeholders of the BIDS examples: a second or less of small noise
SHORT = {
    "formats/emg_CustomBipolar": (1, 2000),
    "formats/emg_MultiBodyParts": (2, 1000),
    "formats/emg_TwoHDsEMG": (128, 1000),
}
REFUSED = {
    "biosppy/emg_1.txt": "counts of a converter; state the unit",
    "gait_calf/ID0012_TW_01_TA_PL_GM_GL_SO_uV_1000Hz.csv": "it has no unit; state the unit",
    "gait_calf/RAW_DATA.RData": "xz; R data",
    "envelope_only_negative/elderly_lower_limb_ID24.xlsx": "save the sheet as CSV",
    "opensignals/emg_10_hz_16_bits.h5": "sampled at 10 Hz",
    "formats/emg_Multimodal/sub-01/emg/sub-01_task-pullstand_emg.edf": "header is damaged",
    "formats/clock_resets.xdf": r"no EMG stream.*BioSemi \(EEG\)",
    "formats/minimal.xdf": r"no EMG stream.*SendDataC \(EEG\)",
    "formats/empty_streams.xdf": "no EMG stream",
}


def _read(path, **stated):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_recording(path, **stated)
    assert {warning.category for warning in caught} <= {SignalWarning}
    return raw, " | ".join(str(warning.message) for warning in caught)


def test_every_file_is_accounted_for():
    known = {DATA / name for name in {**READ, **REFUSED}}
    known |= {file for folder in SHORT for file in find_recordings(DATA / folder)}
    beside = {".json", ".tsv", ".md", ".gz"}
    recordings = {
        file
        for file in DATA.rglob("*")
        if file.is_file() and file.suffix not in beside and file.parent.name != "LICENSES"
    }
    assert recordings == known


@pytest.mark.parametrize("name", sorted(READ))
def test_read(name):
    stated, n_channels, sfreq, n_samples, step_uv, least_uv, most_uv = READ[name]
    raw, said = _read(DATA / name, **stated)
    assert len(emg_channels(raw)) == n_channels
    assert raw.info["sfreq"] == pytest.approx(sfreq, rel=1e-9)
    assert raw.n_times == n_samples
    assert gaps(raw) == []
    whole = np.hstack([block for _, block in blocks(raw)])
    assert np.isfinite(whole).all()
    connected = np.ptp(whole, axis=1) > 0
    # text files round each value to its own last digit
    np.testing.assert_allclose(lsb_uv(raw)[connected], step_uv, rtol=1e-2)
    assert (least_uv < whole.std(axis=1)[connected]).all()
    assert (whole.std(axis=1)[connected] < most_uv).all()
    assert ("below the 1000 Hz advised" in said) == (sfreq < 990)
    assert ("not connected" in said) == (not connected.all())
    assert "envelope" not in said


def test_opensignals_range_is_that_of_its_amplifier():
    # 3 V / 1000 = ±1500 µV: the contractions clip exactly there, rest lies near zero.
    raw, _ = _read(DATA / "opensignals/emg_fatigue.h5")
    whole = raw.get_data(units="uV")[0]
    assert whole.min() == pytest.approx(-1500)
    assert whole.max() == pytest.approx(1500 - 3000 / 2**12)
    quiet, _ = _read(DATA / "opensignals/emg_1000_hz_16_bits_solo.h5")
    seconds = quiet.get_data(units="uV")[0][:87000].reshape(-1, 500)
    assert 1.0 < seconds.std(axis=1).min() < 2.5


def test_delsys_says_that_it_is_cut_off_and_short():
    _, said = _read(DATA / "formats/delsys_trigno_truncated.csv")
    assert "2519 of 81141 samples" in said
    assert "too short (2 s)" in said


def test_muscles_of_the_gait_recording():
    path = DATA / "gait_calf/ID0012_TW_01_TA_PL_GM_GL_SO_uV_1000Hz.csv"
    muscles = channel_muscles(_read(path, unit="uV")[0])
    assert muscles["GM"] == "gastrocnemius medialis"
    assert muscles["SO"] == "soleus"
    assert set(channel_sides(_read(path, unit="uV")[0]).values()) == {None}


@pytest.mark.parametrize("folder", sorted(SHORT))
def test_bids_examples(folder):
    n_channels, n_samples = SHORT[folder]
    (path,) = find_recordings(DATA / folder)
    raw, said = _read(path)
    assert "too short" in said
    assert (len(emg_channels(raw)), raw.n_times) == (n_channels, n_samples)
    assert raw.info["sfreq"] == pytest.approx(2000, rel=1e-6)
    assert raw.info["line_freq"] == 60
    assert np.abs(raw.get_data(units="uV")).max() < 2
    assert None not in channel_muscles(raw).values()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(name):
    with pytest.raises(InputError, match=REFUSED[name]):
        read_recording(DATA / name)


def test_stream_with_clock_resets_does_not_have_its_rate():
    pytest.importorskip("pyxdf")
    with pytest.raises(InputError, match=r"says 100 Hz, but its time stamps 92\.9"):
        read_recording(DATA / "formats/clock_resets.xdf", stream="BioSemi", unit="uV")


@pytest.mark.parametrize("sheet", [2, 3, 4, 5])
def test_envelope_column_of_the_workbook_is_noticed(tmp_path, sheet):
    """The sheets hold four trials: raw EMG in columns A to C, never below zero in column D."""
    workbook = DATA / "envelope_only_negative/elderly_lower_limb_ID24.xlsx"
    with zipfile.ZipFile(workbook) as file:
        (entry,) = (name for name in file.namelist() if name.endswith(f"/sheet{sheet}.xml"))
        text = file.read(entry).decode()
    rows = [re.findall(r"<v>([^<]*)</v>", row) for row in re.findall(r"<row .*?</row>", text, re.S)]
    path = tmp_path / "sheet.csv"
    path.write_text("\n".join(",".join(row) for row in rows if len(row) == 4))
    raw, said = _read(path, sfreq=2000, unit="uV")
    assert re.search("EMG 4.*(no twitch can be found in it|Record the RAW)", said) or sheet == 3
    assert emg_channels(raw)[:3] == ["EMG 1", "EMG 2", "EMG 3"]
    assert not re.search("EMG [123]", said)
