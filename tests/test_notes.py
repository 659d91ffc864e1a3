"""Notes about days and recordings: written beside what others wrote, and read back."""

import json
import shutil
from datetime import date, datetime
from pathlib import Path

import pytest
from bids_validator import bids_errors

from emgtwitch.cli import main
from emgtwitch.comparison.occasions import FeltDay, Treatment, occasions_of
from emgtwitch.errors import InputError
from emgtwitch.recording.study_files import locked, read_json, read_table, write_json, write_table
from emgtwitch.recording.study_notes import (
    COLUMNS,
    GREATEST,
    Notes,
    RecordingNotes,
    SessionNotes,
    find_session,
    read_notes,
    scans_table,
    sessions_table,
)
from emgtwitch.recording.write_notes import note_recording, note_session
from emgtwitch.sample_study import sample_folder

REST = Path("sub-01/ses-20260504/emg/sub-01_ses-20260504_task-rest_emg.bdf")
EXERCISED = REST.with_name(REST.name.replace("rest", "postexercise"))


@pytest.fixture
def study(tmp_path):
    return Path(shutil.copytree(sample_folder(), tmp_path / "Study ü"))


def session(study, label):
    return next(one for one in read_notes(study)[0].sessions if one.label == label)


def content(study):
    return {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}


def test_a_day_is_noted_and_read_back(study):
    said = {"treatment": "physiotherapy begun", "twitching_felt": "6", "cramps": "2",
            "back_stiffness": "2.5", "exercise": "walk", "notes": "slept\tbadly\n"}  # fmt: skip
    assert note_session(study, "01", "20260504", said) == {"treatment": "after"}
    found = session(study, "20260504")
    assert found.day == date(2026, 5, 4)
    assert found.noted == Notes(
        exercise="walk",
        treatment="physiotherapy begun",
        twitching_felt=6,
        cramps=2,
        back_stiffness=2.5,
        notes="slept badly",
    )
    assert [(one.path, one.start) for one in found.recordings] == [
        (study / REST, datetime(2026, 5, 4, 21, 0)),
        (study / EXERCISED, datetime(2026, 5, 4, 21, 30)),
    ]
    assert [one.noted.condition for one in found.recordings] == ["rest", "post-exercise"]


def test_a_day_without_a_recording_can_be_noted(study):
    before = len(read_notes(study)[0].sessions)
    note_session(study, "01", "20260220", {"treatment": "injection"})
    found = read_notes(study)[0].sessions
    assert len(found) == before + 1
    assert found[3] == SessionNotes("20260220", date(2026, 2, 20), Notes(treatment="injection"), ())


def test_the_comparison_knows_what_is_noted(study):
    note_session(study, "01", "20260220", {"treatment": "injection"})
    note_session(study, "01", "20260504", {"treatment": "", "notes": "tired"})
    note_session(study, "01", "20260517", {"cramps": "2"})
    note_recording(study, study / REST, {"twitching_felt": "6", "notes": "buzzing"})
    (occasion,) = occasions_of([study / REST])
    assert Treatment(date(2026, 2, 20), "injection") in occasion.treatments
    assert (occasion.felt, occasion.notes) == ({"twitching_felt": 6.0}, "tired; buzzing")
    assert occasion.days == (FeltDay(date(2026, 5, 17), {"cramps": 2.0}),)


def test_a_recording_is_noted_and_read_back(study):
    said = {"condition": "rest", "posture": "prone", "cramps": "0", "notes": "buzzing"}
    assert note_recording(study, study / REST, said) == {}
    first, second = session(study, "20260504").recordings
    assert first.noted == Notes("rest", "prone", cramps=0, notes="buzzing")
    assert second.noted == Notes("post-exercise")


def test_the_data_set_stays_valid(study):
    every = dict.fromkeys(COLUMNS, 'heel raises, ü, "quotes" <b>') | {"condition": "rest"}
    every |= {name: str(greatest) for name, greatest in GREATEST.items()}
    note_recording(study, study / REST, every)
    of_days = {name: every[name] for name in every if name not in ("condition", "posture")}
    note_session(study, "01", "20260504", of_days)
    note_session(study, "01", "20260220", of_days | {"treatment": "", "cramps": "n/a"})
    assert bids_errors(study) == []
    for table in (sessions_table(study, "01"), scans_table(study / REST)):
        assert set(read_table(table)[0]) - {"filename"} <= {
            "session_id",
            *read_json(table.with_suffix(".json")),
            "acq_time",
        }


