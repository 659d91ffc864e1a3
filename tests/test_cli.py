"""The commands detect and demo: what they write, print and refuse."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pytest

from emgtwitch import Detections
from emgtwitch.cli import main
from emgtwitch.errors import SignalWarning
from emgtwitch.evaluation import evaluate
from emgtwitch.event_table import read_event_table
from emgtwitch.recording.bdf import write_bdf
from emgtwitch.sample_study import read_study, sample_folder
from emgtwitch.simulation import SCENARIOS, simulate_recording
from emgtwitch.simulation.files import write_simulated

SECONDS = 9


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("original") / "calves.bdf"
    scenario = replace(SCENARIOS["busy"], minutes=SECONDS / 60)
    write_simulated(path, simulate_recording(scenario, seed=3))
    return path


@pytest.fixture
def recording(original, tmp_path) -> Path:
    return Path(shutil.copy(original, tmp_path))


def write_table(path: Path, **about) -> Path:
    signal_uv = np.random.default_rng(2).normal(scale=4.0, size=(7000, 2))
    np.savetxt(path, signal_uv, "%.2f", ",", header="calf_L,calf_R", comments="")
    path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(capsys, *words) -> str:
    """Run a command that must fail with status 2 and one line, and return that line."""
    assert main(list(map(str, words))) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("emgtwitch: ")
    assert "Traceback" not in printed.err
    return printed.err


# What detect writes


def test_the_table_lies_beside_the_recording(recording, capsys):
    assert main(["detect", str(recording)]) == 0
    assert names_in(recording.parent) == ["calves.bdf", "calves_events.json", "calves_events.tsv"]
    found = Detections.load(recording.parent / "calves_events.tsv")
    assert found.source == "calves.bdf"
    assert found.accounts[0].recorded_s == SECONDS
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["channel", "side"]
    for rate, line in zip(found.rates(), lines[2:], strict=False):
        cells = line.split()
        assert cells[:3] == [rate.channel, rate.side, str(rate.count)]
        assert float(cells[3]) == pytest.approx(rate.valid_min, abs=0.005)
        assert float(cells[4]) == pytest.approx(rate.rate_per_min, abs=0.05)


def test_a_table_of_ones_choice_and_any_characters(recording, tmp_path, capsys):
    odd = recording.rename(tmp_path / "my calves, größe µ.bdf")
    output = tmp_path / "événements 1.tsv"
    words = ["detect", str(odd), "--output", str(output), "--channels", "calf_R"]
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    found = Detections.load(output)
    assert found.ch_names == ("calf_R",)
    assert found.source == odd.name
    assert main(words) == 0  # written anew
    assert output.name in capsys.readouterr().out


def test_doubts_about_a_rate_are_told(tmp_path, capsys):
    signal_uv = np.random.default_rng(2).normal(scale=4.0, size=(3, 40_000))
    signal_uv[0, 10_000:] = np.nan
    signal_uv[2, 800:] = np.nan
    path = tmp_path / "log.csv"
    np.savetxt(path, signal_uv.T, "%.2f", ",", header="calf_L,calf_R,sol_R", comments="")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)  # of missing samples
        main(["detect", str(path), "--sfreq", "1000", "--unit", "mV", "--quiet"])
    short, unit_left, unit_right, gone = capsys.readouterr().err.splitlines()
    assert "calf_L: 8 valid s are too short for a rate" in short
    for side, line in zip("LR", (unit_left, unit_right), strict=True):
        assert f"calf_{side}: noise of " in line
        assert "the unit is probably wrong" in line
    assert "sol_R: no valid time: gap" in gone


def test_less_noise_than_skin_makes_is_doubted(tmp_path, capsys):
    signal_uv = np.random.default_rng(2).normal(scale=0.3, size=(40_000, 2))
    path = tmp_path / "log.csv"
    np.savetxt(path, signal_uv, "%.4f", ",", header="calf_L,calf_R", comments="")
    assert main(["detect", str(path), "--sfreq", "1000", "--unit", "uV", "--quiet"]) == 0
    for side, line in zip("LR", capsys.readouterr().err.splitlines(), strict=True):
        assert f"calf_{side}: noise of 0.2" in line
        assert "less than skin makes: the unit is probably wrong" in line


def test_a_picture_on_request(recording, tmp_path):
    odd = recording.rename(tmp_path / "a$b$c.bdf")
    assert main(["detect", str(odd), "--pictures", "--quiet"]) == 0
    names = ["a$b$c.bdf", "a$b$c_events.json", "a$b$c_events.tsv", "a$b$c_overview.png"]
    assert names_in(tmp_path) == names
    assert (tmp_path / names[-1]).read_bytes()[:4] == b"\x89PNG"


def test_a_picture_by_others_is_kept(recording, capsys):
    picture = recording.with_name("calves_overview.png")
    picture.write_bytes(b"mine")
    assert "not by emgtwitch" in refused(capsys, "detect", recording, "--pictures")
    assert picture.read_bytes() == b"mine"


def test_json_is_json(recording, capsys):
    assert main(["detect", str(recording), "--json", "--preset", "sensitive"]) == 0
    told = json.loads(capsys.readouterr().out)
    (result,) = told["recordings"]
    assert told["failed"] == []
    found = Detections.load(result["events"])
    assert found.settings["preset"] == "sensitive"
    for channel, rate in zip(result["channels"], found.rates(), strict=True):
        assert channel["channel"] == rate.channel
        assert channel["count"] == rate.count
        assert channel["rate_per_min"] == pytest.approx(rate.rate_per_min, rel=1e-5)


def test_what_a_file_does_not_tell_can_be_said(tmp_path, capsys):
    path = write_table(tmp_path / "log.csv")
    assert "SamplingFrequency" in refused(capsys, "detect", path)
    assert main(["detect", str(path), "--sfreq", "1000", "--unit", "uV", "--quiet"]) == 0
    in_uv = Detections.load(tmp_path / "log_events.tsv").accounts[0].noise_uv
    assert main(["detect", str(path), "--sfreq", "1000", "--uv-per-count", "2", "--quiet"]) == 0
    in_counts = Detections.load(tmp_path / "log_events.tsv").accounts[0].noise_uv
    assert in_counts == pytest.approx(2 * in_uv, rel=1e-3)


def test_a_folder_and_its_tables(tmp_path, original, capsys):
    shutil.copy(original, tmp_path)
    write_table(tmp_path / "log.csv", SamplingFrequency=1000, Units="uV")
    for _ in range(2):  # the tables of the first time are not recordings
        assert main(["detect", str(tmp_path), str(tmp_path / "log.csv"), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        recordings = [Path(result["recording"]).name for result in told["recordings"]]
        assert recordings == ["calves.bdf", "log.csv"]


def test_an_emg_bids_data_set_keeps_its_own_events(tmp_path, original, capsys):
    folder = tmp_path / "sub-01" / "ses-1" / "emg"
    folder.mkdir(parents=True)
    description = tmp_path / "dataset_description.json"
    description.write_text('{"Name": "calves", "BIDSVersion": "1.11.1"}', encoding="utf-8")
    stem = "sub-01_ses-1_task-rest"
    path = Path(shutil.copy(original, folder / f"{stem}_emg.bdf"))
    marks = folder / f"{stem}_events.tsv"
    marks.write_text("onset\tduration\n1.0\t0\n", encoding="utf-8")
    before = marks.read_bytes()
    for given in (tmp_path, path):
        assert main(["detect", str(given), "--quiet"]) == 0
        assert "too short for a rate" in capsys.readouterr().err
    assert marks.read_bytes() == before
    assert names_in(folder) == [path.name, marks.name]
    derivative = tmp_path / "derivatives" / "emgtwitch"
    about = json.loads((derivative / "dataset_description.json").read_text(encoding="utf-8"))
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Name"] == "emgtwitch"
    table = derivative / "sub-01" / "ses-1" / "emg" / marks.name
    assert Detections.load(table).source == path.name
    assert "not by emgtwitch detect" in refused(capsys, "detect", path, "--output", marks)
    assert marks.read_bytes() == before


def test_a_data_set_without_room_for_derivatives(tmp_path, original, capsys):
    path = Path(shutil.copy(original, tmp_path / "sub-01_task-rest_emg.bdf"))
    folder = tmp_path / "sub-01" / "emg"
    folder.mkdir(parents=True)
    path = path.rename(folder / path.name)
    (tmp_path / "dataset_description.json").touch()
    (tmp_path / "derivatives").touch()
    assert "cannot be written" in refused(capsys, "detect", tmp_path)


# What detect refuses


def damaged(kind: str, original: Path, folder: Path) -> Path:
    content = original.read_bytes()
    path = folder / ("calves.edf" if kind == "named EDF" else "calves.bdf")
    path.write_bytes(
        {
            "empty": b"",
            "cut in the header": content[:300],
            "no recording": b"\x00\x01\x02\x03" * 500,
            "named EDF": content,
        }[kind]
    )
    return path


@pytest.mark.parametrize("kind", ["empty", "cut in the header", "no recording", "named EDF"])
def test_a_damaged_file(kind, original, tmp_path, capsys):
    path = damaged(kind, original, tmp_path)
    assert path.name in refused(capsys, "detect", path)
    assert names_in(tmp_path) == [path.name]


def test_a_file_cut_off_is_used_as_far_as_it_goes(recording, capsys):
    recording.write_bytes(recording.read_bytes()[: -4 * 1000 * 2 * 3])
    done = subprocess.run(
        [sys.executable, "-m", "emgtwitch", "detect", recording, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith("emgtwitch: warning: ")
    (result,) = json.loads(done.stdout)["recordings"]
    assert result["recorded_s"] < SECONDS


def test_channels_of_different_rates(tmp_path, capsys):
    path = tmp_path / "rates.edf"
    signals = [
        edfio.EdfSignal(np.zeros(6 * rate), rate, label=f"EMG {side}", physical_dimension="uV")
        for side, rate in (("L", 1000), ("R", 500))
    ]
    edfio.Edf(signals).write(path)
    assert "different sampling rates" in refused(capsys, "detect", path)
    assert names_in(tmp_path) == ["rates.edf"]


def test_a_channel_named_twice(tmp_path, capsys):
    path = write_table(tmp_path / "twice.csv", SamplingFrequency=1000, Units="uV")
    path.write_text(path.read_text(encoding="utf-8").replace("calf_R", "calf_L"), encoding="utf-8")
    before = names_in(tmp_path)
    assert "two channels are named 'calf_L'" in refused(capsys, "detect", path)
    assert names_in(tmp_path) == before


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody can write to")
def test_a_folder_that_cannot_be_written(recording, capsys):
    line = refused(capsys, "detect", recording, "--output", "/sys/calves.tsv")
    assert "cannot be written" in line
    assert names_in(recording.parent) == ["calves.bdf"]


def test_a_name_that_is_too_long_is_told_before_the_detection(recording, capsys, monkeypatch):
    monkeypatch.setattr("emgtwitch.detection.files.detect", None)
    line = refused(capsys, "detect", recording, "--output", f"{'x' * 240}.tsv")
    assert "cannot be written: File name too long" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission_is_told_before_the_detection(recording, capsys, monkeypatch):
    monkeypatch.setattr("emgtwitch.detection.files.detect", None)
    recording.parent.chmod(0o500)
    assert "cannot be written: Permission denied" in refused(capsys, "detect", recording)
    recording.parent.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_cannot_be_read(recording, capsys):
    recording.chmod(0)
    assert "cannot be read" in refused(capsys, "detect", recording)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "strict"], "unknown preset 'strict'"),
        (["--mains", "55"], "unknown mains '55'"),
        (["--false-alarms-per-hour", "0"], "must be above 0"),
        (["--channels", "GM"], "the EMG channels are: calf_L, calf_R"),
        (["--output", "calves.csv"], "must end in .tsv"),
        (["--output", "no/where.tsv"], "there is no folder"),
        (["nothing.bdf", "--output", "x.tsv"], "--output is one table"),
    ],
)
def test_wrong_arguments(words, message, recording, capsys):
    assert message in refused(capsys, "detect", recording, *words)
    assert names_in(recording.parent) == ["calves.bdf"]


def test_nothing_by_others_is_overwritten(tmp_path, capsys):
    path = write_table(tmp_path / "log.csv", SamplingFrequency=1000, Units="uV")
    line = refused(capsys, "detect", path, "--output", tmp_path / "log.tsv")
    assert "log.json is there" in line
    (tmp_path / "log_events.tsv").write_text("onset\n1.0\n", encoding="utf-8")
    assert "not by emgtwitch detect" in refused(capsys, "detect", path)
    assert (tmp_path / "log_events.tsv").read_text(encoding="utf-8") == "onset\n1.0\n"


def test_the_good_ones_of_many_are_done(tmp_path, original, capsys):
    good = Path(shutil.copy(original, tmp_path / "b.bdf"))
    same = write_table(tmp_path / "b.csv", SamplingFrequency=1000, Units="uV")
    empty = tmp_path / "a.bdf"
    empty.touch()
    missing = tmp_path / "c.bdf"
    status = main(["detect", *map(str, (empty, good, same, missing)), "--json"])
    printed = capsys.readouterr()
    assert status == 2
    told = json.loads(printed.out)
    assert [Path(result["recording"]) for result in told["recordings"]] == [good]
    assert {Path(failure["recording"]) for failure in told["failed"]} == {empty, same, missing}
    complaints = [line for line in printed.err.splitlines() if "warning" not in line]
    assert len(complaints) == 3
    assert "b_events.tsv is the table of" in printed.err
    assert "b_events.tsv" in names_in(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of Unix")
def test_an_interruption_leaves_nothing_half_written(tmp_path):
    import fcntl
    import struct
    import termios

    path = tmp_path / "long.bdf"
    counts = np.random.default_rng(1).integers(-400, 400, (2, 7_200_000))
    write_bdf(
        path,
        counts,
        sfreq=1000,
        ch_names=["calf_L", "calf_R"],
        uv_per_count=0.01,
        start=datetime(2026, 1, 1),
    )
    terminal, errors = os.openpty()
    fcntl.ioctl(errors, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "emgtwitch", "detect", path], stdout=subprocess.PIPE, stderr=errors
    )
    os.close(errors)
    shown, deadline = b"", time.monotonic() + 30
    while b"%" not in shown and time.monotonic() < deadline:  # the bar, after two seconds
        shown += os.read(terminal, 1000)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    shown += os.read(terminal, 10_000)
    os.close(terminal)
    assert process.returncode == 130
    assert output == b""
    assert b"interrupted; no file is half-written" in shown
    assert b"Traceback" not in shown
    assert names_in(tmp_path) == ["long.bdf"]


# Help and imports


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], {"numpy", "scipy", "mne", "matplotlib"}),
        (["detect", "--help"], {"numpy", "scipy", "mne", "matplotlib"}),
        (["demo", "--help"], {"scipy", "mne", "matplotlib"}),
        (["simulate", "recording", "--help"], {"scipy", "mne", "matplotlib"}),
    ],
)
def test_help_is_there_at_once(words, unwanted):
    code = (
        "import sys\nfrom emgtwitch.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print(*{unwanted!r} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []
    assert "examples:" in done.stdout


# The demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    output = tmp_path_factory.mktemp("demo") / "here it is"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["demo", "--output", str(output)]) == 0
    return output, printed.getvalue()


def test_the_demo_writes_table_and_picture_of_each_recording(demo):
    output, _ = demo
    stems = [
        recording.path.stem.removesuffix("_emg")
        for recording in read_study(sample_folder()).recordings
    ]
    assert len(stems) == 8
    endings = ("events.json", "events.tsv", "overview.png")
    of_recordings = [f"{stem}_{ending}" for stem in stems for ending in endings]
    assert names_in(output) == sorted(["report.html", *of_recordings])
    for picture in output.glob("*.png"):
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert picture.stat().st_size > 20_000


def test_the_demo_shows_what_the_simulation_put_in(demo):
    output, _ = demo
    study = read_study(sample_folder())
    rates: dict[tuple[str, str, bool], list[float]] = {}
    for recording in study.recordings:
        found = Detections.load(output / f"{recording.path.stem.removesuffix('_emg')}_events.tsv")
        after = found.start.date() > study.treatment_date
        left, right = found.rates()
        assert (left.side, right.side) == ("left", "right")
        assert right.rate_per_min > left.rate_per_min
        rates.setdefault((recording.condition, "right", after), []).append(right.rate_per_min)
    for condition in ("rest", "after exercise"):
        before, after = (np.mean(rates[condition, "right", late]) for late in (False, True))
        assert after < 0.7 * before
    for late in (False, True):
        rest, exercised = (rates[name, "right", late][-1] for name in ("rest", "after exercise"))
        assert exercised > rest


def test_the_demo_prints_rates_limits_and_the_truth(demo):
    output, printed = demo
    lines = printed.splitlines()
    table = [line for line in lines if re.search(r" (left|right)  +\d", line)]
    assert len(table) == 16
    treatment = next(i for i, line in enumerate(lines) if "physiotherapy" in line)
    assert sum(line in table for line in lines[:treatment]) == 8
    assert f"Report: {output / 'report.html'}" in printed
    assert "At rest, before physiotherapy, the right gastrocnemius twitched" in printed
    assert "it does not diagnose. Not a medical device." in printed
    hits = false_alarms = 0
    for recording in read_study(sample_folder()).recordings:
        events = output / f"{recording.path.stem.removesuffix('_emg')}_events.tsv"
        score = evaluate(read_event_table(events), read_event_table(recording.truth)).total
        hits += score.true_positives
        false_alarms += score.false_alarms
    assert f": {hits} of " in lines[-1]
    assert lines[-1].endswith("false alarms per channel and hour.")
    assert hits > 400


def test_the_demo_needs_a_folder(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert "no folder can be made" in refused(capsys, "demo", "--output", file)
