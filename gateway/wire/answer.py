"""Reading an answer of RvIG's: whole, decoded, and never more of it than the limit.

Refuses encodings that were not asked for and gzip that is broken, stops early or goes on after its end: what cannot be
recorded as it was is no answer. aiohttp's own decoding is off, because it passes a truncated gzip body on as whole.
"""

import zlib

import aiohttp

_DROPPED = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade", "content-encoding", "content-length", "set-cookie", "location",
    }
)  # fmt: skip
"""Headers of the connection (RFC 9110 section 7.6.1), of the encoding that is undone, and two that lead elsewhere."""

_GZIP = 16 + zlib.MAX_WBITS


class AnswerUnreadable(ValueError):
    """The answer is in an encoding that was not asked for, or its encoding is broken."""


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Read the body as it came; None when it is over the limit, which is seen before the rest is read."""
    if response.status < 200:
        raise AnswerUnreadable("switched to another kind of conversation")
    content = response.content
    body = await content.readany()
    if content.at_eof() and len(body) <= limit:
        return body
    parts, size = [body], len(body)
    while size <= limit:
        part = await content.readany()
        if not part and content.at_eof():
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    return None


def decode(raw: bytes, encoding: str | None, limit: int) -> bytes | None:
    """Undo gzip; None when the result is over the limit, of which no more than the limit is ever made."""
    if encoding is None or not raw:
        return raw
    if encoding.lower() not in {"gzip", "x-gzip", "identity"}:
        raise AnswerUnreadable("an encoding that was not asked for")
    if encoding.lower() == "identity":
        return raw
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(raw, limit + 1)
    except zlib.error:
        raise AnswerUnreadable("broken gzip") from None
    if len(body) > limit:
        return None
    if not unpacker.eof or unpacker.unused_data:
        raise AnswerUnreadable("gzip that stops early or goes on after its end")
    return body


def read_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Headers in lower case without those of the connection; a repeated one is joined (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        lower = name.lower()
        if lower not in _DROPPED:
            found[lower] = f"{found[lower]}, {value}" if lower in found else value
    return found
