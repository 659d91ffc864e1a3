"""The live page as its source sees it: never in the way, and there again when its server died."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from live_client import Viewer, scans_of

from emgtwitch.detection.rates import rate_interval
from emgtwitch.errors import InputError
from emgtwitch.event_table import Event
from emgtwitch.live.view import LiveView

ROOT = Path(__file__).parents[1]
PATIENCE_S = 30
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")


def hello(n_channels=2, sfreq=1000.0, **more):
    names = [f"calf_{'LR'[k % 2]}{k // 2 or ''}" for k in range(n_channels)]
    return {
        "mode": "record",
        "title": "test",
        "ch_names": names,
        "sides": [None] * n_channels,
        "sfreq": sfreq,
        "start": None,
        "duration_s": None,
        "commands": ["mark", "stop"],
        "limits": "",
    } | more


def state(elapsed_s, channels, **more):
    told = {"elapsed_s": elapsed_s, "trouble": "", "lost_scans": 0, "disk": None, "playing": None}
    return told | {"channels": channels} | more


def channel(twitches=0, valid_s=0.0):
    return {"twitches": twitches, "valid_s": valid_s, "noise_uv": 3.0, "floor_uv": math.nan}


def signal_uv(first, n, n_channels=6):
    """Return scans that tell their place: whole numbers, which float32 keeps."""
    return (np.arange(first, first + n) + 1000 * np.arange(n_channels)[:, None]).astype(float)


@pytest.fixture
def open_view():
    opened = []

    def make(*args, **kwargs):
        opened.append(LiveView(*args, **kwargs))
        return opened[-1]

    yield make
    for view in opened:
        view.close()


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def whole_trace(viewer, n_channels=6):
    """Return what a viewer has, from scan 0 without a gap."""
    parts = []
    for message in viewer.of("scans"):
        first, uv = scans_of(message, n_channels)
        assert first == sum(part.shape[1] for part in parts)
        parts.append(uv)
    return np.concatenate([np.empty((n_channels, 0)), *parts], axis=1)


def attack(url, answers, stop):
    """Ask for what is refused, again and again, and drip a request slowly beside."""
    address = urlsplit(url)
    where = (address.hostname, address.port)
    host = f"Host: {address.netloc}\r\n"
    big = "Content-Type: application/json\r\nContent-Length: 50000\r\n"
    requests = [
        f"GET /wrong/stream HTTP/1.1\r\n{host}\r\n",
        f"GET {address.path}../view.py HTTP/1.1\r\n{host}\r\n",
        f"GET {address.path}stream HTTP/1.1\r\n{host}Origin: http://evil.example\r\n\r\n",
        f"GET {address.path}stream HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        f"POST {address.path}command HTTP/1.1\r\n{host}Origin: http://{address.netloc}\r\n{big}\r\n"
        + "x" * 50_000,
        "\0\0\0\r\n\r\n",
    ]
    slow = socket.create_connection(where, timeout=PATIENCE_S)
    while not stop.is_set():
        with suppress(ConnectionError):
            slow.sendall(b"G")
        for request in requests:
            with socket.create_connection(where, timeout=PATIENCE_S) as connection:
                connection.sendall(request.encode())
                answer = b""
                while part := connection.recv(4096):
                    answer += part
                answers.append(answer)
        stop.wait(0.1)
    slow.close()


def test_ten_viewers_of_whom_one_stalls_and_one_is_malicious(open_view):
    sfreq, n, n_before = 2000, 40, 60_000
    view = open_view(hello(6, sfreq))
    address = urlsplit(view.url)
    for first in range(0, n_before, 2000):
        view.scans(first, signal_uv(first, 2000))
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.settimeout(PATIENCE_S)
    stalled.connect((address.hostname, address.port))
    stalled.sendall(f"GET {address.path}stream HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    answers, stop = [], threading.Event()
    malicious = threading.Thread(target=attack, args=(view.url, answers, stop))
    malicious.start()
    viewers = [Viewer(view.url) for _ in range(8)]

    took_s = []
    begun_s = time.monotonic()
    first = n_before
    while time.monotonic() < begun_s + 2.5:
        time.sleep(max(0.0, begun_s + (first - n_before) / sfreq - time.monotonic()))
        before_s = time.perf_counter()
        view.scans(first, signal_uv(first, n))
        took_s.append(time.perf_counter() - before_s)
        first += n
    stop.set()
    malicious.join()
    view.close("enough")

    for viewer in viewers:
        viewer.wait_for(lambda viewer: viewer.of("over"))
        assert viewer.messages[-1] == {"type": "over", "text": "enough"}
        np.testing.assert_array_equal(whole_trace(viewer), signal_uv(0, first))
    assert len(answers) > 10
    assert set(answers) == {REFUSED}
    got = 0
    with stalled, suppress(ConnectionError):
        while part := stalled.recv(65_536):
            got += len(part)
            assert b'"over"' not in part
    assert got < 1_500_000  # of 2 MB and more that it could have had
    assert np.quantile(took_s, 0.9) < 0.02
    assert max(took_s) < 1.0


@needs_posix
def test_a_server_that_was_killed_comes_back_with_what_was_shown(open_view):
    view = open_view(hello(6, 2000))
    viewer = Viewer(view.url)
    view.scans(0, signal_uv(0, 1000))
    view.events([Event(0.1, 0.01, "fasciculation", "calf_L", 0.105, 60.0, 9.0)])
    view.state(state(0.5, [channel()] * 6, trouble="signal lost since 12:00:01"))
    view.said("the board is back")
    viewer.wait_for(lambda viewer: viewer.said())
    n_before = len(viewer.messages)
    os.kill(view._child.pid, signal.SIGKILL)
    view.scans(1000, signal_uv(1000, 1000))
    view.said("still recording")

    viewer.wait_for(lambda viewer: viewer.messages[n_before:])  # it connected again
    viewer.wait_for(lambda viewer: whole_trace(viewer).shape[1] == 2000)
    viewer.wait_for(lambda viewer: len(viewer.of("said")) == 2)
    assert viewer.messages[n_before]["type"] == "hello"
    np.testing.assert_array_equal(whole_trace(viewer), signal_uv(0, 2000))
    assert [event["peak_s"] for event in viewer.of("event")] == [0.105]
    assert viewer.state["trouble"] == "signal lost since 12:00:01"
    assert [line["text"] for line in viewer.of("said")] == ["the board is back", "still recording"]
    assert view.take_trouble() == ["the server of the live page ended; it is started again"]
    view.scans(2000, signal_uv(2000, 10))
    viewer.wait_for(lambda viewer: whole_trace(viewer).shape[1] == 2010)
    assert viewer.command("mark", text="hop") == 204
    wait_for(lambda: view._commands)
    assert [(command.name, command.fields) for command in view.take_commands()] == [
        ("mark", {"text": "hop"})
    ]


@needs_posix
def test_a_server_that_hangs_delays_nothing(open_view):
    view = open_view(hello(64, 4000))
    pid = view._child.pid
    os.kill(pid, signal.SIGSTOP)
    took_s = []
    block = np.zeros((64, 400))
    for k in range(700):  # 70 s of signal
        before_s = time.perf_counter()
        view.scans(400 * k, block)
        view.said("nothing")
        took_s.append(time.perf_counter() - before_s)
    assert np.median(took_s) < 0.01
    assert len(view._inbox) < 400  # the oldest scans are gone
    view.close()
    assert has_ended(pid)


SOURCE = """
import sys, time
from emgtwitch.live.view import LiveView
view = LiveView(dict(ch_names=["calf_L"], sfreq=1000.0, commands=[]))
try:
    print(view._child.pid, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.3)
    print(view._child.has_ended, view.take_trouble(), flush=True)
    view.close()
    print(view._child.has_ended, flush=True)
