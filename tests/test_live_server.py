"""The server of the live page over real sockets: who knows the token is served, nobody else."""

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emgtwitch.live import requests
from emgtwitch.live.server import MOST_OTHERS, MOST_VIEWERS, REQUEST_S

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "emgtwitch" / "live" / "page"
PATIENCE_S = 30
TOKEN = "abcdefghijklmnop"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HELLO = {
    "type": "hello",
    "ch_names": ["calf_L"],
    "sfreq": 1000.0,
    "commands": ["mark", "start", "stop", "seek", "speed", "pause", "play"],
}


class Server:
    """The server's process, fed by hand."""

    def __init__(self, config=None, **options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emgtwitch.live.server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            **options,
        )
        self._said = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.feed(config or {"host": "127.0.0.1", "port": 0, "token": TOKEN})
        self.answer = self.hear()
        self.port = self.answer.get("port")

    def feed(self, *messages):
        for message in messages:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                self._said.put(json.loads(line))

    def hear(self):
        """Return what it says next on its standard output."""
        return self._said.get(timeout=PATIENCE_S)

    def hears_nothing(self):
        return self._said.empty()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, request):
        """Return the whole answer to some bytes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0
        self._reader.join(PATIENCE_S)

    def get(self, path, **headers):
        return request("GET", f"/{TOKEN}{path}", {"Host": f"127.0.0.1:{self.port}", **headers})

    def post(self, body, **headers):
        usual = {
            "Host": f"127.0.0.1:{self.port}",
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        names = {key.replace("_", "-").title(): value for key, value in headers.items()}
        return request("POST", f"/{TOKEN}/command", {**usual, **names}) + body


def request(method, path, headers):
    lines = [f"{key}: {value}" for key, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def read_all(connection):
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests here; whatever they do to it, it has nothing to complain about."""
    complaints = tmp_path_factory.mktemp("server") / "stderr.txt"
    with complaints.open("wb") as file:
        server = Server(stderr=file)
        server.feed(HELLO)
        yield server
        server.end()
    assert complaints.read_text() == ""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/favicon.ico",
        "//",
        "",
        "*",
        "/stream",
        "/command",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}x/",
        f"/{TOKEN.upper()}/",
        f"//{TOKEN}/",
        f"/x/../{TOKEN}/",
        f"/?{TOKEN}/",
        f"/%61{TOKEN[1:]}/",
        "/" + "x" * 16 + "/",
        "/" + "\u00e9" * 8 + "/",
        f"http://127.0.0.1/{TOKEN}/",
        # What is no file of the page, token or not
        f"/{TOKEN}/../server.py",
        f"/{TOKEN}/..",
        f"/{TOKEN}/.",
        f"/{TOKEN}/%2e%2e/server.py",
        f"/{TOKEN}/..%2fserver.py",
        f"/{TOKEN}/..\\server.py",
        f"/{TOKEN}//etc/passwd",
        f"/{TOKEN}/page/index.html",
        f"/{TOKEN}/index.html",
        f"/{TOKEN}/style.css/",
        f"/{TOKEN}/STYLE.CSS",
        f"/{TOKEN}/style.css%00",
        f"/{TOKEN}/command",
        f"/{TOKEN}/favicon.ico",
        f"/{TOKEN}/stream/",
    ],
)
def test_paths_refused(server, path):
    asked = request("GET", path, {"Host": f"127.0.0.1:{server.port}"})
    assert server.ask(asked) == REFUSED


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS", "DELETE", "TRACE", "get", ""])
def test_methods_refused(server, method):
    headers = {"Host": f"127.0.0.1:{server.port}", "Content-Length": "0"}
    assert server.ask(request(method, f"/{TOKEN}/", headers)) == REFUSED


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}0",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "evil@127.0.0.1:{port}",
        "999.0.0.1:{port}",
        "[::zz]:{port}",
        "[::1]x:{port}",
        "127.0.0.1:{port}/",
        "127.0.0.1:{port}, evil.example",
        "127.0.0.1:{port}\r\nHost: evil.example",
        "evil.example\r\nHost: 127.0.0.1:{port}",
    ],
)
def test_hosts_refused(server, host):
    """A name that was made to point to this computer is not ours: DNS rebinding."""
    told = host and host.format(port=server.port)
    assert server.ask(server.get("/style.css", Host=told)) == REFUSED


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "192.168.1.7"])
def test_hosts_served(server, host):
    assert b" 200 OK\r\n" in server.ask(server.get("/style.css", Host=f"{host}:{server.port}"))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "https://127.0.0.1:{port}"])
