"""Raw capture: what was written comes back, up to where the file is whole."""

import pytest

from firmware_bridge import bytelog
from firmware_bridge.bytelog import FROM_BOARD, NOTE, TO_BOARD, CaptureWriter, Chunk, read_capture
from firmware_bridge.decoders import BridgeError
from firmware_bridge.items import Notice

CHUNKS = [
    Chunk(1, FROM_BOARD, b"abc"),
    Chunk(2**62, TO_BOARD, b"\0"),
    Chunk(-5, FROM_BOARD, bytes(range(256)) * 40),
]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "calves.emgraw"
    writer = CaptureWriter(path)
    for chunk in CHUNKS:
        writer.write(chunk.monotonic_ns, chunk.direction, chunk.data)
    writer.note(7, ping=3)
    writer.close()
    assert writer.failed is None
    return path


def test_chunks_come_back(capture):
    assert list(read_capture(capture)) == [*CHUNKS, Chunk(7, NOTE, b'{"ping": 3}')]


def test_torn_anywhere_the_whole_chunks_come_back(capture):
    whole = capture.read_bytes()
    ends = [len(bytelog.MAGIC)]
    for chunk in CHUNKS:
        ends.append(ends[-1] + 13 + len(chunk.data) + 4)
    for length in [*range(ends[0], ends[2] + 2), *range(ends[2], len(whole), 97), len(whole) - 1]:
        capture.write_bytes(whole[:length])
        *chunks, last = [*read_capture(capture), None]
        if length not in ends:
            last = chunks.pop()
            assert isinstance(last, Notice)
            assert f"last {length - max(end for end in ends if end <= length)} bytes" in last.text
        assert chunks == CHUNKS[: sum(end <= length for end in ends) - 1]


def test_zeros_and_noise_after_the_last_chunk(capture):
    whole = capture.read_bytes()
    for tail in (bytes(4096), b"\xff" * 50):
        capture.write_bytes(whole + tail)
        *chunks, last = read_capture(capture)
        assert len(chunks) == 4
        assert isinstance(last, Notice)


def test_refusals(tmp_path, capture):
    with pytest.raises(BridgeError, match="is there already"):
        CaptureWriter(capture)
    with pytest.raises(BridgeError, match="cannot be written"):
        CaptureWriter(tmp_path / "missing" / "x.emgraw")
    with pytest.raises(BridgeError, match="cannot be read"):
        list(read_capture(tmp_path / "missing.emgraw"))
    other = tmp_path / "other.emgraw"
    other.write_bytes(b"something else")
    with pytest.raises(BridgeError, match="no raw capture"):
        list(read_capture(other))


def test_a_disk_too_slow_ends_the_capture_visibly(tmp_path, monkeypatch):
    monkeypatch.setattr(bytelog, "_MOST_WAITING", 10)
    writer = CaptureWriter(tmp_path / "x.emgraw")
    writer.write(1, FROM_BOARD, b"12345678901")
    writer.write(2, FROM_BOARD, b"1")
    writer.close()
    assert "too slow" in writer.failed
    assert list(read_capture(tmp_path / "x.emgraw")) == []
