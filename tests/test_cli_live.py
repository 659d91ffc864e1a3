"""The commands of the live page, as programs of their own, against a virtual board."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import edfio
import numpy as np
import pytest
from bids_validator import bids_errors
from live_client import Viewer, scans_of

from emgtwitch.cli import main
from emgtwitch.cli.page import has_screen, open_browser
from emgtwitch.detection.files import detect
from emgtwitch.event_table import read_event_table
from emgtwitch.recording import find_recordings
from emgtwitch.sample_study import sample_folder
from emgtwitch.simulation import simulate_recording
from emgtwitch.simulation.front_end import myoware
from emgtwitch.simulation.scenario import Scenario
from firmware_bridge.virtual import VirtualDevice

SFREQ = 2000
SAMPLE = find_recordings(sample_folder())[0]
PATIENCE_S = 60
on_a_pty = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals, POSIX signals")


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    """Half a minute of two calves, codes of a 10-bit converter."""
    front_end = myoware(10, 5.0)
    scenario = Scenario(
        minutes=0.5, sfreq=SFREQ, rate_per_min=40.0, amplitude_uv=200.0, front_end=front_end
    )
    signal_uv = simulate_recording(scenario, 7).signal_uv
    return np.rint(signal_uv / front_end.lsb_uv).astype(int) + 512


@pytest.fixture
def virtual_board(counts):
    """Return a function that makes a virtual board."""
    devices = []

    def make(**kwargs) -> VirtualDevice:
        def source(first: int, n: int) -> np.ndarray:
            return counts[:, np.arange(first, first + n) % counts.shape[1]]

        devices.append(VirtualDevice(source, **kwargs))
        return devices[-1]

    yield make
    for device in devices:
        device.close()


@pytest.fixture
def board(virtual_board):
    """Return a function that serves one on a pty and returns its port."""
    return lambda **kwargs: virtual_board(**kwargs).serve_pty()


class Program:
    """A command that shows the live page."""

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emgtwitch", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.err = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.err += line

    @property
    def url(self) -> str:
        self.wait_for(lambda: "live page: " in self.err)
        return re.search(r"live page: (\S+)", self.err)[1]

    def wait_for(self, condition) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.err
            assert time.monotonic() < end, self.err
            time.sleep(0.02)

    def servers(self) -> list[int]:
        """Return the processes that serve the page."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        return [int(word) for word in found.stdout.split()]

    def end(self, sign: int | None = signal.SIGINT) -> tuple[int, str, str]:
        if sign is not None:
            self.process.send_signal(sign)
        self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        self.process.stderr.close()
        with self.process.stdout:
            return self.process.returncode, self.process.stdout.read(), self.err


@pytest.fixture
def program():
    """Return a function that starts one; none is left over."""
    started = []

    def start(*words: object) -> Program:
        started.append(Program(*words))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.end(None)


def stored(path: Path) -> np.ndarray:
    """Return the counts of a file, by a reader that is not ours, without the filling at its end."""
    file = edfio.read_bdf(path)
    samples = np.array([each.digital for each in file.signals])
    gaps = [text.onset for text in file.annotations if text.text == "BAD_gap"]
    return samples[:, : round(gaps[0] * SFREQ)] if gaps else samples


def marks_of(path: Path) -> list[str]:
    table = path.with_name(path.name.replace("_emg.bdf", "_events.tsv")).read_text("utf-8")
    return [line.split("\t")[3] for line in table.splitlines() if "\tmark\t" in line]


def place_of(part: np.ndarray, whole: np.ndarray) -> int:
    """Return where a part lies in what is repeated again and again."""
    places = np.arange(whole.shape[1])
    for k, scan in enumerate(part.T):
        same = whole[:, (places + k) % whole.shape[1]] == scan[:, np.newaxis]
        places = places[same.all(axis=0)]
    assert len(places) == 1
    return int(places[0])


# record --view


@on_a_pty
def test_servers_that_are_killed_or_hang_cost_no_scan_and_the_page_ends_the_recording(
    board, counts, program, tmp_path
):
    dataset = tmp_path / "Wädchen 1"
    words = ["record", "--port", board(), "--subject", "01", "--dataset", dataset, "--view"]
    recording = program(*words, "--json")
    page = Viewer(recording.url)
    page.wait_for(lambda page: page.of("scans") and page.state)
    assert page.hello["mode"] == "record"
    assert page.hello["sides"] == ["left", "right"]
    assert page.hello["start"]
    (server,) = recording.servers()
    os.kill(server, signal.SIGKILL)
    recording.wait_for(lambda: recording.servers() not in ([], [server]))

    page.messages.clear()
    page.wait_for(lambda page: page.state and page.state["disk"]["on_disk_s"] >= 3)
    shown = [scans_of(message, 2) for message in page.of("scans")]
    assert shown[0][0] == 0  # also what the first server showed
    uv = np.hstack([uv for _, uv in shown])
    uv_per_count = 5e6 / 1024 / 200
    np.testing.assert_allclose(uv, counts[:, : uv.shape[1]] * uv_per_count, rtol=1e-5)
    assert page.command("mark", text="cramp\x1b[31m left") == 204
    page.wait_for(lambda page: any("cramp" in text for text in page.said()))
    assert page.command("stop") == 204
    os.kill(recording.servers()[0], signal.SIGSTOP)
    status, out, err = recording.end(None)
    assert status == 0, err
    assert err.count("the server of the live page ended; it is started again") == 1

    told = json.loads(out)
    assert told["lost_scans"] == 0
    path = Path(told["recording"])
    samples = stored(path)
    assert samples.shape[1] > 3 * SFREQ
    assert np.array_equal(samples, counts[:, : samples.shape[1]])
    assert marks_of(path) == ["cramp [31m left"]
    assert bids_errors(dataset) == []


