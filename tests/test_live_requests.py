"""Whatever does not come from a page with the token is refused, with nothing else said."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_server import REFUSED, TOKEN, blameless, read_all, request

from emgtwitch.live import requests


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with blameless(tmp_path_factory.mktemp("server")) as server:
        yield server


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
