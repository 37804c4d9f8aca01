"""Two afnemers of a simulator, and a caller that speaks as either over real mutual TLS."""

import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from gateway.pki import Issued, Pki
from gateway.simulator.app import Simulator
from gateway.simulator.serve import Address
from gateway.simulator.settings import SimAfnemer

GEMEENTE = SimAfnemer(
    afnemer_id="910101",
    oin="00000001910100000000",
    gemeente_code="9101",
    mailbox_id="9101010",
    client_id="duinwijk",
    client_secret="geheim-duinwijk",
)
WATERSCHAP = SimAfnemer(
    afnemer_id="510193",
    oin="00000001002564440000",
    mailbox_id="5101930",
    client_id="waterschap",
    client_secret="geheim-waterschap",
)
PERSONEN = "/lap/api/brp/personen"
HANNA = "999941112"
JORIS = "999941501"


@dataclass
class Clock:
    """Unix time that a test moves."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Speaks to the simulator with one certificate, over one kept-alive session."""

    session: aiohttp.ClientSession
    base: str
    issued: Issued
    account: SimAfnemer
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask_token(self, **changes: str | None) -> tuple[int, dict[str, Any]]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "scope": f"{self.account.afnemer_id}-{self.account.oin}",
            "resourceServer": "ResourceServer01",
        } | changes
        form = {name: value for name, value in form.items() if value is not None}
        async with self.session.post(f"{self.base}/nidp/oauth/nam/token", data=form) as answer:
            return answer.status, await answer.json()

    async def token(self, resource_server: str = "ResourceServer01") -> str:
        if resource_server not in self.tokens:
            status, document = await self.ask_token(resourceServer=resource_server)
            assert status == 200, document
            self.tokens[resource_server] = document["access_token"]
        return self.tokens[resource_server]

    async def ask(self, body: Any, path: str = PERSONEN, **headers: str) -> tuple[int, Any]:
        """POST a question; the answer's status and JSON."""
        given = {"Authorization": f"Bearer {await self.token()}", "Accept": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.session.post(self.base + path, json=body, headers=given) as answer:
            return answer.status, await answer.json(content_type=None)

    async def berichten(self, method: str, rest: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        given = {"Authorization": f"Bearer {await self.token('ResourceServer02')}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        url = f"{self.base}/lap/api/brp/berichten/v1/berichten{rest}"
        async with self.session.request(method, url, headers=given, **content) as answer:
            raw = await answer.read()
            return answer.status, await answer.json(content_type=None) if raw[:1] == b"{" else raw


class Stage:
    """A running simulator and callers to it."""

    def __init__(self, simulator: Simulator, address: Address, pki: Pki, directory: Path) -> None:
        self.simulator = simulator
        self.address = address
        self._pki = pki
        self._directory = directory
        self._stack = contextlib.AsyncExitStack()
        self._issued: dict[str, Issued] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def context(self, issued: Issued) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._pki.root_pem.decode())
        context.load_cert_chain(*issued.save(self._directory, issued.fingerprint[:16]))
        return context

    async def caller(self, account: SimAfnemer, *, oin: str | None = None, **options: Any) -> Caller:
        """A caller for an account, with a certificate of the account's OIN or of another."""
        key = oin or account.oin
        issued = self._issued.get(key) or self._issued.setdefault(key, self._pki.issue_client(key, "Organisatie"))
        connector = aiohttp.TCPConnector(ssl=self.context(issued), **options)
        session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return Caller(session, f"https://127.0.0.1:{self.address.port}", issued, account)
