"""What may be asked of the server of the live page; everything else is refused."""

import hmac
import ipaddress
import json
import math
import re
from dataclasses import dataclass
from typing import Any

MOST_HEAD_BYTES = 8192
MOST_BODY_BYTES = 4096
_MOST_CHARACTERS = 200
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+|localhost))(?::([0-9]{1,5}))?")
_ONCE = ("host", "origin", "content-length", "content-type", "transfer-encoding")
# Fields of each command, and whether they must be there.
_COMMANDS: dict[str, dict[str, tuple[type, bool]]] = {
    "mark": {"text": (str, False)},
    "start": {
        "subject": (str, False),
        "condition": (str, False),
        "posture": (str, False),
        "treatment": (str, False),
    },
    "stop": {},
    "seek": {"to_s": (float, True)},
    "speed": {"factor": (float, True)},
    "pause": {},
    "play": {},
}


@dataclass(frozen=True)
class Request:
    """A request whose sender knows the token.

    Attributes
    ----------
    method, path
        ``"GET"`` or ``"POST"``, and what follows the token in the path.
    n_body
        Bytes that follow.
    """

    method: str
    path: str
    n_body: int


def read_head(head: bytes, token: str, port: int) -> Request | None:
    """Return what is asked; None if it is to be refused.

    Parameters
    ----------
    head
        Request line and headers, up to the empty line.
    token
        That the path must begin with.
    port
        That the server listens on.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        return None
    method, target, _ = words
    given, path = target[: len(token) + 1], target[len(token) + 1 :].partition("?")[0]
    if not hmac.compare_digest(given.encode(), f"/{token}".encode()) or path[:1] not in ("", "/"):
        return None
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        key, colon, value = line.partition(":")
        key = key.lower()
        if not colon or not re.fullmatch(r"[!-9;-~]+", key) or (key in headers and key in _ONCE):
            return None
        headers[key] = value.strip()
    host, origin = headers.get("host", "").lower(), headers.get("origin")
    if not _is_ours(host, port) or "transfer-encoding" in headers:
        return None
    if origin is not None and origin.lower() != f"http://{host}":
        return None
    length = headers.get("content-length", "0")
    if not re.fullmatch("[0-9]{1,9}", length):
        return None
    if method == "GET" and not int(length):
        return Request(method, path, 0)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = method == "POST" and origin is not None and kind == "application/json"
    if wanted and 0 < int(length) <= MOST_BODY_BYTES:
        return Request(method, path, int(length))
    return None


def _is_ours(host: str, port: int) -> bool:
    """Return whether a Host header is a literal address, or localhost, with our port.

    A name could be one that was made to point here by another site.
    """
    found = _HOST.fullmatch(host)
    if not found or int(found[3] or 80) != port:
        return False
    if found[2] == "localhost":
        return True
    try:
        ipaddress.ip_address(found[1] or found[2])
    except ValueError:
        return False
    return True


def read_command(body: bytes, possible: list[str]) -> tuple[str, dict[str, Any]] | None:
    """Return name and fields of a command; None if it is none that is possible now."""
    try:
        told = json.loads(body)
        name = told.pop("command")
        known = _COMMANDS[name]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if name not in possible or set(told) - set(known):
        return None
    fields: dict[str, Any] = {}
    for key, (kind, needed) in known.items():
        value = told.get(key)
        if value is None and not needed:
            continue
        if not (_is_number(value) if kind is float else _is_text(value)):
            return None
        fields[key] = kind(value)
    return name, fields


def _is_number(value: object) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _is_text(value: object) -> bool:
    """Return whether it is a short text that can be written anywhere: no half characters."""
    is_short = isinstance(value, str) and len(value) <= _MOST_CHARACTERS
    return is_short and not re.search("[\ud800-\udfff]", str(value))
