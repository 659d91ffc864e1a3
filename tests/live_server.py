"""The server of the live page as a process that is fed by hand, and raw requests to it."""

import json
import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
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


@contextmanager
def blameless(folder):
    """Give a server; whatever is done to it, it has nothing to complain about in the end."""
    complaints = folder / "stderr.txt"
    with complaints.open("wb") as file:
        server = Server(stderr=file)
        server.feed(HELLO)
        yield server
        server.end()
    assert complaints.read_text() == ""
