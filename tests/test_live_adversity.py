"""What must not happen to a recording, or to the token, whatever is done to the live page."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import numpy as np
import pytest
from live_client import Viewer
from live_server import HELLO, REFUSED, TOKEN, Server, request

from emgtwitch.capture.live import LiveRecording
from emgtwitch.capture.marks import SpooledMarks, cleaned
from emgtwitch.capture.session import Session
from emgtwitch.detection.stream import StreamingDetector
from emgtwitch.live.view import LiveView
from emgtwitch.recording import find_recordings
from emgtwitch.recording.bdf_recorder import BdfRecorder
from firmware_bridge.device import open_device
from firmware_bridge.virtual import About, VirtualDevice

if sys.platform != "win32":
    import pty

SFREQ = 2000
PATIENCE_S = 60
on_a_pty = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals, POSIX signals")


def noise(first: int, n: int) -> np.ndarray:
    """Return scans of a virtual board of two channels, 10 bits."""
    places = np.arange(first, first + n)
    return 512 + np.array([places * 7919 % 13, places * 104729 % 11])


@pytest.fixture
def port():
    """Serve a virtual board."""
    with VirtualDevice(noise) as device:
        yield device.serve_pty()


def wait_for(condition) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


# Terminals and marks


@on_a_pty
def test_a_terminal_that_stands_still_and_a_flood_of_marks(port, tmp_path):
    """Ctrl-S, while a key of the page is stuck: it records, and the marks do not lengthen it."""
    words = ["record", "--port", port, "--subject", "01", "--condition", "rest", "--posture", "x"]
    words += ["--treatment", "none", "--dataset", str(tmp_path / "emg"), "--view"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"SSH_CONNECTION": "no browser"}
        os.execv(sys.executable, [sys.executable, "-m", "emgtwitch", *words])
    said = b""
    while b"Enter sets" not in said:
        said += os.read(terminal, 4096)
    url = re.search(rb"live page: (\S+)", said)[1].decode()
    page = Viewer(url)
    page.wait_for(lambda page: page.state)
    os.write(terminal, b"\x13")
    time.sleep(1.0)  # two status lines
    before_s = page.state["elapsed_s"]
    for _ in range(150):
        assert page.command("mark", text="y" * 200) == 204
    page.wait_for(lambda page: page.state["disk"]["on_disk_s"] > before_s + 2)
    page.wait_for(lambda page: "too many marks at once; not all are kept" in page.said())
    os.write(terminal, b"\x03")
    with suppress(OSError):  # it ends with the program
        while some := os.read(terminal, 4096):
            said += some
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    os.close(terminal)
    (path,) = find_recordings(tmp_path / "emg")
    n_scans = int(re.search(rb"(\d+) scans, 0 of them lost", said)[1])
    duration_s = json.loads(path.with_suffix(".json").read_text("utf-8"))["RecordingDuration"]
    assert n_scans / SFREQ <= duration_s < n_scans / SFREQ + 8


@on_a_pty
def test_hostile_marks_and_clocks_that_are_set(port, tmp_path):
    spooled = SpooledMarks(tmp_path)
    (spool,) = tmp_path.iterdir()
    times = ["NaN", "1e999", "-1e308", "1e308", "1" + "0" * 400, str(time.time() + 3600)]
    lines = [f'{{"time_s": {at}, "text": "t{k}"}}\n' for k, at in enumerate(times)]
    spool.write_text("".join(lines) + "[" * 100_000 + "\n")
    with open_device(port) as device:
        path = tmp_path / "a.bdf"
        recorder = BdfRecorder(
            path, sfreq=SFREQ, ch_names=["a", "b"], uv_per_count=1.0, start=datetime(2026, 1, 1)
        )
        detector = StreamingDetector(SFREQ, ["a", "b"])
        session = Session(device, LiveRecording(recorder, detector, [1.0, 1.0]), [spooled])
        device.start()
        wait_for(lambda: session.step(0.1) or session.live.n_scans > SFREQ)
        told = session.take_said()
        onsets_s = [float(re.fullmatch(r"mark at (\S+) s: t\d", text)[1]) for text in told]
        recorder.close()
    assert [text[-2:] for text in told] == ["t2", "t3", "t5"]
    assert 0 <= min(onsets_s) <= max(onsets_s) < session.live.recorded_s
    spool.unlink()
    spool.mkdir()  # nothing can be left there, and nothing is in the way
    assert spooled.take() == []
    spooled.close()


@pytest.mark.parametrize(
    ("text", "mark"),
    [("\x1b]0;x\x07\t\n", "]0;x"), ("\u202e\u200f", "mark"), ("😀" * 300, "😀" * 200)],
)
def test_marks_are_only_text(text, mark):
    assert cleaned(text) == mark


def test_two_lines_that_ran_together_are_no_count(tmp_path):
    recorder = BdfRecorder(
        tmp_path / "a.bdf", sfreq=1000, ch_names=["a"], uv_per_count=1.0, start=datetime.now()
    )
    live = LiveRecording(recorder, StreamingDetector(1000, ["a"]), [1.0])
    counts = np.arange(500, dtype=np.int32)[np.newaxis]
    counts[0, [100, 101, 499]] = 1_638_316_383, -(2**31), 2**24
    live.take(0, counts)
    assert (live.n_scans, live.lost_scans) == (499, 2)
    live.take(500, counts[:, :100])
    recorded = recorder.close()
    assert (recorded.n_scans, recorded.lost_scans, live.lost_scans) == (600, 3, 3)


@on_a_pty
def test_a_board_that_comes_back_as_another_one_ends_no_trouble(tmp_path):
    link = tmp_path / "board"
    live = LiveRecording(None, StreamingDetector(SFREQ, ["a", "b"]), [1.0, 1.0])
    told = []
    with VirtualDevice(noise) as first:
        first.serve_pty(link)
        device = open_device(str(link))
        session = Session(device, live)
        device.start()
        wait_for(lambda: session.step(0.1) or live.n_scans)
    with device:
        wait_for(lambda: session.step(0.1) or session.trouble)
        trouble = session.trouble
        assert trouble.startswith("signal lost since ")
        time.sleep(1.1)  # it is told to the second
        with VirtualDevice(noise, about=About(("a", "b"), sfreq=1000, only_sfreq=True)) as other:
            other.serve_pty(link)
            wait_for(
                lambda: (
                    session.step(0.1)
                    or told.extend(session.take_said())
                    or any("refuses" in text for text in told)
                )
            )
            assert session.trouble == trouble
        with VirtualDevice(noise) as again:
            again.serve_pty(link)
            n_before = live.n_scans
            wait_for(lambda: session.step(0.1) or live.n_scans > n_before)
            assert session.trouble == ""


# The token


@pytest.mark.parametrize("host", ["localhost", "127.1", "::1", "::", "0.0.0.0"])
def test_the_address_that_is_told_is_one_that_is_served(host):
    view = LiveView(HELLO, host)
    try:
        page = Viewer(view.url)
        page.wait_for(lambda page: page.hello)
        assert re.fullmatch(r"http://(\[[0-9a-f:]+\]|[0-9.]+):\d+/[a-z2-9]{16}/", view.url)
    finally:
        view.close()


def test_the_browser_gets_an_address_that_serves_once():
    """Other users of the computer see command lines, and so what a browser is told."""
    server = Server({"host": "127.0.0.1", "port": 0, "token": TOKEN, "once": "once"})
    host = {"Host": f"127.0.0.1:{server.port}"}
    for path, headers in [
        ("/once/stream", host),
        ("/once/", host),
        ("/once", {"Host": f"evil.example:{server.port}"}),
        ("/", host),
    ]:
        assert server.ask(request("GET", path, headers)) == REFUSED
    answer = server.ask(request("GET", "/once", host)).decode()
    assert answer.startswith("HTTP/1.1 307 ") and f"\r\nLocation: /{TOKEN}/\r\n" in answer
    assert server.ask(request("GET", "/once", host)) == REFUSED
    server.end()


@on_a_pty
def test_a_server_that_came_back_does_not_serve_once_again():
    view = LiveView(HELLO)
    try:
        page = Viewer(view.url)
        page.wait_for(lambda page: page.hello)
        page.messages.clear()
        os.kill(view._child.pid, signal.SIGKILL)
        page.wait_for(lambda page: page.hello)
        once = urlsplit(view.once_url)
        with socket.create_connection((once.hostname, once.port), timeout=PATIENCE_S) as asking:
            asking.sendall(request("GET", once.path, {"Host": once.netloc}))
            assert asking.recv(100) == REFUSED
        assert urlsplit(view.url).path.strip("/") not in view.once_url
    finally:
        view.close()


# Its end


@on_a_pty
def test_closed_standard_streams(port, tmp_path):
    words = ["record", "--port", port, "--subject", "01", "--dataset", str(tmp_path / "emg")]
    words += ["--minutes", "0.02", "--view"]
    code = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, sys.argv[1:])"
    words = [sys.executable, "-m", "emgtwitch", *words]
    assert subprocess.run([sys.executable, "-c", code, *words], timeout=PATIENCE_S).returncode == 0
    assert len(find_recordings(tmp_path / "emg")) == 1


@on_a_pty
def test_ctrl_c_again_and_again_while_the_server_hangs(port, tmp_path):
    words = ["record", "--port", port, "--subject", "01", "--dataset", tmp_path / "emg", "--view"]
    recording = subprocess.Popen(
        [sys.executable, "-m", "emgtwitch", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    err = b""
    while b"Enter sets" not in err:
        err += recording.stderr.read1()
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(recording.pid)], capture_output=True, check=True
    )
    server = int(found.stdout)
    os.kill(server, signal.SIGSTOP)
    for _ in range(10):  # closing takes longer
        recording.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert recording.wait(PATIENCE_S) == 0, err + recording.stderr.read()
    recording.stderr.close()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