@pytest.mark.parametrize("path", ["/", "/style.css", "/stream", "/command"])
def test_other_origins_refused(server, path, origin):
    told = origin.format(port=server.port)
    asked = server.get(path, Origin=told)
    if path == "/command":
        asked = server.post(b'{"command": "stop"}', origin=told)
    assert server.ask(asked) == REFUSED
    assert server.hears_nothing()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"host": None},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"content_type": None},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_length": None},
        {"content_length": "0"},
        {"content_length": "-1"},
        {"content_length": "+19"},
        {"content_length": "19, 19"},
        {"content_length": "1e1"},
        {"content_length": "4097"},
        {"content_length": "9" * 20},
        {"content_length": "\u0661\u0669"},
        {"transfer_encoding": "chunked"},
        {"transfer_encoding": "identity"},
        {"origin": "http://127.0.0.1:1"},
        {"content length": "19"},
        {"": "19"},
    ],
)
def test_headers_of_commands_refused(server, headers):
    assert server.ask(server.post(b'{"command": "stop"}', **headers)) == REFUSED
    assert server.hears_nothing()


@pytest.mark.parametrize("size", [4097, 10_000, 500_000])
def test_oversized_commands_refused(server, size):
    body = b'{"command": "mark", "text": "' + b"x" * size + b'"}'
    assert server.ask(server.post(body)) == REFUSED
    assert server.hears_nothing()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"stop"',
        b"{}",
        b'{"command": null}',
        b'{"command": ["stop"]}',
        b'{"command": {"stop": 1}}',
        b'{"command": "format"}',
        b'{"command": "__class__"}',
        b'{"command": "stop", "more": 1}',
        b'{"command": "seek"}',
        b'{"command": "seek", "to_s": "1"}',
        b'{"command": "seek", "to_s": true}',
        b'{"command": "seek", "to_s": NaN}',
        b'{"command": "seek", "to_s": Infinity}',
        b'{"command": "seek", "to_s": 1' + b"0" * 400 + b"}",
        b'{"command": "seek", "to_s": 1e400}',
        b'{"command": "speed", "factor": [1]}',
        b'{"command": "mark", "text": 5}',
        b'{"command": "mark", "text": "' + b"x" * 201 + b'"}',
        b'{"command": "mark", "text": "\\ud800"}',
        b"[" * 4000,
        b'{"command":' * 300,
    ],
)
def test_commands_refused(server, body):
    assert server.ask(server.post(body)) == REFUSED
    assert server.hears_nothing()


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


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"\0" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        f"GET /{TOKEN}/ HTTP/1.1 x\r\nHost: localhost\r\n\r\n".encode(),
        f"GET  /{TOKEN}/ HTTP/1.1\r\n\r\n".encode(),
        f"GET /{TOKEN}/ HTTP/1.1\r\nHost\r\n\r\n".encode(),
        f"GET /{TOKEN}/ HTTP/1.1\r\n Host: localhost\r\n\r\n".encode(),
        f"GET /{TOKEN}/\r\n\r\n".encode(),
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"x" * 2_000_000,
    ],
)
def test_nonsense_refused(server, sent):
    with server.connect() as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == REFUSED
        except OSError:
            assert len(sent) > 1_000_000  # the server does not read for ever


@settings(max_examples=60)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_refused(server, sent, ended):
    with server.connect() as connection:
        connection.sendall(sent + (b"\r\n\r\n" if ended else b""))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == (REFUSED if sent or ended else b"")


def damaged(data, whole):
    """Return some bytes with up to four of them changed."""
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@given(st.data())
def test_damaged_requests_never_harm(data):
    head = damaged(data, request("GET", f"/{TOKEN}/", {"Host": "127.0.0.1:80", "X": "y"}))
    found = requests.read_head(head, TOKEN, 80)
    assert found is None or head.startswith(f"GET /{TOKEN}".encode())
    found = requests.read_command(damaged(data, b'{"command": "stop"}'), ["stop"])
    assert found in (None, ("stop", {}))


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
