"""The cheapest stand-in for RvIG that speaks mTLS: a token, and one canned answer of 3 kB. Run as a process.

Not the product's simulator, because here only what lies in front of it is measured.
"""

import asyncio
import json
import ssl
import sys
from typing import cast
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
    """Reads whole requests, answers after `delay` seconds; calls with a token of the client `hangs` are never answered."""

    delay = 0.0
    hangs = ""
    tokens = 0

    def __init__(self) -> None:
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of uvloop are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)

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
                self.answer(self.token(body))
            elif head.startswith(b"get /tokens"):
                self.answer(json.dumps({"tokens": Upstream.tokens}).encode())
            elif b"bearer hang-" in head:
                continue
            elif self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.answer, ANSWER)
            else:
                self.answer(ANSWER)

    def token(self, body: bytes) -> bytes:
        Upstream.tokens += 1
        asked = parse_qs(body.decode())
        scope, name = asked["scope"][0], "hang" if asked["client_id"] == [Upstream.hangs] else "t"
        return json.dumps(
            {"access_token": f"{name}-{Upstream.tokens}", "token_type": "bearer", "expires_in": 600, "scope": scope}
        ).encode()

    def answer(self, body: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )


async def serve(port: int, certificate: str, key: str, anchors: str, delay: float, hangs: str) -> None:
    Upstream.delay, Upstream.hangs = delay, hangs
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
        runner.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), sys.argv[6]))
