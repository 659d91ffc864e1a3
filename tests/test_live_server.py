"""The server of the live page over real sockets: pages, commands, viewers, slow and dead ones."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from live_server import (
    HELLO,
    PATIENCE_S,
    REFUSED,
    ROOT,
    TOKEN,
    Server,
    blameless,
    read_all,
    wait_for,
)

from emgtwitch.live.server import MOST_OTHERS, MOST_VIEWERS, REQUEST_S

PAGE = ROOT / "emgtwitch" / "live" / "page"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with blameless(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.parametrize(
    ("body", "name", "fields"),
    [
        ({"command": "mark", "text": "Husten ä 😀"}, "mark", {"text": "Husten ä 😀"}),
        ({"command": "mark"}, "mark", {}),
        ({"command": "mark", "text": None}, "mark", {}),
        ({"command": "start", "subject": "P1", "condition": "rest"}, "start", ...),
        ({"command": "stop"}, "stop", {}),
        ({"command": "seek", "to_s": 12}, "seek", {"to_s": 12.0}),
        ({"command": "speed", "factor": 0.5}, "speed", {"factor": 0.5}),
    ],
)
def test_commands_passed_on(server, body, name, fields):
    if fields is ...:
        fields = {key: value for key, value in body.items() if key != "command"}
    before_s = time.time()
    answer = server.ask(server.post(json.dumps(body).encode()))
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n") and answer.endswith(b"\r\n\r\n")
    heard = server.hear()
    assert (heard["name"], heard["fields"]) == (name, fields)
    assert before_s <= heard["time_s"] <= time.time()


def test_every_file_of_the_page(server):
    names = [path.name for path in PAGE.iterdir() if path.suffix in (".css", ".js", ".txt")]
    assert len(names) > 3
    for name in ["", *names]:
        head, _, body = server.ask(server.get(f"/{name}?from=elsewhere")).partition(b"\r\n\r\n")
        assert body == (PAGE / (name or "index.html")).read_bytes()
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert first == "HTTP/1.1 200 OK" and "Server" not in headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert not any(key.startswith("Access-Control") for key in headers)
        assert int(headers["Content-Length"]) == len(body)


def test_an_address_typed_without_its_last_slash(server):
    answer = server.ask(server.get(""))
    assert answer.startswith(b"HTTP/1.1 307 ") and f"\nLocation: /{TOKEN}/\r\n".encode() in answer


def open_stream(server):
    connection = server.connect()
    connection.sendall(server.get("/stream"))
    return connection


def status_of(connection):
    answer = b""
    while b"\r\n\r\n" not in answer:
        got = connection.recv(65_536)
        assert got
        answer += got
    return int(answer.split(b" ")[1])


def test_no_more_viewers_than_there_is_room_for(server):
    viewers = [open_stream(server) for _ in range(MOST_VIEWERS)]
    assert {status_of(viewer) for viewer in viewers} == {200}
    with open_stream(server) as one_more:
        assert read_all(one_more).startswith(b"HTTP/1.1 503 ")
    viewers.pop().close()

    def served():
        viewers.append(open_stream(server))
        return status_of(viewers[-1]) == 200

    wait_for(served)
    viewers[0].sendall(b"a viewer has nothing to say")
    with suppress(ConnectionError):
        read_all(viewers[0])  # ends
    for viewer in viewers:
        viewer.close()


def test_slow_requests_end_and_hinder_nobody(server):
    """Slowloris: more connections than there is room for, each with another byte now and then."""
    begun_s = time.monotonic()
    slow = [server.connect() for _ in range(MOST_OTHERS + 20)]
    whole = server.get("/stream") + b"x"
    for n_sent in range(3):
        for connection in slow:
            with suppress(ConnectionError):  # it was given up for a newer one
                connection.sendall(whole[n_sent : n_sent + 1])
        asked_s = time.monotonic()
        assert b" 200 OK\r\n" in server.ask(server.get("/style.css"))
        assert time.monotonic() - asked_s < REQUEST_S
    ends = []
    for connection in slow:
        with connection:
            try:
                ends.append(read_all(connection))
            except ConnectionError:
                ends.append(b"")
    assert set(ends) <= {b"", REFUSED} and ends[-1] == REFUSED
    assert REQUEST_S - 1 < time.monotonic() - begun_s < PATIENCE_S


@pytest.mark.parametrize("host", ["203.0.113.1", "x" * 300])
def test_where_it_cannot_listen(host):
    server = Server({"host": host, "port": 0, "token": TOKEN})
    assert server.answer["error"].startswith(f"cannot listen at {host}: ")
    assert server.process.wait(PATIENCE_S) == 0
    server.end()


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_ends_with_its_source_and_not_by_ctrl_c():
    server = Server(start_new_session=True)
    server.feed({**HELLO, "commands": ["mark"]})
    viewer = open_stream(server)
    assert status_of(viewer) == 200
    assert server.ask(server.post(b'{"command": "stop"}')) == REFUSED  # not possible now
    os.killpg(server.process.pid, signal.SIGINT)
    server.feed({"type": "said", "at": "12:00:01", "text": "still here"})
    server.end()
    told = read_all(viewer).decode()
    viewer.close()
    assert re.findall('"type": ?"([a-z]+)"', told)[-2:] == ["said", "over"]


def test_ends_without_being_told_anything():
    process = subprocess.Popen(
        [sys.executable, "-m", "emgtwitch.live.server"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.communicate(timeout=PATIENCE_S)[1] == b""
    assert process.returncode == 0
