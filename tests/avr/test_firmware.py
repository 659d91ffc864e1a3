"""The compiled firmware in the emulator, seen from its pins and its serial port alone."""

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge import frames
from firmware_bridge.clock import ClockEstimator

ARDUINO = Path(__file__).parents[2] / "firmware_bridge" / "arduino"
CLOCK_HZ = 16_000_000
LONGEST_PACKET, LONGEST_FRAME_S = 96, 0.010


def of(messages, kind):
    return [message for message in messages if isinstance(message, kind)]


def joined(data):
    """Join the codes of DATA messages that follow each other without a gap, from scan 0 on."""
    assert [message.scan0 for message in data] == [
        0,
        *(message.scan0 + message.n for message in data[:-1]),
    ]
    return np.concatenate([message.counts for message in data], axis=1)


def random_voltages(n_scans, n_channels):
    return np.random.default_rng(3).integers(0, 5001, (n_scans, n_channels))


def start(hz, n_channels, n=0, session=7):
    return frames.Start(1, session, hz, 2**n_channels - 1, n)


def stream(emulator, command, seconds, between=()):
    """Start, run, send commands one after the other meanwhile, stop; return all messages."""
    emulator.send(command)
    pause_s = seconds / (len(between) + 1)
    messages = emulator.run(pause_s)
    for other in between:
        emulator.send(other)
        messages += emulator.run(pause_s)
    emulator.send(frames.Stop(99))
    messages += emulator.run(0.1)
    assert not emulator.reader.rejected
    assert messages[-1] == frames.Ack(99, frames.Stop.TYPE, frames.OK)
    return messages


def test_it_tells_what_it_is(emulator):
    parts = of(emulator.told, frames.Info)
    assert [part.part for part in parts] == list(range(parts[0].parts))
    values = frames.info_values(parts)
    assert values["board"] == "uno"
    assert Fraction(int(values["fs_num"]), int(values["fs_den"])) == 2000
    assert (values["nch"], values["max_nch"], values["bits"]) == ("2", "6", "10")
    assert (values["ch0.name"], values["ch1.name"]) == ("calf_L", "calf_R")
    assert (values["ch1.pin"], values["ch1.gain"]) == ("A1", "200")
    assert values["vcc_mv"] == "5006"  # 1.1 V is code 225 of the emulated converter
    assert emulator.run(1.2)[-1].reset_cause == 1  # power came


@pytest.mark.parametrize(("hz", "n_channels", "n_scans"), [(2000, 2, 20_000), (1000, 6, 3400)])
def test_every_code_arrives_exact(emulator, hz, n_channels, n_scans):
    expected = emulator.voltages(random_voltages(n_scans, n_channels))
    messages = stream(emulator, start(hz, n_channels), n_scans / hz)
    got = joined(of(messages, frames.Data))
    assert abs(got.shape[1] - n_scans) < 0.05 * hz
    n_scans = min(n_scans, got.shape[1])
    np.testing.assert_array_equal(got[:, :n_scans], expected[:, :n_scans])
    final = of(messages, frames.Status)[-1]
    assert (final.scan, final.lost_scans, final.tx_overruns) == (got.shape[1], 0, 0)
    assert (final.rx_crc_errors, final.rx_overruns, final.flags) == (0, 0, 0)
    assert got.size >= 20_000


@pytest.mark.parametrize(
    ("hz", "n_channels"), [(2000, 2), (1000, 6), (100, 1), (7575, 1), (4098, 2), (1445, 6)]
)
def test_packets_are_short_and_soon(emulator, hz, n_channels):
    """Also at the highest rates, where nothing is lost either."""
    messages = stream(emulator, start(hz, n_channels), 1.0)
    assert of(messages, frames.Status)[-1].lost_scans == 0
    assert all(len(packet) < LONGEST_PACKET for packet in emulator.sent.split(b"\0"))
    ack = of(messages, frames.Ack)[0]
    assert ack.n / hz <= LONGEST_FRAME_S
    assert all(data.n == ack.n for data in of(messages, frames.Data)[:-1])


