"""Routes of credentials at RvIG: brought in, tried, activated, rolled back, retired. Secrets are write-only."""

from typing import Any, Final, cast

import asyncpg

from tenants.api.resources import BEHEERDER, CHANGERS, READERS
from tenants.api.routing import Answer, Asked, Route
from tenants.api.verbinding_shapes import (
    Credential,
    CredentialActivering,
    Credentials,
    CredentialsVraag,
    CredentialVerandering,
    NieuweCredential,
    Poging,
    Verbindingstest,
)
from tenants.api.verbindingstesten import start_test
from tenants.credentials import (
    CredentialSeen,
    activate,
    find_credential,
    list_credentials,
    retire,
    roll_back,
    set_secret_end,
)
from tenants.registry import add_credential
from tenants.verbindingstesten import Wish
from tenants.versions import hold_version

_TOESTAND: Final = {"staged": "klaargezet", "active": "actief", "retiring": "uitfaserend", "retired": "vervallen"}


async def toon_credentials(asked: Asked) -> Answer:
    """GET: the tenant's credentials by number."""
    query = cast("CredentialsVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_credentials(connection, asked.tenant_id, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    volgende = shown[-1].credential_id if len(found) > len(shown) else None
    return Answer(200, Credentials(credentials=[_shape(one) for one in shown], volgende=volgende))


async def toon_credential(asked: Asked) -> Answer:
    """GET: one, without its secret."""
    async with asked.scope() as connection:
        return await _shown(connection, asked, asked.number())


async def breng_credential_in(asked: Asked) -> Answer:
    """POST: seal the secret and keep it, staged. Nobody sees it again; the gateway alone opens it."""
    new = cast("NieuweCredential", asked.body)
    async with asked.scope() as connection:
        number = await add_credential(
            connection, asked.tenant_id, asked.rooms.identity, afnemer_id=new.afnemer_id, environment=new.omgeving,
            client_id=new.client_id, secret=new.secret, authentication=new.authenticatie, account=new.account,
            state="staged",
        )  # fmt: skip
        if new.secret_geldig_tot is not None:
            await set_secret_end(connection, asked.tenant_id, number, new.secret_geldig_tot)
        made = await _shown(connection, asked, number)
    return Answer(201, made.body, {"Location": f"/v1/credentials/{number}"}, version=made.version)


async def wijzig_credential(asked: Asked) -> Answer:
    """PATCH: record when RvIG says that the secret ends."""
    wanted, number = cast("CredentialVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "credential", asked.tenant_id, number, asked.version)
        if wanted.model_fields_set:
            await set_secret_end(connection, asked.tenant_id, number, wanted.secret_geldig_tot)
        return await _shown(connection, asked, number)


async def probeer_credential(asked: Asked) -> Answer:
    """POST: ask a token with it over an aansluiting's own identity, by a verbindingstest."""
    wanted = cast("Poging", asked.body)
    return await start_test(asked, Wish(wanted.aansluiting, credential_id=asked.number()))


async def activeer_credential(asked: Asked) -> Answer:
    """POST: let an aansluiting use it from the next call on. The old one stays beside it."""
    wanted, number = cast("CredentialActivering", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "credential", asked.tenant_id, number, asked.version)
        await activate(connection, asked.tenant_id, number, wanted.aansluiting, untried=wanted.reden)
        return await _shown(connection, asked, number)


async def draai_credential_terug(asked: Asked) -> Answer:
    """POST: give an aansluiting back the credential that it had before; that one is shown."""
    wanted, number = cast("Poging", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "credential", asked.tenant_id, number, asked.version)
        before = await roll_back(connection, asked.tenant_id, number, wanted.aansluiting)
        return await _shown(connection, asked, before)


async def faseer_credential_uit(asked: Asked) -> Answer:
    """POST: end one that nothing uses, for ever."""
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "credential", asked.tenant_id, number, asked.version)
        await retire(connection, asked.tenant_id, number)
        return await _shown(connection, asked, number)


async def _shown(connection: asyncpg.Connection, asked: Asked, number: int) -> Answer:
    found = await find_credential(connection, asked.tenant_id, number)
    return Answer(200, _shape(found), version=found.version)


def _shape(one: CredentialSeen) -> Credential:
    return Credential(
        nummer=one.credential_id, afnemer_id=one.afnemer_id, omgeving=one.environment, account=one.account,
        client_id=one.client_id, authenticatie=cast("Any", one.authentication),
        toestand=cast("Any", _TOESTAND[one.state]), aansluitingen=list(one.aansluitingen), geprobeerd_op=one.tried_at,
        secret_geldig_tot=one.secret_valid_until,
    )  # fmt: skip


_ONE: Final = "/v1/credentials/{nummer}"
_ABSENT: Final = frozenset({404})
_CLASHING: Final = frozenset({404, 409})
CREDENTIAL_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/credentials", "credentials", "Credentials bij RvIG; nooit een secret.", READERS, toon_credentials,
        {200: Credentials}, query=CredentialsVraag, of_tenant=True,
    ),
    Route(
        "GET", _ONE, "credential", "Eén credential; nooit het secret.", READERS, toon_credential, {200: Credential},
        refusals=_ABSENT, of_tenant=True, versioned=True,
    ),
    Route(
        "POST", "/v1/credentials", "brengCredentialIn", "Breng client-ID en secret in, zoals RvIG ze gaf; klaargezet.",
        BEHEERDER, breng_credential_in, {201: Credential}, refusals=_CLASHING, body=NieuweCredential, of_tenant=True,
        idempotent=True,
    ),
    Route(
        "PATCH", _ONE, "wijzigCredential", "Leg vast wanneer het secret volgens RvIG verloopt; daarvoor wordt gewaarschuwd.",
        CHANGERS, wijzig_credential, {200: Credential}, refusals=_CLASHING, body=CredentialVerandering, of_tenant=True,
        versioned=True, voorstelbaar=True,
    ),
    Route(
        "POST", f"{_ONE}/pogingen", "probeerCredential", "Vraag er een token mee over een aansluiting, en proef.",
        CHANGERS, probeer_credential, {202: Verbindingstest}, refusals=_CLASHING, body=Poging, of_tenant=True,
        idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/activering", "activeerCredential",
        "Laat een aansluiting haar gebruiken vanaf de volgende bevraging; alleen na een geslaagde poging, of met reden.",
        CHANGERS, activeer_credential, {200: Credential}, refusals=_CLASHING, body=CredentialActivering, of_tenant=True,
        versioned=True, voorstelbaar=True, idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/terugdraaiing", "draaiCredentialTerug", "Geef een aansluiting de vorige credential terug.",
        CHANGERS, draai_credential_terug, {200: Credential}, refusals=_CLASHING, body=Poging, of_tenant=True,
        versioned=True, voorstelbaar=True, idempotent=True,
    ),
    Route(
        "POST", f"{_ONE}/uitfasering", "faseerCredentialUit", "Beëindig een credential die niets gebruikt, voorgoed.",
        CHANGERS, faseer_credential_uit, {200: Credential}, refusals=_CLASHING, of_tenant=True, versioned=True,
        voorstelbaar=True, idempotent=True,
    ),
)  # fmt: skip