def test_what_others_wrote_is_kept(study):
    table = sessions_table(study, "01")
    rows = read_table(table)
    write_table(table, [*rows[0], "pain"], [[*row.values(), "3"] for row in rows])
    write_json(table.with_suffix(".json"), {"pain": {"Units": "points"}, "cramps": "how many"})
    scans = scans_table(study / REST).read_bytes()
    note_session(study, "01", "20260504", {"cramps": "1"})
    assert read_table(table) == [
        {**row, "pain": "3", "cramps": "1" if row["session_id"] == "ses-20260504" else "n/a"}
        for row in rows
    ]
    assert read_json(table.with_suffix(".json")) == {
        "pain": {"Units": "points"},
        "cramps": "how many",
    }
    assert scans_table(study / REST).read_bytes() == scans


def test_notes_are_added_up_and_other_values_replaced(study):
    note_session(study, "01", "20260504", {"notes": "tired", "cramps": "3"})
    replaced = note_session(study, "01", "20260504", {"notes": "rain", "cramps": "4"})
    assert replaced == {"cramps": "3"}
    assert session(study, "20260504").noted.notes == "tired; rain"
    replaced = note_session(study, "01", "20260504", {"notes": "", "cramps": " "})
    assert replaced == {"notes": "tired; rain", "cramps": "4"}
    assert session(study, "20260504").noted == Notes(treatment="after")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("twitching_felt", "11"),
        ("twitching_felt", "-1"),
        ("twitching_felt", "nan"),
        ("twitching_felt", "1e1"),
        ("back_stiffness", "a lot"),
        ("cramps", "1.5"),
        ("cramps", "1001"),
        ("condition", "tired"),
    ],
)
def test_a_value_that_cannot_be_changes_nothing(study, name, value):
    before = content(study)
    with pytest.raises(InputError, match=f"^{name} .*must be"):
        note_recording(study, study / REST, {"notes": "x", name: value})
    assert content(study) == before


def test_condition_and_posture_are_of_a_recording(study):
    with pytest.raises(InputError, match="say which recording"):
        note_session(study, "01", "20260504", {"posture": "prone"})


def test_a_damaged_table_is_named_and_left_alone(study):
    table = sessions_table(study, "01")
    table.write_text("session_id\tpain\nses-20260504\n")
    before = content(study)
    with pytest.raises(InputError, match=r"sessions\.tsv: row 2 has 1 cells, not 2"):
        note_session(study, "01", "20260504", {"cramps": "1"})
    assert content(study) == before


