"""The server of the live page: ``python -m emgtwitch.live.server``, a child of a `LiveView`.

Standard input brings its configuration and then messages, one JSON object a line; standard output
takes where it listens, and then commands of the viewers. It ends when the input ends.
"""

import asyncio
import json
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from emgtwitch.live import answers, messages, requests
from emgtwitch.live.backlog import Backlog
from emgtwitch.live.state import State
from emgtwitch.live.viewers import Viewer

MOST_VIEWERS = 32
MOST_OTHERS = 64  # connections beside them; beyond, the oldest is given up
REQUEST_S = 5.0
_ONCE_S = 60.0
_ANSWER_S = 20.0
_LINGER_S, _LINGER_BYTES = 1.0, 1_000_000
_SEND_BYTES = 262_144  # in the system's hands; more would only make a slow viewer late
_MOST_WAITED_S = 1.0  # that scans count for after a pause
_MOST_LINES = 100  # read but not handled yet
_GOODBYE_S = 1.5
_SWITCH_S = 0.0005  # that a message may have to wait while quality is judged


class Server:
    """Answers the requests, and passes messages on to the viewers.

    Parameters
    ----------
    token, port
        What requests must have.
    once
        Stands for the token in one request for the page, which is sent on; empty: nothing does.
    """

    def __init__(self, token: str, port: int, once: str = "") -> None:
        self._token, self._port = token, port
        self._once, self._once_until_s = once, time.monotonic() + _ONCE_S
        self._files = answers.files(token)
        self._kept: Backlog[bytes] = Backlog(messages.KEPT_S, messages.KEPT_BYTES)
        self._viewers: set[Viewer] = set()
        self._others: dict[asyncio.Task[Any], None] = {}
        self._sfreq, self._possible = 1.0, list[str]()
        self._scans_s = time.monotonic()
        self.state = State()
        self.is_over = False

    def take(self, line: bytes) -> None:
        """Pass on a message of the source."""
        fields = json.loads(line)
        kind, seconds, waited_s = fields["type"], 0.0, 0.0
        match kind:
            case "hello":
                self._sfreq, self._possible = fields["sfreq"], fields["commands"]
                self.state.restart(fields)
            case "scans":
                seconds = fields["n"] / self._sfreq
                self.state.take(fields, seconds)
                now_s = time.monotonic()
                waited_s, self._scans_s = min(now_s - self._scans_s, _MOST_WAITED_S), now_s
            case "state":
                line = messages.line(kind, self.state.completed(fields))
            case "over":
                self.is_over = True
        frame = b"data: " + line + b"\n"
        self._kept.put(kind, frame, seconds, len(frame))
        for viewer in self._viewers:
            viewer.offer(kind, frame, waited_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        task = asyncio.current_task()
        assert task
        self._others[task] = None
        if len(self._others) > MOST_OTHERS:
            oldest = next(iter(self._others))
            del self._others[oldest]
            oldest.cancel()
        writer.transport.set_write_buffer_limits(0)  # what is drained is in the system's hands
        try:
            answer = await self._answer(reader)
            if answer == answers.STREAM:
                self._others.pop(task, None)
                await self._stream(reader, writer)
            else:
                writer.write(answer)
                async with asyncio.timeout(_ANSWER_S):
                    await writer.drain()
            writer.write_eof()
            await _linger(reader)
        except (OSError, asyncio.CancelledError):  # TimeoutError too
            pass
        finally:
            self._others.pop(task, None)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request, and return the answer; that of a stream is to be continued."""
        begun = b""
        try:
            async with asyncio.timeout(REQUEST_S):
                begun = await reader.read(1)
                head = begun + await reader.readuntil(b"\r\n\r\n")
                if self._is_the_once(head):
                    return self._files[""]
                request = requests.read_head(head, self._token, self._port)
                body = await reader.readexactly(request.n_body) if request else b""
        except (TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            # Browsers open connections in advance; what nobody asked gets no answer.
            return answers.REFUSED if begun else b""
        match request:
            case requests.Request("POST", "/command"):
                command = requests.read_command(body, self._possible)
                if command:
                    _tell(name=command[0], time_s=time.time(), fields=command[1])
                    return answers.TAKEN
            case requests.Request("GET", "/stream"):
                is_room = len(self._viewers) < MOST_VIEWERS
                return answers.STREAM if is_room else answers.TOO_MANY
            case requests.Request("GET", path):
                return self._files.get(path, answers.REFUSED)
        return answers.REFUSED

    def _is_the_once(self, head: bytes) -> bool:
        """Return whether this is the one request that needs no token."""
        if not self._once or time.monotonic() > self._once_until_s:
            return False
        if requests.read_head(head, self._once, self._port) != requests.Request("GET", "", 0):
            return False
        self._once = ""
        return True

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Show the messages to a viewer until one side ends it."""
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        # Else a message waits until the one before is acknowledged, up to 40 ms.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        viewer = Viewer([answers.STREAM, *self._kept.items()])
        self._viewers.add(viewer)
        sending = asyncio.create_task(viewer.send_all(writer))
        leaving = asyncio.create_task(reader.read(1))  # a viewer has nothing more to say
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._viewers.discard(viewer)
            sending.cancel()
            leaving.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled():
            sending.result()


async def _linger(reader: asyncio.StreamReader) -> None:
    """Read what is still coming: closing before would destroy the answer on its way."""
    n_bytes = 0
    async with asyncio.timeout(_LINGER_S):
        while n_bytes < _LINGER_BYTES and (some := await reader.read(65_536)):
            n_bytes += len(some)


def _tell(**fields: Any) -> None:
    """Tell the source."""
    print(json.dumps(fields), flush=True)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; at ``::`` to those who know only IPv4, too.

    Raises
    ------
    OSError
        It cannot.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    where = str(address[0])
    both = where == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((where, int(address[1])), family=family, dualstack_ipv6=both)


async def _run(config: dict[str, Any]) -> None:
    """Serve until standard input ends."""
    try:
        listening = _listen(config["host"], config["port"])
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        advice = "give an address of this computer, or 0.0.0.0 for all that it has"
        return _tell(error=f"cannot listen at {config['host']}: {why}; {advice}")
    address, port, *_ = listening.getsockname()
    server = Server(config["token"], port, config.get("once", ""))
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

    accepting = await asyncio.start_server(
        server.serve, sock=listening, limit=requests.MOST_HEAD_BYTES
    )
    _tell(port=port, address=address)
    threading.Thread(target=read, name="source", daemon=True).start()
    judging = asyncio.create_task(server.state.keep_judging())
    await ended.wait()
    accepting.close()
    judging.cancel()
    if not server.is_over:
        server.take(messages.line("over", {"text": "The program that showed this has ended."}))
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=_GOODBYE_S)


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the source
    sys.setswitchinterval(_SWITCH_S)
    config = json.loads(sys.stdin.buffer.readline() or b"null")
    with suppress(OSError):  # the source is gone
        if config:
            asyncio.run(_run(config))


if __name__ == "__main__":
    main()