@on_a_pty
def test_without_a_page_it_records_all_the_same(board, counts, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("emgtwitch.live.child.sys.executable", "/bin/false")
    words = ["record", "--port", board(speed=math.inf), "--format", "emgt", "--subject", "01"]
    words += ["--dataset", str(tmp_path / "emg"), "--minutes", "0.05", "--view", "--quiet"]
    assert main(words) == 0
    assert "warning: no live page: the server of the live page" in capfd.readouterr().err
    (path,) = find_recordings(tmp_path / "emg")
    assert np.array_equal(stored(path), counts[:, : 3 * SFREQ])
    assert main([*words, "--host", "127.0.0.1"]) == 2


# live, watching


@on_a_pty
@pytest.mark.filterwarnings("ignore:.*too short")
def test_watched_then_recorded_from_the_page_twice(board, counts, program, tmp_path):
    dataset = tmp_path / "emg"
    watching = program("live", "--port", board(), "--dataset", dataset, "--condition", "rest")
    page = Viewer(watching.url)
    page.wait_for(lambda page: page.of("scans") and page.state)
    assert (page.hello["mode"], page.hello["commands"]) == ("watch", ["start"])
    assert page.state["disk"] is None
    assert page.command("stop") == 403
    assert page.command("start", subject="a b") == 204
    page.wait_for(lambda page: any("subject 'a b'" in text for text in page.said()))
    assert page.command("start", subject=" ") == 204
    page.wait_for(lambda page: any("type the code" in text for text in page.said()))
    assert not dataset.exists()

    assert page.command("start", subject="07", condition="post-exercise") == 204
    page.wait_for(lambda page: page.hello.get("mode") == "record" and page.of("scans"))
    assert page.of("scans")[0]["first"] == 0
    assert page.command("mark", text="felt it") == 204
    page.wait_for(lambda page: [mark["text"] for mark in page.of("mark")] == ["felt it"])
    assert 0 <= page.of("mark")[0]["at_s"] < 60
    page.wait_for(lambda page: page.state and page.state["disk"]["on_disk_s"] >= 2)
    assert page.command("stop") == 204
    page.wait_for(lambda page: page.hello.get("mode") == "watch" and page.of("scans"))
    assert any(text.startswith("recorded 0.0 min, 0 scans lost") for text in page.said())

    assert page.command("start", subject="08") == 204
    page.wait_for(lambda page: page.hello.get("mode") == "record" and page.state)
    page.wait_for(lambda page: page.state["disk"]["on_disk_s"] >= 1)
    status, out, err = watching.end()
    assert status == 0, err
    assert out.count("scans, 0 of them lost") == 2

    paths = sorted(find_recordings(dataset))
    assert [re.search("sub-(..)_.*task-([a-z]*)", path.name).groups() for path in paths] == [
        ("07", "postexercise"),
        ("08", "rest"),
    ]
    assert marks_of(paths[0]) == ["felt it"]
    places = [place_of(stored(path), counts) for path in paths]
    assert 0 < places[0] < places[1]
    for path in paths:
        about = json.loads(path.with_suffix(".json").read_text("utf-8"))
        n_scans = stored(path).shape[1]
        assert about["emgtwitch"]["Line"]["n_scans"] == pytest.approx(n_scans, abs=SFREQ)
        table = dataset / "derivatives" / "emgtwitch" / path.relative_to(dataset)
        live = read_event_table(table.with_name(table.name.replace("_emg.bdf", "_events.tsv")))
        length_s = stored(path).shape[1] / SFREQ
        again = detect(path).events
        again = again[again["onset"] < length_s - 1]  # the last second is filled up in the file
        live = live[live["onset"] < length_s - 1]
        assert live["trial_type"].tolist() == again["trial_type"].tolist()
        assert live["onset"] == pytest.approx(again["onset"], abs=1e-4)


@on_a_pty
def test_a_board_that_goes_away_while_it_is_watched(virtual_board, counts, program, tmp_path):
    device, dataset = virtual_board(), tmp_path / "emg"
    port = device.serve_pty()
    watching = program("live", "--port", port, "--subject", "01", "--dataset", dataset)
    page = Viewer(watching.url)
    page.wait_for(lambda page: page.of("scans"))
    assert page.hello["subject"] == "01"
    assert page.hello["bits"] == 10
    assert page.hello["uv_per_count"] == pytest.approx([5e6 / 1024 / 200] * 2)
    assert page.command("start") == 204
    page.wait_for(lambda page: page.hello["mode"] == "record" and page.state)
    page.wait_for(lambda page: page.state["disk"]["on_disk_s"] >= 1)
    device.close()
    page.wait_for(lambda page: page.state and page.state["trouble"].startswith("signal lost since"))
    assert page.hello["mode"] == "record"
    assert page.command("stop") == 204
    page.wait_for(lambda page: page.hello["mode"] == "watch")
    assert page.command("start") == 204
    page.wait_for(lambda page: any("when the board is back" in text for text in page.said()))
    status, out, err = watching.end()
    assert status == 0, err
    (path,) = find_recordings(dataset)
    lost = int(re.search(r"(\d+) of them lost", out)[1])
    assert 0 < lost < 10 * SFREQ
    samples = stored(path)
    assert np.array_equal(
        samples, counts[:, (k := place_of(samples, counts)) : k + len(samples[0])]
    )


# live, playback


@on_a_pty
def test_playback_shows_what_detect_reports(program):
    playing = program("live", SAMPLE)
    page = Viewer(playing.url)
    page.wait_for(lambda page: page.of("scans") and page.state)
    assert page.hello["mode"] == "playback"
    assert page.hello["title"] == SAMPLE.name
    found = detect(SAMPLE)
    duration_s = found.accounts[0].recorded_s
    assert page.hello["duration_s"] == duration_s
    assert page.command("pause") == 204
    for start_s in (30.0, 100.0, duration_s):  # each place shows the 30 s before it
        assert page.command("seek", to_s=start_s) == 204
        page.wait_for(
            lambda page, at_s=start_s: (
                (page.state.get("playing") or {}).get("position_s") == at_s
                and (last := page.of("scans"))
                and last[-1]["first"] + last[-1]["n"] == at_s * page.hello["sfreq"]
            )
        )
        page.wait_for(lambda page, at_s=start_s: told(page) == reported(found, at_s - 30, at_s))
    status, out, err = playing.end()
    assert (status, out) == (0, ""), err
    page.wait_for(lambda page: page.of("over"))


def told(page) -> list[tuple]:
    """Return the events on the page."""
    return sorted(
        (event["onset_s"], event["channel"], event["trial_type"], event["reason"] or "n/a")
        for event in page.of("event")
    )


def reported(found, start_s: float, stop_s: float) -> list[tuple]:
    """Return the events of a table that touch a stretch."""
    return sorted(
        (row["onset"], found.ch_names.index(row["channel"]), row["trial_type"], row["reason"])
        for row in found.events
        if row["onset"] <= stop_s and row["onset"] + row["duration"] >= start_s
    )


# What is refused, and who can see the page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["live"], "emgtwitch live calves.bdf"),
        (["live", "x.bdf", "--port", "y"], "not both"),
        (["live", "there is none.bdf"], "there is none.bdf"),
        (["live", str(sample_folder())], "8 recordings; choose one, as emgtwitch live "),
        (["live", str(SAMPLE), "--baud", "9600"], "--baud is for a board"),
        (["live", str(SAMPLE), "--channels", "calf"], "no channel 'calf'"),
        (["live", "--port", "y", "--unit", "mV"], "--unit is for a recording"),
        (["live", "--port", "y", "--subject", "a b"], "subject 'a b'"),
        (["live", "--port", "there is none"], "there is no such port"),
        (["live", str(SAMPLE), "--host", "192.0.2.1"], "192.0.2.1"),
        (["record", "--port", "y", "--subject", "1", "--host", "0.0.0.0"], "give --view too"),
    ],
)
def test_one_line_says_what_is_wrong(words, said, capsys):
    assert main([*words, "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"TERM": "xterm", "DISPLAY": ""}, False),
        ("linux", {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1.2.3.4"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("darwin", {"SSH_CONNECTION": "1.2.3.4"}, False),
    ],
)
def test_a_browser_is_opened_only_where_there_is_a_screen(platform, environment, expected):
    assert has_screen(platform, environment) is expected


@on_a_pty
def test_the_browser_gets_the_address_and_not_the_terminal(tmp_path, monkeypatch):
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\ntest -t 0 || test -t 1 || echo "$1" > "{seen}"\n', "utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    open_browser("http://127.0.0.1:1/token/")
    assert seen.read_text("utf-8") == "http://127.0.0.1:1/token/\n"
