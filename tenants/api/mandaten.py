"""Routes of mandates: the afnemer's tenant lets another one's taaksystemen act for it, and ends that when it wants."""

from dataclasses import replace
from typing import Any, Final, Literal, cast

from pydantic import AwareDatetime, Field

from tenants.agreements import set_header_choice
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BEHEERDER, Oin, Regel, Verandering, endless, show_one, show_page, until
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.callers import create_mandate, withdraw_mandate
from tenants.listings import MANDAATVERZOEKEN, MANDATEN, change_row, find_row
from tenants.mandate_requests import (
    NewRequest,
    ask_mandate,
    find_tenant,
    grant_mandate,
    refuse_mandate,
    withdraw_request,
)
from tenants.versions import hold_version
from tenants.written import Moment

_STATES: Final = {"asked": "gevraagd", "granted": "toegekend", "refused": "geweigerd", "withdrawn": "teruggenomen"}


class NieuwMandaat(Shape):
    """To which tenant (its OIN), and why. `keuzePerKopregel`: a header alone may choose this tenant for a call."""

    oin: Oin
    reden: Regel
    keuze_per_kopregel: bool = False
    geldig_van: Moment | None = None
    geldig_tot: Moment | None = None


class MandaatVerandering(Verandering):
    """When it ends, and whether a header alone may choose this tenant."""

    keuze_per_kopregel: bool = Field(default=cast("Any", None))
    geldig_tot: Moment | None = None


class Mandaat(Shape):
    """A mandate that the tenant gave, or one that it was given."""

    nummer: int
    van_tenant_id: int
    aan_tenant_id: int
    reden: str
    keuze_per_kopregel: bool
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None
    beeindigd_op: AwareDatetime | None


class Mandaten(Shape):
    """A page; `volgende` is the number to go on from."""

    mandaten: list[Mandaat]
    volgende: int | None


class NieuwMandaatverzoek(Shape):
    """Of which tenant (its OIN) a mandate is asked, and why."""

    oin: Oin
    reden: Regel
    keuze_per_kopregel: bool = False
    geldig_tot: Moment | None = None


class Mandaatbesluit(Shape):
    """Granted as it was asked, or refused."""

    besluit: Literal["toegekend", "geweigerd"]


class Mandaatverzoek(Shape):
    """A mandate that was asked: of this tenant, or by it."""

    nummer: int
    van_tenant_id: int = Field(description="Van wie het mandaat gevraagd is; die beslist.")
    aan_tenant_id: int = Field(description="Wie het vraagt.")
    reden: str
    keuze_per_kopregel: bool
    geldig_tot: AwareDatetime | None
    gevraagd_door: str
    gevraagd_op: AwareDatetime
    toestand: Literal["gevraagd", "toegekend", "geweigerd", "teruggenomen"]
    beslist_door: str | None
    beslist_op: AwareDatetime | None
    mandaat: int | None


class Mandaatverzoeken(Shape):
    """A page; `volgende` is the number to go on from."""

    mandaatverzoeken: list[Mandaatverzoek]
    volgende: int | None


def _mandaat(row: Any) -> Mandaat:
    return Mandaat(
        nummer=row["mandate_id"],
        van_tenant_id=row["tenant_id"],
        aan_tenant_id=row["to_tenant_id"],
        reden=row["reason"],
        keuze_per_kopregel=row["header_choice"],
        geldig_van=until(row["valid_from"]),
        geldig_tot=until(row["valid_until"]),
        beeindigd_op=row["withdrawn_at"],
    )


def _verzoek(row: Any) -> Mandaatverzoek:
    return Mandaatverzoek(
        nummer=row["request_id"],
        van_tenant_id=row["tenant_id"],
        aan_tenant_id=row["to_tenant_id"],
        reden=row["reason"],
        keuze_per_kopregel=row["header_choice"],
        geldig_tot=row["valid_until"],
        gevraagd_door=row["asked_by"],
        gevraagd_op=row["asked_at"],
        toestand=cast("Any", _STATES[row["state"]]),
        beslist_door=row["decided_by"],
        beslist_op=row["decided_at"],
        mandaat=row["mandate_id"],
    )


async def toon_mandaten(asked: Asked) -> Answer:
    """GET: mandates that the tenant gave and was given."""
    return await show_page(asked, MANDATEN, _mandaat, Mandaten, "mandaten")


async def toon_mandaat(asked: Asked) -> Answer:
    """GET: one mandate."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, MANDATEN, _mandaat, asked.number())


async def geef_mandaat(asked: Asked) -> Answer:
    """POST: let another tenant's taaksystemen act for this one, as far as machtigingen say."""
    new = cast("NieuwMandaat", asked.body)
    async with asked.scope() as connection:
        number = await create_mandate(
            connection, asked.tenant_id, to_tenant_id=await find_tenant(connection, new.oin), reason=new.reden,
            valid_from=new.geldig_van, valid_until=new.geldig_tot,
        )  # fmt: skip
        if new.keuze_per_kopregel:
            await set_header_choice(connection, asked.tenant_id, number, allowed=True)
        return await show_one(asked, connection, MANDATEN, _mandaat, number, made="/v1/mandaten")


