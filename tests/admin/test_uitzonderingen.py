"""An exception to the certificate rule leans on a lending, is asked by a beheerder and granted by an auditor."""

from typing import Any

import asyncpg

from tests.admin.conftest import Api
from tests.worlds import World

NO_GEMEENTE = (
    "UPDATE registry.afnemer SET kind = 'overheidsorgaan', gemeentecode = NULL",
    "UPDATE registry.tenant SET kind = 'overheidsorgaan'",
)


async def lend(api: Api, world: World, other: World) -> dict[str, Any]:
    """The other tenant lends to this one; the body of the exception that leans on it."""
    lent = await api.ask("POST", "/v1/uitleningen", by="other-beheerder", json={"oin": world.oin, "reden": "Overgang"})
    assert lent.status == 201
    # The borrower sees what it borrows.
    assert (await api.ask("GET", lent.headers["Location"], by="beheerder")).json == lent.json
    return {
        "afnemerId": world.afnemer_id, "houderTenantId": other.tenant_id, "houderOin": other.oin,
        "uitlening": lent.json["nummer"], "reden": "Overgang", "artikel": "Brief RvIG 27 maart 2026",
        "geldigTot": "2030-01-01T00:00:00Z",
    }  # fmt: skip


async def test_an_exception_holds_only_when_an_auditor_grants_it(
    api: Api, world: World, other: World, admin: asyncpg.Connection
):
    for statement in NO_GEMEENTE:
        await admin.execute(statement)
    body = await lend(api, world, other)
    asked = await api.ask("POST", "/v1/uitzonderingen", by="beheerder", json=body)
    assert (asked.status, asked.json["aanvaarder"]) == (202, "auditor")
    assert (await api.ask("GET", "/v1/uitzonderingen", by="beheerder")).json["uitzonderingen"] == []
    where = asked.headers["Location"]
    etag = (await api.ask("GET", where, by="auditor")).headers["ETag"]
    decision = {"json": {"besluit": "aanvaard", "artikel": "Brief RvIG 27 maart 2026"}, "headers": {"If-Match": etag}}
    assert (await api.ask("POST", f"{where}/besluit", by="beheerder", **decision)).status == 403
    granted = await api.ask("POST", f"{where}/besluit", by="auditor", **decision)
    assert granted.status == 200, granted.text
    (made,) = (await api.ask("GET", "/v1/uitzonderingen", by="auditor")).json["uitzonderingen"]
    assert made["toegestaanDoor"].startswith("auditor/")
    assert made["houderOin"] == other.oin
    shown = await api.ask("GET", f"/v1/uitzonderingen/{made['nummer']}", by="beheerder")
    ended = await api.ask(
        "DELETE", f"/v1/uitzonderingen/{made['nummer']}", by="beheerder", headers={"If-Match": shown.headers["ETag"]}
    )
    assert ended.status == 204


async def test_a_gemeente_never_has_one_and_nobody_leans_on_anothers_lending(
    api: Api, world: World, other: World, admin: asyncpg.Connection
):
    body = await lend(api, world, other)
    assert (await api.ask("POST", "/v1/uitzonderingen", by="beheerder", json=body)).status == 400
    for statement in NO_GEMEENTE:
        await admin.execute(statement)
    wrong = await api.ask(
        "POST", "/v1/uitzonderingen", by="beheerder", json=body | {"uitlening": body["uitlening"] + 1}
    )
    assert (wrong.status, wrong.json["code"]) == (409, "botst")
