"""Contacts: whom a tenant lets be told, the secret of a webhook that is shown once, and what was told them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tenants.config import TenantsConfig
from tenants.notices.signing import parse_notice_keys, webhook_secret
from tests.admin.conftest import Api, Reply
from tests.worlds import World

KEY = base64.b64encode(b"k" * 32).decode()
HOOK = "https://meldingen.testdam.example/koppelpunt"


@pytest.fixture
def config(config: TenantsConfig, tmp_path: Path) -> TenantsConfig:
    path = tmp_path / "notice-keys"
    path.write_text(KEY)
    return config.model_copy(update={"notice_keys_file": path})


async def make(api: Api, **given: Any) -> Reply:
    body = {"soort": "technisch", "naam": "Meldpunt"} | given
    return await api.ask("POST", "/v1/contacten", by="beheerder", json=body)


async def change(api: Api, where: str, body: dict[str, Any] | None, method: str = "PATCH") -> Reply:
    etag = (await api.ask("GET", where.removesuffix("/webhookgeheim"), by="beheerder")).headers["ETag"]
    options = {} if body is None else {"json": body}
    return await api.ask(method, where, by="beheerder", headers={"If-Match": etag}, **options)


async def test_the_secret_of_a_webhook_is_shown_once_and_is_the_one_that_signs(api: Api, world: World, admin):
    made = await make(api, webhook=HOOK)
    assert (made.status, made.json["email"]) == (201, None)
    keys = parse_notice_keys(KEY)
    number, where = made.json["nummer"], made.headers["Location"]
    assert made.json["geheim"] == webhook_secret(keys, keys.current, world.tenant_id, number, 1)
    seen = await api.ask("GET", where, by="auditor")
    assert "geheim" not in seen.json
    # Another name leaves the secret as it is; another address and another secret do not.
    renamed = await change(api, where, {"naam": "Wachtdienst"})
    assert (renamed.json["naam"], "geheim" in renamed.json) == ("Wachtdienst", False)
    moved = await change(api, where, {"webhook": HOOK + "/2", "email": "wacht@testdam.example"})
    renewed = await change(api, f"{where}/webhookgeheim", None, "POST")
    assert [one.json["geheim"] for one in (moved, renewed)] == [
        webhook_secret(keys, keys.current, world.tenant_id, number, generation) for generation in (2, 3)
    ]
    kept = await admin.fetch(
        "SELECT to_jsonb(c)::text AS row FROM registry.contact c UNION ALL SELECT w.after::text FROM registry.wijziging w"
    )
    assert not [row for row in kept if "kpw_" in (row["row"] or "")]


async def test_a_webhook_that_goes_takes_its_secret_along_and_something_must_be_left(api: Api):
    where = (await make(api, webhook=HOOK, email="a@testdam.example")).headers["Location"]
    bare = await change(api, where, {"webhook": None, "email": None})
    assert bare.status == 400
    assert "e-mailadres of een webhook" in bare.text
    gone = await change(api, where, {"webhook": None})
    assert (gone.status, gone.json["webhook"]) == (200, None)
    assert (await change(api, f"{where}/webhookgeheim", None, "POST")).status == 400


async def test_who_repeats_the_request_does_not_see_the_secret_again(api: Api):
    body = {"soort": "nood", "naam": "Piket", "webhook": HOOK}
    asked: dict[str, Any] = {"by": "beheerder", "json": body, "headers": {"Idempotency-Key": "een"}}
    first = await api.ask("POST", "/v1/contacten", **asked)
    again = await api.ask("POST", "/v1/contacten", **asked)
    assert (first.status, again.status, again.json["code"]) == (201, 409, "alGetoond")


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, ""),
        ({"email": "geen adres"}, "/email"),
        ({"email": "a@b.example\nBcc: x@y.example"}, "/email"),
        ({"webhook": "http://testdam.example/"}, "/webhook"),
        ({"webhook": "https://u:p@testdam.example/"}, "/webhook"),
        ({"webhook": "https://testdam.example/?a=1"}, "/webhook"),
        ({"email": "a@b.example", "telefoon": "bel maar"}, "/telefoon"),
        ({"email": "a@b.example", "soort": "directeur"}, "/soort"),
    ],
)
async def test_what_nobody_can_be_told_by_is_refused_with_its_place(api: Api, given: dict[str, Any], place: str):
    refused = await make(api, **given)
    assert refused.status == 400
    assert any(one["location"].get("pointer", "").endswith(place) for one in refused.json["errors"])


async def test_an_ended_contact_stays_in_sight_and_changes_no_more(api: Api):
    where = (await make(api, email="a@testdam.example")).headers["Location"]
    assert (await change(api, where, None, "DELETE")).status == 204
    seen = await api.ask("GET", where, by="beheerder")
    assert seen.json["toestand"] == "beeindigd"
    assert (await change(api, where, {"naam": "Anders"})).status == 409
    assert (await change(api, where, None, "DELETE")).status == 404


async def test_what_was_told_is_read_back_with_how_it_was_delivered(api: Api, world: World, other: World, admin):
    number = (await make(api, email="a@testdam.example")).json["nummer"]
    for tenant_id in (world.tenant_id, other.tenant_id):
        for threshold in ("30", "14"):
            await admin.execute(
                "SELECT registry.raise_melding($1, 'certificaat', '5', 'x', $2, 'Certificaat 5 verloopt', 'Woorden.', now(), "
                "ARRAY['technisch'], false, true)",
                tenant_id, threshold,
            )  # fmt: skip
    page = await api.ask("GET", "/v1/meldingen?aantal=1", by="auditor")
    (newest,) = page.json["meldingen"]
    assert (newest["drempel"], newest["bezorgingen"]) == (
        "14",
        [{"contact": number, "weg": "mail", "toestand": "open", "pogingen": 0, "geeindigdOp": None, "fout": None}],
    )
    rest = await api.ask("GET", f"/v1/meldingen?voor={page.json['volgende']}", by="beheerder")
    assert [one["drempel"] for one in rest.json["meldingen"]] == ["30"]
    assert (await api.ask("GET", "/v1/meldingen?soort=geheim", by="auditor")).json["meldingen"] == []
    own, foreign = f"/v1/meldingen/{newest['nummer']}", "other-auditor"
    assert (await api.ask("GET", own, by="auditor")).json == newest
    assert (await api.ask("GET", own, by=foreign)).status == 404
    named = {"Koppelpunt-Tenant": str(other.tenant_id)}
    of_other = await api.ask("GET", "/v1/meldingen", by="operator", headers=named)
    assert [one["bezorgingen"][0]["contact"] for one in of_other.json["meldingen"]] == [None, None]
