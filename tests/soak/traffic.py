"""Mixed traffic that never stops: every API, every way to prove who asks, and attempts that must be refused."""

import asyncio
import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from tests.e2e.ledgers import BERICHTEN, HANNA, PERSONEN, Called, unique_question, until
from tests.soak.clients import CALLING, Client, Passage
from tests.soak.installation import Installation
from tests.soak.processes import Process

TOKEN = "/nidp/oauth/nam/token"
BEWONINGEN, HISTORIE = "/api/bewoning/bewoningen", "/api/brp/verblijfplaatshistorie"
BEWONING = {
    "type": "BewoningMetPeildatum", "peildatum": "2010-01-01", "adresseerbaarObjectIdentificatie": "9101010000000001",
}  # fmt: skip
STAYS = {"type": "RaadpleegMetPeildatum", "burgerservicenummer": HANNA, "peildatum": "2020-01-01"}
SEARCH = {
    "type": "ZoekMetGeslachtsnaamEnGeboortedatum", "geslachtsnaam": "Niemand", "geboortedatum": "1979-03-14",
    "fields": ["burgerservicenummer", "naam"],
}  # fmt: skip
MESSAGE = {"berichtType": "Gv01", "plData": {"c01": [{"e0120": HANNA, "e0240": "Zandstra"}]}}
KINDS = {
    "personen": 10, "zoeken": 2, "bewoningen": 3, "historie": 3, "berichten": 3, "wrong_key": 0.3, "wrong_token": 0.3,
    "old_token": 0.3, "strange_path": 0.6, "garbage": 0.6, "two_callers": 0.3,
}  # fmt: skip
"""What is asked, and how often against each other. The last six must be refused."""
HOPELESS = frozenset(list(KINDS)[5:])


@dataclass(slots=True)
class Visit(Called):
    """One call with where it went, and over which connection. `hopeless`: it must be refused, whatever happens."""

    client: Client | None = None
    process: Process | None = None
    kind: str = ""
    hopeless: bool = False
    passage: Passage = field(default_factory=Passage)


