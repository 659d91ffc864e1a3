"""The command `emgtwitch simulate device`: what it prints, serves, writes and refuses."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import serial

from emgtwitch import StreamingDetector
from emgtwitch.cli import main, simulate_device
from emgtwitch.evaluation import evaluate
from emgtwitch.event_table import event_array, is_twitch, read_event_table
from emgtwitch.simulation import SCENARIOS, simulate_recording
from emgtwitch.simulation.looping import repeated_truth
from firmware_bridge import frames
from firmware_bridge.decoders import Block
from firmware_bridge.decoders.emgt import EmgtDecoder
from firmware_bridge.decoders.formats import FORMATS
from firmware_bridge.virtual import Stream

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


@contextmanager
def running(*words):
    """Run the command; what it printed is in the process's `printed` afterwards."""
    command = [sys.executable, "-m", "emgtwitch", "simulate", "device", *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.printed, process.complaints = process.communicate(timeout=30)


def scans(port: str, n: int, session: int = 1) -> np.ndarray:
    """Start a stream and return its first scans."""
    decoder = EmgtDecoder(session=session)
    blocks: list[Block] = []
    with serial.serial_for_url(port, baudrate=frames.BAUD, timeout=0.05) as opened:
        opened.write(b"\0" + frames.encode(frames.Start(1, session, 2000, 3, 0)))
        end = time.monotonic() + 60
        while sum(block.counts.shape[1] for block in blocks) < n:
            assert time.monotonic() < end
            found = decoder.feed(opened.read(65_536))
            blocks += [item for item in found if isinstance(item, Block)]
        opened.write(frames.encode(frames.Stop(2)))
    assert decoder.statistics.lost_scans == 0
    return np.concatenate([block.counts for block in blocks], axis=1)[:, :n]


def test_what_cannot_be_written_or_served_is_refused_before_simulating(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(simulate_device, "_simulated", None)
    for option in ("--link", "--truth"):
        assert main(["simulate", "device", option, str(tmp_path / "no" / "x.tsv")]) == 2
        assert f"there is no folder {tmp_path / 'no'}" in capsys.readouterr().err
    assert main(["simulate", "device", "--tcp", "99999"]) == 2
    assert capsys.readouterr().out == ""


def test_a_fault_without_its_length_gets_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "device", "--stall", "5"])
    assert "'5': must be T:D, as 20:0.5 for half a second" in capsys.readouterr().err


@needs_pty
def test_calves_to_record_from_and_their_truth(tmp_path):
    link, path = tmp_path / "board", tmp_path / "truth.tsv"
    words = ("--minutes", 1, "--speed", "inf", "--link", link, "--tcp", "--truth", path)
    with running(*words) as process:
        assert process.stdout.readline() == f"{link}\n"
        url = process.stdout.readline().strip()
        counts = scans(str(link), 140_000)
        again = scans(url, 1000, session=2)
    # It repeats, and every stream begins at the beginning.
    assert np.array_equal(counts[:, 120_000:], counts[:, :20_000])
    assert np.array_equal(again, counts[:, :1000])
    assert not link.is_symlink()
    assert process.returncode == 0
    assert process.printed.startswith("streams 2, scans due ")
    assert ", lost 0, bytes " in process.printed
    assert "calf_L, calf_R at 2000 Hz, 1 min of uno_10bit" in process.complaints
    # The detector finds the twitches where the truth says they are.
    lsb_uv = 5e6 / 1024 / 200
    stream = StreamingDetector(sfreq=2000, ch_names=["calf_L", "calf_R"], lsb_uv=lsb_uv)
    events = stream.push((counts[:, :120_000] - 512) * lsb_uv) + stream.flush()
    found = event_array([event for event in events if not event.provisional])
    whole = read_event_table(path)
    truth = whole[whole["onset"] < 60]
    assert is_twitch(truth).sum() > 10
    # The truth goes on as long as the longer of the streams.
    again = whole[whole["onset"] >= 60]
    assert len(again) > 0
    assert again["onset"] - 60 == pytest.approx(truth["onset"][: len(again)])
    assert again["peak_time"] - 60 == pytest.approx(truth["peak_time"][: len(again)])
    assert evaluate(found, truth).total.f1 > 0.8


