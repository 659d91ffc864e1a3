"""The server of the live page: ``python -m emgtwitch.live.server``, a child of a `LiveView`.

Standard input brings its configuration and then messages, one JSON object a line; standard output
takes where it listens, and commands of the viewers. It ends when the input ends.
"""

import asyncio
import json
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from emgtwitch.live import messages, requests
from emgtwitch.live.backlog import Backlog
from emgtwitch.live.viewers import Viewer

MOST_VIEWERS = 32
_MOST_UNREAD = 64  # requests being read; beyond, the oldest is given up
_REQUEST_S = 5.0
_LINGER_S, _LINGER_BYTES = 1.0, 1_000_000
_SEND_BYTES = 262_144  # in the system's hands; more would only make a slow viewer late
_MOST_LINES = 100  # read but not handled yet
_GOODBYE_S = 1.0
_PAGE = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_HEADERS = b"""\
Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
frame-ancestors 'none'
Cross-Origin-Resource-Policy: same-origin
X-Content-Type-Options: nosniff
Referrer-Policy: no-referrer
Cache-Control: no-store
Connection: close
""".replace(b"\n", b"\r\n")
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n" + _HEADERS + b"\r\n"
_TAKEN = b"HTTP/1.1 204 No Content\r\n" + _HEADERS + b"\r\n"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + _HEADERS
_RETRY = b"retry: 1000\n\n"


def _page_files() -> dict[str, bytes]:
    """Return the whole answer for each file of the page, by name; the page itself has none."""
    answers = {}
    for path in _PAGE.glob("*"):
        if kind := _TYPES.get(path.suffix):
            body = path.read_bytes()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            answers[path.name] = head.encode() + _HEADERS + b"\r\n" + body
    if "index.html" in answers:
        answers[""] = answers.pop("index.html")
    return answers


class Server:
    """Answers the requests, and passes messages on to the viewers.

    Parameters
    ----------
    token, port
        What requests must have.
    """

    def __init__(self, token: str, port: int) -> None:
        self._token, self._port = token, port
        self._files = _page_files()
        self._kept: Backlog[bytes] = Backlog(messages.KEPT_S, messages.KEPT_BYTES)
        self._viewers: set[Viewer] = set()
        self._unread: dict[asyncio.Task[Any], None] = {}
        self._sfreq, self._possible = 1.0, list[str]()
        self.is_over = False

    def take(self, line: bytes) -> None:
        """Pass on a message of the source."""
        fields = json.loads(line)
        kind, seconds = fields["type"], 0.0
        if kind == "hello":
            self._sfreq, self._possible = fields["sfreq"], fields["commands"]
        elif kind == "scans":
            seconds = fields["n"] / self._sfreq
        self.is_over |= kind == "over"
        frame = b"data: " + line.rstrip() + b"\n\n"
        self._kept.put(kind, frame, seconds, len(frame))
        for viewer in self._viewers:
            viewer.offer(kind, frame, seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with suppress(OSError, asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, body = await self._read(reader)
        answer = _REFUSED
        if request and request.method == "POST" and request.name == "command":
            if command := requests.read_command(body, self._possible):
                _tell(name=command[0], time_s=time.time(), fields=command[1])
                answer = _TAKEN
        elif request and request.method == "GET" and request.name == "stream":
            if len(self._viewers) < MOST_VIEWERS:
                return await self._stream(reader, writer)
            answer = _TOO_MANY
        elif request and request.method == "GET":
            answer = self._files.get(request.name, _REFUSED)
        writer.write(answer)
        with suppress(TimeoutError):
            async with asyncio.timeout(_REQUEST_S):
                await writer.drain()
                writer.write_eof()
        await _linger(reader)

    async def _read(self, reader: asyncio.StreamReader) -> tuple[requests.Request | None, bytes]:
        """Read a request; None if it is to be refused."""
        task = asyncio.current_task()
        assert task
        self._unread[task] = None
        if len(self._unread) > _MOST_UNREAD:
            next(iter(self._unread)).cancel()
        try:
            async with asyncio.timeout(_REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                request = requests.read_head(head, self._token, self._port)
                return request, await reader.readexactly(request.n_body) if request else b""
        except (TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return None, b""
        finally:
            del self._unread[task]

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Show the messages to a viewer until one side ends it."""
        viewer = Viewer([_STREAM + b"\r\n" + _RETRY, *self._kept.items()])
        self._viewers.add(viewer)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        sending = asyncio.create_task(viewer.send_all(writer))
        leaving = asyncio.create_task(reader.read(1))  # a viewer has nothing more to say
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._viewers.discard(viewer)
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)


async def _linger(reader: asyncio.StreamReader) -> None:
    """Read what is still coming: closing before would destroy the answer on its way."""
    n_bytes = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while n_bytes < _LINGER_BYTES and (some := await reader.read(65_536)):
                n_bytes += len(some)


def _tell(**fields: Any) -> None:
    """Tell the source."""
    print(json.dumps(fields), flush=True)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    OSError
        It cannot.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family)


async def _run(config: dict[str, Any]) -> None:
    try:
        listening = _listen(config["host"], config["port"])
    except (OSError, UnicodeError) as error:
        return _tell(error=f"cannot listen at {config['host']}: {error}")
    port = listening.getsockname()[1]
    server = Server(config["token"], port)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    room = threading.BoundedSemaphore(_MOST_LINES)

    def take(line: bytes) -> None:
        room.release()
        server.take(line)

    def read() -> None:
        for line in sys.stdin.buffer:
            room.acquire()
            loop.call_soon_threadsafe(take, line)
        loop.call_soon_threadsafe(ended.set)

    async with await asyncio.start_server(
        server.serve, sock=listening, limit=requests.MOST_HEAD_BYTES
    ):
        _tell(port=port)
        threading.Thread(target=read, name="source", daemon=True).start()
        await ended.wait()
    if not server.is_over:
        server.take(messages.line("over", {"text": "The program that showed this has ended."}))
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_GOODBYE_S)


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the source
    config = json.loads(sys.stdin.buffer.readline() or b"null")
    with suppress(OSError):  # the source is gone
        if config:
            asyncio.run(_run(config))


if __name__ == "__main__":
    main()
