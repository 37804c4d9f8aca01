"""Routes of contacts: whom the tenant wants told of what ends, happens and waits. The secret of a webhook is shown once."""

from dataclasses import replace
from typing import Any, Final, Literal, cast

from pydantic import Field, model_validator

from tenants.api.addresses import Mail, Telefoon, Webhook
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BEHEERDER, Regel, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.listings import change_row, find_row
from tenants.notices.contacts import CONTACTEN, add_contact, end_contact, renew_webhook
from tenants.versions import hold_version

Soort = Literal["technisch", "fg", "nood"]
_COLUMNS: Final = {"naam": "name", "email": "email", "telefoon": "phone", "webhook": "webhook_url"}


class NieuwContact(Shape):
    """Somebody, or a mailbox, that is told: by mail, by a webhook, or both."""

    soort: Soort = Field(
        description="technisch: wie het werkend houdt; fg: wie erop toeziet; nood: wie er 's nachts bij moet."
    )
    naam: Regel
    email: Mail | None = None
    telefoon: Telefoon | None = None
    webhook: Webhook | None = Field(
        default=None,
        description="Een https-adres waar meldingen ondertekend heen gaan; de operator moet de host toestaan.",
    )

    @model_validator(mode="after")
    def _reachable(self) -> "NieuwContact":
        if self.email is None and self.webhook is None:
            raise ValueError("Een contact heeft een e-mailadres of een webhook.")
        return self


class ContactVerandering(Verandering):
    """Another webhook gets another secret, which the answer shows."""

    naam: Regel = Field(default=cast("Any", None))
    email: Mail | None = None
    telefoon: Telefoon | None = None
    webhook: Webhook | None = None


class Contact(Shape):
    """A contact of the tenant."""

    nummer: int
    soort: Soort
    naam: str
    email: str | None
    telefoon: str | None
    webhook: str | None
    toestand: Literal["actief", "beeindigd"]


class ContactMetGeheim(Contact):
    """One as it was just made or changed. `geheim` is shown this once, when there is a new one."""

    geheim: str = Field(default="", description="Ontbreekt als er geen nieuw geheim is.")


class Contacten(Shape):
    """A page; `volgende` is the number to go on from."""

    contacten: list[Contact]
    volgende: int | None


def _values(row: Any) -> dict[str, Any]:
    return {
        "nummer": row["contact_id"],
        "soort": row["kind"],
        "naam": row["name"],
        "email": row["email"],
        "telefoon": row["phone"],
        "webhook": row["webhook_url"],
        "toestand": "actief" if row["state"] == "active" else "beeindigd",
    }


async def toon_contacten(asked: Asked) -> Answer:
    """GET: the tenant's contacts by number."""
    return await show_page(asked, CONTACTEN, lambda row: Contact(**_values(row)), Contacten, "contacten")


async def toon_contact(asked: Asked) -> Answer:
    """GET: one contact, without the secret of its webhook."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, CONTACTEN, lambda row: Contact(**_values(row)), asked.number())


async def maak_contact(asked: Asked) -> Answer:
    """POST: let a contact be told."""
    new = cast("NieuwContact", asked.body)
    values = {column: getattr(new, name) for name, column in _COLUMNS.items()}
    async with asked.scope() as connection:
        number, secret = await add_contact(connection, asked.tenant_id, asked.rooms.notice_keys, new.soort, values)
        return await _shown(connection, asked, number, secret, made=True)


async def wijzig_contact(asked: Asked) -> Answer:
    """PATCH: change a contact."""
    wanted, number = cast("ContactVerandering", asked.body), asked.number()
    changes = wanted.given(_COLUMNS)
    url = changes.pop("webhook_url", None)
    if "webhook" in wanted.model_fields_set and url is None:
        changes |= {"webhook_url": None, "webhook_key": None}
    secret = None
    async with asked.scope() as connection:
        await hold_version(connection, "contact", asked.tenant_id, number, asked.version)
        before = await find_row(connection, CONTACTEN, asked.tenant_id, number)
        if before["state"] != "active":
            raise Refused(409, "beeindigd", "Dit contact is beëindigd.")
        if url is not None and url != before["webhook_url"]:
            secret = await renew_webhook(connection, asked.tenant_id, asked.rooms.notice_keys, number, url)
        await change_row(connection, CONTACTEN, asked.tenant_id, number, None, changes)
        return await _shown(connection, asked, number, secret)


async def vernieuw_webhookgeheim(asked: Asked) -> Answer:
    """POST: give the webhook another secret; the old one signs nothing more."""
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "contact", asked.tenant_id, number, asked.version)
        secret = await renew_webhook(connection, asked.tenant_id, asked.rooms.notice_keys, number)
        return await _shown(connection, asked, number, secret)


async def beeindig_contact(asked: Asked) -> Answer:
    """DELETE: tell a contact nothing more but that, and what was on its way."""
    async with asked.scope() as connection:
        await hold_version(connection, "contact", asked.tenant_id, asked.number(), asked.version)
        await end_contact(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def _shown(connection: Any, asked: Asked, number: int, secret: str | None, *, made: bool = False) -> Answer:
    row = await find_row(connection, CONTACTEN, asked.tenant_id, number)
    location = {"Location": f"/v1/contacten/{number}"} if made else {}
    values = _values(row)
    body = Contact(**values) if secret is None else ContactMetGeheim(**values, geheim=secret)
    return Answer(201 if made else 200, body, location, version=row["version"], shows_secret=secret is not None)


_ALL: Final = "/v1/contacten"
_ONE: Final = "/v1/contacten/{nummer}"
_CHANGING: Final[tuple[Route, ...]] = (
    made(_ALL, "maakContact", "Maak een contact; een webhook krijgt een geheim, dat nu eenmaal wordt getoond.", maak_contact,
         NieuwContact, ContactMetGeheim, roles=BEHEERDER),
    changed(_ONE, "wijzigContact", "Wijzig een contact; het oude adres hoort het. Een andere webhook krijgt een ander geheim.",
            wijzig_contact, ContactVerandering, ContactMetGeheim, roles=BEHEERDER),
    ended(_ONE, "beeindigContact", "Waarschuw dit contact niet meer; het hoort dat nog.", beeindig_contact, roles=BEHEERDER),
    Route(
        "POST", f"{_ONE}/webhookgeheim", "vernieuwWebhookgeheim", "Geef de webhook een ander geheim, dat nu eenmaal wordt getoond.",
        BEHEERDER, vernieuw_webhookgeheim, {200: ContactMetGeheim}, refusals=frozenset({404, 409}), of_tenant=True,
        versioned=True, idempotent=True,
    ),
)  # fmt: skip
CONTACT_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "contacten", "Wie de tenant wil laten waarschuwen.", toon_contacten, Contacten),
    shown(_ONE, "contact", "Een contact.", toon_contact, Contact),
    # Of the tenant itself: who administers for it by a mandate, or the operator, diverts nobody's notices.
    *(replace(route, eigen=True) for route in _CHANGING),
)
