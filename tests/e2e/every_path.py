"""Every path on which personal data and secrets can be sent, taken once, with texts that can be found again."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tenants.blokkades import block, release
from tenants.scope import operator_scope
from tests.e2e.ledgers import BERICHTEN, HANNA, PERSONEN, Called, Caller, until
from tests.register.wire import Wire
from tests.world import GatewayProcess, Member, World, question

OK = {200}
REFUSED = range(400, 500)
TOKEN = "/nidp/oauth/nam/token"
UNKNOWN_BSN, IN_PATH, IN_QUERY, IN_GARBAGE = "987654321", "987650001", "987650002", "987650003"
NAME = "Zandstra"
FIRST_NAMES = "Hanna Willemijn"
SEARCHED = "Achternaamdieniemandheeft"
USER = "j.de.medewerker"
WRONG_KEY, WRONG_SECRET, WRONG_TOKEN = "verkeerde-sleutel-4711", "verkeerd-geheim-4712", "verkeerd.token.4713"
NOWHERE = frozenset({
    "UNKNOWN_BSN", "IN_PATH", "IN_QUERY", "IN_GARBAGE", "NAME", "FIRST_NAMES", "SEARCHED", "USER", "WRONG_KEY",
    "WRONG_SECRET", "WRONG_TOKEN",
})  # fmt: skip
"""The names of the texts above, none of which may be anywhere."""
NAMED = {"X-User": USER, "X-Gebruiker": USER, "X-Request-User": USER, "X-Origin-Oin": "00000001999999999000"}
SEARCH = {
    "type": "ZoekMetGeslachtsnaamEnGeboortedatum", "geslachtsnaam": SEARCHED, "geboortedatum": "1979-03-14",
    "fields": ["burgerservicenummer", "naam"],
}  # fmt: skip
UPSTREAM_FAULTS = (
    FaultRule(FaultKind.STATUS, times=1, status=500),
    FaultRule(FaultKind.STATUS, times=1, status=503),
    FaultRule(FaultKind.RESET, times=1),
    FaultRule(FaultKind.TRUNCATED, times=1),
    FaultRule(FaultKind.TOKEN_INVALID, times=1),
    FaultRule(FaultKind.HUGE, Match(api="personen"), times=1, size=9 * 1024 * 1024),
    FaultRule(FaultKind.ANSWER, Match(api="personen"), times=1, status=200, body=f'{{"personen": {HANNA}'.encode()),
    FaultRule(FaultKind.ANSWER, Match(api="personen"), times=1, status=400, body=f'{{"detail": "{HANNA}"}}'.encode()),
    FaultRule(FaultKind.TOKEN_REFUSED, times=1),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway behind a wire to PostgreSQL, and everything that came back from it but RvIG's own answers."""

    world: World
    gateway: GatewayProcess
    wire: Wire
    member: Member
    caller: Caller
    refusals: list[bytes] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def call(
        self, expected: Collection[int], body: Any = None, path: str = PERSONEN, method: str = "POST", **headers: str
    ) -> Called:
        called = await self.caller.call(self.gateway.url, self.member, body, path, method, **NAMED | headers)
        assert called.status in expected, (path, called.status, called.body)
        if called.status != 200:
            self.refusals.append(orjson.dumps(_without_echo(called.document)))
        return called

    async def ask_token(self, secret: str, expected: int) -> None:
        form = {"grant_type": "client_credentials", "scope": self.member.scope}
        form |= {"client_id": self.member.client_id, "client_secret": secret}
        async with self.caller.session.post(self.gateway.url + TOKEN, data=form) as answer:
            assert answer.status == expected
            if expected == 200:
                self.tokens.append((await answer.json())["access_token"])
            else:
                self.refusals.append(await answer.read())


def _without_echo(document: dict[str, Any]) -> dict[str, Any]:
    """A problem document less what its caller hears again of its own: the path, and names that RvIG does not know."""
    left = {name: value for name, value in document.items() if name not in {"instance", "invalidParameters"}}
    if left.get("code") == "paramsValidation":
        del left["detail"]
    left["invalidParams"] = [one | {"name": ""} for one in document.get("invalidParams", ())]
    return left