"""


@needs_posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_server_ends_with_its_source(how):
    """Killed, or by Ctrl-C in its terminal, which reaches all of its group of processes."""
    source = subprocess.Popen(
        [sys.executable, "-c", SOURCE],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    pid = int(source.stdout.readline())
    assert not has_ended(pid)
    os.killpg(source.pid, how)
    told = source.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert told == ([] if how == signal.SIGKILL else ["False []", "True"])
    wait_for(lambda: has_ended(pid))


def test_rates_and_lights(open_view):
    view = open_view(hello(uv_per_count=[2.0, 2.0], bits=10))
    viewer = Viewer(view.url)
    rng = np.random.default_rng(7)
    hum = 200 * np.sin(2 * np.pi * 50 * np.arange(9000) / 1000)
    uv = 2 * np.rint((1024 + rng.normal(0, 4, (2, 9000)) + np.stack([0 * hum, hum])) / 2)
    view.scans(0, uv)
    view.state(state(0.0, [channel(), channel()]))
    counted = Event(61.0, 0.01, "fasciculation", "calf_R", 61.005, 60.0, 9.0)
    view.events(
        [
            counted,
            Event(62.0, 0.01, "fasciculation", "calf_R", 62.005, 60.0, 9.0, provisional=True),
            Event(63.0, 0.01, "fasciculation", "calf_R", 63.005, 60.0, 9.0, reason="motion"),
            Event(64.0, 2.0, "contraction", "calf_R"),
        ]
    )
    told = state(90.0, [channel(0, 30.0), channel(1, 90.0)])

    def is_complete(viewer):
        view.state(told)
        return viewer.state and viewer.state["channels"][1]["quality"]["mains"]["light"] == "bad"

    viewer.wait_for(is_complete)
    left, right = viewer.state["channels"]
    for side, count, minutes in ((left, 0, 0.5), (right, 1, 1.5)):
        found = [side[name] for name in ("rate_per_min", "low", "high")]
        np.testing.assert_allclose(found, rate_interval(count, minutes))
    assert right["last_minute_per_min"] == 1.0
    assert viewer.state["rates"] == {
        "minute_s": [0.0, 60.0],
        "per_min": [[0.0, 0.0], [0.0, 2.0]],
        "valid": [[0.333, 1.0], [0.167, 0.5]],
    }
    assert left["floor_uv"] is None
    assert {name: light["light"] for name, light in left["quality"].items()} == dict.fromkeys(
        ("contact", "mains", "clipping", "losses", "noise"), "good"
    )
    assert "50 Hz" in right["quality"]["mains"]["words"]
    assert [event["reason"] for event in viewer.of("event")] == [None, None, "motion", None]
    assert viewer.of("event")[0] == {
        "type": "event",
        "channel": 1,
        "provisional": False,
        "trial_type": "fasciculation",
        "onset_s": 61.0,
        "duration_s": 0.01,
        "peak_s": 61.005,
        "amplitude_uv": 60.0,
        "snr": 9.0,
        "reason": None,
    }

    view.state(told | {"trouble": "signal lost since 12:00:01"})
    viewer.wait_for(lambda viewer: viewer.state["trouble"])
    lights = viewer.state["channels"][0]["quality"]
    assert lights["losses"] == {"light": "bad", "words": "signal lost since 12:00:01"}
    assert lights["mains"]["light"] == "unknown"

    view.restart(hello(1, 500.0, mode="watch"))
    viewer.wait_for(lambda viewer: viewer.hello.get("mode") == "watch")
    later = Viewer(view.url)
    later.wait_for(lambda viewer: viewer.hello)
    assert not later.of("scans") and not later.of("event") and not later.state
    with pytest.raises(ValueError, match="1 channels"):
        view.scans(0, uv)


def test_where_it_cannot_listen():
    with pytest.raises(InputError, match=r"cannot listen at 203\.0\.113\.1"):
        LiveView(hello(), host="203.0.113.1")  # an address for documentation, RFC 5737


def test_seen_from_the_network(open_view):
    view = open_view(hello(), host="0.0.0.0")
    assert urlsplit(view.url).hostname != "0.0.0.0"
    viewer = Viewer(view.url)
    viewer.wait_for(lambda viewer: viewer.hello)


def test_a_source_loads_little():
    code = "import sys, json, emgtwitch.live.view; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert not {"scipy", "mne", "matplotlib", "asyncio"} & set(json.loads(told.stdout))
