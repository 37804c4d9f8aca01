"""Routes of blokkades. The operator may block anything, a beheerder only what is its own tenant's.

POST answers 201 (or 200, when the block stood) only when the set of permitted calls is closed; when that cannot be told
in time it says so. Asking again is always safe.
"""

from contextlib import suppress
from typing import cast

import asyncpg

from tenants.admins import Admin, scope_of
from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked
from tenants.api.shapes import (
    Blokkade,
    Blokkades,
    Geraakt,
    GezetteBlokkade,
    NieuweBlokkade,
    Opheffing,
    Soort,
    waarde_fits,
)
from tenants.blokkades import GraceTimeout, block, release
from tenants.faults import NotFound
from tenants.overviews import BlokkadeSeen, count_hit, find_blokkade, list_blokkades, owns

_KINDS = {
    "tenant": "tenant",
    "afnemer": "afnemer",
    "oin": "oin",
    "certificaat": "certificate",
    "taaksysteem": "taaksysteem",
}
_NOTHING = "Deze blokkade staat, en raakt nu niets wat in gebruik is. Controleer de waarde: bij een tikfout gaat door wat u wilt stoppen."
_SOORTEN = {kind: soort for soort, kind in _KINDS.items()}


async def show_blokkades(asked: Asked) -> Answer:
    """GET: all blocks for the operator, for others those that concern their tenant."""
    admin = asked.by
    async with (
        asked.rooms.registry.acquire() as connection,
        scope_of(connection, admin.tenant_id, actor=admin.actor),
    ):
        found = await list_blokkades(connection, concerning=admin.tenant_id)
    return Answer(200, Blokkades(blokkades=[_shape(one) for one in found]))


async def set_blokkade(asked: Asked) -> Answer:
    """POST: block, and wait until nothing that it forbids can be let through any more."""
    admin, wanted = asked.by, cast("NieuweBlokkade", asked.body)
    kind, value = _stored(wanted.soort, wanted.waarde)
    async with (
        asked.rooms.registry.acquire() as connection,
        scope_of(connection, admin.tenant_id, actor=admin.actor),
    ):
        await _must_own(connection, admin, kind, value)
        made = await _block(connection, admin, kind, value, wanted.reden)
        standing = await find_blokkade(connection, kind, value)
        raakt = Geraakt(**await count_hit(connection, kind, value))
    # Committed. A crash from here on leaves a block that stands, and a caller that was not told so.
    try:
        await asked.rooms.wait_until_closed()
    except GraceTimeout:
        raise Refused(
            503,
            "blokkadeNogNietGesloten",
            "De blokkade staat en geldt voor elke bevraging die nu begint. Een schrijftransactie van daarvoor is nog "
            "niet geëindigd; daaruit kan nog een bevraging vertrekken. Herhaal het verzoek om te weten wanneer niet meer.",
            headers={"Retry-After": "1"},
        ) from None
    if standing is None:
        raise Refused(409, "alOpgeheven", "Deze blokkade werd tegelijk opgeheven.")
    location = {"Location": f"/v1/blokkades/{wanted.soort}/{wanted.waarde}"} if made else {}
    shown = GezetteBlokkade(
        **_shape(standing).model_dump(),
        raakt=raakt,
        waarschuwing=None if any(raakt.model_dump().values()) else _NOTHING,
    )
    return Answer(201 if made else 200, shown, location)


async def lift_blokkade(asked: Asked) -> Answer:
    """DELETE: release a block. What the operator blocked, only the operator releases."""
    admin, wanted = asked.by, cast("Opheffing", asked.body)
    soort, waarde = asked.path["soort"], asked.path["waarde"]
    if not waarde_fits(soort, waarde):
        raise _not_standing()
    kind, value = _stored(soort, waarde)
    async with (
        asked.rooms.registry.acquire() as connection,
        scope_of(connection, admin.tenant_id, actor=admin.actor),
    ):
        await _must_own(connection, admin, kind, value)
        standing = await find_blokkade(connection, kind, value)
        if standing is None:
            raise _not_standing()
        if admin.tenant_id is not None and standing.by_tenant_id != admin.tenant_id:
            raise Refused(403, "blokkadeVanAnder", "Deze blokkade is van de operator; alleen de operator heft haar op.")
        try:
            await release(connection, kind, value, reason=wanted.reden, actor=admin.actor)
        except NotFound:
            raise _not_standing() from None
    return Answer(204, None)


async def _block(connection: asyncpg.Connection, admin: Admin, kind: str, value: str, reason: str) -> bool:
    """Block; False when it stood. A tenant's block becomes the operator's when the operator sets it too."""
    if await block(connection, kind, value, reason=reason, actor=admin.actor):
        return True
    standing = await find_blokkade(connection, kind, value)
    if standing is None or standing.by_tenant_id is None or admin.tenant_id is not None:
        return False
    # One transaction: nobody sees a moment without the block.
    with suppress(NotFound):
        await release(connection, kind, value, reason=reason, actor=admin.actor)
    return await block(connection, kind, value, reason=reason, actor=admin.actor)


async def _must_own(connection: asyncpg.Connection, admin: Admin, kind: str, value: str) -> None:
    """Refuse what is not the tenant's own, in the same words whether it exists or not."""
    if admin.tenant_id is not None and not await owns(connection, admin.tenant_id, kind, value):
        raise Refused(403, "nietVanDezeTenant", "Dit is niet van de eigen tenant; vraag het de operator.")


def _not_standing() -> Refused:
    return Refused(404, "geenBlokkade", "Deze blokkade staat er niet.")


def _stored(soort: str, waarde: str) -> tuple[str, str]:
    """How the registry writes it: a taaksysteem has a slash there, which a path of a URL cannot hold."""
    return _KINDS[soort], waarde.replace("-", "/") if soort == "taaksysteem" else waarde


def _shape(seen: BlokkadeSeen) -> Blokkade:
    return Blokkade(
        soort=cast("Soort", _SOORTEN[seen.kind]),
        waarde=seen.value.replace("/", "-"),
        reden=seen.reason,
        geblokkeerd_door=seen.blocked_by,
        geblokkeerd_op=seen.blocked_at,
        van_operator=None if seen.blocked_by is None else seen.by_tenant_id is None,
    )
