"""What is known of a board before it streams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from firmware_bridge.decoders import BridgeError
from firmware_bridge.decoders.formats import FORMATS

EMGT = "emgt"


@dataclass(frozen=True)
class DeviceInfo:
    """A board, and what it is going to send.

    Attributes
    ----------
    format, title
        Name of the wire format, and the same for people.
    board, serial, firmware
        As the board calls itself; empty where it does not.
    baud
        Speed of the line.
    ch_names
        One per channel.
    sfreq
        Scans per second that the board promises, exactly.
    sfreq_is_measured
        The format does not tell the rate: `sfreq` is what was counted in some seconds, rounded.
    bits
        Of the converter; None where the format does not tell.
    uv_per_count
        µV at the electrodes per count, of each channel; None where gain or reference are unknown.
    gain
        Of the sensor of each channel; None where unknown.
    vref_mv
        Reference of the converter, mV; None where unknown.
    boot_id
        Number of the board's start; None where it does not tell.
    about
        Everything the board told, as keys and values.
    time_column
        Of lines of numbers: place and unit of the column with the board's clock, if they have one.
    """

    format: str
    title: str
    baud: int
    ch_names: tuple[str, ...]
    sfreq: Fraction
    sfreq_is_measured: bool = False
    board: str = ""
    serial: str = ""
    firmware: str = ""
    bits: int | None = None
    uv_per_count: tuple[float, ...] | None = None
    gain: tuple[float, ...] | None = None
    vref_mv: float | None = None
    boot_id: int | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    time_column: tuple[int, str] | None = None

    @property
    def n_channels(self) -> int:
        """How many channels there are."""
        return len(self.ch_names)


def emgt_info(
    values: Mapping[str, str], boot_id: int, baud: int, n_channels: int | None, sfreq: float | None
) -> DeviceInfo:
    """Return what INFO tells, for so many channels at this rate; None takes those of the board.

    Raises
    ------
    BridgeError
        If INFO cannot be understood, or the board has not so many channels.
    """
    try:
        n = n_channels or int(values["nch"])
        most = int(values.get("max_nch", n))
        rate = Fraction(int(values["fs_num"]), int(values["fs_den"]))
        bits = int(values["bits"])
        vref_mv = float(values.get("vref_mv", 0)) or None
        gain = tuple(float(values.get(f"ch{k}.gain", 0)) for k in range(n))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise BridgeError(
            f"what the board tells of itself cannot be understood: {error}"
        ) from error
    if not 1 <= n <= most:
        raise BridgeError(f"the board has {most} channels, {n} were asked for")
    if sfreq is not None:
        if not 1 <= sfreq <= 65535 or sfreq != int(sfreq):
            raise BridgeError(f"{sfreq:g} Hz: the board takes whole rates of 1 to 65535 Hz")
        rate = Fraction(int(sfreq))
    uv_per_count = None
    if vref_mv is not None and all(gain):
        uv_per_count = tuple(1000 * vref_mv / 2**bits / each for each in gain)
    return DeviceInfo(
        format=EMGT,
        title=FORMATS[EMGT].title,
        baud=baud,
        ch_names=tuple(values.get(f"ch{k}.name") or f"ch{k + 1}" for k in range(n)),
        sfreq=rate,
        board=values.get("board", ""),
        serial=values.get("serial", ""),
        firmware=values.get("fw", ""),
        bits=bits,
        uv_per_count=uv_per_count,
        gain=gain if all(gain) else None,
        vref_mv=vref_mv,
        boot_id=boot_id,
        about=dict(values),
    )


def foreign_info(
    name: str,
    baud: int,
    n_channels: int | None = None,
    sfreq: float | None = None,
    *,
    board: str = "",
    bits: int | None = None,
    measured: bool = False,
    ch_names: tuple[str, ...] = (),
    time_column: tuple[int, str] | None = None,
) -> DeviceInfo:
    """Return what is known of a board with somebody else's format.

    Raises
    ------
    BridgeError
        If the format has another number of channels, or its rate is another or unknown.
    """
    wire = FORMATS[name]
    n = n_channels or wire.n_channels
    if wire.fixed_channels and n != wire.n_channels:
        raise BridgeError(
            f"{wire.title} always sends {wire.n_channels} channels, not {n}: name all of them, as "
            f"calf_L calf_R ch3 … ch{wire.n_channels}, also those without a sensor"
        )
    try:
        wire.make_decoder(n)
        real = wire.real_sfreq_hz(n)
    except ValueError as error:
        raise BridgeError(f"{wire.title}: {error}") from error
    rate = sfreq or real
    if rate is None:
        raise BridgeError(f"{wire.title}: the rate is up to the sketch; say how many Hz")
    return DeviceInfo(
        format=name,
        title=wire.title,
        baud=baud,
        ch_names=ch_names or tuple(f"ch{k + 1}" for k in range(n)),
        sfreq=Fraction(rate).limit_denominator(1_000_000),
        sfreq_is_measured=measured,
        board=board,
        bits=bits or wire.bits,
        uv_per_count=None if wire.uv_per_count is None else (wire.uv_per_count,) * n,
        time_column=time_column,
    )