async def wijzig_mandaat(asked: Asked) -> Answer:
    """PATCH: change a mandate that the tenant gave."""
    wanted, number = cast("MandaatVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "mandate", asked.tenant_id, number, asked.version)
        if (await find_row(connection, MANDATEN, asked.tenant_id, number))["withdrawn_at"] is not None:
            raise Refused(409, "beeindigd", "Dit mandaat is beëindigd.")
        changes = endless(wanted.given({"geldig_tot": "valid_until", "keuze_per_kopregel": "header_choice"}))
        await change_row(connection, MANDATEN, asked.tenant_id, number, asked.version, changes)
        return await show_one(asked, connection, MANDATEN, _mandaat, number)


async def beeindig_mandaat(asked: Asked) -> Answer:
    """DELETE: end a mandate that the tenant gave, and with it every machtiging that leans on it."""
    async with asked.scope() as connection:
        await hold_version(connection, "mandate", asked.tenant_id, asked.number(), asked.version)
        await withdraw_mandate(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def toon_mandaatverzoeken(asked: Asked) -> Answer:
    """GET: requests of this tenant and to it."""
    return await show_page(asked, MANDAATVERZOEKEN, _verzoek, Mandaatverzoeken, "mandaatverzoeken")


async def toon_mandaatverzoek(asked: Asked) -> Answer:
    """GET: one request."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, MANDAATVERZOEKEN, _verzoek, asked.number())


async def vraag_mandaat(asked: Asked) -> Answer:
    """POST: ask another tenant for a mandate. Its beheerder decides."""
    new = cast("NieuwMandaatverzoek", asked.body)
    async with asked.scope() as connection:
        other = await find_tenant(connection, new.oin)
        wanted = NewRequest(new.reden, new.keuze_per_kopregel, new.geldig_tot)
        number = await ask_mandate(connection, asked.tenant_id, other, wanted)
        return await show_one(asked, connection, MANDAATVERZOEKEN, _verzoek, number, made="/v1/mandaatverzoeken")


async def besluit_mandaat(asked: Asked) -> Answer:
    """POST: grant or refuse what another tenant asked of this one."""
    wanted, number = cast("Mandaatbesluit", asked.body), asked.number()
    async with asked.scope() as connection:
        if wanted.besluit == "toegekend":
            await grant_mandate(connection, asked.tenant_id, number, asked.version)
        else:
            await refuse_mandate(connection, asked.tenant_id, number, asked.version)
        return await show_one(asked, connection, MANDAATVERZOEKEN, _verzoek, number)


async def neem_verzoek_terug(asked: Asked) -> Answer:
    """DELETE: take back what this tenant asked of another."""
    async with asked.scope() as connection:
        row = await find_row(connection, MANDAATVERZOEKEN, asked.tenant_id, asked.number())
        await withdraw_request(connection, row["tenant_id"], asked.number(), asked.version)
    return Answer(204, None)


_MANDAAT: Final = "/v1/mandaten/{nummer}"
_VERZOEK: Final = "/v1/mandaatverzoeken/{nummer}"
MANDAAT_ROUTES: Final[tuple[Route, ...]] = (
    listed("/v1/mandaten", "mandaten", "Mandaten die de tenant gaf en kreeg.", toon_mandaten, Mandaten),
    shown(_MANDAAT, "mandaat", "Een mandaat.", toon_mandaat, Mandaat),
    # Who acts for the tenant by a mandate gives none: it would outlive the mandate that it was given by.
    replace(
        made("/v1/mandaten", "geefMandaat", "Geef een andere tenant een mandaat.", geef_mandaat, NieuwMandaat, Mandaat),
        eigen=True,
    ),
    replace(
        changed(_MANDAAT, "wijzigMandaat", "Wijzig een gegeven mandaat.", wijzig_mandaat, MandaatVerandering, Mandaat),
        eigen=True,
    ),
    ended(_MANDAAT, "beeindigMandaat", "Beëindig een gegeven mandaat.", beeindig_mandaat),
    listed(
        "/v1/mandaatverzoeken", "mandaatverzoeken", "Verzoeken om een mandaat, van deze tenant en aan deze tenant.",
        toon_mandaatverzoeken, Mandaatverzoeken,
    ),
    shown(_VERZOEK, "mandaatverzoek", "Een verzoek om een mandaat.", toon_mandaatverzoek, Mandaatverzoek),
    made(
        "/v1/mandaatverzoeken", "vraagMandaat", "Vraag een andere tenant om een mandaat.", vraag_mandaat,
        NieuwMandaatverzoek, Mandaatverzoek, roles=BEHEERDER,
    ),
    replace(
        changed(
            f"{_VERZOEK}/besluit", "besluitMandaat", "Ken toe of weiger wat een andere tenant vroeg.", besluit_mandaat,
            Mandaatbesluit, Mandaatverzoek, roles=BEHEERDER, method="POST",
        ),
        eigen=True, idempotent=True,
    ),
    ended(_VERZOEK, "neemMandaatverzoekTerug", "Neem een verzoek terug.", neem_verzoek_terug, roles=BEHEERDER),
)  # fmt: skip
