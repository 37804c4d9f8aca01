"""How a tenant stands, as JSON and as a table that no spreadsheet runs; and how all stand, for the operator."""

import csv
import io
from datetime import timedelta

import asyncpg
import pytest

from tenants.admins import make_admin_key
from tenants.api.naleving import prefers_csv
from tenants.keyring import public_half
from tests.admin.conftest import Api
from tests.worlds import Keyrings, World

CSV = {"Accept": "text/csv"}


def table(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))


async def test_a_tenant_reads_how_it_stands_with_its_own_certificate_and_what_is_missing(api: Api, world: World):
    reply = await api.ask("GET", "/v1/naleving", by="auditor")
    assert (reply.status, reply.headers["Vary"]) == (200, "Accept")
    assert reply.json["tenant"]["oin"] == world.oin
    assert {one["code"] for one in reply.json["bevindingen"]} == {"contactOntbreekt", "controlebestemmingOntbreekt"}
    (afnemer,) = reply.json["afnemers"]
    assert (afnemer["afnemerId"], afnemer["eigenCertificaat"], afnemer["inOrde"]) == (world.afnemer_id, True, True)
    (aansluiting,) = afnemer["aansluitingen"]
    assert (aansluiting["certificaat"], aansluiting["certificaatToestand"]) == (world.certificate_id, "actief")
    for kind in ("technisch", "fg", "nood"):
        body = {"soort": kind, "naam": "Meldpunt", "email": "a@testdam.example"}
        assert (await api.ask("POST", "/v1/contacten", by="beheerder", json=body)).status == 201
    again = await api.ask("GET", "/v1/naleving", by="beheerder")
    assert {one["code"] for one in again.json["bevindingen"]} == {"controlebestemmingOntbreekt"}


async def test_a_key_of_an_auditor_that_the_command_line_made_before_is_told_until_it_is_withdrawn(
    api: Api, registrar: asyncpg.Connection, keyrings: Keyrings, world: World
):
    number, _ = await make_admin_key(
        registrar, public_half(keyrings.identity), role="auditor", tenant_id=world.tenant_id, name="Oud",
        valid_for=timedelta(days=9), actor="opdrachtregel",
    )  # fmt: skip
    told = (await api.ask("GET", "/v1/naleving", by="beheerder")).json["bevindingen"]
    (finding,) = (one for one in told if one["code"] == "auditorsleutelVanOpdrachtregel")
    assert f"/v1/beheersleutels/{number})" in finding["tekst"]
    path = f"/v1/beheersleutels/{number}"
    assert (await api.ask("DELETE", path, by="beheerder", headers={"If-Match": '"1"'})).status == 204
    again = (await api.ask("GET", "/v1/naleving", by="beheerder")).json["bevindingen"]
    assert "auditorsleutelVanOpdrachtregel" not in {one["code"] for one in again}


async def test_as_csv_a_cell_that_a_spreadsheet_would_run_is_text(api: Api, world: World, admin):
    evil = '=HYPERLINK("https://kwaad.example";"klik")'
    await admin.execute("UPDATE registry.tenant SET name = $1 WHERE tenant_id = $2", evil, world.tenant_id)
    await admin.execute("UPDATE registry.afnemer SET name = '+31;x' WHERE tenant_id = $1", world.tenant_id)
    await admin.execute("UPDATE registry.certificate SET state = 'revoked' WHERE tenant_id = $1", world.tenant_id)
    reply = await api.ask("GET", "/v1/naleving", by="beheerder", headers=CSV)
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = table(reply.text)
    assert {row["tenant"] for row in rows} == {"'" + evil}
    (revoked,) = [row for row in rows if row["code"] == "certificaatIngetrokken"]
    assert (revoked["afnemer"], revoked["ernst"], revoked["certificaatToestand"]) == ("'+31;x", "stopt", "ingetrokken")


async def test_what_is_in_order_has_a_line_too(api: Api, world: World):
    rows = table((await api.ask("GET", "/v1/naleving", by="auditor", headers=CSV)).text)
    (line,) = [row for row in rows if row["afnemerId"] == world.afnemer_id]
    assert (line["code"], line["eigenCertificaat"], line["aansluiting"]) == ("", "ja", str(world.aansluiting_id))


async def test_the_operator_sees_all_by_the_page_and_one_that_it_names(api: Api, world: World, other: World):
    first = await api.ask("GET", "/v1/nalevingen?aantal=1", by="operator")
    assert [one["tenant"]["tenantId"] for one in first.json["nalevingen"]] == [world.tenant_id]
    rest = await api.ask("GET", f"/v1/nalevingen?na={first.json['volgende']}", by="operator")
    assert [one["tenant"]["tenantId"] for one in rest.json["nalevingen"]] == [other.tenant_id]
    assert rest.json["volgende"] is None
    named = await api.ask("GET", "/v1/naleving", by="operator", headers={"Koppelpunt-Tenant": str(other.tenant_id)})
    assert named.json["tenant"]["oin"] == other.oin
    page = await api.ask("GET", "/v1/nalevingen?aantal=1", by="operator", headers=CSV)
    assert page.headers["Link"] == f'</v1/nalevingen?na={world.tenant_id}&aantal=1>; rel="next"'
    assert {row["oin"] for row in table(page.text)} == {world.oin}


@pytest.mark.parametrize(
    ("accept", "csv_"),
    [
        ("", False), ("*/*", False), ("application/json", False), ("text/csv", True), ("TEXT/CSV;q=0.5, application/json;q=0.4", True),
        ("text/csv;q=0.5, */*", False), ("text/csv;q=0", False), ("text/csv;q=veel", False), ("text/html", False),
    ],
)  # fmt: skip
def test_accept_says_which_of_both(accept: str, csv_: bool):
    assert prefers_csv(accept) is csv_
