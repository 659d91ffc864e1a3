"""A viewer of the live page without a browser: server-sent events in, commands out."""

import base64
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

import numpy as np

PATIENCE_S = 30.0


class Viewer:
    """Collects all messages of a page until it is over, and connects again as the page does."""

    def __init__(self, url):
        address = urlsplit(url)
        self._host, self._port, self._path = address.hostname, address.port, address.path
        self.messages = []
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        until = time.monotonic() + PATIENCE_S
        while not self.of("over") and time.monotonic() < until:
            self._read()
            time.sleep(0.1)

    def _read(self):
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            connection.request("GET", f"{self._path}stream")
            answer = connection.getresponse()
            while line := answer.readline():
                if line.startswith(b"data: "):
                    self.messages.append(json.loads(line[6:]))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def command(self, name, **fields):
        """Send a command and return the status of the answer."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            headers = {
                "Content-Type": "application/json",
                "Origin": f"http://{self._host}:{self._port}",
            }
            body = json.dumps({"command": name, **fields})
            connection.request("POST", f"{self._path}command", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def of(self, kind):
        """Return the messages of a kind since the last hello."""
        messages = list(self.messages)
        hellos = [k for k, message in enumerate(messages) if message["type"] == "hello"]
        since = messages[hellos[-1] :] if hellos else []
        return [message for message in since if message["type"] == kind]

    @property
    def hello(self):
        """The newest one."""
        return self.of("hello")[0] if self.of("hello") else {}

    @property
    def state(self):
        """The newest one."""
        return (self.of("state") or [{}])[-1]

    def said(self):
        """All lines that were said."""
        return [message["text"] for message in list(self.messages) if message["type"] == "said"]

    def wait_for(self, condition, seconds=PATIENCE_S):
        """Wait until a function of this viewer is true, and return what it returns."""
        until = time.monotonic() + seconds
        while not (found := condition(self)):
            assert time.monotonic() < until, (self.hello, self.state, self.said())
            time.sleep(0.01)
        return found


def scans_of(message, n_channels):
    """Return first scan and (n_channels, n_scans) µV of a message."""
    data = np.frombuffer(base64.b64decode(message["uv"]), "<f4")
    return message["first"], data.reshape(n_channels, message["n"])