def test_a_read_only_data_set_is_refused(study, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("emgtwitch.recording.write_notes.add_rows", refuse)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        note_session(study, "01", "20260504", {"cramps": "1"})


def test_another_writer_is_waited_for(study, monkeypatch):
    monkeypatch.setattr("emgtwitch.recording.study_files._PATIENCE_S", 0.05)
    with locked(study), pytest.raises(InputError, match="another program keeps writing"):
        note_session(study, "01", "20260504", {"cramps": "1"})


def test_only_recordings_of_the_data_set(study, tmp_path):
    other = shutil.copy(study / REST, tmp_path)
    for path in (Path(other), study / REST.with_suffix(".edf")):
        with pytest.raises(InputError, match="no recording of the data set"):
            note_recording(study, path, {"cramps": "1"})


# Reading what is not as it should be


def test_missing_files_columns_and_dates(study):
    for table in [*study.rglob("*_scans.tsv"), *study.rglob("*sessions.tsv")]:
        table.unlink()
    (study / "participants.tsv").unlink()
    (subject,) = read_notes(study)
    assert (subject.treatment, subject.treatment_date) == ("", None)
    assert len(subject.sessions) == 6
    last = subject.sessions[-1]
    assert (last.day, bool(last.noted)) == (date(2026, 5, 4), False)
    assert last.recordings == (
        RecordingNotes(study / EXERCISED, None, Notes("post-exercise")),
        RecordingNotes(study / REST, None, Notes("rest")),
    )


def test_cells_that_are_no_date_or_number(study):
    write_table(
        sessions_table(study, "01"),
        ("session_id", "acq_time", "cramps", "twitching_felt", "notes"),
        [("ses-20260504", "4th of May", "many", "12", "a\x1bb"), ("ses-x", "n/a", "2.5", "7", "")],
    )
    write_table(study / "participants.tsv", ("participant_id", "treatment_date"), [("sub-01", "?")])
    (subject,) = read_notes(study)
    assert subject.treatment_date is None
    assert [told.partition(": ")[2] for told in subject.unreadable] == [
        "acq_time is no date (year-month-day): 4th of May",
        "treatment_date is no date (year-month-day): ?",
    ]
    *_, dated, undated = subject.sessions
    assert (dated.label, dated.day, dated.noted) == (
        "20260504",
        date(2026, 5, 4),
        Notes(notes="a b"),
    )
    assert (undated.label, undated.day, undated.noted) == ("x", None, Notes(twitching_felt=7))


def test_sessions_with_other_labels_have_the_day_of_the_table(tmp_path):
    folder = tmp_path / "sub-A" / "ses-night1" / "emg"
    folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    recording = folder / "sub-A_ses-night1_task-sleep_emg.edf"
    recording.touch()
    write_table(
        scans_table(recording),
        ("filename", "acq_time"),
        [(f"emg/{recording.name}", "2026-05-17T22:30:00.250Z")],
    )
    (subject,) = read_notes(tmp_path)
    (only,) = subject.sessions
    assert (only.label, only.day) == ("night1", date(2026, 5, 17))
    assert only.recordings[0].start == datetime(2026, 5, 17, 22, 30, 0, 250_000)
    assert only.recordings[0].noted == Notes("sleep")
    assert find_session(subject, "2026-05-17") == "night1"


def test_a_data_set_without_sessions(tmp_path):
    folder = tmp_path / "sub-A" / "emg"
    folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    recording = folder / "sub-A_task-rest_emg.bdf"
    recording.touch()
    note_recording(tmp_path, recording, {"posture": "prone"})
    assert read_table(tmp_path / "sub-A" / "sub-A_scans.tsv") == [
        {"filename": "emg/sub-A_task-rest_emg.bdf", "posture": "prone"}
    ]
    (only,) = read_notes(tmp_path)[0].sessions
    assert (only.label, only.day, only.recordings[0].noted) == ("", None, Notes("rest", "prone"))


def test_no_data_set(tmp_path):
    with pytest.raises(InputError, match="no BIDS data set"):
        read_notes(tmp_path)
    (tmp_path / "dataset_description.json").write_text("{}")
    assert read_notes(tmp_path) == ()


def test_which_session_is_meant(study):
    (subject,) = read_notes(study)
    assert find_session(subject, "2026-05-04") == "20260504"
    assert find_session(subject, "ses-20260504") == "20260504"
    assert find_session(subject, "2026-07-01") == "20260701"
    for told in ("5 May", "x", "", "2026-02-30"):
        with pytest.raises(InputError, match=r"neither a day.*there are 20260112, "):
            find_session(subject, told)
    note_session(study, "01", "x", {"cramps": "1"})
    write_table(
        sessions_table(study, "01"),
        ("session_id", "acq_time"),
        [("ses-x", "2026-05-04T08:00:00")],
    )
    (subject,) = read_notes(study)
    with pytest.raises(InputError, match="several sessions"):
        find_session(subject, "2026-05-04")


# The command


def refused(capsys, *words):
    assert main(["note", *map(str, words)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_the_command_notes_and_shows(study, capsys):
    words = ["note", str(study), "--subject", "01", "--session", "2026-05-17"]
    words += ["--twitching-felt", "6", "--cramps", "2", "--treatment", "physiotherapy begun"]
    assert main([*words, "--note", "slept badly"]) == 0
    assert capsys.readouterr().out == (
        "sub-01: physiotherapy (2026-02-20)\n"
        "  2026-05-17 (ses-20260517)\n"
        "      treatment: physiotherapy begun; twitching felt: 6/10; cramps: 2; "
        "notes: slept badly\n"
    )
    assert main([*words[:6], "--cramps", "3"]) == 0
    assert capsys.readouterr().out.startswith("replaced: cramps: 2\n")
    assert main(["note", str(study)]) == 0
    assert capsys.readouterr().out.count("(ses-") == 7
    assert main(["note", str(study), "--session", "2026-05-17", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["treatment_date"] == "2026-02-20"
    assert [one["noted"]["cramps"] for one in shown["sessions"]] == [3]


@pytest.mark.parametrize("inside", [True, False])
def test_the_command_notes_a_recording(study, capsys, inside):
    path = REST if inside else study / REST
    words = ["note", str(study), "--recording", str(path), "--posture", "prone"]
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*words[:4], "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    (day,) = shown["sessions"]
    assert [one["noted"]["posture"] for one in day["recordings"]] == ["prone", ""]
    assert day["recordings"][0]["start"] == "2026-05-04T21:00:00"


def test_what_the_command_refuses(study, capsys, tmp_path):
    assert "no BIDS data set" in refused(capsys, tmp_path)
    assert "there is no such folder" in refused(capsys, tmp_path / "emg")
    assert "not in" in refused(capsys, study, "--subject", "02")
    assert "--session 2026-05-17" in refused(capsys, study, "--cramps", "1")
    assert "neither a day" in refused(capsys, study, "--session", "May", "--cramps", "1")
    assert "no such recording" in refused(capsys, study, "--recording", "x.bdf")
    both = ("--recording", REST, "--session", "2026-05-04")
    assert "one of them" in refused(capsys, study, *both)
    (study / "sub-02").mkdir()
    assert "give --subject: 01, 02" in refused(capsys, study, "--session", "2026-05-04")
