"""The short way of an ordinary request: read in one look, answered in one write. Bytes in, bytes out: no sockets.

Most requests are the same: one of five methods, HTTP/1.1, a head of visible ASCII that came in one piece, at most a
Content-Length. Those are read here, by one expression; h11 costs ten times as much for the same. What is anything else,
doubtful or merely unusual, is none of this module's: `read_plain` returns None, and `gateway.http1` and h11 judge it.
So nothing is accepted here that they refuse, and nothing is read otherwise (RFC 9112); tests compare the two.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

Message = MutableMapping[str, Any]

WHOLE_BODY: Final = "koppelpunt.whole_body"
"""ASGI extension: the body, when it came in one piece with its head. `receive` gives it all the same."""

_TOKEN: Final = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]"
_HEAD: Final = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE) ([!-~]++) HTTP/1\.1\r\n(?:" + _TOKEN + rb"++: ?+(?! )[ -~]++(?<! )\r\n)++\r\n"
)
_FIELD: Final = re.compile(rb"\n([^:\r]+): ?([^\r]+)")
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"http2-settings"})
_SENT: Final = re.compile(rb"HTTP/1\.1 [2-5]\d\d \r\n(?:" + _TOKEN + rb"++: [^\0\r\n]*+\r\n)*+")
_MOST_AHEAD: Final = 64 * 1024
"""Bytes; a caller that sends more ahead of its answer is taken for gone by an application that listens for that."""

_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """One request: its head, and as much as there is of its body. `ahead` is what came behind it, of the next one."""

    method: bytes
    target: bytes = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    length: int
    body: bytes = field(repr=False)
    ahead: bytes = field(repr=False)


def read_plain(data: bytes, most_head: int) -> PlainRequest | None:
    """Return the request that these bytes begin with; None for whatever is not plainly one."""
    found = _HEAD.match(data)
    if found is None or (end := found.end()) > most_head:
        return None
    headers = [(name.lower(), value) for name, value in _FIELD.findall(data, 0, end)]
    hosts, length = 0, None
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                return None
            length = int(value)
        elif name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
    if hosts != 1:
        return None
    whole = end + (length or 0)
    return PlainRequest(found[1], found[2], headers, length or 0, data[end:whole], data[whole:])


class PlainExchange:
    """One plain request and its answer, as the two halves of ASGI.

    `more` reads what still comes (nothing at the end of the connection), `write` writes, and `is_last` tells whether the
    server wants no request after this one on its connection. `ahead` is what was read of that next request.
    """

    __slots__ = (
        "_body", "_chunked", "_fixed", "_is_last", "_more", "_owed", "_start", "_started", "_write", "ahead", "ended", "last",
        "left",
    )  # fmt: skip

    def __init__(
        self,
        request: PlainRequest,
        more: Callable[[int], Awaitable[bytes]],
        write: Callable[[bytes], Awaitable[None]],
        fixed: list[tuple[bytes, bytes]],
        is_last: Callable[[], bool],
    ) -> None:
        self.ahead = request.ahead
        self.left = request.length - len(request.body)
        self.last = False
        self.ended = False
        self._started = False
        self._is_last = is_last
        self._body: bytes | None = request.body
        self._more = more
        self._write = write
        self._fixed = fixed
        self._start: Message | None = None
        self._chunked = False
        self._owed = 0

    async def receive(self) -> Message:
        """The body, piece by piece; after it `http.disconnect`, when the caller has gone."""
        piece, self._body = self._body, None
        if piece is None and self.left:
            piece = await self._more(self.left)
            self.left -= len(piece)
            if not piece:
                return {"type": "http.disconnect"}
        if piece is None:
            # Nothing more is owed to the application but the news that its caller has gone.
            while len(self.ahead) < _MOST_AHEAD and (data := await self._more(_MOST_AHEAD)):
                self.ahead += data
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        """Take a part of the answer. The head waits for the first of the body, so that both leave in one write.

        Raises ValueError for what HTTP cannot say: an answer that lies about its length, or a broken header.
        """
        kind = message["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self.ended:
            body, is_end = message.get("body", b""), not message.get("more_body", False)
            head = b"" if self._started else self._head(self._start, body, is_end=is_end)
            data = head + self._framed(body, is_end=is_end)
            self._started, self.ended = True, is_end
            await self._write(data)
        else:
            raise ValueError("an answer out of order")

    async def fail(self) -> None:
        """End an answer that the application did not: by a bare 500, or in the middle if it had begun."""
        self.last = True
        if not self._started:
            self._fixed = [*self._fixed, (b"connection", b"close")]
            await self._write(self._head({"status": 500}, b"", is_end=True))

    def _head(self, start: Message, body: bytes, *, is_end: bool) -> bytes:
        status, headers = int(start["status"]), [*start.get("headers", ()), *self._fixed]
        names = {name.lower(): value for name, value in headers}
        if names.get(b"connection", b"").lower() == b"close":
            self.last = True
        elif self._is_last():
            self.last = True
            headers.append((b"connection", b"close"))
        if b"transfer-encoding" in names:
            raise ValueError("the framing of an answer is not the application's")
        if status not in _BODILESS:
            if b"content-length" in names:
                self._owed = int(names[b"content-length"])
            elif is_end:
                self._owed = len(body)
                headers.append((b"content-length", b"%d" % len(body)))
            else:
                self._chunked = True
                headers.append((b"transfer-encoding", b"chunked"))
        head = b"HTTP/1.1 %d \r\n" % status + b"".join([b"%b: %b\r\n" % one for one in headers])
        # One line for each header: a value may not hold a line of its own.
        if _SENT.fullmatch(head) is None or head.count(b"\n") != len(headers) + 1:
            raise ValueError("a header that HTTP cannot hold")
        return head + b"\r\n"

    def _framed(self, body: bytes, *, is_end: bool) -> bytes:
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk + b"0\r\n\r\n" if is_end else chunk
        self._owed -= len(body)
        if self._owed < 0 or (is_end and self._owed):
            raise ValueError("an answer of another length than it says")
        return body


def scope_of(request: PlainRequest, fixed: MutableMapping[str, Any], state: MutableMapping[str, Any]) -> dict[str, Any]:
    """Return the ASGI scope. `fixed` is what all requests of one connection have in common."""
    path, _, query = request.target.partition(b"?")
    plain = path.decode("ascii")
    whole = len(request.body) == request.length
    return {
        **fixed,
        "method": request.method.decode("ascii"),
        "path": unquote(plain) if "%" in plain else plain,
        "raw_path": path,
        "query_string": query,
        "headers": request.headers,
        "state": dict(state),
        "extensions": {WHOLE_BODY: request.body} if whole else {},
    }