def test_the_timer_starts_conversions_not_the_program(emulator):
    """The emulator sees the timer up to 3 clocks late, between two instructions."""
    emulator.starts()
    stream(emulator, start(2000, 2), 2.0, [frames.Ping(k, k) for k in range(50)])
    cycles, inputs = emulator.starts()
    cycles, inputs = cycles[inputs < 2], inputs[inputs < 2]  # the others measured the supply
    first = cycles[inputs == 0]
    lateness = first - (first[0] + 8000 * np.arange(first.size))
    assert np.ptp(lateness) <= 6
    skew_us = (cycles[inputs == 1] - first) / 16
    assert abs(np.median(skew_us) - 112) < 2
    assert np.ptp(skew_us) < 12


@pytest.mark.parametrize(("hz", "n_channels"), [(5, 1), (31, 2), (250, 6), (3000, 2), (7300, 1)])
def test_the_rate_is_exactly_as_told(emulator, hz, n_channels):
    emulator.starts()
    seconds = 0.1 + 3 / hz
    ack = of(stream(emulator, start(hz, n_channels), seconds), frames.Ack)[0]
    cycles, inputs = emulator.starts()
    first = cycles[inputs == 0]
    told = Fraction(ack.fs_num, ack.fs_den)
    assert abs(told / hz - 1) < 0.001
    periods = round((first[-1] - first[0]) / (CLOCK_HZ / told))
    assert abs(first[-1] - first[0] - periods * (CLOCK_HZ / told)) <= 6
    assert periods == first.size - 1


@pytest.mark.parametrize(("hz", "n_channels"), [(7000, 1), (4000, 2)])
def test_lost_scans_are_counted_exactly(emulator, hz, n_channels):
    """One scan per frame: more than the link carries."""
    expected = emulator.voltages(random_voltages(3 * hz, n_channels))
    messages = stream(emulator, start(hz, n_channels, n=1), 2.0)
    reports = of(messages, frames.Status)
    assert len(reports) >= 2
    lost = next_scan = 0
    for message in messages:
        if isinstance(message, frames.Data):
            assert message.scan0 >= next_scan
            lost += message.scan0 - next_scan
            next_scan = message.scan0 + message.n
            due = expected[:, message.scan0 : next_scan]
            np.testing.assert_array_equal(message.counts, due)
            assert not message.flags & frames.OVERRUN
        elif isinstance(message, frames.Status):
            lost += (message.scan - next_scan) if not message.flags else 0
            assert message.lost_scans == lost
    final = reports[-1]
    assert 0.1 * final.scan < final.lost_scans < 0.9 * final.scan
    assert final.tx_overruns == final.lost_scans
    told = [message for message in of(messages, frames.Data) if message.flags]
    assert told[0].flags == frames.RING_FULL


@pytest.mark.parametrize(("hz", "n_channels"), [(2000, 2), (1000, 6)])
def test_commands_do_not_disturb(emulator, hz, n_channels):
    expected = emulator.voltages(random_voltages(4 * hz, n_channels))
    commands = []
    for number in range(0, 120, 6):
        commands += [
            frames.Ident(number),
            frames.Ping(number + 1, 1000 + number),
            frames.MarkCommand(number + 2, number),
            frames.Set(number + 3, frames.SILENCE_S, 60),
            frames.Test(number + 4, frames.NO_TEST),
            frames.Set(number + 5, 77, 0),
        ]
    messages = stream(emulator, start(hz, n_channels), 3.0, commands)
    got = joined(of(messages, frames.Data))
    np.testing.assert_array_equal(got, expected[:, : got.shape[1]])
    assert of(messages, frames.Status)[-1].lost_scans == 0
    assert [pong.token for pong in of(messages, frames.Pong)] == list(range(1000, 1120, 6))
    assert [event.code for event in of(messages, frames.MarkEvent)] == list(range(0, 120, 6))
    answers = [ack.seq for ack in of(messages, frames.Ack)[1:-1]]
    assert answers == [command.seq for command in commands if not isinstance(command, frames.Ping)]
    refused = [ack.seq % 6 for ack in of(messages, frames.Ack) if ack.status == frames.BAD_ARGUMENT]
    assert refused == [5] * 20
    assert len(frames.info_values(of(messages, frames.Info))) > 40


