"""Routes of exceptions to the certificate rule, and of the lending that each leans on. Never for a gemeente.

A holder lends; an afnemer's tenant makes the exception, and two pairs of eyes look at it. Neither alone lets anything leave.
"""

from dataclasses import replace
from typing import Any, Final, cast

from pydantic import AwareDatetime

from tenants.agreements import NewException, grant_exception, lend_certificates, withdraw_exception, withdraw_lending
from tenants.api.problems import Refused
from tenants.api.proposing import auditor_grants
from tenants.api.resource_routes import ended, listed, made, shown
from tenants.api.resources import BEHEERDER, AfnemerId, Nummer, Oin, Regel, show_one, show_page, until
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.listings import UITLENINGEN, UITZONDERINGEN
from tenants.mandate_requests import find_tenant
from tenants.versions import hold_version
from tenants.written import Moment


class NieuweUitlening(Shape):
    """To which tenant (its OIN) this one lends its certificates, and why."""

    oin: Oin
    reden: Regel
    geldig_van: Moment | None = None
    geldig_tot: Moment | None = None


class Uitlening(Shape):
    """What the tenant lends, or borrows. The borrower sees nothing of a certificate."""

    nummer: int
    van_tenant_id: int
    aan_tenant_id: int
    reden: str
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None
    beeindigd_op: AwareDatetime | None


class Uitleningen(Shape):
    """A page; `volgende` is the number to go on from."""

    uitleningen: list[Uitlening]
    volgende: int | None


class NieuweUitzondering(Shape):
    """For which afnemer, leaning on which lending, until when, why, and which article allows it."""

    afnemer_id: AfnemerId
    houder_tenant_id: Nummer
    houder_oin: Oin
    uitlening: Nummer
    reden: Regel
    artikel: Regel
    geldig_van: Moment | None = None
    geldig_tot: Moment


class Uitzondering(Shape):
    """An exception of the tenant."""

    nummer: int
    afnemer_id: str
    oin: str
    houder_tenant_id: int
    houder_oin: str
    uitlening: int
    reden: str
    artikel: str
    toegestaan_door: str
    geldig_van: AwareDatetime
    geldig_tot: AwareDatetime
    beeindigd_op: AwareDatetime | None


class Uitzonderingen(Shape):
    """A page; `volgende` is the number to go on from."""

    uitzonderingen: list[Uitzondering]
    volgende: int | None


def _uitlening(row: Any) -> Uitlening:
    return Uitlening(
        nummer=row["lending_id"],
        van_tenant_id=row["tenant_id"],
        aan_tenant_id=row["to_tenant_id"],
        reden=row["reason"],
        geldig_van=until(row["valid_from"]),
        geldig_tot=until(row["valid_until"]),
        beeindigd_op=row["withdrawn_at"],
    )


def _uitzondering(row: Any) -> Uitzondering:
    return Uitzondering(
        nummer=row["exception_id"],
        afnemer_id=row["afnemer_id"],
        oin=row["organisation_oin"],
        houder_tenant_id=row["holder_tenant_id"],
        houder_oin=row["holder_oin"],
        uitlening=row["lending_id"],
        reden=row["reason"],
        artikel=row["article"],
        toegestaan_door=row["granted_by"],
        geldig_van=row["valid_from"],
        geldig_tot=row["valid_until"],
        beeindigd_op=row["withdrawn_at"],
    )


async def toon_uitleningen(asked: Asked) -> Answer:
    """GET: what the tenant lends and borrows."""
    return await show_page(asked, UITLENINGEN, _uitlening, Uitleningen, "uitleningen")


