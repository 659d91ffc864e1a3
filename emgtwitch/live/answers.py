"""What the server of the live page answers, to the byte."""

from pathlib import Path

_PAGE = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_HEADERS = """\
Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
frame-ancestors 'none'
Cross-Origin-Resource-Policy: same-origin
X-Content-Type-Options: nosniff
Referrer-Policy: no-referrer
Cache-Control: no-store
Connection: close
"""


def _answer(status: str, headers: str = "", body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\n{headers}{_HEADERS}\n"
    return head.replace("\n", "\r\n").encode() + body


# Who does not know the token learns nothing, not even what runs here.
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TOO_MANY = _answer("503 Service Unavailable", "Content-Length: 0\n")
TAKEN = _answer("204 No Content")
STREAM = _answer("200 OK", "Content-Type: text/event-stream\n", b"retry: 1000\n\n")


def files(token: str) -> dict[str, bytes]:
    """Return the answer for each file of the page, by what follows the token in the path."""
    found = {"": _answer("307 Temporary Redirect", f"Location: /{token}/\nContent-Length: 0\n")}
    for path in _PAGE.iterdir():
        if kind := _TYPES.get(path.suffix):
            body = path.read_bytes()
            headers = f"Content-Type: {kind}\nContent-Length: {len(body)}\n"
            name = "" if path.name == "index.html" else path.name
            found[f"/{name}"] = _answer("200 OK", headers, body)
    return found
