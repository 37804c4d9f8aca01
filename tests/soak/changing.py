"""What is changed in the registry under load, over the admin API, and what must hold from the moment of its answer."""

import asyncio
import dataclasses
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.callers.issuers import make_key
from tests.soak.admin import Admin
from tests.soak.clients import Client
from tests.soak.traffic import Traffic, Visit
from tests.world import RIGHTS, with_secret

Change = Callable[[random.Random], Awaitable[None]]
_BACK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Something of a client that was stopped: from `since`, when that was answered, until it was let go on at `until`.

    `machtiging` is the one that was withdrawn, else None: a block of the client's.
    """

    what: str
    client: Client
    since: float
    until: float
    machtiging: int | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A certificate that took another's place: from `since` on, calls leave over the new one only."""

    client: Client
    since: float
    old: str
    new: str


@dataclass(slots=True)
class Changes:
    """Owns what was changed, for the judging afterwards."""

    admin: Admin
    traffic: Traffic
    longest: float
    stopped: list[Stopped] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    passed: list[Visit] = field(default_factory=list)
    """Calls that had an answer although they were begun while their client was stopped: there must be none."""

    @property
    def faults(self) -> dict[str, Change]:
        made: dict[str, Change] = {
            one.__name__: one
            for one in (
                self.rotate_certificate,
                self.rotate_credential,
                self.rotate_api_key,
                self.rotate_idp_key,
                self.withdraw_machtiging,
            )
        }
        for soort in ("tenant", "afnemer", "oin", "certificaat", "taaksysteem"):
            made[f"block_{soort}"] = self._blocking(soort)
        return made

    async def rotate_certificate(self, chance: random.Random) -> None:
        """A new certificate is brought in, staged and activated; calls leave over it from then on."""
        client, key = self._choose(chance)
        member = client.member
        issued = self.admin.here.world.ground.pki.issue_client(member.account.oin, f"Gemeente {member.number}")
        body = {
            "oin": member.account.oin,
            "certificaten": issued.chain_pem.decode(),
            "sleutel": issued.key_pem.decode(),
        }
        with client.disturbed():
            made = await self.admin.insist("POST", "/v1/certificaten/pem", key, body)
            one = f"/v1/certificaten/{made.body['nummer']}"
            wish = {"aansluitingen": "alle", "reden": "Het oude certificaat eindigt"}
            await self.admin.change("POST", f"{one}/activering", key, wish, where=one)
            self.replaced.append(Replaced(client, time.time(), member.issued.fingerprint, issued.fingerprint))
            member.issued, member.certificate_id = issued, made.body["nummer"]
            await self._back(client)

    async def rotate_credential(self, chance: random.Random) -> None:
        """RvIG gives a new secret and takes both for a while; the new one is activated; the old one ends."""
        client, key = self._choose(chance)
        member, afnemers = client.member, self.admin.here.world.simulator.afnemers
        with client.disturbed():
            member.account = with_secret(member.account, f"geheim-{secrets.token_hex(8)}")
            afnemers.put(member.account)
            body = {
                "afnemerId": member.account.afnemer_id, "omgeving": "productie", "clientId": member.account.client_id,
                "secret": member.account.client_secret,
            }  # fmt: skip
            made = await self.admin.insist("POST", "/v1/credentials", key, body)
            one = f"/v1/credentials/{made.body['nummer']}"
            wish = {"aansluiting": member.aansluiting_id, "zonderPoging": True, "reden": "Het oude geheim eindigt"}
            await self.admin.change("POST", f"{one}/activering", key, wish, where=one)
            member.account = dataclasses.replace(member.account, previous_secrets=frozenset())
            afnemers.put(member.account)
            await self._back(client)

    async def rotate_api_key(self, chance: random.Random) -> None:
        """A second key, used at once; then the first is withdrawn, and opens nothing from that answer on."""
        client, key = self._choose(chance, lambda one: one.proof in {"api-key", "certificate"})
        member = client.member
        path = f"/v1/taaksystemen/{member.taaksysteem_id}/sleutels"
        seen = await self.admin.insist("GET", path, key)
        old = [
            one["nummer"]
            for one in seen.body["sleutels"]
            if (one["soort"], one["toestand"]) == ("api-sleutel", "actief")
        ]
        with client.disturbed():
            before, member.api_key = member.api_key, await self._make_api_key(path, key)
            await self._back(client)
            for number in old:
                await self.admin.change("DELETE", f"{path}/{number}", key, also=(404, 409, 412))
            await self._probe(client, {"X-API-KEY": before})

    async def _make_api_key(self, path: str, key: str) -> str:
        """A new one. Its secret is shown once: when that answer was lost (409), yet another is made."""
        while True:
            reply = await self.admin.insist("POST", path, key, {"soort": "api-sleutel"}, also=(409,))
            if reply.status == 201:
                return str(reply.body["geheim"])

    async def rotate_idp_key(self, _chance: random.Random) -> None:
        """From now on the IDP of the tenants signs with another key, and publishes that one alone."""
        theirs = [one for one in self.traffic.here.clients if one.proof == "idp"]
        for one in theirs:
            one.changing = time.time()
        self.traffic.here.idp.rotate(make_key(f"sleutel-{secrets.token_hex(4)}", "ES256"))
        await self._back(theirs[0])
        for one in theirs:
            one.unsettled.append((one.changing or 0.0, time.time() + 2.0))
            one.changing = None

    async def withdraw_machtiging(self, chance: random.Random) -> None:
        """From the answer on nothing leaves by it; another one is made after a while."""
        client, key = self._choose(chance)
        member = client.member
        with client.disturbed():
            number = member.machtiging_id
            await self.admin.change("DELETE", f"/v1/machtigingen/{number}", key, also=(404, 409, 412))
            since = time.time()
            await self._stand_stopped(client, chance)
            body = {
                "aansluiting": member.aansluiting_id, "taaksysteem": {"nummer": member.taaksysteem_id},
                "doelbinding": "burgerzaken", "grondslag": "Wet BRP 3.5", "ontvanger": "afdeling Burgerzaken",
                "verwerkingsactiviteit": "https://example.org/verwerking/1", "rechten": RIGHTS,
            }  # fmt: skip
            until = time.time()
            made = await self.admin.insist("POST", "/v1/machtigingen", key, body)
            self.stopped.append(Stopped("machtiging", client, since, until, number))
            member.machtiging_id = made.body["nummer"]
            await self._back(client)

    def _blocking(self, soort: str) -> Change:
        async def block(chance: random.Random) -> None:
            client, key = self._choose(chance)
            here, member = self.traffic.here, client.member
            key = chance.choice([key, here.keys["operator", None]])
            waarde = {
                "tenant": str(member.tenant_id), "afnemer": member.account.afnemer_id, "oin": member.account.oin,
                "certificaat": member.issued.fingerprint, "taaksysteem": f"{member.tenant_id}-{member.taaksysteem_id}",
            }[soort]  # fmt: skip
            with client.disturbed():
                body = {"soort": soort, "waarde": waarde, "reden": "Proef op de som"}
                await self.admin.insist("POST", "/v1/blokkades", key, body)
                since = time.time()
                await self._stand_stopped(client, chance)
                until = time.time()
                await self.admin.insist(
                    "DELETE", f"/v1/blokkades/{soort}/{waarde}", key, {"reden": "Gezien"}, also=(404,)
                )
                self.stopped.append(Stopped(soort, client, since, until))
                await self._back(client)

        return block

    async def _stand_stopped(self, client: Client, chance: random.Random) -> None:
        """For a while, ask at every gateway what must be refused."""
        until = time.monotonic() + chance.uniform(0.3, max(0.4, self.longest / 2))
        while time.monotonic() < until:
            for process in list(self.traffic.here.serving):
                visit = await self.traffic.ask(client, process)
                if visit.status == 200:
                    self.passed.append(visit)
            await asyncio.sleep(0.1)

    async def _probe(self, client: Client, proof: dict[str, str]) -> None:
        """Ask at every gateway with a proof that opens nothing any more."""
        for process in list(self.traffic.here.serving):
            visit = await self.traffic.ask_with(client, process, proof)
            if visit.status == 200:
                self.passed.append(visit)

    async def _back(self, client: Client) -> None:
        """Wait until every gateway that is in service answers the client again."""
        until = time.monotonic() + _BACK_SECONDS
        waiting = set(self.traffic.here.serving)
        while waiting and time.monotonic() < until:
            for process in list(waiting):
                if process not in self.traffic.here.serving or (await self.traffic.ask(client, process)).status == 200:
                    waiting.discard(process)
            await asyncio.sleep(0.1)
        assert not waiting, f"{client.member.account.oin} is not served again by {[one.name for one in waiting]}"

    def _choose(self, chance: random.Random, fits: Callable[[Client], bool] = lambda _: True) -> tuple[Client, str]:
        """A client that nothing is being done to, and its beheerder's key."""
        free = [one for one in self.traffic.here.clients if one.changing is None and fits(one)]
        client = chance.choice(free)
        return client, self.traffic.here.keys["beheerder", client.member.tenant_id]
