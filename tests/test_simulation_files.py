"""Simulated recordings and studies as files, and the command that makes them."""

import json
import shutil
from datetime import date
from pathlib import Path

import mne
import numpy as np
import pytest
from bids_validator import bids_errors

from emgtwitch.cli import main
from emgtwitch.cli.simulate import SCENARIO_GROUPS
from emgtwitch.errors import InputError
from emgtwitch.event_table import is_twitch, read_event_table
from emgtwitch.simulation import SCENARIOS, Scenario, simulate_recording
from emgtwitch.simulation.files import write_simulated
from emgtwitch.simulation.study import TREATMENT_DATE, write_study

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated") / "study"
    write_study(root, 2026)
    return root


def test_the_sample_data_are_the_study_of_seed_2026(study: Path) -> None:
    ours, shipped = files(study), files(SAMPLE_DATA)
    assert sorted(ours) == sorted(shipped)
    assert [name for name in ours if ours[name] != shipped[name]] == []
    assert sum(map(len, ours.values())) < 9e6


def test_the_study_has_what_emg_bids_asks_for(study: Path) -> None:
    assert json.loads((study / "dataset_description.json").read_text())["DatasetType"] == "raw"
    recordings = sorted(study.glob("sub-01/ses-*/emg/*_emg.bdf"))
    assert len(recordings) == 8
    for path in recordings:
        about = json.loads(path.with_suffix(".json").read_text())
        for key in (
            "TaskName",
            "SamplingFrequency",
            "PowerLineFrequency",
            "RecordingType",
            "SoftwareFilters",
            "EMGReference",
            "EMGPlacementScheme",
            "EMGPlacementSchemeDescription",
        ):
            assert about[key]
        assert f"_task-{about['TaskName']}_" in path.name
        stem = path.name.removesuffix("_emg.bdf")
        channels = (path.parent / f"{stem}_channels.tsv").read_text().splitlines()
        assert channels[0].split("\t")[:3] == ["name", "type", "units"]
        assert [line.split("\t")[0] for line in channels[1:]] == ["calf_L", "calf_R"]
        scans = (path.parents[1] / f"{stem.rsplit('_', 1)[0]}_scans.tsv").read_text()
        assert f"emg/{path.name}\t" in scans
        assert (path.parent / f"{stem}_events.tsv").exists()


def test_the_recordings_tell_when_and_what(study: Path) -> None:
    days = set()
    for path in sorted(study.glob("sub-01/ses-*/emg/*_emg.bdf")):
        raw = mne.io.read_raw_bdf(path, verbose="error")
        assert raw.ch_names == ["calf_L", "calf_R"]
        assert raw.info["sfreq"] == 1000
        assert raw.n_times == 180_000
        days.add(raw.info["meas_date"].date())
        assert f"ses-{raw.info['meas_date']:%Y%m%d}_" in path.name
        marks = read_event_table(path.with_name(path.name.replace("_emg.bdf", "_events.tsv")))
        texts = [text for text in raw.annotations.description if text != "BAD_gap"]
        assert len(texts) == marks.size
    assert (max(days) - min(days)).days > 90
    treatment = date.fromisoformat(TREATMENT_DATE)
    sessions = (study / "sub-01" / "sub-01_sessions.tsv").read_text().splitlines()
    assert len(sessions) == 1 + len(days)
    for line in sessions[1:]:
        _, acq_time, condition = line.split("\t")
        assert (acq_time < treatment.isoformat()) == (condition == "before")


def test_the_right_calf_twitches_more_and_less_after_the_treatment(study: Path) -> None:
    counts = {"before": np.zeros(2, int), "after": np.zeros(2, int)}
    kinds = set()
    for path in sorted((study / "derivatives" / "truth").rglob("*_truth.tsv")):
        truth = read_event_table(path)
        kinds |= set(truth["trial_type"]) | set(truth["reason"])
        twitches = truth[is_twitch(truth)]
        when = "before" if path.parts[-3] < f"ses-{TREATMENT_DATE.replace('-', '')}" else "after"
        counts[when] += [np.sum(twitches["channel"] == name) for name in ("calf_L", "calf_R")]
    assert counts["before"][1] > 3 * counts["before"][0]
    assert counts["after"][1] < 0.7 * counts["before"][1]
    assert {"contraction", "cramp", "motion", "gap"} <= kinds


def test_the_study_passes_the_validator(study: Path) -> None:
    assert bids_errors(study) == []