@pytest.mark.parametrize("mode", [frames.RAMP, frames.SINE, frames.NOISE])
@pytest.mark.parametrize(("hz", "n_channels"), [(2000, 2), (1000, 6)])
def test_test_signals(emulator, mode, hz, n_channels):
    emulator.send(frames.Test(5, mode))
    messages = stream(emulator, start(hz, n_channels), 1.2)
    data = of(messages, frames.Data)
    got = joined(data)
    expected = frames.test_signal(mode, np.arange(got.shape[1]), n_channels, 10)
    np.testing.assert_array_equal(got, expected)
    assert of(messages, frames.Status)[-1].lost_scans == 0
    for message in data:
        at_limit = ((message.counts == 0) | (message.counts == 1023)).any(axis=1)
        assert message.flags == frames.TEST_SIGNAL
        assert message.clip == sum(1 << k for k in np.flatnonzero(at_limit))


def test_channels_are_chosen_by_the_mask(emulator):
    expected = emulator.voltages(random_voltages(1000, 6))
    got = joined(of(stream(emulator, frames.Start(1, 7, 500, 0b101001, 3), 1.0), frames.Data))
    np.testing.assert_array_equal(got, expected[[0, 3, 5], : got.shape[1]])


@pytest.mark.parametrize(
    "impossible",
    [
        frames.Start(8, 7, 2000, 0, 0),
        frames.Start(8, 7, 2000, 0x40, 0),
        frames.Start(8, 7, 0, 3, 0),
        frames.Start(8, 7, 4099, 3, 0),
        frames.Start(8, 7, 1446, 63, 0),
        frames.Start(8, 7, 2000, 3, 21),
    ],
)
def test_what_cannot_be_sampled_is_refused(emulator, impossible):
    emulator.send(impossible)
    messages = emulator.run(0.3)
    assert messages == [frames.Ack(8, frames.Start.TYPE, frames.BAD_ARGUMENT)]


def test_marks_need_a_stream(emulator):
    emulator.send(frames.MarkCommand(4, 1))
    emulator.press(True)
    assert emulator.run(0.3) == [frames.Ack(4, frames.MarkCommand.TYPE, frames.OK)]


def test_start_begins_again(emulator):
    emulator.send(start(2000, 2, session=1))
    before = emulator.run(0.5)
    after = stream(emulator, start(1000, 1, session=2), 0.5)
    assert {data.session for data in of(before, frames.Data)} == {1}
    data = of(after, frames.Data)
    last = [message.session for message in data].index(2)
    joined(of(before, frames.Data) + data[:last])
    joined(data[last:])
    ended = of(after, frames.Status)[0]
    assert (ended.session, ended.lost_scans) == (1, 0)
    assert ended.scan == data[last - 1].scan0 + data[last - 1].n


def test_stop_again_and_again(emulator):
    emulator.send(frames.Stop(1), frames.Stop(2))
    assert [ack.seq for ack in emulator.run(0.1)] == [1, 2]
    stream(emulator, start(2000, 2), 0.2)
    emulator.send(frames.Stop(3))
    messages = emulator.run(1.0)
    assert messages[0] == frames.Ack(3, frames.Stop.TYPE, frames.OK)
    assert not of(messages, frames.Data)


def test_a_damaged_command_is_counted_and_not_answered(emulator):
    packet = bytearray(frames.encode(frames.Ping(1, 0x01020304)))
    packet[4] ^= 0x10
    emulator.write(bytes(packet))
    emulator.write(bytes(range(1, 100)) + b"\0")
    emulator.write(frames.pack(bytes([frames.Ping.TYPE, 5])))
    emulator.write(frames.pack(bytes([0x7F, 6])))
    emulator.write(frames.encode(frames.Log("what a board says")))
    emulator.write(b"\0\0" + frames.encode(frames.Ping(2, 9)))
    messages = emulator.run(1.0)
    assert messages[:2] == [
        frames.Ack(5, frames.Ping.TYPE, frames.BAD_LENGTH),
        frames.Ack(6, 0x7F, frames.UNKNOWN_COMMAND),
    ]
    assert [pong.token for pong in of(messages, frames.Pong)] == [9]
    assert len(of(messages, frames.Ack)) == 2
    assert of(messages, frames.Status)[-1].rx_crc_errors == 2


def test_no_bytes_upset_it(emulator):
    rng = np.random.default_rng(5)
    emulator.send(start(2000, 2))
    emulator.run(0.1)
    for _ in range(20):
        emulator.write(rng.choice([0, 1, 2, 3, 65, 255], 1000).astype(np.uint8).tobytes())
        emulator.run(0.05)
    emulator.write(b"\0")
    messages = stream(emulator, start(2000, 2, session=8), 0.3)
    data = [message for message in of(messages, frames.Data) if message.session == 8]
    assert joined(data).shape[1] > 500


