"""From a message in the mailbox to the letter of whom it was about: the real gateway, the real register, RvIG simulated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tenants.inzage.gathering import gather
from tenants.inzage.rapport import make_rapport
from tenants.model import Bsn
from tenants.recording import Reading
from tenants.subjects import ANummer, Subject
from tests.databases import Database
from tests.e2e.ledgers import BERICHTEN
from tests.inzage.regels import A_NUMMER, ANNA
from tests.world import Member, World
from tests.world import world as world_of

SPONTANEOUS = {
    "berichtType": "Gv01",
    "aNummer": A_NUMMER,
    "plData": {"c08": [{"e0910": "0518", "e1110": "Kade", "historie": [{"e1110": "Dorpsstraat"}]}]},
}
BY_NUMBER = {"berichtType": "Gv02", "plData": {"c01": [{"e0120": ANNA, "e0240": "Jansen"}]}}


async def ask(url: str, member: Member, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url + path, headers={"x-api-key": member.api_key}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def report(here: World, member: Member, subject: Subject) -> list[tuple[str, ...]]:
    """What a letter tells of this person, oldest first."""
    now = datetime.now(UTC)
    period = (now - timedelta(hours=1), now + timedelta(hours=1))
    connection = await asyncpg.connect(here.database.url("inzage"))
    try:
        gathered = await gather(
            connection, here.ground.register, member.tenant_id, subject, period,
            Reading(kind="inzageverzoek", reason="Inzage", contents=True), actor="auditor/1",
        )  # fmt: skip
    finally:
        await connection.close()
    rapport = make_rapport(
        gathered, lezer="betrokkene", organisatie="Gemeente 1", kenmerk="INZ-1", wet="wet-brp-3.22",
        ontvangen_op=now.date(), gemaakt_op=now, periode=period, bewaartermijn=20,
    )  # fmt: skip
    return [one.gegevens for one in rapport.regels]


@pytest.mark.parametrize("content", ["whole", "rubrieken"])
async def test_a_message_that_knows_a_person_by_a_nummer_alone_is_found_and_told(
    database: Database, tmp_path: Path, content: str
):
    async with world_of(database, tmp_path) as here:
        member = await here.add_member()
        admin = await asyncpg.connect(database.url("admin"))
        await admin.execute("UPDATE registry.tenant SET record_content = $1", content)
        await admin.close()
        mailbox = member.account.mailbox_id
        assert mailbox is not None
        async with here.gateway() as url:
            ids = [here.simulator.postbus.deliver(mailbox, one) for one in (SPONTANEOUS, BY_NUMBER)]
            fetched = await ask(url, member, f"{BERICHTEN}/{','.join(ids)}")
            assert len(fetched["opgehaaldeBerichten"]) == 2
        by_a_nummer = Subject(a_nummer=ANummer(A_NUMMER))
        assert await report(here, member, by_a_nummer) == [
            ("verblijfplaats: gemeente van inschrijving, straatnaam", "verblijfplaats (eerder): straatnaam")
        ]
        assert await report(here, member, Subject(Bsn(ANNA))) == [("persoon: burgerservicenummer, geslachtsnaam",)]
        assert await report(here, member, Subject(Bsn("999990020"))) == []
