"""Header profiles and joint staff over the whole path: TLS to RvIG, the register, and what RvIG saw."""

import asyncio
from importlib.resources import files
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from tenants.agreements import set_header_choice
from tenants.callers import NewMachtiging, create_machtiging, create_mandate, create_taaksysteem, issue_api_key
from tenants.faults import InputRefused, NotFound
from tenants.header_profiles import PROFILES
from tenants.reading import read_calls
from tenants.registry import create_tenant, ensure_tenant_years
from tenants.scope import operator_scope, tenant_scope
from tenants.taaksysteem_headers import put_header_profile, set_header_profile
from tests.world import ACTOR, RIGHTS, Member, World, question, world

JOINT_OIN = "00000001770000770000"
PERSONEN = "/api/brp/personen"


async def ask(url: str, api_key: str, **headers: str) -> tuple[int, dict[str, Any], str]:
    """Status, document and the id of the record of one question."""
    sent = {"X-API-KEY": api_key, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + PERSONEN, json=question(), headers=sent) as answer,
    ):
        document = await answer.json(content_type=None)
        return answer.status, document, answer.headers.get("X-Protocol-Bewijs", "").partition(":")[0]


async def join(here: World, members: list[Member]) -> tuple[int, str, list[int]]:
    """A samenwerkingsverband whose staff works for each member; its tenant, API key, and the members' mandates."""
    db = here.tenants
    async with operator_scope(db, actor=ACTOR):
        tenant_id = await create_tenant(db, oin=JOINT_OIN, name="Werkplein", kind="samenwerkingsverband")
    async with tenant_scope(db, tenant_id, actor=ACTOR):
        await ensure_tenant_years(db, tenant_id, here.ground.identity, here.ground.register, [2025, 2026, 2027])
        taaksysteem_id = await create_taaksysteem(db, tenant_id, name="Inkomen", environment="productie")
        await set_header_profile(db, tenant_id, taaksysteem_id, "iconnect")
        _, api_key = await issue_api_key(db, tenant_id, here.ground.identity, taaksysteem_id)
    mandates = []
    for member in members:
        async with tenant_scope(db, member.tenant_id, actor=ACTOR):
            await db.execute("UPDATE registry.aansluiting SET pattern = 'gezamenlijk-personeel'")
            mandate_id = await create_mandate(
                db, member.tenant_id, to_tenant_id=tenant_id, reason="Gezamenlijk personeel"
            )
            made = NewMachtiging(
                member.aansluiting_id, (tenant_id, taaksysteem_id), "inkomen", "Wet BRP 3.5", "college", "v", RIGHTS,
                mandate_id,
            )  # fmt: skip
            await create_machtiging(db, member.tenant_id, made)
            mandates.append(mandate_id)
    return tenant_id, api_key, mandates


async def read(here: World, tenant_id: int, number: str) -> Any:
    inzage = await asyncpg.connect(here.database.url("inzage"))
    try:
        (found,) = await read_calls(
            inzage, here.ground.register, tenant_id, [UUID(number)], actor="auditor", reason="test", contents=True
        )
    finally:
        await inzage.close()
    return found


