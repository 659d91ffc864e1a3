"""A page in headless Chromium, driven through a pipe by the DevTools protocol."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from emgtwitch.reports.pdf import browser_command, find_browser

# The browser reads from descriptor 3 and writes to 4.
_START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Virtual key code, and what is typed.
_NAMED_KEYS = {
    "Enter": (13, "\r"), "Escape": (27, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, ""),
}  # fmt: skip


class Page:
    """One page; `requests` and `complaints` have what it asked of a network and what went wrong."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._count = 0
        self._session = self._target = None
        self.requests = []
        self.complaints = []

    def send(self, method, **params):
        """Send a command and return its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            got = self._next()
            if got.get("id") == self._count:
                assert "error" not in got, got
                return got["result"]

    def open(self, url, width=1280, height=900):
        """Close what was open, open an address and wait until it is loaded."""
        self._session = None
        before, self._target = self._target, self._new_target()
        if before:
            self.send("Target.closeTarget", targetId=before)
        attached = self.send("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.resize(width, height)
        self.requests, self.complaints = [], []
        self.send("Page.navigate", url=url)
        self.wait_for("document.readyState == 'complete'")

    def _new_target(self):
        return self.send("Target.createTarget", url="about:blank")["targetId"]

    def reload(self):
        """Load the page once more."""
        self.evaluate("window.isOld = true")
        self.send("Page.reload")
        self.wait_for("!window.isOld && document.readyState == 'complete'")

    def prefer(self, **features):
        """Let the user prefer something, as ``color_scheme="dark"``; nothing else is preferred."""
        told = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self.send("Emulation.setEmulatedMedia", features=told)

    def press(self, key):
        """Press and release a key."""
        code, text = _NAMED_KEYS.get(key, (ord(key[0].upper()), key))
        told = {"key": key, "windowsVirtualKeyCode": code}
        down = {**told, "text": text} if text else told
        self.send("Input.dispatchKeyEvent", type="keyDown", **down)
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, text):
        """Type a text where the focus is."""
        self.send("Input.insertText", text=text)

    def resize(self, width, height):
        """Give the page the size of a screen."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip

    def evaluate(self, expression):
        """Return the value of an expression of JavaScript."""
        got = self.send("Runtime.evaluate", expression=expression, returnByValue=True,
                        awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def wait_for(self, expression, seconds=20):
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.05)

    def _next(self):
        while b"\0" not in self._rest:
            got = os.read(self._from, 1 << 20)
            assert got, "Chromium ended"
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif message.get("method") == "Runtime.consoleAPICalled":
            self.complaints.append(params["args"])
        elif message.get("method") == "Log.entryAdded":
            self.complaints.append(params["entry"])
        return message


@contextmanager
def chromium():
    """Yield a page of a new browser."""
    to_browser, from_us = os.pipe()[::-1]
    to_us, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [*browser_command(find_browser(), profile), "--remote-debugging-pipe"]
        read, write = os.dup(from_us), os.dup(from_browser)
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(read), str(write), *command],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in (from_us, from_browser, read, write):
            os.close(descriptor)
        try:
            yield Page(to_browser, to_us)
        finally:
            process.terminate()
            process.wait(timeout=20)
            os.close(to_browser)
            os.close(to_us)
