"""Lines of numbers as sketches print them."""

import numpy as np
import pytest

from firmware_bridge.decoders import Block
from firmware_bridge.decoders.text import LONGEST_LINE, TextDecoder, TimedBlock, encode


def decode(lines, decoder=None, ends="\r\n"):
    """Return decoder, indices and rows of values, of lines after an empty one."""
    decoder = decoder or TextDecoder()
    blocks = decoder.feed("".join(line + ends for line in ("", *lines)).encode())
    indices = [block.first + k for block in blocks for k in range(block.counts.shape[1])]
    return decoder, indices, [row for block in blocks for row in block.counts.T.tolist()]


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize(
    "line",
    ["12,-3,4", "12;-3;4", "12\t-3\t4", "12 -3 4", "  12 , -3,\t4,", "12  -3   4 ", "+12, -3, 4;"],
)
def test_separators_and_line_ends(line, ends):
    decoder, indices, rows = decode([line] * 3, ends=ends)
    assert indices == [0, 1, 2]
    assert rows == [[12, -3, 4]] * 3
    assert decoder.n_channels == 3
    assert not decoder.statistics.rejected


@pytest.mark.parametrize(
    "line",
    ["left:512,right:-3", "left: 512\tright: -3", "left:512 right:-3", "left: 512 right: -3"],
)
def test_labels_name_the_channels(line):
    decoder, _, rows = decode([line] * 2)
    assert decoder.ch_names == ("left", "right")
    assert rows == [[512, -3]] * 2


def test_a_wrong_label_is_a_lost_scan():
    good, wrong = "left:512,right:513", "lefu:512,right:513"
    decoder, indices, _ = decode([good, good, wrong, good])
    assert indices == [0, 1, 3]
    assert decoder.statistics.rejected == {"names": 1}


def test_a_first_line_may_be_cut_off_and_is_no_scan():
    decoder = TextDecoder()
    (block,) = decoder.feed(b"12,513\r\n511,513\r\n510,512\r\n")
    assert block.counts.tolist() == [[511, 510], [513, 512]]
    assert decoder.statistics.rejected == {"partial": 1}
    assert decoder.statistics.lost_scans == 0


def test_banners_and_header_before_the_scans():
    lines = ["EMG 1.0 ready", "Hello, you", "left,right µV", "", "1,2", "3,4", "battery low", "5,6"]
    decoder, indices, rows = decode(lines)
    assert decoder.ch_names == ("left", "right µV")
    assert rows == [[1, 2], [3, 4], [5, 6]]
    assert indices == [0, 1, 2]  # words in between are no scans
    assert decoder.statistics.rejected == {"text": 2}


def test_a_header_may_be_the_first_line():
    decoder = TextDecoder()
    decoder.feed(b"left,right\n1,2\n3,4\n")
    assert decoder.ch_names == ("left", "right")


def test_whole_numbers_are_int32_and_others_float64():
    decoder = TextDecoder()
    (whole,) = decoder.feed(b"\n1,2\n3,4.0\n")
    (other,) = decoder.feed(b"5,nan\n0.5,inf\n-1e3,OVF\n.5,3000000000\n")
    assert whole.counts.dtype == np.int32
    assert other.counts.dtype == np.float64
    expected = [[5, 0.5, -1000, 0.5], [np.nan, np.nan, np.nan, 3e9]]
    assert np.array_equal(other.counts, expected, equal_nan=True)


@pytest.mark.parametrize("line", ["512,513,514", "512", "512,,513", "5.1.2,3", "512,5q3", "1_0,2"])
def test_a_line_of_another_shape_is_a_lost_scan(line):
    decoder, indices, rows = decode(["1,2", "3,4", line, "5,6"])
    assert rows == [[1, 2], [3, 4], [5, 6]]
    lost = 2 if line.count(",") == 2 and ",," not in line else 1
    assert indices == [0, 1, 2 + lost]
    assert decoder.statistics.lost_scans == lost


def test_a_changed_shape_is_not_followed():
    decoder, _, rows = decode(["1,2", "3,4"] + ["5,6,7"] * 5)
    assert rows == [[1, 2], [3, 4]]
    assert decoder.statistics.rejected == {"columns": 5}


def test_the_shape_is_that_of_two_lines_that_agree():
    decoder, indices, rows = decode(["1,2,3", "1,2", "3,4"])
    assert (decoder.n_channels, indices, rows) == (2, [0, 1], [[1, 2], [3, 4]])
    assert decode(["1,2,3"] * 3, TextDecoder(2))[1] == []


def test_lines_without_an_end_are_not_kept():
    decoder = TextDecoder(2)
    for _ in range(1000):
        assert decoder.feed(b"1,2," * 100) == []
    decoder.feed(b"\n" + b"," * (LONGEST_LINE + 1))
    (block,) = decoder.feed(b"\n1,2\n3,4\n")
    assert block.counts.shape == (2, 2)
    assert decoder.statistics.rejected == {"too long": 2}


