"""The cheapest stand-in for RvIG that speaks mTLS: a token, and one canned answer of 3 kB. Run as a process.

Not the product's simulator, because here only what lies in front of it is measured.
"""

import asyncio
import json
import ssl
import sys
from typing import ClassVar, cast
from urllib.parse import parse_qs

import uvloop

PERSON = {
    "burgerservicenummer": "999941112",
    "naam": {"voornamen": "Hanna Willemijn", "geslachtsnaam": "Zandstra", "voorletters": "H.W."},
    "adressering": {f"adresregel{n}": "Voorbeeldstraat 12, 1234 AB Duinwijk aan Zee" for n in range(1, 40)},
    "geboorte": {"datum": {"type": "Datum", "datum": "1970-01-01", "langFormaat": "1 januari 1970"}},
}
ANSWER = json.dumps({"type": "RaadpleegMetBurgerservicenummer", "personen": [PERSON]}).encode()


class Upstream(asyncio.Protocol):
    """Reads whole requests, answers after `delay` seconds.

    Calls with a token of a client of `hangs` are never answered until `/release` breaks their connections off; clients of
    `tokenless` get no token.
    """

    delay = 0.0
    hangs: frozenset[str] = frozenset()
    tokenless: frozenset[str] = frozenset()
    tokens = 0
    held: ClassVar[set["Upstream"]] = set()

    def __init__(self) -> None:
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of uvloop are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        Upstream.held.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            if head.startswith(b"post /nidp"):
                self.token(body)
            elif head.startswith(b"get /tokens"):
                self.answer(json.dumps({"tokens": Upstream.tokens}).encode())
            elif head.startswith(b"get /release"):
                released, Upstream.held = Upstream.held, set()
                for one in released:
                    one.abort()
                self.answer(json.dumps({"released": len(released)}).encode())
            elif b"bearer hang-" in head:
                Upstream.held.add(self)
            elif self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.answer, ANSWER)
            else:
                self.answer(ANSWER)

    def token(self, body: bytes) -> None:
        Upstream.tokens += 1
        asked = parse_qs(body.decode())
        client, scope = asked["client_id"][0], asked["scope"][0]
        if client in Upstream.tokenless:
            self.answer(b'{"error": "server_error"}', b"500 Internal Server Error")
            return
        token = f"{'hang' if client in Upstream.hangs else 't'}-{Upstream.tokens}"
        document = {"access_token": token, "token_type": "bearer", "expires_in": 600, "scope": scope}
        self.answer(json.dumps(document).encode())

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (status, len(body), body)
            )


async def serve(port: int, certificate: str, key: str, anchors: str, *behaviour: str) -> None:
    delay, hangs, tokenless = behaviour
    Upstream.delay = float(delay)
    Upstream.hangs, Upstream.tokenless = frozenset(hangs.split(",")), frozenset(tokenless.split(","))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(anchors)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.get_running_loop().create_server(Upstream, "localhost", port, ssl=context, backlog=2048)
    sys.stdout.write(f"ready port={port} watch=0\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), *sys.argv[2:]))