def test_moments(emulator):
    """PONG tells when the board got the command, at most 1.5 ms later."""
    emulator.starts()
    emulator.send(start(2000, 2))
    emulator.run(0.1)
    cycles, inputs = emulator.starts()
    scan0_cycle = cycles[inputs == 0][0]
    late_s = []
    for token in range(40):
        emulator.run(0.0153)
        received = emulator.cycle + 10 * 11 * 32  # so long the bytes take, 11 bits each
        emulator.send(frames.Ping(token % 4, 0x01010101))
        (pong,) = of(emulator.run(0.01), frames.Pong)
        stamped = scan0_cycle + (pong.scan + pong.sub / 65536) * 8000
        late_s.append((stamped - received) / CLOCK_HZ)
    assert min(late_s) > -0.0001
    assert max(late_s) < 0.0015


def test_the_button(emulator):
    emulator.send(start(2000, 2))
    messages = emulator.run(0.2)
    pressed = []
    for _ in range(3):
        pressed.append(emulator.cycle)
        for down in [True, False] * 5 + [True]:  # it bounces for 5 ms
            emulator.press(down)
            messages += emulator.run(0.0005)
        messages += emulator.run(0.1)
        emulator.press(False)
        messages += emulator.run(0.1)
    events = of(messages, frames.MarkEvent)
    assert [(event.source, event.code) for event in events] == [(1, 1)] * 3
    scans = np.array([event.scan + event.sub / 65536 for event in events])
    np.testing.assert_allclose(np.diff(scans), np.diff(pressed) / 8000, atol=2)


def test_silence_stops_the_stream(emulator):
    emulator.send(frames.Set(1, frames.SILENCE_S, 2), start(2000, 2))
    messages = emulator.run(1.5)
    emulator.send(frames.Ping(2, 1))
    messages += emulator.run(1.7)
    assert of(messages, frames.Status)[-1].flags == frames.STREAMING
    messages += emulator.run(2.0)
    assert len(of(messages, frames.Log)) == 1
    final = of(messages, frames.Status)[-1]
    assert (final.flags, final.lost_scans) == (0, 0)
    assert joined(of(messages, frames.Data)).shape[1] == final.scan


@pytest.mark.parametrize("by_command", [True, False])
def test_a_reset_is_seen(emulator, by_command):
    first = of(emulator.told, frames.Info)[0].boot_id
    emulator.send(start(2000, 2))
    emulator.run(0.123)
    if by_command:
        emulator.send(frames.Reset(3))
    else:
        emulator.reset()
    messages = emulator.run(1.5)
    parts = of(messages, frames.Info)
    assert {(part.boot_id, part.flags) for part in parts} == {((first + 1) % 2**32, 0)}
    assert frames.info_values(parts)["board"] == "uno"
    report = of(messages, frames.Status)[-1]
    assert (report.scan, report.flags) == (0, 0)
    if by_command:
        assert frames.Ack(3, frames.Reset.TYPE, frames.OK) in messages
        assert report.reset_cause & 8  # the watchdog
        assert not emulator.reader.rejected


def test_lines_for_the_serial_plotter(emulator):
    expected = emulator.voltages(random_voltages(2000, 2))
    emulator.send(frames.Set(1, frames.PLOTTER_LINES, 1), start(500, 2))
    emulator.run(2.0)
    emulator.send(frames.Set(2, frames.PLOTTER_LINES, 0), frames.Stop(3))
    emulator.run(0.1)
    text = max(emulator.sent.split(b"\0"), key=len).decode("ascii")  # between two packets
    got = np.array([line.split(",") for line in text.split("\r\n")[:-1]], int).T
    assert got.shape[1] > 900
    np.testing.assert_array_equal(got, expected[:, : got.shape[1]])


def test_the_light(emulator):
    def lit(seconds):
        """Return which part of the time the LED is on."""
        on = []
        for _ in range(round(seconds / 0.01)):
            emulator.run(0.01)
            on.append(emulator.memory[0x25] >> 5 & 1)  # PORTB
        return np.mean(on)

    emulator.run(1.0)
    assert 0.02 < lit(2.0) < 0.15
    emulator.send(start(2000, 2))
    emulator.run(1.1)
    assert lit(1.0) == 1.0
    emulator.send(start(7000, 1, n=1))
    emulator.run(1.1)
    assert 0.3 < lit(1.0) < 0.7


