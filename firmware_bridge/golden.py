"""The golden vectors of EMGT/1, `golden.json`: both sides of the wire are tested against them.

``python -m firmware_bridge.golden`` writes the file anew.
"""

import json
from pathlib import Path

import numpy as np

from firmware_bridge import frames

PATH = Path(__file__).with_name("golden.json")

_ABOUT = (
    "fw=emgtwitch 1.0\nboard=uno\nserial=\nnch=2\nmax_nch=6\nfs_num=16000000\nfs_den=8000\n",
    "bits=10\nvref_mv=5000\nvcc_mv=4980\nscans_per_frame=20\nch0.name=calf_L\nch0.pin=A0\n",
)
_RAMP = frames.test_signal(frames.RAMP, np.arange(1020, 1040), 2, 10)

MESSAGES: dict[str, frames.Message] = {
    "info first part": frames.Info(frames.PROTOCOL, 0, 0xDEADBEEF, 0, 2, _ABOUT[0]),
    "info last part, streaming": frames.Info(
        frames.PROTOCOL, frames.STREAMING, 0xDEADBEEF, 1, 2, _ABOUT[1]
    ),
    "info without text": frames.Info(frames.PROTOCOL, 0, 0, 0, 1, ""),
    "data of the worked example": frames.Data.of(7, 1000, np.array([[512, 515], [256, 498]])),
    "data, one scan of one channel, all zero": frames.Data.of(0, 0, np.zeros((1, 1))),
    "data, 2 channels by 20, ramp": frames.Data.of(1, 1020, _RAMP, frames.TEST_SIGNAL),
    "data, 6 channels by 6, just before the index wraps": frames.Data.of(
        255,
        2**32 - 6,
        frames.test_signal(frames.NOISE, np.arange(6), 6, 10),
        frames.OVERRUN | frames.RING_FULL,
        0b100101,
    ),
    "data, 16 bits at both limits": frames.Data.of(2, 2**31, np.array([[0, 65535]] * 3), clip=7),
    "data, longest with 2 channels": frames.Data.of(3, 600, np.full((2, 60), 0x0201)),
    "event of the host": frames.MarkEvent(7, 1000, 0, 0, 1),
    "event of a button": frames.MarkEvent(7, 2**32 - 1, 0x8000, 1, 0xFFFF),
    "event of a pin": frames.MarkEvent(7, 256, 65535, 2, 0),
    "status": frames.Status(7, 61_000, 122_000, 40, 1, 2, 3, 4980, 0b10, frames.STREAMING),
    "ack": frames.Ack(9, frames.Stop.TYPE, frames.OK),
    "ack of START": frames.Ack(10, frames.Start.TYPE, frames.OK, 16_000_000, 8000, 2, 20),
    "ack, START refused": frames.Ack(11, frames.Start.TYPE, frames.BAD_ARGUMENT),
    "ack, unknown command": frames.Ack(12, 0x7F, frames.UNKNOWN_COMMAND),
    "pong": frames.Pong(0x01020304, 7, 123_456, 0x4000, 61_728_125),
    "log": frames.Log("Grüße"),
    "log, longest": frames.Log("x" * (frames.LONGEST_BODY - 1)),
    "ident": frames.Ident(0),
    "start": frames.Start(1, 7, 2000, 0b11, 0),
    "start, six channels": frames.Start(2, 255, 1000, 0b111111, 6),
    "stop": frames.Stop(3),
    "ping": frames.Ping(4, 0x01020304),
    "mark": frames.MarkCommand(5, 1),
    "set": frames.Set(6, frames.SILENCE_S, 5),
    "test": frames.Test(7, frames.RAMP),
    "reset": frames.Reset(255),
}
# Why the packet is not accepted (the reason that `frames` gives, then what was done), its bytes.
BAD: dict[str, bytes] = {
    "bad CRC: one bit of a STOP flipped": bytes.fromhex("054303c246"),
    "bad CRC: a run of the worked example one longer": bytes.fromhex(
        "060207e8030102020101020208010302f201613d"
    ),
    "bad CRC: no body": frames.cobs_encode(b"\xff\xff"),
    "bad CRC: one byte only": frames.cobs_encode(b"\x40"),
    "bad COBS: a run past the end": bytes.fromhex("0942037201"),
    "too long: 254 bytes without a zero": b"\x01" * (frames.LONGEST_PACKET + 1),
    "unknown type: 7F": frames.pack(b"\x7f\x01")[:-1],
    "wrong length: DATA of no scan": frames.pack(bytes([2, 1, 0, 0, 0, 0, 0, 0, 0]))[:-1],
    "wrong length: DATA with half a sample": frames.pack(
        frames.encode_body(MESSAGES["data of the worked example"])[:-1]
    )[:-1],
    "wrong length: PING without its token": frames.pack(b"\x43\x01")[:-1],
    "wrong length: STOP with a byte more": frames.pack(b"\x42\x01\x02")[:-1],
}


def vectors() -> dict[str, list[dict[str, object]]]:
    """Return what `golden.json` holds; bytes as hex digits, a packet with its final 00."""
    scans = np.array([0, 1, 2, 31, 32, 1023, 1024, 65536, 2**31, 2**32 - 1])
    return {
        "packets": [
            {
                "name": name,
                "type": message.TYPE,
                "fields": _fields(message),
                "body": frames.encode_body(message).hex(),
                "wire": frames.encode(message).hex(),
            }
            for name, message in MESSAGES.items()
        ],
        "test_signals": [
            {
                "mode": mode,
                "bits": bits,
                "scans": scans.tolist(),
                "codes": frames.test_signal(mode, scans, 6, bits).tolist(),
            }
            for mode in (frames.RAMP, frames.SINE, frames.NOISE)
            for bits in (10, 12, 14, 16)
        ],
        "bad": [{"why": why, "wire": (packet + b"\0").hex()} for why, packet in BAD.items()],
    }


def text() -> str:
    """Return `golden.json` as it has to be: one vector a line."""
    groups = (
        f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]"
        for name, rows in vectors().items()
    )
    return "{\n" + ",\n".join(groups) + "\n}\n"


def _fields(message: frames.Message) -> dict[str, object]:
    """Return the fields by name, the samples of DATA as codes[channel][scan]."""
    fields: dict[str, object] = dict(vars(message))
    if isinstance(message, frames.Data):
        fields["samples"] = message.counts.tolist()
    return fields


if __name__ == "__main__":
    PATH.write_text(text(), encoding="ascii", newline="\n")