async def take_every_path(stage: Stage) -> None:
    """Send what is secret along every path: answered, refused by whom ever, unanswered, not recorded."""
    await stage.call(OK)
    await stage.call(OK, question(HANNA, UNKNOWN_BSN))
    await stage.call(OK, SEARCH)
    await stage.ask_token(stage.member.client_secret, 200)
    await stage.ask_token(WRONG_SECRET, 401)
    await stage.call(OK, Authorization=f"Bearer {stage.tokens[0]}")
    await stage.call(REFUSED, **{"X-API-KEY": WRONG_KEY})
    await stage.call(REFUSED, Authorization=f"Bearer {WRONG_TOKEN}")
    await take_malformed_paths(stage)
    await take_post(stage)
    async with operator_scope(stage.world.tenants, actor="beheer"):
        await block(stage.world.tenants, "afnemer", stage.member.account.afnemer_id, reason="proef", actor="beheer")
    await stage.call(REFUSED)
    async with operator_scope(stage.world.tenants, actor="beheer"):
        await release(stage.world.tenants, "afnemer", stage.member.account.afnemer_id, reason="klaar", actor="beheer")
    await until(lambda: _works(stage))
    await take_a_dead_register(stage)
    await take_upstream_faults(stage)


async def take_malformed_paths(stage: Stage) -> None:
    await stage.call(REFUSED, path=f"/api/brp/personen/{IN_PATH}")
    await stage.call(REFUSED, path=f"/{IN_PATH}/{IN_PATH}")
    await stage.call(REFUSED, path=f"/api/{IN_PATH}", method="GET")
    await stage.call(REFUSED, path=f"{PERSONEN}?burgerservicenummer={IN_QUERY}", method="GET")
    await stage.call(REFUSED, path=f"{BERICHTEN}?status={IN_QUERY}", method="GET")
    await stage.call(REFUSED, f'{{"burgerservicenummer": ["{IN_GARBAGE}"'.encode())
    await stage.call(REFUSED, f'["{IN_GARBAGE}"]'.encode())
    await stage.call(REFUSED, question(f"{IN_GARBAGE}x"))
    await stage.call(REFUSED, question(HANNA, fields=[f"naam.{NAME}"]))
    await stage.call(REFUSED, question(HANNA) | {"type": f"Zoek{SEARCHED}"})
    await stage.call(REFUSED, question(HANNA) | {SEARCHED: IN_GARBAGE})
    await stage.call(REFUSED, question(HANNA), **{"Content-Encoding": "gzip"})
    await stage.call(REFUSED, question(HANNA), **{"Content-Type": f"text/{SEARCHED}"})
    await stage.call(REFUSED, question(HANNA), Accept=f"text/{SEARCHED}")


async def take_post(stage: Stage) -> None:
    content = {"berichtType": "Gv01", "plData": {"c01": [{"e0120": HANNA, "e0240": NAME}]}}
    number = stage.world.simulator.postbus.deliver(stage.member.account.mailbox_id or "", content)
    await stage.call(REFUSED, path=f"{BERICHTEN}/{number}", method="DELETE")
    await stage.call(OK, path=BERICHTEN, method="GET")
    await stage.call(OK, path=f"{BERICHTEN}/{number}", method="GET")
    await stage.call(OK, path=f"{BERICHTEN}/{number}", method="DELETE")


async def take_upstream_faults(stage: Stage) -> None:
    for rule in UPSTREAM_FAULTS:
        stage.world.simulator.faults.add(rule)
        if rule.kind == FaultKind.TOKEN_REFUSED:
            stage.world.simulator.tokens.expire()
        called = await stage.caller.call(stage.gateway.url, stage.member, question(HANNA), **NAMED)
        if b"plaats" in called.body:
            stage.refusals.append(called.body)
        # RvIG's own refusals are its own words, and go back as they are.
        assert called.status in {200, 400, 500, 502, 503}


async def take_a_dead_register(stage: Stage) -> None:
    stage.wire.deaf = True
    await stage.call({503}, question(HANNA))
    await stage.wire.cut()
    await until(lambda: _works(stage))


async def _works(stage: Stage) -> bool:
    called = await stage.caller.call(stage.gateway.url, stage.member)
    await asyncio.sleep(0.1)
    return called.status == 200
