"""One afnemer that is no gemeente, a gateway in the modes that a test wants, and RvIG with the same besluit."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson

from gateway.simulator.autorisatie import parse_addresses, parse_table
from tenants.autorisatie import NewBesluit, read_rubrieken
from tests.conformance.cases import Claims
from tests.conformance.registering import Asker, register_askers, register_besluiten
from tests.databases import Database
from tests.world import GatewayProcess, World, world

PERSONEN = "/api/brp/personen"
BEWONINGEN = "/api/bewoning/bewoningen"
BERICHTEN = "/api/brp/berichten/v1/berichten"
HANNA = "999941112"
WATERSCHAP = Claims("00000001009999999000", "510193")
GEMEENTE = Claims("00000001009999999000", "910101", "9101")
_LONG_AGO = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    document: Any = field(repr=False)
    trace: str
    headers: Any = field(repr=False)


@dataclass(slots=True)
class Judged:
    """Everything that runs."""

    world: World
    gateway: GatewayProcess
    session: aiohttp.ClientSession
    asker: Asker
    claims: Claims

    async def ask(self, body: Any, path: str = PERSONEN, method: str = "POST") -> Answer:
        headers = {"X-API-KEY": self.asker.api_key, "Content-Type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        url = self.gateway.url + path
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            content = await answer.read()
            return Answer(answer.status, orjson.loads(content), answer.headers["X-Transactie-Id"], answer.headers)

    async def grant(self, rubrieken: str | None) -> None:
        """Let the registry have this besluit of the afnemer and no other; None takes it away."""
        await grant(self.world, self.asker, self.claims, rubrieken)

    def let_rvig_grant(self, rubrieken: str) -> None:
        """Let RvIG's own table say this of the afnemer."""
        row = {
            "afnemer_code": self.claims.afnemer_id,
            "tabel_regel_start_datum": 20200101,
            "tabel_regel_eind_datum": None,
            "ad_hoc_medium": "N",
            "ad_hoc_rubrieken": rubrieken,
        }
        self.world.simulator.autorisatie.table = parse_table([row])

    def let_rvig_know(self, gemeente_code: str, address: str) -> None:
        known = [{"gemeente_code": gemeente_code, "adresseerbaar_object_identificatie": address}]
        self.world.simulator.autorisatie.addresses = parse_addresses(known)

    async def observed(self) -> dict[str, float]:
        """What the gateway let through that RvIG would refuse: how often, by code."""
        async with self.session.get(f"http://127.0.0.1:{self.gateway.watch}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        counted = [line for line in lines if line.startswith("koppelpunt_observed_total{")]
        return {line.split('code="')[1].split('"')[0]: float(line.rpartition(" ")[2]) for line in counted}

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.gateway.output.read_bytes().splitlines()
        read = [orjson.loads(line) for line in lines if line.startswith(b"{")]
        return [line for line in read if line.get("event") == event]

    async def register(self) -> list[tuple[str | None, str | None]]:
        """Refusal and outcome of every row in the register, in order."""
        admin = await asyncpg.connect(self.world.database.url("admin"))
        try:
            rows = await admin.fetch(
                "SELECT o.refusal, c.outcome FROM register.opening o LEFT JOIN register.closing c USING (tenant_id, id) "
                "ORDER BY o.opened_at"
            )
        finally:
            await admin.close()
        return [tuple(row) for row in rows]

    def reached(self) -> int:
        """How many calls RvIG's API got."""
        return len(self.world.seen())


@contextlib.asynccontextmanager
async def judged(
    database: Database,
    directory: Path,
    *,
    rubrieken: str | None = None,
    claims: Claims = WATERSCHAP,
    rights: dict[str, Any] | None = None,
    validation: str = "refuse",
    authorisation: str = "refuse",
) -> AsyncIterator[Judged]:
    """A gateway in these modes. RvIG has no table until a test gives it one; `rights` replace those of the machtiging."""
    catalogue = (files("gateway") / "catalogue.toml").read_text()
    catalogue = catalogue.replace('validation = "refuse"', f'validation = "{validation}"')
    catalogue = catalogue.replace('authorisation = "refuse"', f'authorisation = "{authorisation}"')
    async with world(database, directory / "world", catalogue=catalogue) as made:
        asker = (await register_askers(made, [claims]))[claims]
        if rights is not None:
            await _replace_rights(database, rights)
        async with aiohttp.ClientSession() as session:
            await grant(made, asker, claims, rubrieken)
            async with made.gateways() as (gateway,):
                yield Judged(made, gateway, session, asker, claims)


async def grant(made: World, asker: Asker, claims: Claims, rubrieken: str | None) -> None:
    besluit = None if rubrieken is None else read_rubrieken(rubrieken)
    rows = [] if besluit is None else [NewBesluit(claims.afnemer_id, _LONG_AGO, None, "N", besluit)]
    await register_besluiten(made, asker, claims.afnemer_id, rows)


async def _replace_rights(database: Database, rights: dict[str, Any]) -> None:
    admin = await asyncpg.connect(database.url("admin"))
    try:
        await admin.execute("UPDATE registry.machtiging SET rights = $1", orjson.dumps(rights).decode())
    finally:
        await admin.close()