async def toon_uitlening(asked: Asked) -> Answer:
    """GET: one lending."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, UITLENINGEN, _uitlening, asked.number())


async def leen_uit(asked: Asked) -> Answer:
    """POST: let another tenant's aansluitingen leave with this one's certificates, as far as exceptions say."""
    new = cast("NieuweUitlening", asked.body)
    async with asked.scope() as connection:
        number = await lend_certificates(
            connection, asked.tenant_id, to_tenant_id=await find_tenant(connection, new.oin), reason=new.reden,
            valid_from=new.geldig_van, valid_until=new.geldig_tot,
        )  # fmt: skip
        return await show_one(asked, connection, UITLENINGEN, _uitlening, number, made="/v1/uitleningen")


async def beeindig_uitlening(asked: Asked) -> Answer:
    """DELETE: end a lending, and with it every exception that leans on it."""
    async with asked.scope() as connection:
        await hold_version(connection, "certificate_lending", asked.tenant_id, asked.number(), asked.version)
        await withdraw_lending(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def toon_uitzonderingen(asked: Asked) -> Answer:
    """GET: the tenant's exceptions by number."""
    return await show_page(asked, UITZONDERINGEN, _uitzondering, Uitzonderingen, "uitzonderingen")


async def toon_uitzondering(asked: Asked) -> Answer:
    """GET: one exception."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, UITZONDERINGEN, _uitzondering, asked.number())


async def maak_uitzondering(asked: Asked) -> Answer:
    """POST: make an exception. It comes here when a second pair of eyes has granted it."""
    new = cast("NieuweUitzondering", asked.body)
    wanted = NewException(
        new.afnemer_id, (new.houder_tenant_id, new.uitlening), new.houder_oin, new.reden, new.artikel, asked.actor,
        new.geldig_tot, new.geldig_van,
    )  # fmt: skip
    async with asked.scope() as connection:
        kinds = await connection.fetchrow(
            "SELECT n.kind, t.kind AS tenant_kind FROM registry.afnemer n JOIN registry.tenant t ON t.tenant_id = n.tenant_id "
            "WHERE n.tenant_id = $1 AND n.afnemer_id = $2",
            asked.tenant_id, new.afnemer_id,
        )  # fmt: skip
        if kinds is not None and "gemeente" in set(kinds.values()):
            raise Refused(400, "geweigerd", "Een gemeente gebruikt altijd een certificaat van de eigen organisatie.")
        number = await grant_exception(connection, asked.tenant_id, wanted)
        return await show_one(asked, connection, UITZONDERINGEN, _uitzondering, number, made="/v1/uitzonderingen")


async def beeindig_uitzondering(asked: Asked) -> Answer:
    """DELETE: end an exception: from now on nothing leaves by it."""
    async with asked.scope() as connection:
        await hold_version(connection, "certificate_exception", asked.tenant_id, asked.number(), asked.version)
        await withdraw_exception(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


_UITLENING: Final = "/v1/uitleningen/{nummer}"
_UITZONDERING: Final = "/v1/uitzonderingen/{nummer}"
UITZONDERING_ROUTES: Final[tuple[Route, ...]] = (
    listed("/v1/uitleningen", "uitleningen", "Uitgeleende en geleende certificaten.", toon_uitleningen, Uitleningen),
    shown(_UITLENING, "uitlening", "Een uitlening.", toon_uitlening, Uitlening),
    # Who acts for the tenant by a mandate lends nothing of it: not to itself either.
    replace(
        made("/v1/uitleningen", "leenUit", "Leen certificaten uit aan een andere tenant.", leen_uit, NieuweUitlening, Uitlening),
        eigen=True,
    ),
    ended(_UITLENING, "beeindigUitlening", "Beëindig een uitlening.", beeindig_uitlening),
    listed(
        "/v1/uitzonderingen", "uitzonderingen", "Uitzonderingen op de certificaatregel.", toon_uitzonderingen,
        Uitzonderingen,
    ),
    shown(_UITZONDERING, "uitzondering", "Een uitzondering.", toon_uitzondering, Uitzondering),
    replace(
        made(
            "/v1/uitzonderingen", "maakUitzondering", "Vraag een uitzondering; een auditor staat haar toe.",
            maak_uitzondering, NieuweUitzondering, Uitzondering, roles=BEHEERDER,
        ),
        vier_ogen=auditor_grants,
    ),
    ended(_UITZONDERING, "beeindigUitzondering", "Beëindig een uitzondering.", beeindig_uitzondering),
)  # fmt: skip
