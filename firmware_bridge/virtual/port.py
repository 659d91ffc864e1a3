"""Where a virtual device can be opened: a pseudo-terminal, a TCP port of this machine."""

import contextlib
import os
import socket
import struct
from pathlib import Path

from firmware_bridge.decoders import BridgeError

_CHUNK = 4096
_FLUSHREAD = 0x01  # TIOCPKT_FLUSHREAD of tty_ioctl(2)
LOOPBACK = "127.0.0.1"


def _open_pty() -> tuple[int, int, str]:
    """Return master, slave and name of a new raw pseudo-terminal; only POSIX systems have any.

    The master is in packet mode (tty_ioctl(2)): what is read from it begins with a byte that is 0
    before data, and else tells what the other side did, as to discard its input.
    """
    try:
        import fcntl
        import pty
        import termios
        import tty
    except ImportError as error:
        raise BridgeError(
            "this system has no pseudo-terminals: serve the device on TCP (--tcp)"
        ) from error
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
    return master, slave, os.ttyname(slave)


class PtyPort:
    """A pseudo-terminal: programs open it as a serial port.

    Attributes
    ----------
    name
        The port to open: the link where there is one.
    """

    def __init__(self, link: str | os.PathLike[str] | None = None) -> None:
        self._link = None if link is None else Path(link)
        self._master: int | None = None
        self.name = ""
        self.plug()

    def plug(self) -> None:
        """Open it, each time perhaps under another name, and point the link to it."""
        if self._link and not self._link.is_symlink() and self._link.exists():
            raise BridgeError(f"{self._link} is there and is no link; choose another name")
        # The slave is held open, so that the master does not fail while nobody has opened it.
        self._master, self._slave, self._pts = _open_pty()
        self.name = self._pts
        if self._link:
            new = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            try:
                new.symlink_to(self._pts)
                new.replace(self._link)
            except OSError as error:
                self._close()
                raise BridgeError(f"{self._link}: cannot be made: {error.strerror}") from error
            self.name = str(self._link)

    def _close(self) -> None:
        if self._master is not None:
            os.close(self._master)
            os.close(self._slave)
            self._master = None

    def unplug(self) -> None:
        """Remove the link if it is still ours, and close: who has it open gets an error."""
        if self._link and self._link.is_symlink() and str(self._link.readlink()) == self._pts:
            self._link.unlink()
        self._close()

    def sockets(self) -> list[int]:
        """Return what to wait for with `select`."""
        return [] if self._master is None else [self._master]

    @property
    def connected(self) -> bool:
        """Whether bytes can be written; a pseudo-terminal does not tell whether it is open."""
        return self._master is not None

    def read(self) -> tuple[bytes, bool]:
        """Return what has come, without waiting, and whether the reader begins anew.

        That is, it has discarded what came before, as programs do when they open a port.
        """
        if self._master is None:
            return b"", False
        try:
            told = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return b"", False
        return (told[1:], False) if told[0] == 0 else (b"", bool(told[0] & _FLUSHREAD))

    def write(self, data: bytes) -> int:
        """Hand over what is taken without waiting, and return how many bytes that was."""
        if self._master is None:
            return 0
        with contextlib.suppress(BlockingIOError):
            return os.write(self._master, data)
        return 0


class TcpPort:
    """A TCP port of this machine with one client at a time; any other waits for its turn.

    Attributes
    ----------
    url
        The port to open with pyserial, ``socket://127.0.0.1:PORT``.
    """

    def __init__(self, port: int = 0) -> None:
        if not 0 <= port < 2**16:
            raise BridgeError(f"port {port} cannot be: 0 to 65535")
        self._port = port
        self._client: socket.socket | None = None
        self.plug()

    def plug(self) -> None:
        """Listen, always on the same port."""
        try:
            self._listener = socket.create_server((LOOPBACK, self._port), backlog=1)
        except OSError as error:
            raise BridgeError(f"port {self._port} cannot be served: {error}") from error
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]
        self.url = f"socket://{LOOPBACK}:{self._port}"

    def unplug(self) -> None:
        """Cut the connection and refuse any other."""
        self._hang_up()
        self._listener.close()

    def _hang_up(self) -> None:
        if self._client:
            self._client.close()
            self._client = None

    def sockets(self) -> list[socket.socket]:
        """Return what to wait for with `select`."""
        return [self._client or self._listener] if self._listener.fileno() >= 0 else []

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._client is not None

    def read(self) -> tuple[bytes, bool]:
        """Return what has come, without waiting, and whether a client has come."""
        if self._listener.fileno() < 0:
            return b"", False
        try:
            if self._client is None:
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return b"", True
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return b"", False
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data, False

    def write(self, data: bytes) -> int:
        """Hand over what is taken without waiting, and return how many bytes that was."""
        if self._client is None:
            return 0
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._hang_up()
            return 0