def test_the_clock_of_the_board_is_found(emulator):
    """A resonator 5000 ppm slow, 60 s, bytes passed on each 4.096 ms and up to 1 ms late."""
    emulator.send(start(500, 2))
    reader, rng = frames.PacketReader(), np.random.default_rng(8)
    n_before = len(emulator.sent)
    emulator.run(60.0)
    real_s = emulator.cycles[n_before:] / CLOCK_HZ / (1 - 5000e-6)
    burst = np.ceil(real_s / 0.004096)
    ends = [*np.flatnonzero(np.diff(burst)) + 1, burst.size]
    estimator = ClockEstimator(500.0, 0, 0)
    for begin, end in pairwise([0, *ends]):
        arrival_s = burst[begin] * 0.004096 + rng.uniform(0, 0.001)
        for body in reader.feed(emulator.sent[n_before + begin : n_before + end]):
            message = frames.decode(body)
            if isinstance(message, frames.Data):
                estimator.add(message.scan0 + message.n - 1, round(arrival_s * 1e9))
    assert abs(estimator.fit().deviation_ppm + 5000) < 50


def test_memory_suffices(emulator):
    """Of the 2048 bytes of RAM enough are never touched, even when everything happens at once."""
    emulator.reset()
    emulator.memory[0x100:0x900] = 0xA5
    emulator.run(0.2)
    emulator.send(start(7000, 1, n=1))
    for number in range(30):
        emulator.send(frames.Ident(0), frames.Ping(1, 5), frames.MarkCommand(2, 3))
        emulator.send(frames.Test(3, number % 4), frames.Set(4, frames.PLOTTER_LINES, number % 2))
        emulator.press(number % 2 == 0)
        emulator.run(0.05)
        if number % 10 == 9:
            emulator.send(start(1000, 6), frames.Stop(7))
    untouched = "".join("x" if byte == 0xA5 else " " for byte in emulator.memory[0x100:])
    free = max(map(len, untouched.split()))
    assert free >= 256


def test_the_prebuilt_program_is_current(built):
    told = subprocess.run(["avr-gcc", "-dumpversion"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "5.4.0", "the prebuilt program is made by avr-gcc 5.4.0, Debian's"
    prebuilt = ARDUINO / "emgtwitch-uno.hex"
    assert prebuilt.read_bytes() == (built / "emgtwitch.hex").read_bytes()


def changed(tmp_path, old, new):
    """Return a copy of the sketch with a change in config.h."""
    arduino = shutil.copytree(ARDUINO, tmp_path / "arduino")
    config = arduino / "emgtwitch" / "config.h"
    text = config.read_text(encoding="utf-8")
    assert text.count(old) == 1
    config.write_text(text.replace(old, new), encoding="utf-8")
    return arduino


def test_text_from_power_up(tmp_path, build, switch_on):
    folder = build(changed(tmp_path, "kPlotter = false", "kPlotter = true"))
    emulator = switch_on(folder / "emgtwitch.elf")
    expected = emulator.voltages(random_voltages(600, 2))
    n_before = len(emulator.sent)
    emulator.run(1.0)
    lines = emulator.sent[n_before:].decode("ascii").split("\r\n")
    got = np.array([line.split(",") for line in lines[1:-1]], int).T
    assert 485 <= got.shape[1] <= 505
    # The first lines were on their way when the voltages came.
    begin = next(i for i in range(9) if np.array_equal(got[:, 5], expected[:, i]))
    np.testing.assert_array_equal(got[:, 5:], expected[:, begin : begin + got.shape[1] - 5])


def test_the_slower_link(tmp_path, build, switch_on):
    folder = build(changed(tmp_path, "kBaud = 500000", "kBaud = 115200"))
    emulator = switch_on(folder / "emgtwitch.elf")
    emulator.run(0.3)
    expected = emulator.voltages(random_voltages(2000, 2))
    got = joined(of(stream(emulator, start(1000, 2), 1.0), frames.Data))
    np.testing.assert_array_equal(got, expected[:, : got.shape[1]])
