"""Keys of a taaksysteem: shown once, replaced with overlap, withdrawn for ever, and never the operator's."""

import hashlib
from datetime import UTC, datetime, timedelta

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.admin.conftest import Api
from tests.worlds import World

KEYS = "SELECT key_id, valid_until, state FROM registry.taaksysteem_key WHERE tenant_id = $1 ORDER BY key_id"


def keys(world: World) -> str:
    return f"/v1/taaksystemen/{world.taaksysteem_id}/sleutels"


def public_key() -> dict[str, str]:
    made: dict[str, str] = jwt.algorithms.ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True
    )
    return made | {"kid": "een"}


async def test_every_kind_of_key_is_made_and_only_a_secret_is_shown(api: Api, world: World):
    idp = {"naam": "IDP", "issuer": "https://idp.example", "jwksUrl": "https://idp.example/k", "audience": "kp"}
    number = (await api.ask("POST", "/v1/idps", by="beheerder", json=idp)).json["nummer"]
    bodies = {
        "api-sleutel": {},
        "gateway-client": {},
        "ondertekenende-client": {"jwks": {"keys": [public_key()]}},
        "idp-client": {"idp": number, "idpClient": "zaaksysteem"},
        "certificaat": {"vingerafdruk": hashlib.sha256(b"x").hexdigest()},
    }
    for kind, body in bodies.items():
        made = await api.ask("POST", keys(world), by="beheerder", json={"soort": kind} | body)
        assert made.status == 201, made.text
        assert (made.json["geheim"] is not None) == (kind in {"api-sleutel", "gateway-client"})
        shown = await api.ask("GET", made.headers["Location"], by="auditor")
        assert "geheim" not in shown.json
        assert made.json["geheim"] is None or made.json["geheim"] not in shown.text


@pytest.mark.parametrize(
    "body",
    [
        {"soort": "api-sleutel", "oin": "00000001001234567000"},
        {"soort": "certificaat"},
        {"soort": "certificaat", "vingerafdruk": "0" * 64, "oin": "00000001001234567000"},
        {"soort": "idp-client", "idp": 1},
        {"soort": "ondertekenende-client", "jwks": {"keys": []}},
        {"soort": "ondertekenende-client", "jwks": {"keys": [{"kty": "oct", "k": "geheimgeheim", "kid": "a"}]}},
        {"soort": "wachtwoord"},
    ],
    ids=lambda body: str(sorted(body)),
)
async def test_what_is_no_key_is_refused_without_repeating_it(body: dict[str, object], api: Api, world: World):
    reply = await api.ask("POST", keys(world), by="beheerder", json=body)
    assert reply.status == 400
    assert "geheimgeheim" not in reply.text


async def test_a_key_is_replaced_with_overlap_and_the_old_one_ends_by_itself(
    api: Api, world: World, admin: asyncpg.Connection
):
    end = (datetime.now(UTC) + timedelta(days=7)).replace(microsecond=0)
    body = {"soort": "api-sleutel", "vervangt": {"sleutel": world.key_id, "tot": end.isoformat()}}
    made = await api.ask("POST", keys(world), by="beheerder", json=body)
    assert made.status == 201, made.text
    rows = await admin.fetch(KEYS, world.tenant_id)
    assert [row["state"] for row in rows] == ["active", "active"]
    assert rows[0]["valid_until"] == end
    for wrong in ({"sleutel": made.json["nummer"] + 1, "tot": end.isoformat()},
                  {"sleutel": world.key_id, "tot": "2020-01-01T00:00:00Z"}):  # fmt: skip
        reply = await api.ask("POST", keys(world), by="beheerder", json={"soort": "api-sleutel", "vervangt": wrong})
        assert reply.status == 400
    # A refused replacement makes no key.
    assert len(await admin.fetch(KEYS, world.tenant_id)) == 2


async def test_a_withdrawn_key_never_comes_back_and_no_operator_touches_one(api: Api, world: World):
    where = f"{keys(world)}/{world.key_id}"
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    named = {"If-Match": etag, "Koppelpunt-Tenant": str(world.tenant_id)}
    assert (await api.ask("DELETE", where, by="operator", headers=named)).status == 403
    assert (
        await api.ask("POST", keys(world), by="operator", headers=named, json={"soort": "api-sleutel"})
    ).status == 403
    assert (await api.ask("DELETE", where, by="beheerder", headers={"If-Match": etag})).status == 204
    gone = await api.ask("GET", where, by="beheerder")
    assert gone.json["toestand"] == "ingetrokken"
    reply = await api.ask(
        "PATCH", where, by="beheerder", json={"geldigTot": None}, headers={"If-Match": gone.headers["ETag"]}
    )
    assert (reply.status, reply.json["code"]) == (409, "ingetrokken")


async def test_a_key_of_another_taaksysteem_is_not_found_below_this_one(api: Api, world: World):
    made = await api.ask("POST", "/v1/taaksystemen", by="beheerder", json={"naam": "Tweede", "omgeving": "productie"})
    reply = await api.ask("GET", f"{made.headers['Location']}/sleutels/{world.key_id}", by="beheerder")
    assert reply.status == 404