async def test_joint_staff_asks_for_the_member_that_the_header_names_and_the_member_has_the_record(database, tmp_path):
    async with world(database, tmp_path / "world") as here:
        first, second = await here.add_members(2)
        joint, api_key, mandates = await join(here, [first, second])
        headers = {"x-afnemer-oin": second.account.oin, "x-gebruiker": "j.devries", "x-verwerking": "v-1"}
        async with here.gateway() as url:
            status, document, _ = await ask(url, api_key, **headers)
            assert (status, document["code"]) == (403, "keuzeDoorHeaderNietToegestaan")
            async with tenant_scope(here.tenants, second.tenant_id, actor=ACTOR):
                await set_header_choice(here.tenants, second.tenant_id, mandates[1], allowed=True)
            for _ in range(200):
                # The gateway is told of the change by a notice.
                answered = await ask(url, api_key, **headers)
                if answered[0] == 200:
                    break
                await asyncio.sleep(0.02)
            # The other member gave no consent, and a call without its employee is nobody's.
            for bent, code in (
                ({"x-afnemer-oin": first.account.oin}, "keuzeDoorHeaderNietToegestaan"),
                ({"x-gebruiker": ""}, "gebruikerOntbreekt"),
                ({"x-afnemer-oin": ""}, "aansluitingNietGenoemd"),
                ({"x-doelbinding": "iets anders"}, "doelbindingOnbekend"),
                ({"x-verwerking": "v" * 243}, "headerOngeldig"),
            ):
                status, document, _ = await ask(url, api_key, **(headers | bent))
                assert (status, document["code"], document["plaats"]) == (403, code, "gateway")
        regel = await read(here, second.tenant_id, answered[2])
    (seen,) = here.seen()
    assert (seen.token_afnemer_id, seen.certificate_oin) == (second.account.afnemer_id, second.account.oin)
    assert not {name.lower() for name in seen.headers} & set().union(
        *(slot.headers for profile in PROFILES.values() for slot in profile.slots.values())
    )
    admin = await asyncpg.connect(database.url("admin"))
    rows = await admin.fetch(
        "SELECT tenant_id, acting_oin, organisation_oin FROM register.opening WHERE refusal IS NULL"
    )
    refused = await admin.fetch("SELECT DISTINCT tenant_id FROM register.opening WHERE refusal IS NOT NULL")
    await admin.close()
    assert [tuple(row) for row in rows] == [(second.tenant_id, JOINT_OIN, second.account.oin)]
    assert [row[0] for row in refused] == [joint]
    assert regel.contents.opening["user"] == "j.devries"


async def test_the_headers_of_an_own_profile_are_obeyed_recorded_and_kept_from_rvig(database, tmp_path):
    # Even when an operator lets them pass.
    catalogue = (files("gateway") / "catalogue.toml").read_text()
    catalogue = catalogue.replace(
        'pass_headers = ["accept-gezag-version"]', 'pass_headers = ["x-medewerker", "x-anders"]'
    )
    async with world(database, tmp_path / "world", catalogue=catalogue) as here:
        member = await here.add_member()
        db = here.tenants
        own = {
            "roles": {"user": {"headers": ["X-Medewerker"], "obligatory": True}, "correlation": {"headers": ["x-zaak"]}}
        }
        async with tenant_scope(db, member.tenant_id, actor=ACTOR):
            with pytest.raises(InputRefused):
                await put_header_profile(db, member.tenant_id, "iconnect", own)
            with pytest.raises(NotFound):
                await set_header_profile(db, member.tenant_id, member.taaksysteem_id, "eigen")
            assert await put_header_profile(db, member.tenant_id, "eigen", own)
            assert not await put_header_profile(db, member.tenant_id, "eigen", own)
            await set_header_profile(db, member.tenant_id, member.taaksysteem_id, "eigen")
        async with here.gateway() as url:
            status, document, _ = await ask(url, member.api_key)
            assert (status, document["code"]) == (403, "headerOntbreekt")
            assert "x-medewerker" in document["detail"]
            status, _, number = await ask(
                url, member.api_key, **{"x-medewerker": "jdv", "x-zaak": "Z-7", "x-anders": "a"}
            )
            assert status == 200
            regel = await read(here, member.tenant_id, number)
    (seen,) = here.seen()
    assert {name.lower() for name in seen.headers} & {"x-medewerker", "x-zaak", "x-anders"} == {"x-anders"}
    assert regel.contents.opening["user"] == "jdv"
    assert regel.contents.opening["headers"]["x-zaak"] == "Z-7"


async def test_another_tenants_profile_cannot_be_had(database, tmp_path):
    async with world(database, tmp_path / "world") as here:
        mine, theirs = await here.add_members(2)
        async with tenant_scope(here.tenants, theirs.tenant_id, actor=ACTOR):
            await put_header_profile(here.tenants, theirs.tenant_id, "hunne", {})
        with pytest.raises(NotFound):
            async with tenant_scope(here.tenants, mine.tenant_id, actor=ACTOR):
                await set_header_profile(here.tenants, mine.tenant_id, mine.taaksysteem_id, "hunne")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with tenant_scope(here.tenants, mine.tenant_id, actor=ACTOR):
                await here.tenants.execute("UPDATE registry.taaksysteem SET header_profile = 'hunne'")