@dataclass(slots=True)
class Traffic:
    """Callers that choose client, gateway and question by chance, until they are told to rest."""

    here: Installation
    seed: int
    pause: float
    ledger: list[Visit] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    going: bool = True
    tokens_refused: int = 0

    def begin(self, callers: int) -> None:
        self.tasks = [asyncio.create_task(self._go_on(random.Random(f"{self.seed}/{n}"))) for n in range(callers)]

    async def rest(self) -> None:
        """End the traffic; every call that was begun has ended."""
        self.going = False
        await asyncio.gather(*self.tasks)
        self.tasks.clear()

    def check(self) -> None:
        """Raise what ended a caller, if something did."""
        for task in self.tasks:
            if task.done():
                task.result()

    async def answers(self, count: int = 20, seconds: float = 60.0) -> None:
        """Wait until the service is there: so many answers from now on."""
        begun = len(self.ledger)

        def have_come() -> bool:
            self.check()
            return sum(1 for one in self.ledger[begun:] if one.status == 200) >= count

        await until(have_come, seconds)

    async def ask(self, client: Client, process: Process | None = None) -> Visit:
        """One question about a person, with the proof that the client has now."""
        return await self._ask(client, process or self._any(random.Random()), "personen", PERSONEN, unique_question())

    async def ask_with(self, client: Client, process: Process, proof: Mapping[str, str]) -> Visit:
        """The same with a proof of the past, which must be refused."""
        visit = await self._call(client, self._in_service(process), "withdrawn_key", PERSONEN, unique_question(), proof)
        visit.hopeless = True
        return visit

    async def _go_on(self, chance: random.Random) -> None:
        kinds, weights = list(KINDS), list(KINDS.values())
        while self.going:
            client = chance.choice(self.here.clients)
            (kind,) = chance.choices(kinds, weights)
            await self._visit(client, self._any(chance), kind)
            await asyncio.sleep(chance.uniform(0.0, 2 * self.pause))

    def _any(self, chance: random.Random) -> Process:
        return chance.choice(self.here.serving)

    def _in_service(self, process: Process) -> Process:
        """A balancer sends nobody to a gateway that was taken out of service, whichever was meant."""
        return process if process in self.here.serving else self.here.serving[-1]

    async def settled(self, process: Process) -> None:
        """Wait until every call that was sent to a process has its connection there, or has ended."""
        sent = [one for one in self.ledger if one.process is process and not one.ended]
        await until(lambda: all(one.ended or one.passage.port for one in sent), 300)

    async def _visit(self, client: Client, process: Process, kind: str) -> None:
        match kind:
            case "personen":
                await self._ask(client, process, kind, PERSONEN, unique_question())
            case "zoeken":
                await self._ask(client, process, kind, PERSONEN, SEARCH)
            case "bewoningen":
                await self._ask(client, process, kind, BEWONINGEN, BEWONING)
            case "historie":
                await self._ask(client, process, kind, HISTORIE, STAYS)
            case "berichten":
                await self._visit_mailbox(client, process)
            case "garbage":
                await self._ask(client, process, kind, PERSONEN, b'{"type": "Raad')
            case "strange_path":
                await self._ask(client, process, kind, "/api/brp/anders", unique_question())
            case _:
                await self._call(client, process, kind, PERSONEN, unique_question(), self._wrong_proof(client, kind))

    async def _visit_mailbox(self, client: Client, process: Process) -> None:
        """A message comes in, is listed, fetched and deleted."""
        number = self.here.world.simulator.postbus.deliver(client.member.account.mailbox_id or "", MESSAGE)
        for kind, method, path in (
            ("lijst", "GET", BERICHTEN),
            ("ophalen", "GET", f"{BERICHTEN}/{number}"),
            ("verwijderen", "DELETE", f"{BERICHTEN}/{number}"),
        ):
            visit = await self._ask(client, self._in_service(process), kind, path, None, method)
            if visit.status != 200:
                return

    def _wrong_proof(self, client: Client, kind: str) -> dict[str, str]:
        match kind:
            case "wrong_key":
                return {"X-API-KEY": "kp_verkeerde-sleutel"}
            case "old_token":
                then = int(time.time()) - 4_000
                return {"Authorization": f"Bearer {self._idp_token(client, iat=then, exp=then + 300)}"}
            case "two_callers":
                others = [one for one in self.here.clients if one.member is not client.member]
                shown = self._idp_token(next(one for one in others if one.proof == "idp"))
                return {"X-API-KEY": client.member.api_key, "Authorization": f"Bearer {shown}"}
            case _:
                return {"Authorization": "Bearer verkeerd.token.4713"}

    def _idp_token(self, client: Client, **changed: Any) -> str:
        said = {"iss": client.issuer, "afnemerID": client.member.account.afnemer_id}
        return self.here.idp.token(**said, **changed)

    async def _ask(
        self, client: Client, process: Process, kind: str, path: str, body: Any, method: str = "POST"
    ) -> Visit:
        proof = await self.proof_of(client, process)
        made = await self._call(client, self._in_service(process), kind, path, body, proof, method)
        if made.status == 401 and client.proof == "token":
            client.token = None
        return made

    async def proof_of(self, client: Client, process: Process) -> Mapping[str, str]:
        """The headers by which a client is known now; of a token that could not be had, one that is none."""
        if client.proof == "idp":
            return {"Authorization": f"Bearer {self._idp_token(client)}"}
        if client.proof == "token":
            if client.token is None:
                client.token = await self._get_token(client, process)
            return {"Authorization": f"Bearer {client.token or 'geen.token.gekregen'}"}
        return {"X-API-KEY": client.member.api_key}

    async def _get_token(self, client: Client, process: Process) -> str | None:
        member = client.member
        form = {"grant_type": "client_credentials", "scope": member.scope}
        form |= {"client_id": member.client_id, "client_secret": member.client_secret}
        try:
            async with client.session.post(f"https://localhost:{process.port}{TOKEN}", data=form) as answer:
                if answer.status == 200:
                    return str((await answer.json())["access_token"])
        except (aiohttp.ClientError, OSError):
            pass
        self.tokens_refused += 1
        return None

    async def _call(
        self, client: Client, process: Process, kind: str, path: str, body: Any, proof: Mapping[str, str],
        method: str = "POST",
    ) -> Visit:  # fmt: skip
        """Make one call. Whatever happens, it stands in the ledger."""
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        made = Visit(uuid4(), client.member, time.time(), hashlib.sha256(data).hexdigest(), client=client,
                     process=process, kind=kind, hopeless=kind in HOPELESS)  # fmt: skip
        self.ledger.append(made)
        CALLING.set(made.passage)
        headers = dict(proof) | {"traceparent": f"00-{made.trace.hex}-{made.trace.hex[:16]}-01"}
        if data:
            headers["Content-Type"] = "application/json"
        url = f"https://localhost:{process.port}{path}"
        try:
            async with client.session.request(method, url, headers=headers, data=data or None) as answer:
                made.body = await answer.read()
                made.headers = {name.lower(): value for name, value in answer.headers.items()}
                made.status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            made.passage.error = type(error).__name__
        made.ended = time.time()
        if made.status == 200:
            # What was answered is in the register; here it would only fill the memory of whoever asks.
            made.body = b""
            client.answered += 1
        return made
