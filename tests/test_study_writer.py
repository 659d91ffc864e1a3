"""Recordings straight into an EMG-BIDS data set: valid at every moment, others' work kept."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import mne
import numpy as np
import pytest
from bids_validator import bids_errors

import emgtwitch
from emgtwitch.cli import main
from emgtwitch.errors import InputError
from emgtwitch.recording import channel_muscles, channel_sides, find_recordings
from emgtwitch.recording.bdf_growing import checksum_path
from emgtwitch.recording.profile import EXAMPLE, Channel, Profile, read_profile
from emgtwitch.recording.recovery import recover
from emgtwitch.recording.study_files import read_json, read_table, write_table
from emgtwitch.recording.study_writer import finish_recording, start_recording

NIGHT = datetime(2026, 5, 17, 22, 30, 0, 250_000)
PROFILE = Profile(
    "07",
    (
        Channel("calf_L", "left", "gastrocnemius medialis", "on the bulge", 20, "MyoWare 2.0", 200),
        Channel("calf_R", sensor="MyoWare 2.0", gain=200),
    ),
    posture="prone",
    treatment="physiotherapy",
    mains_hz=50,
)
AFTER = Profile("07", PROFILE.channels, "post-exercise", "50 heel raises", treatment="rest days")


def start(dataset, profile=PROFILE, when=NIGHT, sfreq=100):
    return start_recording(dataset, profile, start=when, sfreq=sfreq, uv_per_count=24.4140625)


def record(dataset, profile=PROFILE, when=NIGHT, n_scans=250):
    growing = start(dataset, profile, when)
    growing.append(0, np.full((2, 100), 3))
    growing.append(120, np.full((2, n_scans - 120), 4))
    growing.annotate(1.5, 0, "cramp")
    recorded = growing.close()
    finish_recording(growing.path, recorded, {"emgtwitch": {"MeasuredSamplingFrequency": 99.98}})
    return growing.path


@pytest.fixture
def dataset(tmp_path):
    return tmp_path / "Meine Waden ü"


def test_valid_from_the_first_second_on_and_after_each_further_recording(dataset):
    growing = start(dataset)
    assert bids_errors(dataset) == []
    growing.append(0, np.ones((2, 230), int))
    while growing.written_s < 2:
        time.sleep(0.001)
    assert bids_errors(dataset) == []
    finish_recording(growing.path, growing.close())
    assert bids_errors(dataset) == []
    record(dataset, when=NIGHT.replace(hour=23))
    record(dataset, AFTER, NIGHT.replace(hour=23, minute=45))
    record(dataset, when=NIGHT.replace(day=19))
    record(dataset, Profile("08", PROFILE.channels), NIGHT)
    assert bids_errors(dataset) == []
    names = [path.relative_to(dataset).as_posix() for path in find_recordings(dataset)]
    assert names == [
        "sub-07/ses-20260517/emg/sub-07_ses-20260517_task-rest_emg.bdf",
        "sub-07/ses-20260517/emg/sub-07_ses-20260517_task-rest_run-2_emg.bdf",
        "sub-07/ses-20260517/emg/sub-07_ses-20260517_task-postexercise_emg.bdf",
        "sub-07/ses-20260519/emg/sub-07_ses-20260519_task-rest_emg.bdf",
        "sub-08/ses-20260517/emg/sub-08_ses-20260517_task-rest_emg.bdf",
    ]


def test_everything_that_is_known_is_in_the_data_set(dataset):
    path = record(dataset)
    record(dataset, AFTER, NIGHT.replace(hour=23))
    about = read_json(path.with_suffix(".json"))
    assert about["TaskName"] == "rest"
    assert (about["SamplingFrequency"], about["PowerLineFrequency"]) == (100, 50)
    assert (about["RecordingDuration"], about["Gain"]) == (3, 200)
    assert about["emgtwitch"] == {
        "LostScans": 20,
        "DroppedScans": 0,
        "MaskedScans": 0,
        "MeasuredSamplingFrequency": 99.98,
    }
    events = read_table(path.with_name(path.name.replace("_emg.bdf", "_events.tsv")))
    assert [tuple(row.values()) for row in events] == [
        ("1.000000", "0.200000", "gap", "n/a"),
        ("1.500000", "0.000000", "mark", "cramp"),
        ("2.500000", "0.500000", "gap", "n/a"),
    ]
    channels = read_table(path.with_name(path.name.replace("_emg.bdf", "_channels.tsv")))
    assert [row["target_muscle"] for row in channels] == [
        "left gastrocnemius medialis",
        "right calf",
    ]
    assert [row["units"] for row in channels] == ["mV", "mV"]
    assert channels[0]["placement_description"] == "on the bulge"
    rows = read_table(path.parents[1] / "sub-07_ses-20260517_scans.tsv")
    assert rows[0] == {
        "filename": f"emg/{path.name}",
        "acq_time": "2026-05-17T22:30:00.250",
        "condition": "rest",
        "exercise": "n/a",
        "posture": "prone",
        "minutes": "0.05",
        "lost_s": "0.200",
    }
    assert [rows[1][name] for name in ("condition", "exercise", "posture")] == [
        "post-exercise",
        "50 heel raises",
        "n/a",
    ]
    (session,) = read_table(dataset / "sub-07" / "sub-07_sessions.tsv")
    assert session["acq_time"] == "2026-05-17T22:30:00.250"
    assert session["treatment"] == "physiotherapy; rest days"


def test_emgtwitch_reads_it(dataset):
    growing = start(dataset, sfreq=1000)
    counts = np.random.default_rng(1).normal(512, 20, (2, 6000)).astype(int)
    growing.append(0, counts)
    finish_recording(growing.path, growing.close())
    raw = emgtwitch.read_recording(growing.path)
    assert raw.ch_names == ["calf_L", "calf_R"]
    assert channel_sides(raw) == {"calf_L": "left", "calf_R": "right"}
    assert channel_muscles(raw) == {"calf_L": "gastrocnemius medialis", "calf_R": "calf"}
    assert raw.info["line_freq"] == 50
    assert raw.info["meas_date"].replace(tzinfo=None) == NIGHT.replace(microsecond=0)
    np.testing.assert_allclose(raw.get_data() * 1e6, counts * 24.4140625, rtol=5e-6)


def test_what_others_wrote_is_kept(dataset):
    record(dataset)
    participants = dataset / "participants.tsv"
    write_table(participants, ("participant_id", "age"), [("sub-07", 51), ("sub-99", 33)])
    (dataset / "participants.json").write_text('{"age": {"Units": "year"}}')
    scans = dataset / "sub-07" / "ses-20260517" / "sub-07_ses-20260517_scans.tsv"
    (row,) = read_table(scans)
    write_table(scans, [*row, "symptoms"], [[*row.values(), "buzzing on the left"]])
    sessions = dataset / "sub-07" / "sub-07_sessions.tsv"
    sessions.write_text("session_id\tpain\r\nses-20260101\t3\r\n", newline="")
    description = (dataset / "dataset_description.json").read_bytes()
    (dataset / "README.md").write_text("Mine")
    record(dataset, when=NIGHT.replace(hour=23))
    record(dataset, Profile("08", PROFILE.channels), NIGHT)
    assert participants.read_text() == (
        "participant_id\tage\nsub-07\t51\nsub-99\t33\nsub-08\tn/a\n"
    )
    assert list(read_json(dataset / "participants.json")) == ["participant_id", "age"]
    first, second = read_table(scans)
    assert first == {**row, "symptoms": "buzzing on the left"}
    assert second["symptoms"] == "n/a"
    assert [tuple(row.values()) for row in read_table(sessions)] == [
        ("ses-20260101", "3", "n/a", "n/a"),
        ("ses-20260517", "n/a", "2026-05-17T23:30:00.250", "physiotherapy"),
    ]
    assert (dataset / "dataset_description.json").read_bytes() == description
    assert (dataset / "README.md").read_text() == "Mine"


@pytest.fixture
def killed(dataset):
    """A data set whose recording a kill has ended: two seconds and a mark."""
    growing = start(dataset)
    growing.append(0, np.ones((2, 100), int))
    growing.annotate(1.2, 0, "cramp")
    growing.append(130, np.ones((2, 100), int))
    while growing.written_s < 2:
        time.sleep(0.001)
    copy = dataset.parent / "after the kill"
    shutil.copytree(dataset, copy)
    growing.close()
    return copy


def test_a_killed_recording_is_finished_by_recovery(killed):
    (path,) = find_recordings(killed)
    assert checksum_path(path).exists()
    assert recover(path).n_seconds == 2
    assert bids_errors(killed) == []
    assert read_json(path.with_suffix(".json"))["RecordingDuration"] == 2
    events = read_table(path.with_name(path.name.replace("_emg.bdf", "_events.tsv")))
    assert [(row["onset"], row["trial_type"], row["value"]) for row in events] == [
        ("1.000000", "gap", "n/a"),
        ("1.200000", "mark", "cramp"),
    ]
    (row,) = read_table(path.parents[1] / "sub-07_ses-20260517_scans.tsv")
    assert (row["minutes"], row["lost_s"], row["condition"]) == ("0.03", "0.300", "rest")
    with mne.utils.use_log_level("error"):
        assert mne.io.read_raw_bdf(path).n_times == 200


def test_the_command_names_the_data_set_and_tidies_it(killed, capsys):
    running, stale = killed / ".emgtwitch_marks_1", killed / ".emgtwitch_marks_2"
    running.touch()
    stale.touch()
    os.utime(stale, (0, 0))
    assert main(["recover", str(killed)]) == 0
    assert capsys.readouterr().out.endswith(f": emgtwitch detect {killed}\n")
    assert running.exists()
    assert not stale.exists()
    assert main(["recover", str(killed)]) == 0
    assert "emgtwitch detect" not in capsys.readouterr().out


def test_a_kill_between_the_file_and_the_tables_is_finished_too(dataset):
    growing = start(dataset)
    growing.append(0, np.ones((2, 200), int))
    growing.close()
    assert "RecordingDuration" not in read_json(growing.path.with_suffix(".json"))
    assert recover(growing.path).was_whole
    assert read_json(growing.path.with_suffix(".json"))["RecordingDuration"] == 2


def test_two_at_once_do_not_lose_each_others_rows(dataset):
    profiles = [Profile(f"{number:02d}", PROFILE.channels) for number in range(6)]
    record(dataset, profiles[0], NIGHT.replace(day=1))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda profile: record(dataset, profile), profiles))
    ids = {row["participant_id"] for row in read_table(dataset / "participants.tsv")}
    assert ids == {f"sub-{number:02d}" for number in range(6)}


def test_a_recording_that_cannot_start_leaves_no_trace_of_itself(dataset):
    record(dataset)
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="1900"):
        start(dataset, when=datetime(1900, 1, 1))
    with pytest.raises(InputError, match="µV per count"):
        start_recording(dataset, PROFILE, start=NIGHT, sfreq=100, uv_per_count=0.0)
    after = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if "sessions" not in path.name} == {
        path: before[path] for path in before if "sessions" not in path.name
    }
    assert not list(dataset.rglob("*ses-1900*emg*"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("a file"), "is there and is no folder"),
        (lambda path: (path.mkdir(), (path / "letter.txt").touch()), "neither empty nor a BIDS"),
        (lambda path: (path.parent / "x").touch(), None),
    ],
)
def test_no_other_folder_is_written_into(tmp_path, make, message):
    dataset = tmp_path / "folder"
    make(dataset)
    if message is None:
        dataset, message = tmp_path / "x" / "inside", "cannot be written: Not a directory"
    with pytest.raises(InputError, match=message):
        start(dataset)


def test_a_damaged_table_is_named(dataset):
    record(dataset)
    (dataset / "participants.tsv").write_text("participant_id\tage\nsub-07\n")
    with pytest.raises(InputError, match=r"participants\.tsv: row 2 has 1 cells, not 2"):
        start(dataset)
    (dataset / "participants.tsv").unlink()
    (dataset / "participants.json").write_text("[]")
    with pytest.raises(InputError, match=r"participants\.json: not a JSON object"):
        start(dataset)


def test_the_example_profile_is_one(tmp_path):
    path = tmp_path / "profile.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    profile = read_profile(path, subject="12", posture=None)
    assert (profile.subject, profile.task, profile.mains_hz) == ("12", "rest", 50)
    assert profile.posture.startswith("prone")
    assert [channel.target_muscle for channel in profile.channels] == [
        "left gastrocnemius medialis",
        "right gastrocnemius medialis",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('subject = "a b"', "subject 'a b': must be letters and digits"),
        ("subject = 7", "subject 7: must be text in quotation marks"),
        ('condition = "asleep"', "condition 'asleep': must be one of rest, post-exercise"),
        ("mains_hz = 55", "mains_hz 55: must be 50 or 60"),
        ('mains_hz = "50"', "mains_hz '50': must be a number"),
        ('name = "x"', "profile: unknown entry 'name'; there are subject, channels, condition"),
        ("subject =", "not valid TOML"),
        ("channels = 3", r"each needs a part of its own that begins with \[\[channels\]\]"),
        ("channels = [3]", r"each needs a part of its own that begins with \[\[channels\]\]"),
        ("channels = []", "channels must be there"),
        ('[[channels]]\nside = "left"', "channel: no name"),
        ('[[channels]]\nname = "Wade ü"', "channel 'Wade ü': a name has 1 to 16"),
        ('[[channels]]\nname = "l"\nside = "both"', "side 'both': must be 'left' or 'right'"),
        ('[[channels]]\nname = "calf_R"\nside = "left"', "side 'left', but its name says right"),
        ('[[channels]]\nname = "l"\ngain = 0', "channel 'l': gain 0: must be above 0"),
        ('[[channels]]\nname = "l"\ninterelectrode_mm = 2000', "at most 300"),
        ('[[channels]]\nname = "l"\n[[channels]]\nname = "L"', "have different names"),
    ],
)
def test_a_wrong_profile_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "Profil ü.toml"
    given = text if "[[" in text or "channels" in text else f'{text}\n[[channels]]\nname = "l"'
    path.write_text(given if "subject" in given else f'subject = "1"\n{given}', encoding="utf-8")
    with pytest.raises(InputError, match=message) as refused:
        read_profile(path)
    assert str(path) in str(refused.value)


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        read_profile(tmp_path / "none.toml")