def test_a_study_is_written_anew_but_nothing_foreign_is_touched(
    tmp_path: Path, study: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    (copy / "participants.tsv").write_text("changed")
    (copy / "notes.txt").write_text("mine")
    write_study(copy, 2026)
    assert files(copy).items() - files(study).items() == {("notes.txt", b"mine")}

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "README.md").write_text("mine")
    with pytest.raises(InputError, match="foreign is not empty"):
        write_study(foreign, 1)
    (foreign / "dataset_description.json").write_text('{"Name": "mine"}')
    assert main(["simulate", "study", str(foreign)]) == 2
    assert sorted(files(foreign)) == ["README.md", "dataset_description.json"]
    with pytest.raises(InputError, match="no folder"):
        write_study(foreign / "README.md", 1)


def test_a_recording_and_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "calves.bdf"
    words = ["simulate", "recording", str(path), "--minutes", "0.5", "--sfreq", "500"]
    words += ["--channels", "GM_L", "SOL_L", "TA_L", "--rate", "30", "--seed", "5"]
    assert main(words) == 0
    raw = mne.io.read_raw_bdf(path, verbose="error")
    assert raw.ch_names == ["GM_L", "SOL_L", "TA_L"]
    assert (raw.info["sfreq"], raw.n_times) == (500, 15_000)
    truth = read_event_table(tmp_path / "calves_truth.tsv")
    assert f"{truth.size} twitches" in capsys.readouterr().out
    about = json.loads((tmp_path / "calves_truth.json").read_text())
    assert about["Seed"] == 5
    assert about["Scenario"]["rate_per_min"] == 30
    before = files(tmp_path)
    assert main(words) == 0
    assert files(tmp_path) == before


def test_the_file_holds_the_converter_counts_and_marks_gaps(tmp_path: Path) -> None:
    scenario = Scenario(minutes=1, gaps_per_min=2, front_end=SCENARIOS["myoware_12bit"].front_end)
    simulated = simulate_recording(scenario, 1)
    path = tmp_path / "gaps.bdf"
    write_simulated(path, simulated)
    raw = mne.io.read_raw_bdf(path, preload=True, verbose="error")
    missing = np.isnan(simulated.signal_uv)
    read_uv = 1e6 * raw.get_data()
    np.testing.assert_allclose(
        read_uv[~missing], simulated.signal_uv[~missing], rtol=1e-5, atol=1e-6
    )
    gaps = [row for row in raw.annotations if row["description"] == "BAD_gap"]
    assert len(gaps) == 2
    marked = sum(row["duration"] for row in gaps)
    assert marked == pytest.approx(missing[0].sum() / 1000)
    first = int(np.flatnonzero(missing[0])[0])
    assert read_uv[0, first] == read_uv[0, first - 1]
    assert gaps[0]["onset"] == pytest.approx(first / 1000)


def test_no_other_recording_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.bdf"
    path.write_bytes(b"a real night")
    assert main(["simulate", "recording", str(path)]) == 2
    assert "night.bdf is there and was not simulated" in capsys.readouterr().err
    assert files(tmp_path) == {"night.bdf": b"a real night"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calves.edf"], "must end in .bdf"),
        (["nowhere/calves.bdf"], "no folder nowhere"),
        (["calves.bdf", "--minutes", "100000"], "at most"),
        (["calves.bdf", "--sfreq", "999.7"], "whole number"),
        (["calves.bdf", "--sfreq", "50"], "50 Hz"),
        (["calves.bdf", "--seed", "-1"], "must not be negative"),
        (["calves.bdf", "--minutes", "nan"], "nan minutes"),
        (["calves.bdf", "--minutes", "inf"], "inf minutes"),
        (["calves.bdf", "--rate", "nan"], "rate_per_min nan"),
        (["calves.bdf", "--rate", "inf"], "rate_per_min inf: must be 0 to 100000"),
        (["calves.bdf", "--rate", "1e9"], "rate_per_min 1e+09"),
        ([f"{'x' * 300}.bdf"], "cannot be written: File name too long"),
    ],
)
def test_bad_arguments_are_named(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "recording", *words]) == 2
    assert message in capsys.readouterr().err
    assert files(tmp_path) == {}


def test_a_study_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["simulate", "study", str(tmp_path / "file" / "study")]) == 2
    assert "cannot be written: Not a directory" in capsys.readouterr().err


def test_help_knows_all_scenarios() -> None:
    assert " ".join(SCENARIO_GROUPS.values()).split() == list(SCENARIOS)


@pytest.mark.parametrize("kind", ["recording", "study"])
def test_help_has_examples(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", kind, "--help"])
    text = capsys.readouterr().out
    assert f"emgtwitch simulate {kind} " in text.split("examples:")[1]
    if kind == "recording":
        assert all(name in text for name in SCENARIOS)
