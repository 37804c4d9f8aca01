"""An address of keys is one that is fetched, and holds no secret: it stands in the history, and the operator reads voorstellen."""

import asyncpg
import pytest

from tests.admin.conftest import Api
from tests.admin.deciding import IDP

REFUSED = [
    "https://user:geheim@idp.example/keys", "https://geheim@idp.example/keys", "https://idp.example/keys?token=geheim",
    "https://idp.example/keys#geheim", "https://idp.example:99999/keys", "https://idp.example:geheim/keys", "https://:443/geheim",
    "https://[::1/geheim", "https://idp.example\\@geheim.example/",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/beheer-idps", "/v1/idps"])
@pytest.mark.parametrize("name", ["jwksUrl", "issuer"])
async def test_an_address_with_a_secret_or_that_is_never_fetched_is_refused_and_kept_nowhere(
    api: Api, admin: asyncpg.Connection, path: str, name: str
):
    for url in REFUSED:
        reply = await api.ask("POST", path, by="beheerder", json=IDP | {name: url})
        assert reply.status == 400, url
        assert [one["location"]["pointer"] for one in reply.json["errors"]] == [f"/{name}"]
        assert "geheim" not in reply.text
    assert not await admin.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.wijziging w WHERE w::text LIKE '%geheim@%' OR w::text LIKE '%=geheim%')"
    )
    taken = IDP | {name: "https://idp.example:8443/a/realms/x"}
    assert (await api.ask("POST", path, by="beheerder", json=taken)).status == 201