@needs_pty
def test_the_seam_is_no_event():
    arguments = ["--minutes", "0.05", "--scenario", "mains_50", "--bits", "14", "--speed", "inf"]
    with running(*arguments) as process:
        counts = scans(process.stdout.readline().strip(), 12_000)
    steps = np.abs(np.diff(counts[:, :6000]))
    seam = np.abs(np.diff(counts[:, 5998:6003]))
    assert seam.max() <= steps.max()


def test_the_truth_comes_again():
    scenario = replace(SCENARIOS["doublets"], minutes=0.5, rate_per_min=60)
    truth = simulate_recording(scenario, seed=1).truth
    repeated = repeated_truth(truth, 20, 50)
    first, second, rest = (
        repeated[(repeated["onset"] >= at) & (repeated["onset"] < at + 20)] for at in (0, 20, 40)
    )
    assert np.array_equal(first, truth[truth["onset"] < 20])
    assert second["onset"] == pytest.approx(first["onset"] + 20)
    assert second["peak_time"] == pytest.approx(first["peak_time"] + 20)
    assert rest["onset"].max() < 50
    bursts = [set(part["burst"]) - {-1} for part in (first, second, rest)]
    assert all(bursts)
    assert not bursts[0] & bursts[1] | bursts[1] & bursts[2]


def test_streams_that_faults_separate_are_one_run():
    def stream(start_s: float, due: int, finished: bool) -> Stream:
        start_ns = round(start_s * 1e9)
        return Stream(1, 1, Fraction(1000), (0,), 1, start_ns, due=due, finished=finished)

    streams = [stream(1, 500, True), stream(5, 2000, False), stream(9, 4000, True)]
    assert simulate_device._runs(streams) == [[(0, 0.5)], [(0, 2), (4, 8)]]


def test_other_formats_by_tcp():
    words = ["--format", "chords", "--tcp", "--minutes", "0.1", "--speed", "inf", "--stall", "1:1"]
    with running(*words, "--drop", "1e-3") as process:
        lines = [process.stdout.readline().strip()]
        if not lines[0].startswith("socket:"):
            lines.append(process.stdout.readline().strip())
        decoder = FORMATS["chords"].make_decoder(6)
        with serial.serial_for_url(lines[-1], timeout=0.05) as port:
            port.write(b"START\n")
            blocks: list[Block] = []
            end = time.monotonic() + 60
            while decoder.statistics.n_scans < 1000:
                assert time.monotonic() < end
                found = decoder.feed(port.read(4096))
                blocks += [item for item in found if isinstance(item, Block)]
            port.write(b"STOP\n")
            port.flush()
    account, damage = process.printed.splitlines()
    assert "lost 250," in account
    assert " bytes dropped, 0 flipped, 0 doubled" in damage
    counts = np.concatenate([block.counts for block in blocks], axis=1)
    assert 500 < counts.mean() < 524


def test_help_has_the_formats_that_there_are(capsys):
    assert set(simulate_device.FORMAT_NAMES) == set(FORMATS)
    with pytest.raises(SystemExit):
        main(["simulate", "device", "--help"])
    assert "--unplug T:D" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "chords", "--channels", "2"], "no Chords board has 2 channels: 3, 6, 8, 16"),
        (["--format", "cyton", "--bits", "12"], "leave out --sfreq and --bits"),
        (["--format", "bitalino", "--channels", "5"], "at most 4 channels"),
        (["--channels", "9"], "must be 1 to 8"),
        (["--sfreq", "100"], "must be 200 to 4000"),
        (["--sfreq", "70000"], "must be 1 to 65535"),
        (["--speed", "0"], "must be above 0"),
        (["--minutes", "1e5"], "do not fit"),
        (["--drop", "2"], "a probability is 0 to 1"),
        (["--stall", "1:1", "--reset", "1.5"], "overlap"),
        (["--truth", "truth.csv"], "must end in .tsv"),
        (["--tcp", "99999"], "--tcp 99999: a port is a number, 0 to 65535"),
        (["--unplug", "1:nan"], "unplug 1:nan: times are finite numbers, 0 or more"),
        (["--coalesce-ms", "-1"], "coalesce-ms -1: times are"),
    ],
)
def test_refused(words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["simulate", "device", "--minutes", "0.1", *words]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_lies_in_the_way_stays(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    mine = tmp_path / "mine.tsv"
    mine.write_text("mine", encoding="utf-8")
    for option in ("--truth", "--link"):
        assert main(["simulate", "device", "--minutes", "0.1", option, str(mine)]) == 2
        assert "mine.tsv is there and " in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.tsv"]
