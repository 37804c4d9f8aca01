"""Routes of agreements: contracts, verwerkersovereenkomsten, convenanten and aanvullende autorisaties, with their dates."""

from typing import Any, Final, Literal, cast

from pydantic import AwareDatetime, Field, model_validator

from tenants.agreements import NewAgreement, add_agreement, withdraw_agreement
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import AfnemerId, Regel, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.listings import OVEREENKOMSTEN, change_row, find_row
from tenants.versions import hold_version
from tenants.written import Dag

Soort = Literal["contract", "verwerkersovereenkomst", "convenant", "aanvullende_autorisatie"]
Product = Literal["adressering", "gezag", "leeftijd"]


class NieuweOvereenkomst(Shape):
    """Dates are days in the Netherlands; `geldigTot` is the first day on which it no longer holds."""

    soort: Soort
    partij: Regel
    getekend_op: Dag
    geldig_tot: Dag | None = None
    afnemer_id: AfnemerId | None = Field(default=None, description="Zonder: voor alle afnemers van de tenant.")
    kenmerk: Regel | None = None
    producten: list[Product] = Field(default_factory=list, max_length=3)

    @model_validator(mode="after")
    def _whole(self) -> "NieuweOvereenkomst":
        if (self.soort == "aanvullende_autorisatie") != bool(self.producten):
            raise ValueError("Informatieproducten horen bij een aanvullende autorisatie, en die heeft er minstens één.")
        if self.geldig_tot is not None and self.geldig_tot <= self.getekend_op:
            raise ValueError("Een overeenkomst eindigt na de dag van ondertekening.")
        return self


class Uitstel(Shape):
    """Until when an agreement whose time is over stops nothing, and why."""

    tot: Dag
    reden: Regel


class OvereenkomstVerandering(Verandering):
    """When it ends, and until when it stops nothing after that."""

    kenmerk: Regel | None = None
    geldig_tot: Dag | None = None
    uitstel: Uitstel | None = None


class Overeenkomst(Shape):
    """An agreement of the tenant."""

    nummer: int
    soort: Soort
    partij: str
    kenmerk: str | None
    producten: list[Product]
    getekend_op: Dag
    geldig_tot: Dag | None
    afnemer_id: str | None
    uitstel: Uitstel | None
    ingetrokken_op: AwareDatetime | None


class Overeenkomsten(Shape):
    """A page; `volgende` is the number to go on from."""

    overeenkomsten: list[Overeenkomst]
    volgende: int | None


def _shape(row: Any) -> Overeenkomst:
    return Overeenkomst(
        nummer=row["agreement_id"],
        soort=row["kind"],
        partij=row["party"],
        kenmerk=row["reference"] or None,
        producten=list(row["products"]),
        getekend_op=row["signed_on"],
        geldig_tot=row["valid_until"],
        afnemer_id=row["afnemer_id"],
        uitstel=None if row["grace_until"] is None else Uitstel(tot=row["grace_until"], reden=row["grace_reason"]),
        ingetrokken_op=row["withdrawn_at"],
    )


async def toon_overeenkomsten(asked: Asked) -> Answer:
    """GET: the tenant's agreements by number."""
    return await show_page(asked, OVEREENKOMSTEN, _shape, Overeenkomsten, "overeenkomsten")


async def toon_overeenkomst(asked: Asked) -> Answer:
    """GET: one agreement."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, OVEREENKOMSTEN, _shape, asked.number())


async def maak_overeenkomst(asked: Asked) -> Answer:
    """POST: record an agreement."""
    new = cast("NieuweOvereenkomst", asked.body)
    wanted = NewAgreement(
        new.soort, new.partij, new.getekend_op, valid_until=new.geldig_tot, afnemer_id=new.afnemer_id,
        reference=new.kenmerk or "", products=sorted(set(new.producten)),
    )  # fmt: skip
    async with asked.scope() as connection:
        number = await add_agreement(connection, asked.tenant_id, wanted)
        return await show_one(asked, connection, OVEREENKOMSTEN, _shape, number, made="/v1/overeenkomsten")


async def wijzig_overeenkomst(asked: Asked) -> Answer:
    """PATCH: let an agreement end at another day, or record a grace after its end."""
    wanted, number = cast("OvereenkomstVerandering", asked.body), asked.number()
    changes: dict[str, Any] = wanted.given({"geldig_tot": "valid_until"})
    if "kenmerk" in wanted.model_fields_set:
        changes["reference"] = wanted.kenmerk or ""
    if "uitstel" in wanted.model_fields_set:
        changes["grace_until"] = None if wanted.uitstel is None else wanted.uitstel.tot
        changes["grace_reason"] = None if wanted.uitstel is None else wanted.uitstel.reden
    async with asked.scope() as connection:
        await hold_version(connection, "agreement", asked.tenant_id, number, asked.version)
        if (await find_row(connection, OVEREENKOMSTEN, asked.tenant_id, number))["withdrawn_at"] is not None:
            raise Refused(409, "ingetrokken", "Deze overeenkomst is ingetrokken.")
        await change_row(connection, OVEREENKOMSTEN, asked.tenant_id, number, asked.version, changes)
        return await show_one(asked, connection, OVEREENKOMSTEN, _shape, number)


async def trek_overeenkomst_in(asked: Asked) -> Answer:
    """DELETE: let an agreement count no more. What needs it stops at once."""
    async with asked.scope() as connection:
        await hold_version(connection, "agreement", asked.tenant_id, asked.number(), asked.version)
        await withdraw_agreement(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


_ALL: Final = "/v1/overeenkomsten"
_ONE: Final = "/v1/overeenkomsten/{nummer}"
OVEREENKOMST_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "overeenkomsten", "De overeenkomsten van de tenant.", toon_overeenkomsten, Overeenkomsten),
    shown(_ONE, "overeenkomst", "Een overeenkomst.", toon_overeenkomst, Overeenkomst),
    made(_ALL, "maakOvereenkomst", "Leg een overeenkomst vast.", maak_overeenkomst, NieuweOvereenkomst, Overeenkomst),
    changed(
        _ONE, "wijzigOvereenkomst", "Wijzig einde of uitstel van een overeenkomst.", wijzig_overeenkomst,
        OvereenkomstVerandering, Overeenkomst,
    ),
    ended(_ONE, "trekOvereenkomstIn", "Laat een overeenkomst niet meer gelden.", trek_overeenkomst_in),
)  # fmt: skip
