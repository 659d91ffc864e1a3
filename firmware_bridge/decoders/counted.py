"""Frames of one length that carry a counter: what Chords, OpenEEG, Cyton and BITalino share."""

from abc import ABC, abstractmethod

import numpy as np

from firmware_bridge.decoders import Block, BridgeError, Statistics


class CountedDecoder(ABC):
    """Find frames of one scan each in a stream of bytes, and count the missing ones.

    In step, that is right after an accepted frame, a frame is accepted if it is intact and its
    counter is the next one. Otherwise frames that follow in place with consecutive counters must
    confirm it, so that samples that look like a header are not taken for a frame. Bytes that are
    no accepted frame are skipped one at a time up to the next header. So the first frame of a
    stream is held until the second has come.

    A counter tells losses modulo its size only. The bytes skipped since the last accepted frame
    add whole rounds of it; scans that left no bytes behind can be missing in whole rounds unseen.

    Subclasses set the attributes, `length` with the instance, and write the three methods.

    Attributes
    ----------
    SYNC
        Bytes that every frame begins with.
    MODULUS
        Counters are 0 to MODULUS − 1.
    CONFIRM_IN_STEP
        The bytes of a frame are weak evidence: also in step its end must be followed by SYNC, or
        if there is none by an intact frame with the next counter, which costs the frame before
        every real gap.
    CONFIRM
        Consecutive frames that must follow a frame out of step.
    length
        Bytes of a frame.
    statistics
        `rejected` counts skipped "bytes" and "frames" that were intact but not confirmed.
    """

    SYNC = b""
    MODULUS = 256
    CONFIRM_IN_STEP = False
    CONFIRM = 1

    def __init__(self, length: int) -> None:
        self.length = length
        self.statistics = Statistics()
        self._buffer = bytearray()
        self._last = b""  # the frame before, empty out of step
        self._counter = 0  # due next
        self._next = 0  # index of the next scan
        self._skipped = 0  # bytes since the last accepted frame

    @abstractmethod
    def _intact(self, frame: bytes) -> bool:
        """Tell whether a frame that begins with SYNC passes every check that needs no other."""

    @abstractmethod
    def _count(self, frame: bytes) -> int:
        """Return the counter of the frame."""

    @abstractmethod
    def _codes(self, frames: np.ndarray) -> np.ndarray:
        """Return the codes, (n_channels, n_frames), of frames, uint8 of (n_frames, length)."""

    def _usual(self, frame: bytes, last: bytes) -> bool:
        """Tell whether what rarely changes from frame to frame is as in the last one."""
        return True

    def feed(self, data: bytes) -> list[object]:
        """Take in bytes and return the blocks that they complete."""
        self.statistics.n_bytes += len(data)
        buffer = self._buffer
        buffer += data
        blocks: list[object] = []
        frames: list[bytes] = []
        at = 0
        while True:
            at = self._skip(at, self._header(at))
            frame = bytes(buffer[at : at + self.length])
            if len(frame) < self.length:
                break
            refused = self._refused(frame, at)
            if refused is None:
                break
            if refused:
                at = self._skip(at, at + refused)
                continue
            gap = self._gap(frame)
            if gap and frames:
                blocks.append(self._block(frames))
                frames = []
            self.statistics.lost_scans += gap
            self.statistics.n_frames += 1
            self._next += gap + 1
            frames.append(frame)
            self._last = frame
            self._counter = (self._count(frame) + 1) % self.MODULUS
            self._skipped = 0
            at += self.length
        if frames:
            blocks.append(self._block(frames))
        del buffer[:at]
        return blocks

    def _header(self, at: int) -> int:
        """Return where the next frame may begin, at `at` or later."""
        found = self._buffer.find(self.SYNC, at)
        # The end of what is there may be the beginning of a header.
        return found if found >= 0 else max(at, len(self._buffer) - len(self.SYNC) + 1)

    def _skip(self, at: int, to: int) -> int:
        if to > at:
            self.statistics.rejected["bytes"] += to - at
            self._skipped += to - at
            self._last = b""
        return to

    def _refused(self, frame: bytes, at: int) -> int | None:
        """Return how many bytes to skip, 0 to accept the frame; None: more are needed to tell."""
        if not self._intact(frame):
            return 1
        in_step = bool(self._last) and self._count(frame) == self._counter
        in_step = in_step and self._usual(frame, self._last)
        if in_step and not self.CONFIRM_IN_STEP:
            return 0
        count = self._count(frame)
        enough = (in_step and len(self.SYNC)) or self.length
        for _ in range(1 if in_step else self.CONFIRM):
            at += self.length
            count = (count + 1) % self.MODULUS
            follower = bytes(self._buffer[at : at + enough])
            if len(follower) < enough:
                return None
            confirms = follower.startswith(self.SYNC)
            if enough == self.length:
                confirms = confirms and self._intact(follower) and self._count(follower) == count
            if not confirms:
                self.statistics.rejected["frames"] += 1
                # A frame in step was most likely one. Its end must not become part of another,
                # made with what is left of the damaged one that follows.
                return self.length if in_step else 1
        return 0

    def _gap(self, frame: bytes) -> int:
        """Return the scans lost before the frame."""
        if not self.statistics.n_frames:
            return 0
        gap = (self._count(frame) - self._counter) % self.MODULUS
        rounds = round((self._skipped / self.length - gap) / self.MODULUS)
        return gap + self.MODULUS * max(rounds, 0)

    def _block(self, frames: list[bytes]) -> Block:
        self.statistics.n_scans += len(frames)
        array = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, self.length)
        return Block(self._next - len(frames), np.ascontiguousarray(self._codes(array)))


def require_channels(title: str, n_channels: int, most: int) -> None:
    """Raise BridgeError if boards of this format never have so many channels."""
    if not 1 <= n_channels <= most:
        raise BridgeError(f"{title} boards have 1 to {most} channels, not {n_channels}")


def require_codes(counts: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return counts as int64, (n_channels, n_scans), if all lie in low..high, else ValueError."""
    codes = np.asarray(counts).astype(np.int64)
    if codes.ndim != 2 or not codes.shape[0]:
        raise ValueError(f"counts of shape {codes.shape}: (n_channels, n_scans) is needed")
    if codes.size and not low <= codes.min() <= codes.max() <= high:
        raise ValueError(f"codes {codes.min()}..{codes.max()}: the format holds {low}..{high}")
    return codes
