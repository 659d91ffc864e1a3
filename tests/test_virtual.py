"""The virtual device with EMGT/1: what it streams, obeys, loses and breaks, over real ports."""

import math
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import serial

from firmware_bridge import frames
from firmware_bridge.decoders import Block, BridgeError, Mark
from firmware_bridge.decoders.emgt import EmgtDecoder
from firmware_bridge.faults import ByteFaults, Faults
from firmware_bridge.virtual import About, VirtualDevice
from firmware_bridge.virtual.emgt import exact_rate

PATIENCE_S = 30
RATE_HZ = 2000
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
# pyserial rests 0.3 s when it closes a socket.
USUAL = "tcp" if sys.platform == "win32" else "pty"
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]


def source(first: int, n: int) -> np.ndarray:
    scan = np.arange(first, first + n)
    return np.stack([(scan * 7 + 3 * k) % 1022 + 1 for k in range(2)])


def wide(first: int, n: int) -> np.ndarray:
    return np.concatenate([source(first, n) for _ in range(3)])


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def served(device: VirtualDevice, where: str = USUAL) -> str:
    return device.serve_pty() if where == "pty" else device.serve_tcp()


class Host:
    """A computer: commands out, what comes in decoded."""

    def __init__(self, port: str) -> None:
        self.port = serial.serial_for_url(port, baudrate=frames.BAUD, timeout=0.02)
        self.decoder = EmgtDecoder()
        self.items: list[object] = []
        self.seq = 0
        self.port.write(b"\0")

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_) -> None:
        self.port.close()

    def send(self, kind, *arguments) -> int:
        self.seq += 1
        self.port.write(frames.encode(kind(self.seq, *arguments)))
        return self.seq

    def read(self) -> None:
        self.items += self.decoder.feed(self.port.read(16_384))

    def until(self, wanted: Callable[[object], bool]) -> object:
        end = time.monotonic() + PATIENCE_S
        while not any(map(wanted, self.items)):
            assert time.monotonic() < end
            self.read()
        return next(filter(wanted, self.items))

    def kind(self, kind: type) -> list:
        return [item for item in self.items if isinstance(item, kind)]

    def ask(self, kind, *arguments) -> frames.Ack:
        seq = self.send(kind, *arguments)
        return self.until(lambda item: isinstance(item, frames.Ack) and item.seq == seq)

    def start(self, session=1, hz=RATE_HZ, mask=3, n=0) -> frames.Ack:
        self.decoder.expect(session)
        return self.ask(frames.Start, session, hz, mask, n)

    def read_scans(self, n: int) -> None:
        self.until(lambda item: isinstance(item, Block) and item.first + item.counts.shape[1] >= n)

    def scans(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of all scans so far and their codes."""
        blocks = self.kind(Block)
        indices = [block.first + np.arange(block.counts.shape[1]) for block in blocks]
        return np.concatenate(indices), np.concatenate([block.counts for block in blocks], axis=1)


def check_exact(host: Host) -> np.ndarray:
    """Check every scan received against the source, and return their indices."""
    indices, counts = host.scans()
    assert np.all(np.diff(indices) > 0)
    assert np.array_equal(counts, np.concatenate([source(i, 1) for i in indices], axis=1))
    return indices


def missing(indices: np.ndarray, n: int) -> set[int]:
    return set(range(n)) - set(indices.tolist())


# Streams and commands


@pytest.mark.parametrize("where", PORTS)
def test_the_stream_is_the_source(where):
    device = VirtualDevice(source, speed=10, ring_bytes=1 << 22)
    with device, Host(served(device, where)) as host:
        ack = host.start(session=7)
        assert (ack.status, ack.n_channels, ack.n) == (frames.OK, 2, 20)
        assert Fraction(ack.fs_num, ack.fs_den) == RATE_HZ
        host.read_scans(8000)
        assert host.ask(frames.Stop).status == frames.OK
        (stream,) = device.streams
        indices = check_exact(host)
        assert indices.tolist() == list(range(stream.due))
        assert (stream.sent, stream.handed_over, stream.lost) == (stream.due, stream.due, 0)
        assert stream.finished
        assert host.decoder.statistics.lost_scans == 0
        last = host.kind(frames.Status)[-1]
        assert (last.session, last.scan, last.flags) == (7, stream.due, 0)
        assert device.n_bytes >= host.decoder.statistics.n_bytes


@pytest.mark.parametrize("where", PORTS)
def test_as_fast_as_read_nothing_is_lost(where):
    device = VirtualDevice(wide, speed=math.inf)
    with device, Host(served(device, where)) as host:
        assert host.start(mask=0b111111).n == 6
        host.read_scans(50_000)
        indices, counts = host.scans()
        assert np.array_equal(indices, np.arange(len(indices)))
        assert np.array_equal(counts, wide(0, len(indices)))


def test_it_says_what_it_is():
    about = About(("GM_L", "GM_R"), sfreq=1500, bits=12, vref_mv=3300, serial="x1", boot_id=5)
    with VirtualDevice(source, about=about) as device, Host(served(device)) as host:
        host.ask(frames.Ident)
        host.until(lambda item: isinstance(item, frames.Info) and item.part == item.parts - 1)
        values = frames.info_values(host.kind(frames.Info))
        assert values["nch"] == values["max_nch"] == "2"
        assert (values["bits"], values["vref_mv"], values["serial"]) == ("12", "3300", "x1")
        assert Fraction(int(values["fs_num"]), int(values["fs_den"])) == Fraction(
            16_000_000, 10_667
        )
        assert [values[f"ch{k}.name"] for k in range(2)] == ["GM_L", "GM_R"]
        assert values["ch1.gain"] == "200"
        assert {info.boot_id for info in host.kind(frames.Info)} == {5}


@pytest.mark.parametrize(
    ("hz", "clocks"), [(1, 256 * 62_500), (244, 8 * 8197), (245, 65_306), (4000, 4000)]
)
def test_rates_are_those_of_the_timer(hz, clocks):
    assert exact_rate(hz) == Fraction(16_000_000, clocks)


def test_commands_that_cannot_be_obeyed():
    about = About(("calf_L", "calf_R"), sfreq=1000, only_sfreq=True)
    with VirtualDevice(source, about=about) as device, Host(served(device)) as host:
        for start in ((1, 0, 3, 0), (1, 1000, 0, 0), (1, 1000, 4, 0), (1, 1000, 3, 21)):
            assert host.ask(frames.Start, *start).status == frames.BAD_ARGUMENT
        assert host.start(hz=2000).status == frames.BAD_ARGUMENT
        assert host.ask(frames.Test, 4).status == frames.BAD_ARGUMENT
        assert host.ask(frames.Set, 3, 0).status == frames.BAD_ARGUMENT
        assert host.ask(frames.Set, frames.PLOTTER_LINES, 2).status == frames.BAD_ARGUMENT
        assert host.ask(frames.Set, frames.SILENCE_S, 86_401).status == frames.BAD_ARGUMENT
        for body, status in (
            (b"\x4f\xfe", frames.UNKNOWN_COMMAND),
            (b"\x42\xff\0", frames.BAD_LENGTH),
        ):
            host.port.write(frames.pack(body))
            ack = host.until(lambda item, seq=body[1]: getattr(item, "seq", 0) == seq)
            assert (ack.cmd, ack.status) == (body[0], status)
        host.port.write(frames.encode(frames.Stop(9))[:-3] + b"\x55\0")  # a bad CRC: no answer
        host.until(lambda item: isinstance(item, frames.Status) and item.rx_crc_errors == 1)
        assert not device.streams
        assert host.ask(frames.Stop).status == host.ask(frames.Stop).status == frames.OK


def test_start_anew_and_channels():
    with VirtualDevice(wide, speed=10) as device, Host(served(device)) as host:
        host.start(session=1, mask=1, n=3)
        host.read_scans(100)
        host.items.clear()
        ack = host.start(session=2, mask=0b001010, n=5)
        assert (ack.n_channels, ack.n) == (2, 5)
        host.read_scans(100)
        indices, counts = host.scans()
        assert indices[0] == 0
        assert np.array_equal(counts, wide(0, len(indices))[[1, 3]])
        first, second = device.streams
        assert first.due == first.sent == first.handed_over
        assert [first.session, second.session] == [1, 2]
        assert np.array_equal(device.counts(second, 5, 10), counts[:, 5:15])


@pytest.mark.parametrize("mode", [frames.RAMP, frames.SINE, frames.NOISE])
def test_signals(mode):
    with VirtualDevice(source, speed=10) as device, Host(served(device)) as host:
        assert host.ask(frames.Test, mode).status == frames.OK
        host.start()
        host.read_scans(3000)
        indices, counts = host.scans()
        assert np.array_equal(counts, frames.test_signal(mode, indices, 2, 10))
        assert all(block.test_signal for block in host.kind(Block))


def test_channels_at_a_limit_are_told():
    def at_limits(first: int, n: int) -> np.ndarray:
        return source(first, n) * [[1], [0]] + np.where(np.arange(first, first + n) == 50, 1023, 0)

    with VirtualDevice(at_limits) as device, Host(served(device)) as host:
        host.ask(frames.Start, 1, RATE_HZ, 3, 10)
        host.decoder.expect(None)
        host.read_scans(100)
        blocks = host.kind(Block)
        assert {block.clipped for block in blocks} == {2, 3}


def test_marks_and_pings():
    with VirtualDevice(source) as device, Host(served(device)) as host:
        host.send(frames.Ping, 11)
        idle = host.until(lambda item: isinstance(item, frames.Pong))
        assert (idle.token, idle.scan, idle.sub) == (11, 0, 0)
        assert host.ask(frames.MarkCommand, 512).status == frames.OK
        device.press_button(8)
        host.start(session=3)
        host.read_scans(200)
        assert host.ask(frames.MarkCommand, 513).status == frames.OK
        host.send(frames.Ping, 12)
        pong = host.until(lambda item: getattr(item, "token", 0) == 12)
        device.press_button(9)
        host.until(lambda item: isinstance(item, Mark) and item.source == "button")
        by_host, by_button = host.kind(Mark)
        assert (by_host.source, by_host.code, by_button.code) == ("host", 513, 9)
        assert 200 <= by_host.scan <= pong.scan + pong.sub / 65536 <= by_button.scan
        # What it says on its scan axis is when it happened, on the computer's clock.
        (stream,) = device.streams
        assert 0 < time.monotonic_ns() - device.monotonic_ns(stream, pong.scan) < PATIENCE_S * 1e9


def test_silence_and_lines_for_a_plotter():
    with VirtualDevice(source, speed=20) as device, Host(served(device)) as host:
        assert host.ask(frames.Set, frames.SILENCE_S, 2).status == frames.OK
        host.start()
        host.until(lambda item: isinstance(item, frames.Log))
        (stream,) = device.streams
        assert 2 * RATE_HZ <= stream.due <= 3 * RATE_HZ
        assert stream.due == stream.sent
        host.ask(frames.Set, frames.SILENCE_S, 0)
        host.ask(frames.Set, frames.PLOTTER_LINES, 1)
        host.port.write(frames.encode(frames.Start(99, 1, 500, 3, 0)))
        received = b""
        while received.count(b"\r\n") < 100:
            received += host.port.read(1024)
        lines = received[received.rindex(b"\0") + 1 :].split(b"\r\n")[:90]
        assert lines == [b"%d,%d" % tuple(scan) for scan in source(0, 90).T]


# Losses and faults


@needs_pty  # a TCP connection keeps more than a megabyte for its reader
def test_a_reader_that_does_not_read_loses_what_the_board_counts():
    device = VirtualDevice(source, speed=100, ring_bytes=1000)
    with device, Host(device.serve_pty()) as host:
        host.start()
        (stream,) = device.streams
        wait_for(lambda: stream.lost > 5000)
        after = stream.due
        host.read_scans(after)
        host.ask(frames.Stop)
        indices = check_exact(host)
        spans = {scan for first, n in stream.lost_spans for scan in range(first, first + n)}
        assert missing(indices, stream.due) == spans
        assert len(spans) == stream.lost == stream.overruns
        assert stream.due == stream.handed_over + stream.lost
        assert host.kind(frames.Status)[-1].lost_scans == stream.lost


def run_with(faults: Faults, n: int) -> tuple[Host, VirtualDevice]:
    device = VirtualDevice(source, faults=faults, speed=math.inf)
    with device, Host(served(device)) as host:
        host.send(frames.Start, 1, RATE_HZ, 3, 0)
        host.read_scans(n)
    return host, device


def test_byte_faults_are_counted_and_the_same_for_the_same_seed():
    faults = Faults(seed=4, drop=3e-4, flip=3e-4, duplicate=3e-4)
    runs = [run_with(each, 25_000) for each in (faults, faults, Faults(seed=5, drop=3e-4))]
    lost = []
    for host, device in runs:
        indices = check_exact(host)
        lost.append(missing(indices, 25_000))
        end = indices[-1] + 1
        assert len(indices) + host.decoder.statistics.lost_scans == end
        (stream,) = device.streams
        # A frame that lost its end takes the next one with it, a doubled end harms nothing.
        assert 0.5 * stream.damaged < len(lost[-1]) < 2 * stream.damaged
        assert stream.damaged % stream.scans_per_frame == 0
    assert lost[0] == lost[1] != lost[2]
    done = [device.byte_faults for _, device in runs]
    expected = 3e-4 * runs[0][1].n_bytes
    for count in (done[0].dropped, done[0].flipped, done[0].duplicated):
        assert 0.5 * expected < count < 1.6 * expected
    assert done[2].dropped > 0 == done[2].flipped == done[2].duplicated


def test_damage_does_not_depend_on_the_cutting():
    data = np.random.default_rng(1).bytes(5000)
    faults = Faults(seed=2, drop=0.1, flip=0.1, duplicate=0.1)
    whole = ByteFaults(faults).damage(data, is_data=True)
    piecewise, other = ByteFaults(faults), ByteFaults(faults)
    pieces = [piecewise.damage(data[at : at + 7], is_data=True) for at in range(0, 5000, 7)]
    assert b"".join(pieces) == whole != other.damage(data, is_data=False)
    # Nor on what else is sent in between.
    between = ByteFaults(faults)
    between.damage(b"answer", is_data=False)
    assert between.damage(data, is_data=True) == whole
    assert len(whole) == 5000 - between.dropped + between.duplicated


def test_a_stall_loses_exactly_its_scans():
    host, device = run_with(Faults(stalls=((1.0, 0.25), (2.0, 0.1))), 6000)
    indices = check_exact(host)
    (stream,) = device.streams
    # Frames of 20: the one that scan 2000 began was not full when the board hung.
    assert stream.lost_spans == [(2000, 501), (4001, 200)]
    spans = {*range(2000, 2501), *range(4001, 4201)}
    assert missing(indices, 6000) == spans
    assert host.decoder.statistics.lost_scans == len(spans)


@needs_pty
def test_flags_tell_who_lost_scans():
    device = VirtualDevice(source, faults=Faults(stalls=((0.5, 0.1),)), speed=20, ring_bytes=400)
    with device, Host(device.serve_pty()) as host:
        host.send(frames.Start, 1, RATE_HZ, 3, 0)
        wait_for(lambda: any(stream.overruns for stream in device.streams))
        reader, flags = frames.PacketReader(), []
        while not {frames.OVERRUN, frames.RING_FULL} <= set(flags):
            bodies = reader.feed(host.port.read(4096))
            flags += [frames.decode(body).flags for body in bodies if body[0] == frames.Data.TYPE]
        assert set(flags) == {0, frames.OVERRUN, frames.RING_FULL}
        assert flags.count(frames.OVERRUN) == 1


def test_a_reset_ends_the_stream_and_boots():
    device = VirtualDevice(source, faults=Faults(resets=(0.5,)), speed=5, boot_s=0.2)
    with device, Host(served(device)) as host:
        host.until(lambda item: isinstance(item, frames.Status))  # before, it is deaf
        host.start()
        booted = host.until(lambda item: isinstance(item, frames.Info) and item.boot_id == 2)
        assert booted.flags == 0
        (stream,) = device.streams
        assert (stream.due, stream.sent, stream.finished) == (1001, 1000, False)
        assert check_exact(host)[-1] == 999
        host.until(lambda item: isinstance(item, frames.Status) and item.reset_cause == 2)
        assert host.start(session=2).status == frames.OK
        host.items.clear()
        host.read_scans(100)
        assert device.streams[1].boot_id == 2


def test_reset_by_command():
    with VirtualDevice(source, speed=10) as device, Host(served(device)) as host:
        host.start()
        assert host.ask(frames.Reset).status == frames.OK
        host.until(lambda item: isinstance(item, frames.Info) and item.boot_id == 2)
        host.until(lambda item: isinstance(item, frames.Status) and item.reset_cause == 8)
        assert device.streams[0].due == device.streams[0].sent


@pytest.mark.parametrize("where", PORTS)
def test_unplugged_and_plugged_in_again(where, tmp_path):
    link = tmp_path / "board"
    device = VirtualDevice(source, faults=Faults(unplugs=((0.5, 2.0),)))
    with device:
        port = device.serve_pty(link) if where == "pty" else device.serve_tcp()
        with Host(port) as host, pytest.raises((serial.SerialException, OSError)):
            host.start()
            while True:
                host.read()
        assert not link.is_symlink()
        with pytest.raises(serial.SerialException):
            serial.serial_for_url(port)
        (stream,) = device.streams
        assert stream.due == 1001
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                again = Host(port)
                break
            except serial.SerialException:
                assert time.monotonic() < end
                time.sleep(0.02)
        with again:
            assert again.start(session=2).status == frames.OK
            again.read_scans(100)
            check_exact(again)
        assert device.streams[1].boot_id == 2


def test_at_a_wrong_baud_rate_nothing_is_understood():
    host, device = run_with(Faults(wrong_baud=((1.0, 0.5),)), 6000)
    (stream,) = device.streams
    lost = missing(check_exact(host), 6000)
    # Those sent in that time, and perhaps the frame that the last random bytes run into.
    assert set(range(2000, 3000)) <= lost <= set(range(2000, 3020))
    assert host.decoder.statistics.lost_scans == len(lost)
    assert stream.lost == 0


@pytest.mark.parametrize("lump_ms", [4.096, 16.0])
def test_lumps_lose_nothing(lump_ms):
    device = VirtualDevice(source, faults=Faults(coalesce_ms=lump_ms))
    with device, Host(served(device)) as host:
        host.start(n=1)
        host.read_scans(1500)
        host.ask(frames.Stop)
        (stream,) = device.streams
        assert check_exact(host).tolist() == list(range(stream.due))
        assert stream.lost == 0


def test_the_clock_is_off_as_much_as_asked():
    with VirtualDevice(source, faults=Faults(rate_error_ppm=-5000)) as device:
        with Host(served(device)) as host:
            host.start()
        (stream,) = device.streams
        seconds = (device.monotonic_ns(stream, 20_000) - device.monotonic_ns(stream, 0)) / 1e9
        assert seconds == pytest.approx(10 / (1 - 5e-3), rel=1e-8)


@pytest.mark.parametrize(
    "values",
    [
        {"drop": 1.5},
        {"flip": -0.1},
        {"duplicate": math.nan},
        {"stalls": ((-1.0, 1.0),)},
        {"unplugs": ((1.0, math.inf),)},
        {"stalls": ((1.0, 1.0),), "resets": (1.5,)},
        {"rate_error_ppm": 2e5},
        {"coalesce_ms": -1.0},
        {"seed": -1},
    ],
)
def test_impossible_faults(values):
    with pytest.raises(BridgeError):
        Faults(**values)


# Ports


@needs_pty
def test_links(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("mine", encoding="utf-8")
    stale = tmp_path / "board"
    stale.symlink_to("/nowhere")
    with VirtualDevice(source) as device:
        with pytest.raises(BridgeError, match="no link"):
            device.serve_pty(taken)
        assert device.serve_pty(stale) == device.port == str(stale)
        assert stale.resolve().is_char_device()
        with VirtualDevice(source) as other:
            other.serve_pty(stale)
            theirs = stale.readlink()
        assert not stale.exists()
        stale.symlink_to(theirs)  # no longer ours: it stays
    assert stale.is_symlink()
    assert taken.read_text(encoding="utf-8") == "mine"
    with VirtualDevice(source) as device, pytest.raises(BridgeError, match="cannot be made"):
        device.serve_pty(tmp_path / "no folder" / "board")


@pytest.mark.parametrize("where", PORTS)
def test_one_reader_after_another(where):
    with VirtualDevice(source, speed=5) as device:
        port = served(device, where)
        for session in (1, 2, 3):
            with Host(port) as host:
                assert host.start(session).status == frames.OK
                host.read_scans(500)
                check_exact(host)
        assert [stream.session for stream in device.streams] == [1, 2, 3]


@pytest.mark.parametrize("where", PORTS)
def test_who_opens_it_gets_nothing_old(where):
    with VirtualDevice(source, speed=20) as device:  # slow enough for a busy computer
        port = served(device, where)
        with Host(port) as host:
            host.start()
        (stream,) = device.streams
        wait_for(lambda: stream.lost > 0)
        opened = stream.due
        with Host(port) as host:
            host.read_scans(stream.due)
            # The ring held more than 13,000; what the system holds cannot all be discarded.
            assert np.sum(check_exact(host) < opened) < 7000


@needs_pty
def test_who_comes_by_tcp_has_the_device():
    with VirtualDevice(source, speed=5) as device:
        with Host(device.serve_pty()) as by_pty:
            with Host(device.serve_tcp()) as by_tcp:
                by_tcp.start()
                by_tcp.read_scans(500)
                check_exact(by_tcp)
            by_pty.start(session=2)
            by_pty.read_scans(500)
            check_exact(by_pty)
        assert device.url.startswith("socket://127.0.0.1:")


def test_what_cannot_be_served():
    with VirtualDevice(source) as device, VirtualDevice(source) as other:
        port = int(device.serve_tcp().rpartition(":")[2])
        with pytest.raises(BridgeError, match=f"port {port} cannot be served"):
            other.serve_tcp(port)
        with pytest.raises(BridgeError, match="port 70000 cannot"):
            other.serve_tcp(70_000)
    with pytest.raises(BridgeError, match="format morse is unknown: emgt, text"):
        VirtualDevice(source, "morse")
    with pytest.raises(BridgeError, match="at most 8"):
        VirtualDevice(lambda first, n: np.zeros((9, n), int))
    with pytest.raises(BridgeError, match="2 channels, but 1 names"):
        VirtualDevice(source, about=About(("calf_L",)))


def test_a_source_that_fails_ends_the_device():
    def broken(first: int, n: int) -> np.ndarray:
        if first:
            raise ValueError("no more")
        return source(first, n)

    device = VirtualDevice(broken)
    with Host(served(device)) as host:
        host.start()
        wait_for(lambda: device.failed)
    with pytest.raises(BridgeError, match="no more"):
        device.close()