@pytest.mark.parametrize(
    ("name", "ticks_per_s"),
    [("micros", 1e6), ("time_us", 1e6), ("Time (ms)", 1e3), ("millis", 1e3)],
)
def test_a_named_time_column_gives_the_time_of_each_scan(name, ticks_per_s):
    decoder, _, _ = decode([f"left,{name}", "512,7", "513,8"])
    assert (decoder.n_channels, decoder.ch_names) == (1, ("left",))
    (block,) = decoder.feed(b"514,10\r\n")
    assert isinstance(block, TimedBlock)
    assert block.time_s == pytest.approx([10 / ticks_per_s])
    assert block.counts.tolist() == [[514]]
    (labelled,) = TextDecoder(1).feed(f"\n{name}:7,L:1\n{name}:9,L:2\n".encode())
    assert labelled.time_s == pytest.approx([7 / ticks_per_s, 9 / ticks_per_s])


@pytest.mark.parametrize("header", ["time,left", "t,left", "timer,left", ""])
def test_time_is_never_guessed(header):
    decoder, _, rows = decode([header, "1000,512", "2000,513", "3000,512"])
    assert decoder.n_channels == 2
    assert rows[0] == [1000, 512]
    block = decoder.feed(b"4000,512\r\n")[0]
    assert type(block) is Block


@pytest.mark.parametrize(("unit", "per_s"), [("us", 1_000_000), ("ms", 1_000)])
def test_the_wrap_of_the_clock_is_undone(unit, per_s):
    ticks = 2**32 - 5 + 2 * np.arange(10)
    lines = [f"{tick % 2**32},{k}" for k, tick in enumerate(ticks)]
    decoder = TextDecoder(1, time_column=(0, unit))
    blocks = decoder.feed("\n".join(["", *lines, ""]).encode())
    assert np.array_equal(np.concatenate([block.time_s for block in blocks]), ticks / per_s)
    assert decoder.statistics.n_scans == 10


def on_clock(ticks):
    """Return decoder, sessions, indices and times of scans with these clocks of microseconds."""
    decoder = TextDecoder(1, time_column=(0, "us"))
    blocks = decoder.feed("\n".join(["", *(f"{tick},5" for tick in ticks), ""]).encode())
    sessions = [block.session for block in blocks for _ in block.time_s]
    indices = [block.first + k for block in blocks for k in range(len(block.time_s))]
    return decoder, sessions, indices, np.concatenate([block.time_s for block in blocks]).tolist()


def test_a_clock_that_one_scan_contradicts_is_a_lost_scan():
    ticks = np.arange(8) * 500 + 10_000_000
    ticks[4] = 1_000_200
    decoder, sessions, indices, times = on_clock(ticks)
    assert indices == [0, 1, 2, 3, 5, 6, 7]
    assert times == pytest.approx(np.delete(ticks, 4) * 1e-6)
    assert set(sessions) == {0}
    assert decoder.statistics.rejected == {"clock": 1}


def test_a_wrong_digit_that_puts_the_clock_ahead_does_not_stay():
    ticks = np.arange(8) * 500 + 10_000_000
    ticks[4] += 800_000
    _, sessions, indices, times = on_clock(ticks)
    assert indices == list(range(8))
    assert times == pytest.approx(ticks * 1e-6)
    assert set(sessions) == {0}


@pytest.mark.parametrize("before", [500_000, 2**31 + 10_000_000, 2**32 - 70_000_000])
def test_a_board_that_starts_anew_begins_a_session(before):
    _, sessions, indices, times = on_clock([before, before + 500, 900, 1400, 1900])
    assert sessions == [0, 0, 1, 1, 1]
    assert indices == [0, 1, 2, 3, 4]
    assert times[2:] == pytest.approx([900e-6, 1400e-6, 1900e-6])


def test_a_pause_of_the_board_is_time():
    _, sessions, _, times = on_clock([0, 500, 30_000_000, 30_000_500])
    assert set(sessions) == {0}
    assert times == pytest.approx([0, 500e-6, 30, 30.0005])


@pytest.mark.parametrize("clock", ["-5", "12.5", "4294967296", "nan"])
def test_what_is_no_clock_is_a_lost_scan(clock):
    decoder = TextDecoder(1, time_column=(0, "us"))
    blocks = decoder.feed(f"\n1,2\n2,2\n{clock},2\n4,2\n".encode())
    assert [block.first for block in blocks] == [0, 3]
    assert decoder.statistics.rejected == {"clock": 1}


def test_encoded_scans_with_clock_and_names_come_back():
    counts = np.random.default_rng(2).normal(size=(2, 50)).round(3)
    wire = encode(counts[:, :20], ch_names=("calf_L", "calf_R"), step_us=500.5)
    wire += encode(counts[:, 20:], 20, ch_names=("calf_L", "calf_R"), step_us=500.5)
    decoder = TextDecoder(2)
    (block,) = decoder.feed(wire)
    assert np.array_equal(block.counts, counts)
    assert decoder.ch_names == ("calf_L", "calf_R")
    assert block.time_s == pytest.approx(np.arange(50) * 500.5e-6, abs=1e-6)
    assert encode(counts, step_us=1.0).startswith(b"micros,ch0,ch1\r\n0,")


def test_a_single_name_may_contain_spaces():
    decoder, _, rows = decode(["left calf: 512"] * 2)
    assert (decoder.ch_names, rows) == (("left calf",), [[512]] * 2)


def test_what_the_names_told_can_be_given_to_a_decoder_that_joins_later():
    first, _, _ = decode(["left,right,millis", "1,2,3", "4,5,6"])
    assert first.time_column == (2, "ms")
    _, _, rows = decode(["7,8,9", "10,11,12"], TextDecoder(2, first.time_column))
    assert rows == [[7, 8], [10, 11]]
