"""The wire formats by name: how to talk to the boards, how fast they are, how to read them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_bridge import frames
from firmware_bridge.decoders import Decoder, bitalino, byb, chords, cyton, openeeg, text
from firmware_bridge.decoders.emgt import EmgtDecoder

# Default rate of the firmware; START asks for any other, and its answer says it exactly.
EMGT_SFREQ_HZ = 2000.0
# Longest DATA packet that the firmware makes on its own, and how much of it are not samples.
_EMGT_PACKET, _EMGT_OVERHEAD = 96, 13


def _no_command(n_channels: int) -> bytes:
    return b""


def _encode_emgt(counts: np.ndarray, first: int = 0, session: int = 1) -> bytes:
    """Return the DATA packets of scans, as full as the firmware makes them on its own."""
    n_channels, n_scans = np.shape(counts)
    n = max((_EMGT_PACKET - _EMGT_OVERHEAD) // (2 * n_channels), 1)
    return b"".join(
        frames.encode(frames.Data.of(session, first + at, counts[:, at : at + n]))
        for at in range(0, n_scans, n)
    )


@dataclass(frozen=True)
class Format:
    """What is known of one format, without any board.

    Attributes
    ----------
    name, title
        For the command line and for people.
    baud, other_bauds
        The usual speed of the line, and others to try.
    n_channels, bits
        Defaults of the boards; `bits` is None where the format leaves it open.
    real_sfreq_hz
        Scans per second for so many channels that a board with an exact clock sends; None where it
        has to be estimated.
    nominal_sfreq_hz
        The same as it is documented.
    encode
        ``encode(counts, first=0) -> bytes``: what a board sends, from codes (n_channels, n_scans)
        whose first has that index.
    make_decoder
        ``make_decoder(n_channels) -> Decoder``. Formats of boards with several resolutions
        (`variable_bits`) also take ``bits=``.
    identify, start, stop
        Commands, empty where there are none; ``start(n_channels)``. EMGT/1 is spoken by
        `firmware_bridge.frames` instead.
    uv_per_count
        Where the board contains the amplifier of the channels and its usual gain is known.
    fixed_channels
        The format always sends `n_channels`.
    variable_bits
        See `make_decoder`.
    sequence_modulus
        Its counter counts scans modulo this, and losses of this many or more go unseen unless
        their remains arrive: the host clock must tell. None where there is no counter; there only
        remains of damaged scans show losses.
    """

    name: str
    title: str
    baud: int
    n_channels: int
    bits: int | None
    real_sfreq_hz: Callable[[int], float | None]
    nominal_sfreq_hz: Callable[[int], float | None]
    encode: Callable[..., bytes]
    make_decoder: Callable[..., Decoder]
    other_bauds: tuple[int, ...] = ()
    identify: bytes = b""
    start: Callable[[int], bytes] = _no_command
    stop: bytes = b""
    uv_per_count: float | None = None
    fixed_channels: bool = False
    variable_bits: bool = False
    sequence_modulus: int | None = None

    @property
    def has_sequence(self) -> bool:
        """Whether scans carry a counter."""
        return self.sequence_modulus is not None


_ALL = (
    Format(
        name="emgt",
        title="EMGT/1, the firmware of this project",
        baud=frames.BAUD,
        other_bauds=(frames.FALLBACK_BAUD,),
        n_channels=2,
        bits=10,
        real_sfreq_hz=lambda _: EMGT_SFREQ_HZ,
        nominal_sfreq_hz=lambda _: EMGT_SFREQ_HZ,
        encode=_encode_emgt,
        make_decoder=EmgtDecoder,
        variable_bits=True,
        sequence_modulus=2**32,
    ),
    Format(
        name="text",
        title="Lines of numbers (Arduino Serial Plotter)",
        baud=text.BAUD,
        other_bauds=text.OTHER_BAUDS,
        n_channels=text.N_CHANNELS,
        bits=None,
        real_sfreq_hz=lambda _: None,
        nominal_sfreq_hz=lambda _: None,
        encode=text.encode,
        make_decoder=text.TextDecoder,
    ),
    Format(
        name="byb",
        title="Backyard Brains SpikerShield and SpikerBox",
        baud=byb.BAUD,
        other_bauds=byb.OTHER_BAUDS,
        n_channels=byb.N_CHANNELS,
        bits=byb.BITS,
        real_sfreq_hz=lambda n_channels: byb.REAL_TOTAL_HZ / n_channels,
        nominal_sfreq_hz=lambda n_channels: byb.NOMINAL_TOTAL_HZ / n_channels,
        encode=byb.encode,
        make_decoder=byb.BybDecoder,
        identify=byb.IDENTIFY,
        start=byb.start,
        variable_bits=True,
    ),
    Format(
        name="chords",
        title="Upside Down Labs Chords",
        baud=chords.BAUD,
        other_bauds=chords.OTHER_BAUDS,
        n_channels=chords.N_CHANNELS,
        bits=chords.BITS,
        real_sfreq_hz=lambda _: chords.SFREQ_HZ,
        nominal_sfreq_hz=lambda _: chords.SFREQ_HZ,
        encode=chords.encode,
        make_decoder=chords.ChordsDecoder,
        identify=chords.IDENTIFY,
        start=lambda _: chords.START,
        stop=chords.STOP,
        variable_bits=True,
        sequence_modulus=256,
    ),
    Format(
        name="openeeg",
        title="OpenEEG P2, Olimex SHIELD-EKG-EMG",
        baud=openeeg.BAUD,
        other_bauds=openeeg.OTHER_BAUDS,
        n_channels=openeeg.N_CHANNELS,
        bits=openeeg.BITS,
        real_sfreq_hz=lambda _: openeeg.REAL_SFREQ_HZ,
        nominal_sfreq_hz=lambda _: openeeg.NOMINAL_SFREQ_HZ,
        encode=openeeg.encode,
        make_decoder=lambda _: openeeg.OpenEegDecoder(),
        fixed_channels=True,
        sequence_modulus=256,
    ),
    Format(
        name="cyton",
        title="OpenBCI Cyton",
        baud=cyton.BAUD,
        n_channels=cyton.N_CHANNELS,
        bits=cyton.BITS,
        real_sfreq_hz=lambda _: cyton.SFREQ_HZ,
        nominal_sfreq_hz=lambda _: cyton.SFREQ_HZ,
        encode=cyton.encode,
        make_decoder=lambda _: cyton.CytonDecoder(),
        identify=cyton.IDENTIFY,
        start=lambda _: cyton.DEFAULTS + cyton.START,
        stop=cyton.STOP,
        uv_per_count=cyton.UV_PER_COUNT,
        fixed_channels=True,
        sequence_modulus=256,
    ),
    Format(
        name="bitalino",
        title="BITalino (r)evolution",
        baud=bitalino.BAUD,
        n_channels=bitalino.N_CHANNELS,
        bits=bitalino.BITS,
        real_sfreq_hz=lambda _: bitalino.SFREQ_HZ,
        nominal_sfreq_hz=lambda _: bitalino.SFREQ_HZ,
        encode=bitalino.encode,
        make_decoder=bitalino.BitalinoDecoder,
        identify=bitalino.IDENTIFY,
        start=bitalino.start,
        stop=bitalino.STOP,
        uv_per_count=bitalino.UV_PER_COUNT,
        sequence_modulus=16,
    ),
)
FORMATS: dict[str, Format] = {each.name: each for each in _ALL}
