"""A body as it comes in: within a time, within a size, its gzip undone, its JSON read strictly.

JSON is what every reader behind the gateway reads alike: UTF-8, one value, no repeated names (the last or the first
would count, depending on the reader), no NaN, no lone surrogates, no U+0000 (which the register cannot index), nested
at most `DEEPEST` levels. Everything else is not JSON here. Raises Malformed for sizes and encodings.
"""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson

from gateway.errors import Malformed

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

DEEPEST: Final = 32
NOTHING: Final = object()
"""What `decode_json` returns for a body that is not JSON; no JSON value is equal to it."""

_BESIDE_THE_LOOP: Final = 128 * 1024
_PIECE: Final = 64 * 1024
_GZIP_WINDOW: Final = 31


class Disconnected(Exception):
    """The caller is gone before its request was whole: nobody is left to answer, and nothing has been done."""


async def read_body(
    receive: Receive, headers: dict[str, str], *, most: int, seconds: float, whole: bytes | None = None
) -> bytes:
    """Read the whole body, gzip undone. `most` holds for both forms of it. Raises Malformed or Disconnected.

    `whole` is the body itself where the server has it already, so that nothing is waited for.
    """
    length = headers.get("content-length")
    if length is not None and int(length) > most:
        raise _too_large(most)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise Malformed("inhoudscodering", "Alleen gzip is toegestaan als Content-Encoding.")
    if length is None and "transfer-encoding" not in headers:
        body = b""
    elif whole is not None:
        body = whole
    else:
        try:
            async with asyncio.timeout(seconds):
                body = await _read_all(receive, most)
        except TimeoutError:
            raise Malformed("bodyTeTraag", "De body kwam niet binnen de gestelde tijd binnen.") from None
    if encoding not in {"gzip", "x-gzip"} or not body:
        return body
    if len(body) < _BESIDE_THE_LOOP:
        return gunzip(body, most)
    return await asyncio.to_thread(gunzip, body, most)


async def _read_all(receive: Receive, most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if piece:
            pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def gunzip(body: bytes, most: int) -> bytes:
    """Undo gzip, holding never more than `most` bytes and a piece. Raises Malformed.

    One member only: a body of a hundred thousand empty ones would cost minutes, and no library makes a second.
    """
    member = zlib.decompressobj(_GZIP_WINDOW)
    pieces: list[bytes] = []
    size = 0
    rest = body
    try:
        while not member.eof:
            piece = member.decompress(rest, _PIECE)
            rest = member.unconsumed_tail
            size += len(piece)
            if size > most:
                raise _too_large(most)
            if not piece and not rest and not member.eof:
                raise _broken_gzip()
            pieces.append(piece)
    except zlib.error:
        raise _broken_gzip() from None
    if member.unused_data:
        raise _broken_gzip()
    return b"".join(pieces)


def decode_json(body: bytes) -> object:
    """Return the JSON value of a body, or NOTHING."""
    try:
        value = orjson.loads(body)
        # The second reader, which reports names as they stand there, sees what the first one has made equal.
        _PAIRS.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return NOTHING
    may_be_deep = body.count(b"[") + body.count(b"{") > DEEPEST
    if (may_be_deep and _is_deeper(value, DEEPEST)) or (b"\\u0000" in body and _holds_nul(value)):
        return NOTHING
    return value


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return names


_PAIRS: Final = json.JSONDecoder(object_pairs_hook=_unrepeated)


def _is_deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _holds_nul(value: object) -> bool:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if "\0" in one:
                return True
        elif isinstance(one, dict):
            stack.extend(one)
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    return False


def _too_large(most: int) -> Malformed:
    return Malformed("bodyTeGroot", f"De body mag, ook uitgepakt, hoogstens {most} bytes groot zijn.")


def _broken_gzip() -> Malformed:
    return Malformed("gzipOngeldig", "De body is geen volledige, geldige gzip.")
