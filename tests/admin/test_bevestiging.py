"""An AfnemerID of another organisation goes to productie when the operator has seen that the tenant serves it."""

from typing import Any

import asyncpg
import pytest

from tenants.scope import tenant_scope
from tests.admin.conftest import Api, Reply
from tests.worlds import World

OTHER = {"afnemerId": "770077", "oin": "00000001009999999000", "naam": "Ergensdam", "soort": "overheidsorgaan"}


async def register(api: Api, **more: Any) -> Reply:
    made = await api.ask("POST", "/v1/afnemers", by="beheerder", json=OTHER | more)
    assert made.status == 201, made.text
    return made


async def confirm(api: Api, world: World, afnemer: str, *, by: str = "operator") -> Reply:
    headers = {"Koppelpunt-Tenant": str(world.tenant_id)}
    body = {"reden": "Mandaat van 1 november gezien"}
    return await api.ask("POST", f"/v1/afnemers/{afnemer}/bevestiging", by=by, json=body, headers=headers)


async def to_productie(registrar: asyncpg.Connection, world: World, afnemer: str, oin: str, actor: str) -> None:
    async with tenant_scope(registrar, world.tenant_id, actor=actor):
        number = await registrar.fetchval(
            "INSERT INTO registry.aansluiting (tenant_id, afnemer_id, organisation_oin, environment, pattern, state) "
            "VALUES ($1, $2, $3, 'productie', 'standaard', 'concept') RETURNING aansluiting_id",
            world.tenant_id, afnemer, oin,
        )  # fmt: skip
        await registrar.execute("UPDATE registry.aansluiting SET state = 'productie' WHERE aansluiting_id = $1", number)


async def test_of_another_organisation_nothing_goes_to_productie_before_the_operator_confirms(
    api: Api, world: World, registrar: asyncpg.Connection
):
    made = await register(api)
    assert made.json["bevestigd"] is False
    with pytest.raises(asyncpg.CheckViolationError, match="not confirmed"):
        await to_productie(registrar, world, OTHER["afnemerId"], OTHER["oin"], "beheerder/1")
    assert (await confirm(api, world, OTHER["afnemerId"], by="beheerder")).status == 403
    done = await confirm(api, world, OTHER["afnemerId"])
    assert (done.status, done.json["bevestigd"]) == (200, True), done.text
    # Who confirmed, and by what, stands in the tenant's own history.
    history = await api.ask("GET", "/v1/wijzigingen?object=afnemer&aantal=1", by="beheerder")
    (last,) = history.json["wijzigingen"]
    assert last["door"].startswith("operator/")
    assert last["na"]["bevestigingsreden"] == "Mandaat van 1 november gezien"
    with pytest.raises(asyncpg.PostgresError) as other:
        # Now it fails, if at all, on what is still missing.
        await to_productie(registrar, world, OTHER["afnemerId"], OTHER["oin"], "beheerder/1")
    assert getattr(other.value, "constraint_name", None) != "aansluiting_afnemer_is_confirmed"


async def test_the_own_organisation_needs_no_confirmation(api: Api, world: World, registrar: asyncpg.Connection):
    await register(api, afnemerId="770078", oin=world.oin)
    try:
        await to_productie(registrar, world, "770078", world.oin, "beheerder/1")
    except asyncpg.PostgresError as error:
        assert getattr(error, "constraint_name", None) != "aansluiting_afnemer_is_confirmed"  # noqa: PT017


async def test_a_tenant_confirms_nothing_itself_whatever_it_reaches(
    api: Api, world: World, registrar: asyncpg.Connection
):
    await register(api)
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await registrar.execute(
                "UPDATE registry.afnemer SET confirmed_by = 'operator/1' WHERE afnemer_id = '770077'"
            )
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        await registrar.execute(
            "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind, confirmed_by) "
            "VALUES ($1, '770079', '00000001009999999000', 'X', 'derde', 'operator/1')",
            world.tenant_id,
        )
    shown = await api.ask("GET", "/v1/afnemers/770079", by="beheerder")
    assert shown.json["bevestigd"] is False
