"""``emgtwitch record`` and ``check`` against a virtual board, over real ports."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from bids_validator import bids_errors

import emgtwitch
from benchmarks.soak import soak
from emgtwitch.cli import main
from emgtwitch.errors import SignalWarning
from emgtwitch.event_table import is_twitch, read_event_table
from emgtwitch.recording import find_recordings
from emgtwitch.simulation import simulate_recording
from emgtwitch.simulation.front_end import myoware
from emgtwitch.simulation.scenario import Scenario
from firmware_bridge.faults import Faults
from firmware_bridge.virtual import VirtualDevice

SFREQ = 2000
FRONT_END = myoware(10, 5.0)
SCENARIO = Scenario(
    minutes=0.5, sfreq=SFREQ, rate_per_min=40.0, amplitude_uv=200.0, front_end=FRONT_END
)
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
PATIENCE_S = 60


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    """Half a minute of two calves, codes of a 10-bit converter."""
    signal_uv = simulate_recording(SCENARIO, 7).signal_uv
    return np.rint(signal_uv / FRONT_END.lsb_uv).astype(int) + 512


@pytest.fixture
def board(counts):
    """Return a function that serves a virtual board and returns its port."""
    devices = []

    def serve(codes: np.ndarray = counts, **kwargs) -> str:
        def source(first: int, n: int) -> np.ndarray:
            return codes[:, np.arange(first, first + n) % codes.shape[1]]

        devices.append(VirtualDevice(source, **kwargs))
        return devices[-1].serve_tcp()

    yield serve
    for device in devices:
        device.close()


@pytest.fixture
def dataset(tmp_path) -> Path:
    return tmp_path / "Wädchen 1"


def record(port: str, dataset: Path, *more: str) -> int:
    arguments = ("--subject", "01", "--dataset", str(dataset), "--quiet", *more)
    return main(["record", "--port", port, "--format", "emgt", *arguments])


class Recorder:
    """``emgtwitch record`` as a program of its own."""

    def __init__(self, port: str, dataset: Path, *more: str, **kwargs) -> None:
        arguments = ("--subject", "01", "--dataset", str(dataset), "--format", "emgt", *more)
        self.dataset = dataset
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emgtwitch", "record", "--port", port, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **kwargs,
        )

    def until_seconds_are_on_the_disk(self, seconds: int) -> Path:
        def size() -> int:
            return sum(path.stat().st_size for path in self.dataset.rglob("*.bdf"))

        per_second = 3 * (2 * SFREQ + 250)
        wait_for(lambda: size() > seconds * per_second)
        (path,) = self.dataset.rglob("*.bdf")
        return path

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def stored(path: Path) -> np.ndarray:
    """Return the counts of a file, by a reader that is not ours."""
    signals = edfio.read_bdf(path).signals
    return np.array([each.digital for each in signals])


def lost_in(path: Path) -> list[tuple[int, int]]:
    """Return first and last scan of each ``BAD_gap``."""
    texts = edfio.read_bdf(path).annotations
    return [
        (round(text.onset * SFREQ), round((text.onset + text.duration) * SFREQ))
        for text in texts
        if text.text == "BAD_gap"
    ]


# What is recorded


def test_recording_is_what_the_board_sent_and_detected_as_from_the_file(
    board, counts, dataset, capsys
):
    assert record(board(speed=math.inf), dataset, "--minutes", "0.5", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    (path,) = find_recordings(dataset)
    assert said["lost_scans"] == 0
    assert Path(said["recording"]) == path

    assert np.array_equal(stored(path), counts)
    assert lost_in(path) == []
    with pyedflib.EdfReader(str(path)) as file:
        assert np.array_equal(file.readSignal(1, digital=True), counts[1])
    raw = mne.io.read_raw_bdf(path, verbose="error")
    assert raw.get_data(units="uV")[0] == pytest.approx(counts[0] * FRONT_END.lsb_uv, rel=1e-4)

    live = read_event_table(said["events"])
    again = emgtwitch.detect(path).events
    for name in ("onset", "amplitude_uv"):
        assert live[name] == pytest.approx(again[name], rel=1e-4, abs=0.02, nan_ok=True)
    assert is_twitch(live).sum() > 20
    about = json.loads(path.with_suffix(".json").read_text("utf-8"))["emgtwitch"]
    assert about["WireFormat"] == "emgt"
    assert about["Line"]["n_scans"] >= counts.shape[1]


def test_data_set_is_valid(board, dataset):
    profile = dataset.with_suffix(".toml")
    assert main(["record", "--write-profile", str(profile)]) == 0
    arguments = ["--profile", str(profile), "--dataset", str(dataset), "--quiet"]
    for condition in ("rest", "rest", "post-exercise"):
        port = board(speed=math.inf)
        more = ["--condition", condition, "--minutes", "0.05"]
        assert main(["record", "--port", port, "--format", "emgt", *arguments, *more]) == 0
    assert len(find_recordings(dataset)) == 3
    assert bids_errors(dataset) == []


def test_other_boards_are_recorded_once_their_scale_is_stated(board, counts, dataset, capsys):
    six = np.concatenate([counts] * 3)
    port = board(six, format="chords", speed=math.inf)
    arguments = ["record", "--port", port, "--format", "chords", "--subject", "01", "--quiet"]
    arguments += ["--dataset", str(dataset), "--minutes", "0.1"]
    assert main(arguments) == 2
    assert "give --uv-per-count" in capsys.readouterr().err
    assert not dataset.exists()
    names = ["calf_L", "calf_R", "TA_L", "TA_R", "SOL_L", "SOL_R"]
    assert main([*arguments, "--uv-per-count", "2.02", "--channels", *names]) == 0
    (path,) = find_recordings(dataset)
    assert mne.io.read_raw_bdf(path, verbose="error").ch_names == names
    assert np.array_equal(stored(path), six[:, : 6 * 250])


def test_decimals_are_refused_in_words(board, counts, dataset, capsys):
    arguments = ["record", "--format", "text", "--subject", "01", "--quiet", "--sfreq", "500"]
    arguments += ["--dataset", str(dataset), "--minutes", "0.1", "--uv-per-count", "1"]
    port = board(counts + 0.5, format="text")
    assert main([*arguments, "--port", port]) == 2
    assert "the board sends decimals" in capsys.readouterr().err


# What goes wrong


def test_unplugged_board_comes_back_and_what_is_missing_is_a_gap(board, counts, dataset, capsys):
    port = board(faults=Faults(unplugs=((1.5, 0.5),)))
    assert record(port, dataset, "--minutes", "0.08") == 0
    (path,) = find_recordings(dataset)
    samples, ((start, stop), *filling) = stored(path), lost_in(path)
    assert not filling or filling[0][1] - filling[0][0] < SFREQ
    assert start < 1.7 * SFREQ
    assert 0.3 < (stop - start) / SFREQ < 10
    assert np.array_equal(samples[:, :start], counts[:, :start])
    assert (samples[:, start:stop] == samples[:, start - 1 : start]).all()
    (scans,) = path.parents[1].glob("*_scans.tsv")
    assert float(scans.read_text("utf-8").splitlines()[1].split("\t")[-1]) == pytest.approx(
        (stop - start) / SFREQ, abs=0.01
    )


def test_scans_that_the_board_loses_are_gaps_to_the_scan(board, counts, dataset):
    port = board(faults=Faults(stalls=((0.5, 0.4), (1.5, 0.3))))
    assert record(port, dataset, "--minutes", "0.05") == 0
    (path,) = find_recordings(dataset)
    samples, gaps = stored(path), lost_in(path)
    missing = np.zeros(samples.shape[1], bool)
    for start, stop in gaps:
        missing[start:stop] = True
    assert 0.6 * SFREQ < missing.sum() < 1.2 * SFREQ
    assert np.array_equal(samples[:, ~missing], counts[:, : samples.shape[1]][:, ~missing])


def test_what_a_board_that_never_comes_back_would_have_sent_is_lost(board, counts, dataset, capsys):
    port = board(faults=Faults(unplugs=((1.2, 60.0),)))
    assert record(port, dataset, "--minutes", "0.05") == 1
    assert "the recording ended early: signal lost since" in capsys.readouterr().err
    (path,) = find_recordings(dataset)
    samples, ((start, stop),) = stored(path), lost_in(path)
    assert samples.shape[1] == stop == 3 * SFREQ
    assert start < 1.5 * SFREQ
    assert np.array_equal(samples[:, :start], counts[:, :start])


@needs_signals
def test_ended_by_ctrl_c_everything_is_whole(board, counts, dataset):
    recorder = Recorder(board(), dataset)
    path = recorder.until_seconds_are_on_the_disk(1)
    recorder.process.stdin.write("cramp in the left calf\n")
    recorder.process.stdin.flush()
    assert main(["mark", "stood up", "--dataset", str(dataset)]) == 0
    recorder.until_seconds_are_on_the_disk(2)
    recorder.process.send_signal(signal.SIGINT)
    status, out, err = recorder.end()
    assert status == 0, err
    assert "calf_L" in out
    assert "ELECTRODES ON A BODY" in err
    samples, gaps = stored(path), lost_in(path)
    n_scans = gaps[0][0] if gaps else samples.shape[1]  # the last second is filled up
    assert n_scans >= 2 * SFREQ
    assert np.array_equal(samples[:, :n_scans], counts[:, :n_scans])
    events = path.with_name(path.name.replace("_emg.bdf", "_events.tsv")).read_text("utf-8")
    assert "\tmark\tcramp in the left calf\n" in events
    assert "\tmark\tstood up\n" in events
    assert not list(dataset.glob(".emgtwitch*"))


@needs_signals
def test_killed_recording_is_recovered(board, counts, dataset, capsys):
    recorder = Recorder(board(), dataset)
    path = recorder.until_seconds_are_on_the_disk(2)
    recorder.process.kill()
    recorder.end()
    assert main(["recover", str(dataset)]) == 0
    assert "recovered" in capsys.readouterr().out
    samples = stored(path)
    assert samples.shape[1] >= 2 * SFREQ
    assert np.array_equal(samples, counts[:, : samples.shape[1]])
    with pytest.warns(SignalWarning, match="too short"):
        assert emgtwitch.detect(path).accounts[0].recorded_s >= 2


@needs_signals
def test_full_disk_ends_the_recording_and_keeps_it(board, counts, dataset):
    import resource

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (35_000, 35_000))

    recorder = Recorder(board(), dataset, preexec_fn=small_disk)
    status, _, err = recorder.end()
    assert status == 1
    assert "the recording ended early" in err
    (path,) = find_recordings(dataset)
    samples = stored(path)
    assert SFREQ <= samples.shape[1] <= 2 * SFREQ
    assert np.array_equal(samples, counts[:, : samples.shape[1]])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--minutes", "0"), "--minutes 0: must be a second"),
        (("--minutes", "1e308"), "to a week"),
        (("--subject", "a b"), "subject 'a b'"),
        (("--condition", "tired"), "condition 'tired'"),
        (("--channels", "one", "one"), "different names"),
        (("--profile", "there-is-none.toml"), "there-is-none.toml"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(board, dataset, capsys, more, words):
    assert record(board(), dataset, *more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not dataset.exists()


def test_no_port_and_no_board(dataset, capsys):
    assert main(["record", "--subject", "01", "--quiet"]) == 2
    assert "emgtwitch ports" in capsys.readouterr().err
    assert record(str(dataset / "no port"), dataset) == 2
    assert "there is no such port" in capsys.readouterr().err


# Check


def test_check_says_ready_or_what_to_mend(board, counts, capsys):
    good = ["check", "--format", "emgt", "--seconds", "4", "--port"]
    assert main([*good, board(speed=math.inf)]) == 0
    out = capsys.readouterr().out
    assert out.count("ready") == 2
    assert out.splitlines()[-1] == "Ready"
    loose = counts.copy()
    loose[1] = np.where(np.arange(counts.shape[1]) % 100 < 50, 0, 1023)
    assert main([*good, board(loose, speed=math.inf), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [channel["ready"] for channel in said["channels"]] == [True, False]
    assert said["channels"][1]["problems"][0].startswith("saturation")
    assert said["lost_scans"] == 0


# For long


def test_short_soak(tmp_path):
    """A minute of ``python -m benchmarks.soak``."""
    recorded, wrong, _ = soak(1 / 60, 6, SFREQ, 10.0, tmp_path)
    assert recorded.n_scans == 60 * SFREQ
    assert (recorded.lost_scans, recorded.dropped_scans, wrong) == (0, 0, 0)
